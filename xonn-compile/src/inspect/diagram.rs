//! What is drawn: boxes and arrows, of a model's layers, a program's layers, or a small netlist's gates.

use petgraph::stable_graph::NodeIndex;
use std::collections::{HashMap, HashSet};
use xonn_circuits::netlist::{Gate, Netlist};
use xonn_circuits::tiled::{Source, TiledCircuit};
use xonn_program::InputEncoding;
use xonn_program::text::grouped;

use super::Problem;
use crate::graph::LayerGraph;
use crate::keras::config::ModelConfig;

/// Most gates of a netlist that is drawn.
pub const MAX_GATES: usize = 2000;

/// Boxes and arrows.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Diagram {
    /// What is drawn, for people.
    pub caption: String,
    /// The boxes, each after those that point to it.
    pub nodes: Vec<Node>,
    /// Arrows from box to box, by index; always to a later one.
    pub edges: Vec<(usize, usize)>,
}

/// A box. Its texts may hold anything that a model's author wrote: they are escaped where they are shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    /// First line.
    pub title: String,
    /// Second line.
    pub detail: String,
    /// What it is.
    pub role: Role,
}

/// What a box stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// What the client brings.
    Input,
    /// A layer or gate that costs ANDs, or may.
    Costly,
    /// A layer or gate that costs nothing.
    Free,
    /// A layer whose cost shows in the layers around it.
    Other,
    /// What the client learns.
    Output,
    /// A layer that cannot be compiled.
    Refused,
}

/// Why a netlist is not drawn.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "a netlist of {gates} gates is too large to draw, expected at most {MAX_GATES}; draw the package that it \
     was flattened from"
)]
pub struct TooLarge {
    /// Its gates.
    pub gates: usize,
}

impl Diagram {
    fn node(&mut self, title: impl Into<String>, detail: impl Into<String>, role: Role) -> usize {
        self.nodes.push(Node { title: title.into(), detail: detail.into(), role });
        self.nodes.len() - 1
    }

    /// One arrow from each of `from`, however often it is read.
    fn arrows(&mut self, mut from: Vec<usize>, to: usize) {
        from.sort_unstable();
        from.dedup();
        self.edges.extend(from.into_iter().map(|from| (from, to)));
    }

    /// A circuit's layers with their shapes and ANDs.
    #[must_use]
    pub fn of_circuit(input: &InputEncoding, circuit: &TiledCircuit) -> Self {
        let mut diagram = Self { caption: "The circuit's layers".into(), ..Self::default() };
        let shape: Vec<String> = input.shape.iter().map(u32::to_string).collect();
        let detail = format!("{} x {} bits", shape.join("x"), input.bits);
        let input = diagram.node("input", detail, Role::Input);
        let mut of_layer = Vec::with_capacity(circuit.layers().len());
        for layer in circuit.layers() {
            let ands = circuit.layer_costs(layer).total();
            let shape: Vec<String> = layer.info.shape.iter().map(u32::to_string).collect();
            let mut detail = vec![shape.join("x")];
            detail.retain(|shape| !shape.is_empty());
            detail.push(if ands > 0 { format!("{} ANDs", grouped(ands)) } else { "free".into() });
            let role = if ands > 0 { Role::Costly } else { Role::Free };
            let node = diagram.node(&layer.info.name, detail.join(" \u{b7} "), role);
            let reads =
                layer.tiles.iter().flat_map(|block| &block.inputs).filter_map(|port| match port.source {
                    Source::Input => Some(input),
                    Source::Layer(read) => of_layer.get(read as usize).copied(),
                    Source::Secret => None,
                });
            diagram.arrows(reads.collect(), node);
            of_layer.push(node);
        }
        let output = diagram.node("output", format!("{} bits", circuit.output_bits()), Role::Output);
        if let Some(&last) = of_layer.last() {
            diagram.edges.push((last, output));
        }
        diagram
    }

    /// A model's layers as they were read; nothing for a graph with a cycle, which no reader makes.
    #[must_use]
    pub fn of_graph(graph: &LayerGraph) -> Self {
        let mut diagram = Self { caption: "The model's layers, as read".into(), ..Self::default() };
        let Ok(order) = graph.order() else { return diagram };
        let mut of_layer: HashMap<NodeIndex, usize> = HashMap::new();
        for node in order {
            let layer = &graph.graph[node];
            let shape: Vec<String> = layer.shape.iter().map(usize::to_string).collect();
            let role = match layer.op.name() {
                "input" => Role::Input,
                "dense" | "conv2d" | "depthwise_conv2d" | "max_pool2d" | "average_pool2d" | "add" => {
                    Role::Costly
                }
                "reshape" | "transpose" | "no_op" | "concatenate" => Role::Free,
                _ => Role::Other,
            };
            let detail = format!("{} \u{b7} {}", layer.op.name(), shape.join("x"));
            let place = diagram.node(&layer.name, detail, role);
            let reads =
                graph.inputs_of(node).into_iter().filter_map(|read| of_layer.get(&read).copied()).collect();
            diagram.arrows(reads, place);
            of_layer.insert(node, place);
        }
        let output = diagram.node("output", "", Role::Output);
        diagram.edges.extend(of_layer.get(&graph.output).map(|&last| (last, output)));
        diagram
    }

    /// A model's layers as configured, nested models as one box each; those that `problems` name stand out.
    #[must_use]
    pub fn of_config(model: &ModelConfig, problems: &[Problem]) -> Self {
        let mut diagram = Self { caption: "The model's layers, as configured".into(), ..Self::default() };
        let mut of_call: HashMap<(usize, usize), usize> = HashMap::new();
        let named: HashSet<&str> = problems.iter().map(|problem| problem.layer.as_str()).collect();
        for call in &model.order {
            let layer = &model.layers[call.layer];
            let inside =
                |path: &&str| path.strip_prefix(&layer.name).is_some_and(|rest| rest.starts_with('/'));
            let refused = match layer.nested {
                None => named.contains(layer.name.as_str()),
                Some(_) => named.iter().any(inside),
            };
            let detail = match &layer.nested {
                None => layer.class.clone(),
                Some(nested) => format!("{} of {} layers", layer.class, nested.layers.len()),
            };
            let role = match layer.class.as_str() {
                _ if refused => Role::Refused,
                "InputLayer" => Role::Input,
                _ => Role::Other,
            };
            let node = diagram.node(&layer.name, detail, role);
            let reads = layer.calls[call.call].reads.iter();
            diagram.arrows(reads.filter_map(|r| of_call.get(&(r.layer, r.call)).copied()).collect(), node);
            of_call.insert((call.layer, call.call), node);
        }
        diagram
    }

    /// A small netlist's gates, input groups and output groups.
    ///
    /// # Errors
    /// [`TooLarge`] above 2,000 gates.
    pub fn of_netlist(netlist: &Netlist) -> Result<Self, TooLarge> {
        let gates = netlist.gates().len();
        if gates > MAX_GATES {
            return Err(TooLarge { gates });
        }
        let mut diagram = Self { caption: "The netlist's gates".into(), ..Self::default() };
        // For each wire the box that makes it.
        let mut maker: HashMap<u32, usize> = HashMap::new();
        let mut group = |diagram: &mut Self, number: usize, bits: u32, first: u32| {
            let node = diagram.node(format!("input {number}"), format!("{bits} bits"), Role::Input);
            maker.extend((first..first + bits).map(|wire| (wire, node)));
        };
        let mut first = 0;
        for (number, &bits) in netlist.inputs().iter().enumerate() {
            group(&mut diagram, number, bits, first);
            first += bits;
        }
        for gate in netlist.gates().iter() {
            let (name, role) = match gate {
                Gate::And { .. } => ("AND", Role::Costly),
                Gate::Xor { .. } => ("XOR", Role::Free),
                Gate::Inv { .. } => ("INV", Role::Free),
                Gate::Const { value: false, .. } => ("EQ 0", Role::Free),
                Gate::Const { value: true, .. } => ("EQ 1", Role::Free),
                Gate::Copy { .. } => ("EQW", Role::Free),
            };
            let node = diagram.node(name, format!("wire {}", gate.out().0), role);
            diagram.arrows(gate.operands().filter_map(|w| maker.get(&w.0).copied()).collect(), node);
            maker.insert(gate.out().0, node);
        }
        let mut outputs = netlist.output_wires();
        for (number, &bits) in netlist.outputs().iter().enumerate() {
            let node = diagram.node(format!("output {number}"), format!("{bits} bits"), Role::Output);
            let bits = outputs.by_ref().take(bits as usize);
            diagram.arrows(bits.filter_map(|w| maker.get(&w.0).copied()).collect(), node);
        }
        Ok(diagram)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xonn_circuits::bristol;

    #[test]
    fn a_small_netlist_is_drawn_and_a_large_one_refused() {
        let text = "2 5\n2 2 1\n1 1\n\n2 1 0 2 3 AND\n2 1 3 1 4 XOR\n";
        let netlist = bristol::read(text.as_bytes(), "small").expect("it obeys the format").netlist;
        let diagram = Diagram::of_netlist(&netlist).expect("it is small");
        let titles: Vec<&str> = diagram.nodes.iter().map(|node| node.title.as_str()).collect();
        assert_eq!(titles, ["input 0", "input 1", "AND", "XOR", "output 0"]);
        assert_eq!(diagram.edges, [(0, 2), (1, 2), (0, 3), (2, 3), (3, 4)]);
        let gates: String = (0..2001).map(|i| format!("1 1 {i} {} INV\n", i + 1)).collect();
        let text = format!("2001 2002\n1 1\n1 1\n\n{gates}");
        let netlist = bristol::read(text.as_bytes(), "large").expect("it obeys the format").netlist;
        assert_eq!(Diagram::of_netlist(&netlist), Err(TooLarge { gates: 2001 }));
    }
}
