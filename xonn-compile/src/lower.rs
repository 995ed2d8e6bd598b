//! IntegerNetwork to TiledCircuit: every integer operation becomes a template netlist, instances, and secret bits.
//!
//! One file an operation. What an operation *is* decides the template and the geometry; the model's weights decide only
//! secret bits, so that two models of one architecture get the same program.
//!
//! An element of a tensor is an unsigned number `u` of a fixed width, standing for `step * u + lo` (`Encoding`). Bits
//! (`+1`/`-1`) are the case `width 1, lo -1, step 2`, so that one lowering serves binary and integer layers.

mod affine;
mod argmax;
mod conv;
mod encoding;
mod linear;
mod permute;
mod pool;
mod secret;
mod shares;
mod template;
mod threshold;
mod window;

use xonn_circuits::data::{Feature, InputEncoding};
use xonn_circuits::tiled::{CircuitError, Layer, LayerInfo, OutputEncoding, Source, Tile, TiledCircuit};

use crate::integer::{Cut, InputSpec, IntegerNetwork, Kind, NodeId, Op, Range};
use secret::SecretBits;
use template::Templates;

/// A program and the garbler's bits for one model.
#[derive(Debug)]
pub struct Lowered {
    /// Public: depends on the architecture alone.
    pub program: TiledCircuit,
    /// The server's.
    pub secret: Vec<bool>,
}

/// Why a network could not be lowered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LowerError {
    /// An operation that has no circuit.
    #[error("layer {layer:?}: {reason}")]
    Unsupported {
        /// The Keras layer.
        layer: String,
        /// What is not supported.
        reason: String,
    },
    /// The program breaks a rule: it is too large for one.
    #[error("the network does not fit a program")]
    TiledCircuit(#[from] CircuitError),
}

/// What the bits of a tensor's elements mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Encoding {
    /// Bits of an element, least significant first.
    pub width: usize,
    /// Value of `u = 0`.
    pub lo: i64,
    /// Value of one unit of `u`; at least 1.
    pub step: i64,
    /// Whether the top bit is stored inverted: two's complement of a number whose `u` is offset by `2^(width - 1)`.
    pub top_inverted: bool,
}

impl Encoding {
    /// `+1` and `-1`.
    pub const BIT: Self = Self { width: 1, lo: -1, step: 2, top_inverted: false };

    /// Two's complement numbers of `width` bits.
    pub fn signed(width: usize) -> Self {
        Self { width, lo: -(1 << (width - 1)), step: 1, top_inverted: true }
    }

    /// The largest `u` that the bits can hold.
    pub fn max(self) -> i64 {
        (1 << self.width) - 1
    }
}

/// Where a tensor's bits are.
#[derive(Clone, Debug)]
pub(crate) struct Tensor {
    pub source: Source,
    pub encoding: Encoding,
    pub shape: Vec<usize>,
}

impl Tensor {
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// The state of lowering one network.
pub(crate) struct Lowering<'n> {
    pub network: &'n IntegerNetwork,
    pub templates: Templates,
    pub secret: SecretBits,
    layers: Vec<Layer>,
    /// For each node its tensor, once there is one.
    tensors: Vec<Option<Tensor>>,
}

/// Lowers `network`.
///
/// # Errors
/// [`LowerError::Unsupported`] naming the layer, [`LowerError::TiledCircuit`] if a vector is too long.
pub fn lower(network: &IntegerNetwork) -> Result<Lowered, LowerError> {
    let mut lowering = Lowering {
        network,
        templates: Templates::default(),
        secret: SecretBits::default(),
        layers: Vec::new(),
        tensors: vec![None; network.nodes.len()],
    };
    for id in 0..network.nodes.len() {
        lowering.node(id)?;
    }
    let output = lowering.output()?;
    let secret = lowering.secret.into_bits();
    let program = TiledCircuit::new(
        input_encoding(&network.input),
        output,
        secret.len() as u64,
        lowering.templates.into_netlists(),
        lowering.layers,
    )?;
    Ok(Lowered { program, secret })
}

/// How the client's numbers become bits.
#[must_use]
pub fn input_encoding(input: &InputSpec) -> InputEncoding {
    // A zero between two integers is a shift of every feature: x = s (q - z) is -s z + s q.
    let whole = input.zero.fract() == 0.0;
    let shift = Feature { mean: -input.scale * input.zero, deviation: 1.0 };
    let features = match whole {
        true => input.features.clone(),
        false => vec![shift; input.shape.last().copied().unwrap_or(1)],
    };
    InputEncoding {
        shape: input.shape.iter().map(|&n| n as u32).collect(),
        bits: input.bits,
        signed: input.signed,
        scale: input.scale,
        zero: if whole { input.zero as i64 } else { 0 },
        features,
    }
}

impl<'n> Lowering<'n> {
    fn node(&mut self, id: NodeId) -> Result<(), LowerError> {
        if self.is_fused(id) {
            return Ok(());
        }
        let node = &self.network.nodes[id];
        let tensor = match &node.op {
            Op::Input => {
                let width = self.network.input.bits as usize;
                let encoding = if self.network.input.signed {
                    Encoding::signed(width)
                } else {
                    Encoding { width, lo: 0, step: 1, top_inverted: false }
                };
                Tensor { source: Source::Input, encoding, shape: node.shape.clone() }
            }
            // Other public numbers for the same bits.
            &Op::Recode { step, offset } => {
                let x = self.input_of(id);
                let encoding = Encoding {
                    lo: step * x.encoding.lo + offset,
                    step: step * x.encoding.step,
                    ..x.encoding
                };
                Tensor { encoding, ..x }
            }
            Op::Dense { .. } | Op::Conv2d { .. } => self.linear(id, None)?,
            Op::Threshold { cuts } => self.threshold(id, cuts)?,
            Op::MaxPool2d { window } => pool::max_pool(self, id, window)?,
            Op::SumPool2d { window } => pool::sum_pool(self, id, window)?,
            Op::Affine { scale, offset, bits } => affine::affine(self, id, scale, offset, *bits)?,
            &Op::Truncate { bits } => encoding::truncate(self, id, bits as usize),
            Op::Add => encoding::add(self, id)?,
            Op::Product => encoding::product(self, id),
            Op::Concatenate => encoding::concatenate(self, id)?,
            Op::Permute { source } => permute::permute(self, id, source)?,
        };
        self.tensors[id] = Some(tensor);
        Ok(())
    }

    /// A layer that adds up, with the threshold behind it if that is lowered together.
    fn linear(&mut self, id: NodeId, cuts: Option<&[Cut]>) -> Result<Tensor, LowerError> {
        match &self.network.nodes[id].op {
            Op::Dense { kernel, units } => linear::dense(self, id, kernel, *units, cuts),
            Op::Conv2d { kernel, filters, groups, window, pad } => {
                let kernels = conv::Kernels { kernel, filters: *filters, groups: *groups, pad: *pad };
                conv::conv2d(self, id, &kernels, window, cuts)
            }
            other => Err(self.unsupported(id, format!("{} adds up nothing", other.name()))),
        }
    }

    fn threshold(&mut self, id: NodeId, cuts: &[Cut]) -> Result<Tensor, LowerError> {
        let read = self.network.nodes[id].inputs[0];
        if !self.is_fused(read) {
            return threshold::threshold(self, id, cuts);
        }
        match &self.network.nodes[read].op {
            // The largest sum passes a rising cut if any does, and a falling one if all do.
            Op::MaxPool2d { window } => {
                let bits = self.linear(self.network.nodes[read].inputs[0], Some(cuts))?;
                pool::pool_bits(self, read, &bits, window, cuts)
            }
            _ => self.linear(read, Some(cuts)),
        }
    }

    /// Whether a node is lowered together with the threshold behind it: a sum, or a maximum of sums, that nothing else
    /// reads.
    fn is_fused(&self, id: NodeId) -> bool {
        let node = &self.network.nodes[id];
        let Some(reader) = self.only_reader(id) else { return false };
        match (&node.op, &self.network.nodes[reader].op) {
            (Op::Dense { .. } | Op::Conv2d { .. }, Op::Threshold { cuts }) => {
                node.channels().is_multiple_of(cuts.len())
            }
            (Op::Conv2d { .. }, Op::MaxPool2d { .. }) => self.is_fused(reader),
            (Op::MaxPool2d { .. }, Op::Threshold { cuts }) => {
                let read = node.inputs[0];
                node.channels() == cuts.len()
                    && matches!(self.network.nodes[read].op, Op::Conv2d { .. })
                    && self.only_reader(read) == Some(id)
            }
            _ => false,
        }
    }

    fn only_reader(&self, id: NodeId) -> Option<NodeId> {
        let mut readers =
            (id + 1..self.network.nodes.len()).filter(|&n| self.network.nodes[n].inputs.contains(&id));
        readers.next().filter(|_| readers.next().is_none())
    }

    /// The tensor of the first input of node `id`.
    pub fn input_of(&self, id: NodeId) -> Tensor {
        let read = self.network.nodes[id].inputs[0];
        self.tensors[read].clone().expect("nodes are in topological order and only fused ones have no tensor")
    }

    /// The tensors of all inputs of node `id`.
    pub fn inputs_of(&self, id: NodeId) -> Vec<Tensor> {
        let reads = self.network.nodes[id].inputs.iter();
        reads.map(|&read| self.tensors[read].clone().expect("as for a single input")).collect()
    }

    /// Adds a layer of one kind and gives its tensor.
    pub fn push(
        &mut self,
        kind: &str,
        fan_in: usize,
        shape: &[usize],
        encoding: Encoding,
        tiles: Vec<Tile>,
    ) -> Tensor {
        let index = self.layers.len();
        let elements: usize = shape.iter().product();
        let first_word = kind.split([' ', ',']).next().unwrap_or(kind);
        let info = LayerInfo {
            name: format!("{}_{first_word}", index + 1),
            kind: kind.into(),
            shape: shape.iter().map(|&n| n as u32).collect(),
            fan_in: fan_in as u32,
        };
        self.layers.push(Layer { info, bits: (elements * encoding.width) as u64, tiles });
        Tensor { source: Source::Layer(index as u32), encoding, shape: shape.to_vec() }
    }

    fn output(&mut self) -> Result<OutputEncoding, LowerError> {
        let id = self.network.nodes.len() - 1;
        let tensor = self.tensors[id].clone().expect("the last node is read by nobody and so not fused");
        argmax::output(self, id, &tensor)
    }

    pub fn unsupported(&self, id: NodeId, reason: String) -> LowerError {
        LowerError::Unsupported { layer: self.network.nodes[id].name.clone(), reason }
    }

    /// The kind of node `id`'s values.
    pub fn range_of(&self, id: NodeId) -> Range {
        match self.network.nodes[id].kind {
            Kind::Bit => Range { lo: -1, hi: 1 },
            Kind::Int(range) => range,
        }
    }
}
