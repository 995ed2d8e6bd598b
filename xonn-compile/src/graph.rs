//! The layer graph: a model's layers as typed operations with shapes and float weights, in a `petgraph` DAG.
//!
//! It holds what Keras computes, not yet what a circuit computes. Shapes leave out the batch axis; channels are last.

pub mod op;
pub mod print;

pub use op::{BatchNorm, Op};
use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};

/// One layer, or one of the steps that a Keras layer does one after the other.
#[derive(Clone, Debug)]
pub struct Layer {
    /// The Keras layer's name.
    pub name: String,
    /// What it does.
    pub op: Op,
    /// Shape of its output.
    pub shape: Vec<usize>,
}

/// A model.
#[derive(Clone, Debug)]
pub struct LayerGraph {
    graph: DiGraph<Layer, ()>,
    input: NodeIndex,
    output: NodeIndex,
}

impl LayerGraph {
    /// A graph of one input.
    #[must_use]
    pub fn new(name: &str, shape: Vec<usize>) -> Self {
        let mut graph = DiGraph::new();
        let input = graph.add_node(Layer { name: name.into(), op: Op::Input, shape });
        Self { graph, input, output: input }
    }

    /// Adds an operation that reads `input`, and makes it the output.
    ///
    /// # Errors
    /// The reason if the operation does not fit the shape that it reads.
    pub fn add(&mut self, name: &str, op: Op, input: NodeIndex) -> Result<NodeIndex, String> {
        let shape = op.output_shape(&self.graph[input].shape)?;
        let node = self.graph.add_node(Layer { name: name.into(), op, shape });
        self.graph.add_edge(input, node, ());
        self.output = node;
        Ok(node)
    }

    /// Makes `node` the output.
    pub fn set_output(&mut self, node: NodeIndex) {
        self.output = node;
    }

    /// The input's node.
    #[must_use]
    pub fn input(&self) -> NodeIndex {
        self.input
    }

    /// The output's node.
    #[must_use]
    pub fn output(&self) -> NodeIndex {
        self.output
    }

    /// A layer.
    #[must_use]
    pub fn layer(&self, node: NodeIndex) -> &Layer {
        &self.graph[node]
    }

    /// The node that `node` reads, none for the input.
    #[must_use]
    pub fn read_by(&self, node: NodeIndex) -> Option<NodeIndex> {
        self.graph.neighbors_directed(node, Direction::Incoming).next()
    }

    /// The layers that lead from the input to the output, in order.
    ///
    /// Every operation so far reads one tensor, so this is the whole of what is computed; layers on branches that the
    /// output does not depend on are left out.
    #[must_use]
    pub fn path(&self) -> Vec<NodeIndex> {
        let mut path: Vec<NodeIndex> =
            std::iter::successors(Some(self.output), |&n| self.read_by(n)).collect();
        path.reverse();
        path
    }
}
