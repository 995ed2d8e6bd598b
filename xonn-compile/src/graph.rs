//! The layer graph: what a Keras file says, as a DAG of typed operations on float32 tensors.
//!
//! A node is one *call* of a Keras layer: a shared layer is several nodes with the same weights, a nested
//! model is spliced in, and an activation or quantiser that Keras hides inside a layer is a node of its own.
//! Tensors are row-major, without the batch axis, channels last.

mod array;
mod evaluate;
pub(crate) mod function;
mod line;
mod op;
mod print;
pub(crate) mod quantizer;
pub(crate) mod shape;
pub(crate) mod steps;
mod verify;

use petgraph::Direction;
use petgraph::algo::toposort;
use petgraph::stable_graph::{NodeIndex, StableDiGraph};
use petgraph::visit::EdgeRef;

pub use array::Array;
pub use function::Function;
pub use line::Line;
pub use op::{BatchNorm, Conv, LayerOp, Padding, Pool};
pub use quantizer::Quantizer;
pub use steps::{Grid, Steps};
pub use verify::GraphError;

/// One call of a layer.
#[derive(Clone, PartialEq, Debug)]
pub struct Layer {
    /// The Keras layer's name, for messages; `outer/inner` inside nested models.
    pub name: String,
    /// Its class in the file, for messages.
    pub class: String,
    /// What it does.
    pub op: LayerOp,
    /// Shape of its tensor without the batch axis; empty until `infer_shapes` has run.
    pub shape: Vec<usize>,
}

/// A DAG of layers; an edge's weight is the position among the target's inputs.
#[derive(Clone, Debug, Default)]
pub struct LayerGraph {
    /// The nodes and edges.
    pub graph: StableDiGraph<Layer, usize>,
    /// The model's inputs, in the order of the file.
    pub inputs: Vec<NodeIndex>,
    /// The model's output; of several one was chosen by name.
    pub output: NodeIndex,
    /// What the user should know of how the file was taken, one sentence each.
    pub notes: Vec<String>,
    /// Tensors that hidden numbers keep alike: one unit and one width for all of a row.
    pub alike: Vec<Alike>,
}

/// Tensors that stand for the same thing at several steps of a recurrent layer.
#[derive(Clone, PartialEq, Debug)]
pub struct Alike {
    /// They.
    pub nodes: Vec<NodeIndex>,
    /// Bits that they get beside those of other numbers: sums over many steps lose a rounding at each.
    pub extra_bits: u32,
}

impl LayerGraph {
    /// Adds a layer that reads `inputs`, in this order.
    pub fn add(&mut self, name: &str, class: &str, op: LayerOp, inputs: &[NodeIndex]) -> NodeIndex {
        let layer = Layer { name: name.into(), class: class.into(), op, shape: Vec::new() };
        let node = self.graph.add_node(layer);
        for (position, &input) in inputs.iter().enumerate() {
            self.graph.add_edge(input, node, position);
        }
        node
    }

    /// What `node` reads, in order.
    #[must_use]
    pub fn inputs_of(&self, node: NodeIndex) -> Vec<NodeIndex> {
        let mut edges: Vec<_> = self
            .graph
            .edges_directed(node, Direction::Incoming)
            .map(|edge| (*edge.weight(), edge.source()))
            .collect();
        edges.sort_unstable();
        edges.into_iter().map(|(_, source)| source).collect()
    }

    /// Who reads `node`.
    #[must_use]
    pub fn readers_of(&self, node: NodeIndex) -> Vec<NodeIndex> {
        self.graph.neighbors_directed(node, Direction::Outgoing).collect()
    }

    /// All nodes, each after what it reads.
    ///
    /// # Errors
    /// [`GraphError::Cycle`] naming a layer on a cycle.
    pub fn order(&self) -> Result<Vec<NodeIndex>, GraphError> {
        toposort(&self.graph, None)
            .map_err(|cycle| GraphError::Cycle { layer: self.graph[cycle.node_id()].name.clone() })
    }

    /// Removes `node`, which has one input: its readers, and the model's output, take that input instead.
    ///
    /// Does nothing to a node without an input.
    pub fn bypass(&mut self, node: NodeIndex) {
        let Some(&input) = self.inputs_of(node).first() else { return };
        let edges: Vec<_> = self
            .graph
            .edges_directed(node, Direction::Outgoing)
            .map(|edge| (edge.target(), *edge.weight()))
            .collect();
        for (reader, position) in edges {
            self.graph.add_edge(input, reader, position);
        }
        if self.output == node {
            self.output = input;
        }
        self.graph.remove_node(node);
        // Its index may become another node's.
        self.alike.iter_mut().for_each(|row| row.nodes.retain(|&other| other != node));
    }

    /// Removes everything that the output does not depend on, except inputs.
    pub fn retain_ancestors_of_output(&mut self) {
        let mut needed = std::collections::HashSet::new();
        let mut stack = vec![self.output];
        while let Some(node) = stack.pop() {
            if needed.insert(node) {
                stack.extend(self.graph.neighbors_directed(node, Direction::Incoming));
            }
        }
        let inputs = self.inputs.clone();
        self.graph.retain_nodes(|_, node| needed.contains(&node) || inputs.contains(&node));
        let Self { graph, alike, .. } = self;
        alike.iter_mut().for_each(|row| row.nodes.retain(|&node| graph.contains_node(node)));
    }
}
