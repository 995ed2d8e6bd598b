//! From the layer graph to the integer network, in the one order that works.

pub mod affine_head;
pub mod drop_no_ops;
pub mod float_fn;
pub mod fold;
pub mod input;

use crate::graph::LayerGraph;
use crate::integer::IntegerNetwork;
pub use input::InputOptions;

/// What a user may choose.
#[derive(Clone, Debug)]
pub struct Options {
    /// How the client's numbers are encoded.
    pub input: InputOptions,
    /// Bits of the fixed-point scales of a head with BatchNorm.
    pub head_bits: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { input: InputOptions::default(), head_bits: 24 }
    }
}

/// An integer network with what people should know about it.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The network.
    pub network: IntegerNetwork,
    /// Notes for the user, one sentence each.
    pub notes: Vec<String>,
}

/// Why a graph has no integer network.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
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
    /// The input encoding is not usable.
    #[error("input encoding: {reason}")]
    Input {
        /// What was found, what was expected, what to do.
        reason: String,
    },
}

/// Runs the passes:
///
/// 1. [`drop_no_ops`]: dropout and the final softmax go, so that a layer's reader is the layer that matters.
/// 2. [`input`]: a Rescaling layer at the input becomes part of the first layer's float function.
/// 3. [`fold`]: linear layers become integer sums, everything float between a sum and a sign becomes one cut a channel.
/// 4. [`affine_head`]: what is float behind the last sum becomes fixed point, or nothing.
///
/// # Errors
/// [`PassError`] naming the layer.
pub fn run(graph: &LayerGraph, options: &Options) -> Result<Compiled, PassError> {
    let mut notes = Vec::new();
    let graph = drop_no_ops::run(graph, &mut notes);
    let network = fold::run(&graph, options, &mut notes)?;
    Ok(Compiled { network, notes })
}
