//! From the layer graph to the integer network, in the one order that works.

mod affine_head;
mod drop_no_ops;
mod float_fn;
mod fold;
mod fold_padding;
mod infer_shapes;
mod input;
mod numbers;
mod reveal;
mod sign_before_pool;

pub use self::infer_shapes::run as infer_shapes;
use petgraph::stable_graph::NodeIndex;
use xonn_program::LayerId;

use crate::graph::{Function, LayerGraph};
use crate::keras::classes::{self, Library};
use crate::network::Network;
pub use input::InputOptions;
pub use numbers::{HEADROOM, Need, NumberOptions, NumberSamples, Ranges};

/// What a user may choose.
#[derive(Clone, Debug)]
pub struct Options {
    /// How the client's numbers are encoded.
    pub input: InputOptions,
    /// Bits of the fixed-point scales of a head with BatchNorm.
    pub head_bits: u32,
    /// Bits of a weight of layers with real weights; `None`: as many as the number of signs behind them asks
    /// for, 16 at least.
    pub weight_bits: Option<u32>,
    /// Bits of the fixed point in which real tensors are added up or compared.
    pub scale_bits: u32,
    /// Whether a circuit is built whose roundings turn many signs or classes; else it is refused.
    pub allow_error: bool,
    /// What the client learns.
    pub output: OutputMode,
    /// Binary digits of a score behind the point.
    pub score_bits: u32,
    /// How hidden numbers are kept; without it networks that have any are refused.
    pub numbers: Option<NumberOptions>,
}

/// What the client learns.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum OutputMode {
    /// The class; of a single unit its sign.
    #[default]
    Argmax,
    /// Of each unit whether its sigmoid is above 0.5: the labels of a multi-label head.
    Labels,
    /// All scores, as they are before a final softmax or sigmoid.
    Scores,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            input: InputOptions::default(),
            head_bits: 24,
            weight_bits: None,
            scale_bits: 34,
            allow_error: false,
            output: OutputMode::Argmax,
            score_bits: 20,
            numbers: None,
        }
    }
}

/// An integer network with what people should know about it.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The network.
    pub network: Network,
    /// The function at the end of the model that keeps the order of the scores and was left out, the
    /// innermost last.
    pub left_out: Vec<Function>,
    /// Notes for the user, one sentence each.
    pub notes: Vec<String>,
    /// Of a network of hidden numbers, what they stand for.
    pub twin: Option<Twin>,
}

/// The float network beside a network of hidden numbers.
#[derive(Clone, Debug)]
pub struct Twin {
    /// The float network, as it was folded.
    pub graph: LayerGraph,
    /// Its tensors that layers of the program stand for, in the order of the program.
    pub stands: Vec<Stand>,
    /// Channels that did not change on the samples, and whose lines are so steep that they are cut.
    pub tamed: Vec<Tamed>,
}

/// A channel whose line is so steep that one step of what it reads leads out of all numbers, as behind a
/// BatchNorm that divides by next to nothing: it is right where the samples were and nowhere else.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Tamed {
    /// The layer of the program that it reads.
    pub read: LayerId,
    /// The layer that scales it.
    pub layer: LayerId,
    /// Which elements are meant: `channel`, and every `of`-th behind it.
    pub channel: usize,
    /// After how many elements lines repeat.
    pub of: usize,
    /// What it reads where the samples were.
    pub at: f64,
}

impl Tamed {
    /// How many numbers of a tensor that it reads are elsewhere, further than a rounding takes them.
    #[must_use]
    pub fn elsewhere(&self, read: &[i64]) -> usize {
        let own = read.iter().skip(self.channel).step_by(self.of.max(1));
        own.filter(|&&x| (x as f64 - self.at).abs() > 1.5).count()
    }
}

/// A tensor of the program that stands for a real one: `unit` times its integers.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Stand {
    /// The layer of the program.
    pub layer: LayerId,
    /// The layer of the float network.
    pub node: NodeIndex,
    /// The real number that 1 stands for.
    pub unit: f64,
}

/// Why a graph has no integer network.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PassError {
    /// A layer does something that has no integer form where it stands.
    #[error("layer {layer:?}: {reason}")]
    Layer {
        /// The Keras layer.
        layer: String,
        /// What was found, what was expected, what to do.
        reason: String,
    },
    /// Several layers do.
    #[error("{}", list(.problems))]
    Layers {
        /// Layers and reasons, as in [`PassError::Layer`].
        problems: Vec<(String, String)>,
    },
    /// The input encoding is not usable.
    #[error("input encoding: {reason}")]
    Input {
        /// What was found, what was expected, what to do.
        reason: String,
    },
    /// The graph breaks a rule.
    #[error(transparent)]
    Graph(#[from] crate::graph::GraphError),
    /// A rewrite left a graph that breaks a rule.
    #[error("the pass {pass} left a graph that breaks a rule, which is a bug of the compiler: {error}")]
    Rewrite {
        /// The pass.
        pass: &'static str,
        /// The rule.
        error: crate::graph::GraphError,
    },
}

impl PassError {
    /// The problems of several layers, or of one.
    #[must_use]
    pub fn of_layers(mut problems: Vec<(String, String)>) -> Self {
        match problems.len() {
            1 => {
                let (layer, reason) = problems.swap_remove(0);
                Self::Layer { layer, reason }
            }
            _ => Self::Layers { problems },
        }
    }
}

fn list(problems: &[(String, String)]) -> String {
    let lines = problems.iter().map(|(layer, reason)| format!("\n  layer {layer:?}: {reason}"));
    format!("{} problems{}", problems.len(), lines.collect::<String>())
}

/// A named rewrite of the layer graph.
#[derive(Clone, Copy, Debug)]
pub struct Rewrite {
    /// What it is called.
    pub name: &'static str,
    rewrite: fn(&mut LayerGraph, &mut Vec<String>) -> Result<(), PassError>,
}

impl Rewrite {
    /// Rewrites `graph`; notes are for the user. Every rule of graphs is checked afterwards: a look at each
    /// weight, next to nothing beside what comes behind.
    ///
    /// # Errors
    /// [`PassError`] naming the layer, or the rewrite if it left a graph that breaks a rule.
    pub fn run(&self, graph: &mut LayerGraph, notes: &mut Vec<String>) -> Result<(), PassError> {
        (self.rewrite)(graph, notes)?;
        graph.verify().map_err(|error| PassError::Rewrite { pass: self.name, error })
    }
}

/// The rewrites of the layer graph, in order. Each leaves a graph that passes [`LayerGraph::verify`] and
/// computes the same prediction.
pub const PIPELINE: &[Rewrite] = &[
    // First: the others look at shapes.
    Rewrite { name: "infer_shapes", rewrite: infer_shapes::run },
    // So that a layer's reader is the layer that matters.
    Rewrite { name: "drop_no_ops", rewrite: drop_no_ops::run },
    // Bits are cheaper to pool than sums.
    Rewrite { name: "sign_before_pool", rewrite: sign_before_pool::run },
    // After signs have moved: a border of zeros is none of bits.
    Rewrite { name: "fold_padding", rewrite: fold_padding::run },
    // Again, for layers that were moved.
    Rewrite { name: "infer_shapes", rewrite: infer_shapes::run },
];

/// What the user should know of layers whose class everybody has a copy of, which may have been changed.
fn of_no_library(graph: &LayerGraph) -> Option<String> {
    // Not those of which the custom map says what they are.
    let taken = |class: &str| classes::is_of(Library::BinaryNet, class);
    let theirs = graph.graph.node_weights().filter(|layer| taken(&layer.class));
    let mut names: Vec<String> = theirs.map(|layer| format!("{:?}", layer.name)).collect();
    names.dedup();
    let more = if names.len() > 3 { format!(" and {} more", names.len() - 3) } else { String::new() };
    names.truncate(3);
    (!names.is_empty()).then(|| {
        format!(
            "layers {}{more}: their classes are in no library and are taken as BinaryNet's: signs of the \
             kernel, -1 at 0, times H, and nothing else; if yours compute anything more, the circuit is not \
             yours",
            names.join(", ")
        )
    })
}

/// What keeps the layers of a part of a model from being compiled, whose outputs are whatever nothing in it
/// reads; as layers and reasons.
#[must_use]
pub fn problems_of_part(part: &LayerGraph, options: &Options) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let ends: Vec<_> = part.graph.externals(petgraph::Direction::Outgoing).collect();
    for end in ends {
        if part.inputs.contains(&end) {
            continue;
        }
        let mut graph = part.clone();
        graph.output = end;
        graph.retain_ancestors_of_output();
        let mut notes = Vec::new();
        // A layer whose inputs are refused is none of this part.
        if graph.verify().is_err()
            || PIPELINE.iter().any(|rewrite| rewrite.run(&mut graph, &mut notes).is_err())
        {
            continue;
        }
        for problem in fold::problems_of_layers(&graph, options) {
            if !found.contains(&problem) {
                found.push(problem);
            }
        }
    }
    found
}

/// Runs [`PIPELINE`], then folds what is left into integers.
///
/// # Errors
/// [`PassError`] naming the layer.
pub fn run(graph: &LayerGraph, options: &Options) -> Result<Compiled, PassError> {
    let mut notes: Vec<String> = graph.notes.clone();
    notes.extend(of_no_library(graph));
    let mut graph = graph.clone();
    let mut left_out = None;
    for rewrite in PIPELINE {
        rewrite.run(&mut graph, &mut notes)?;
        // Behind the first, which infers the shapes.
        if left_out.is_none() {
            reveal::check(&graph, options.output, &mut notes)?;
            left_out = Some(drop_no_ops::left_out(&graph));
        }
    }
    let left_out = left_out.unwrap_or_default();
    let Some(number_options) = &options.numbers else {
        let network = fold::run(&graph, options, &numbers::Numbers::default(), &mut notes)?.network;
        return Ok(Compiled { network, left_out, notes, twin: None });
    };
    for rewrite in numbers::REWRITES {
        rewrite.run(&mut graph, &mut notes)?;
    }
    let fold::Folded { network, stands, tamed } = match &number_options.ranges {
        Ranges::Seen(samples) => {
            let numbers = numbers::Numbers::measure(&graph, number_options, samples)?;
            fold::run(&graph, options, &numbers, &mut notes)?
        }
        Ranges::Proven => proven(&graph, options, number_options, &mut notes)?,
    };
    let twin = Some(Twin { graph, stands, tamed });
    Ok(Compiled { network, left_out, notes, twin })
}

/// Folds a network whose numbers fit their bits for every input, with units as fine as that allows.
fn proven(
    graph: &LayerGraph,
    options: &Options,
    numbers: &NumberOptions,
    notes: &mut Vec<String>,
) -> Result<fold::Folded, PassError> {
    let inputs = fold::input_ends(graph, options)?;
    let mut failed = None;
    for margin in numbers::MARGINS {
        let numbers = numbers::Numbers::proven(graph, numbers, &inputs, margin)?;
        let mut own_notes = Vec::new();
        match fold::run(graph, options, &numbers, &mut own_notes) {
            Ok(folded) => {
                notes.append(&mut own_notes);
                return Ok(folded);
            }
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.unwrap_or_else(|| PassError::Input { reason: "no margin was tried".into() }))
}

/// Whether a network has hidden numbers: real numbers of which more than signs is read.
///
/// # Errors
/// [`PassError`] of a graph that breaks a rule.
pub fn need_of_numbers(graph: &LayerGraph) -> Result<Need, PassError> {
    numbers::need(&float_graph(graph)?)
}

/// The graph behind [`PIPELINE`]: its output's order, or sign, is the prediction.
///
/// # Errors
/// [`PassError`] of a graph that breaks a rule.
pub fn float_graph(graph: &LayerGraph) -> Result<LayerGraph, PassError> {
    let mut graph = graph.clone();
    for rewrite in PIPELINE {
        rewrite.run(&mut graph, &mut Vec::new())?;
    }
    Ok(graph)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::LayerOp;

    /// The pass that spoils a graph is named, not the one that stumbles over it.
    #[test]
    fn a_rewrite_that_breaks_a_rule_is_named() {
        let mut graph = LayerGraph::default();
        let input = graph.add("in", "InputLayer", LayerOp::Input { shape: vec![2] }, &[]);
        graph.inputs = vec![input];
        graph.output = graph.add("a", "Dropout", LayerOp::NoOp, &[input]);
        let spoils = |graph: &mut LayerGraph, _: &mut Vec<String>| {
            graph.graph.remove_node(graph.output);
            Ok(())
        };
        let rewrite = Rewrite { name: "spoils", rewrite: spoils };
        let error = rewrite.run(&mut graph, &mut Vec::new()).unwrap_err().to_string();
        assert_eq!(
            error,
            "the pass spoils left a graph that breaks a rule, which is a bug of the compiler: the model's \
             output is none of its layers"
        );
    }
}
