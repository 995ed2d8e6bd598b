//! Linear layers become integer sums; everything float between a sum and a sign becomes one integer cut a
//! channel.
//!
//! Before: Dense, bias, BatchNorm, Sign     After: Dense, Threshold { cuts }
//! Leaves: no float. Cuts are found by asking the float32 layer itself ([`FloatFn::cut`]).
//!
//! Every tensor is kept as an integer tensor and a [`FloatFn`] that says which real numbers these integers
//! stand for. Quantisers, poolings and the output consume the function; linear layers need one that is the
//! same line for all elements, `x = a t + b`, since `sum(w x) = a sum(w t) + b sum(w)`.

mod accuracy;
mod architecture;
mod bounds;
mod curve;
mod fixed;
mod head;
mod input;
mod join;
mod kernel;
mod linear;
mod merge;
mod moves;
mod number;
mod pool;
mod quantize;
mod real;
mod steps;
mod walk;

use petgraph::stable_graph::NodeIndex;
use std::collections::HashMap;
use xonn_program::program::ProgramError;
use xonn_program::program::TensorId;
use xonn_program::{Kind, LayerId, OutputEncoding, Range, Tensor, TensorSpec};

use super::float_fn::FloatFn;
use super::input::InputSpec;
use super::numbers::{Number, Numbers};
use super::{Options, PassError, Stand, Tamed, affine_head};
use crate::graph::{Layer, LayerGraph};
use crate::network::{Made, Network};
use accuracy::Accuracy;
use architecture::{LEAST_WEIGHT_BITS, weight_bits};
use bounds::{Bounds, Slack};
use fixed::{Stream, Streams};
pub(in crate::passes) use input::input_ends;
use input::input_spec;
pub(in crate::passes) use linear::is_exact;
pub(in crate::passes) use moves::transposition;

/// Runs the pass.
///
/// # Errors
/// [`PassError`] naming the layer.
pub(super) fn run(
    graph: &LayerGraph,
    options: &Options,
    numbers: &Numbers,
    notes: &mut Vec<String>,
) -> Result<Folded, PassError> {
    let used: Vec<NodeIndex> = graph
        .inputs
        .iter()
        .copied()
        .filter(|&input| input == graph.output || !graph.readers_of(input).is_empty())
        .collect();
    let spec = input_spec(graph, &used, options, notes)?;
    let mut streams = Streams::default();
    let options = Options {
        weight_bits: Some(options.weight_bits.unwrap_or_else(|| weight_bits(graph))),
        ..options.clone()
    };
    for _ in 0..MOST_ATTEMPTS {
        let mut own_notes = Vec::new();
        let folded;
        (folded, streams) = attempt(graph, (&options, numbers), &mut own_notes, (&used, &spec), streams)?;
        if !streams.again {
            notes.append(&mut own_notes);
            return Ok(folded);
        }
        streams.again = false;
    }
    let reason = "the units of its sums do not settle, expected branches of similar size".into();
    Err(PassError::Layer { layer: graph.graph[graph.output].name.clone(), reason })
}

/// An integer network, and what it stands for.
pub(super) struct Folded {
    pub network: Network,
    pub stands: Vec<Stand>,
    pub tamed: Vec<Tamed>,
}

/// Layers and what is wrong with them.
type Problems = Vec<(String, String)>;

/// The problems of single layers, without the head's.
pub(super) fn problems_of_layers(graph: &LayerGraph, options: &Options) -> Vec<(String, String)> {
    let used: Vec<NodeIndex> =
        graph.inputs.iter().copied().filter(|&input| !graph.readers_of(input).is_empty()).collect();
    let mut notes = Vec::new();
    let Ok(spec) = input_spec(graph, &used, options, &mut notes) else { return Vec::new() };
    let numbers = Numbers::default();
    let fold = Fold::new(Streams::default(), &mut notes, options, &numbers);
    fold.layers(graph, &used, &spec).map_or_else(|_| Vec::new(), |(_, problems, _)| problems)
}

/// How often the layers are looked at until all that joins a stream is known to fit; each attempt settles a
/// stream.
const MOST_ATTEMPTS: usize = 64;

fn attempt(
    graph: &LayerGraph,
    (options, numbers): (&Options, &Numbers),
    notes: &mut Vec<String>,
    (used, spec): (&[NodeIndex], &InputSpec),
    streams: Streams,
) -> Result<(Folded, Streams), PassError> {
    let fold = Fold::new(streams, notes, options, numbers);
    let (mut fold, mut problems, doubtful) = fold.layers(graph, used, spec)?;
    let layer = &graph.graph[graph.output];
    let output = match fold.head(options, layer, graph.output) {
        Ok(output) => Some(output),
        Err(reason) => {
            if !doubtful.contains(&graph.output) {
                problems.push((layer.name.clone(), reason));
            }
            None
        }
    };
    match (output, problems.is_empty()) {
        (Some(output), true) => {
            let streams = std::mem::take(&mut fold.streams);
            let (stands, tamed) = (fold.stands(), std::mem::take(&mut fold.tamed));
            let network = fold.network(spec, output).map_err(|error| PassError::Layer {
                layer: layer.name.clone(),
                reason: format!("the network does not fit a program: {error}"),
            })?;
            Ok((Folded { network, stands, tamed }, streams))
        }
        _ => Err(PassError::of_layers(problems)),
    }
}

/// A real tensor: integers and what they stand for.
#[derive(Clone, Debug)]
struct Value {
    /// The integer tensor.
    node: LayerId,
    /// The real numbers.
    f: FloatFn,
    /// `Some(p)` if all values are known to be `p` modulo 2.
    parity: Option<i64>,
    /// The tensor's shape. The integer tensor has the same elements in the same order, but maybe in another
    /// shape: reshapes wait until something looks at the shape, so that a sum and its sign stay together.
    shape: Vec<usize>,
    /// Of numbers in fixed point: where, so that later summands take their units.
    stream: Option<Stream>,
    /// How the real numbers spread, and how far rounding moves them.
    accuracy: Accuracy,
}

/// Where a layer's kernel is in memory, and whether its biases are meant.
type Shared = (usize, bool);

struct Fold<'a> {
    nodes: Vec<xonn_program::Layer>,
    /// The secret numbers of these.
    tensors: Vec<Tensor>,
    /// The Keras layer of each node.
    names: Vec<String>,
    /// What each node's integers can be with these weights: secret.
    bounds: Vec<Bounds>,
    /// By how much each node's range may be wider than what is in it: public.
    slacks: Vec<Slack>,
    values: HashMap<NodeIndex, Value>,
    streams: Streams,
    notes: &'a mut Vec<String>,
    options: &'a Options,
    /// Whether the layer that is looked at [`is_normalised`].
    own_units: bool,
    numbers: &'a Numbers,
    /// How the result of the layer that is looked at is kept, if it is a number.
    number: Option<Number>,
    /// The same of the tensors that it reads.
    number_reads: Vec<Option<Number>>,
    /// Whether the layer that is looked at joins tensors that keep units of their own, and whether it reads
    /// such.
    apart: [bool; 2],
    /// Secret numbers that layers of the same kernel or bias share, by where these are in memory.
    shared: HashMap<Shared, (TensorId, Option<TensorSpec>)>,
    /// Channels whose lines are cut.
    tamed: Vec<Tamed>,
    /// Whether the input is tokens.
    tokens: bool,
    /// Tables of curves that were made.
    curves: curve::Curves,
    /// How many signs of a prediction rounding is expected to turn.
    turned: f64,
}

impl<'a> Fold<'a> {
    fn new(streams: Streams, notes: &'a mut Vec<String>, options: &'a Options, numbers: &'a Numbers) -> Self {
        Self {
            nodes: Vec::new(),
            tensors: Vec::new(),
            names: Vec::new(),
            bounds: Vec::new(),
            slacks: Vec::new(),
            values: HashMap::new(),
            streams,
            notes,
            options,
            own_units: false,
            numbers,
            number: None,
            number_reads: Vec::new(),
            apart: [false; 2],
            shared: HashMap::new(),
            tamed: Vec::new(),
            tokens: false,
            curves: curve::Curves::default(),
            turned: 0.0,
        }
    }
}

impl Fold<'_> {
    /// Adds a layer of the program.
    fn push(
        &mut self,
        layer: &Layer,
        made: impl Into<Made>,
        reads: &[LayerId],
        shape: Vec<usize>,
        kind: Kind,
    ) -> LayerId {
        self.push_shared(layer, made, reads, shape, kind, None)
    }

    /// Adds a layer whose secret numbers are those of an earlier one with the same key, if they are equal.
    fn push_shared(
        &mut self,
        layer: &Layer,
        made: impl Into<Made>,
        reads: &[LayerId],
        shape: Vec<usize>,
        kind: Kind,
        key: Option<Shared>,
    ) -> LayerId {
        let mut made = made.into();
        if let (Some(Tensor::Cuts(cuts)), Some(&read)) = (&mut made.tensor, reads.first()) {
            let range = self.nodes[read].kind.range();
            cuts.iter_mut().for_each(|cut| *cut = cut.within(range));
        }
        let reads = reads.to_vec();
        let read: Vec<(&Bounds, usize)> =
            reads.iter().map(|&read| (&self.bounds[read], self.nodes[read].channels())).collect();
        let elements = shape.iter().product();
        let bounds = match (self.numbers.proven, reads.first()) {
            // Of the bits of a token one is 1.
            (true, Some(0)) if self.tokens => Bounds::of_tokens(&made, &read, kind, elements),
            (true, _) => Bounds::proven(&made, &read, kind, elements),
            (false, _) => Bounds::of(&made, &read, kind, elements),
        };
        let slack = Slack::of(&made.op, reads.iter().map(|&read| self.slacks[read]));
        self.bounds.push(bounds);
        self.slacks.push(slack);
        let spec = made.op.tensor(Range { lo: 0, hi: 0 });
        let secret = made.tensor.map(|tensor| {
            let known = key.and_then(|key| self.shared.get(&key));
            if let Some(&(id, known)) = known
                && known == spec
                && self.tensors[id] == tensor
            {
                return id;
            }
            self.tensors.push(tensor);
            let id = self.tensors.len() - 1;
            if let Some(key) = key {
                self.shared.insert(key, (id, spec));
            }
            id
        });
        self.names.push(layer.name.clone());
        self.nodes.push(xonn_program::Layer { op: made.op, reads, shape, kind, secret });
        self.nodes.len() - 1
    }

    /// Which layers stand for which real tensors, in the order of the program.
    fn stands(&self) -> Vec<Stand> {
        let stand = |(&node, value): (&NodeIndex, &Value)| {
            self.numbers.of(node)?;
            let line = value.f.common_line().filter(|line| line.offset == 0.0)?;
            (self.kind(value) != Kind::Bit).then_some(Stand { layer: value.node, node, unit: line.scale })
        };
        let mut stands: Vec<Stand> = self.values.iter().filter_map(stand).collect();
        stands.sort_by_key(|stand| (stand.layer, stand.node));
        stands.dedup_by_key(|stand| stand.layer);
        stands
    }

    /// What has been folded, as a network.
    fn network(self, spec: &InputSpec, output: OutputEncoding) -> Result<Network, ProgramError> {
        Network::new(spec.encoding(), self.nodes, output, self.tensors, self.names)
    }

    fn kind(&self, value: &Value) -> Kind {
        self.nodes[value.node].kind
    }

    /// How many bits real weights get.
    fn weight_bits(&self, layer: &Layer) -> Result<u32, String> {
        match self.options.weight_bits.unwrap_or(LEAST_WEIGHT_BITS) {
            bits @ 1..=22 => Ok(bits),
            bits => Err(format!(
                "--weight-bits {bits} for the real weights of {:?}, expected 1 to 22",
                layer.name
            )),
        }
    }
}

fn overflow(element: usize) -> impl Fn(f32) -> String {
    move |x| format!("channel {element} is {x} at the end of its range, expected finite numbers")
}
