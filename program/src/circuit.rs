//! The circuit of a program: every integer operation becomes a template netlist, instances, and secret bits.
//!
//! One file an operation. What an operation *is* decides the template and the geometry; the model's numbers
//! decide only secret bits, so that two models of one architecture get the same circuit, and a client who has
//! no secret makes the same circuit as the server.
//!
//! An element of a tensor is an unsigned number `u` of a fixed width, standing for `step * u + lo`
//! (`Encoding`). Bits (`+1`/`-1`) are the case `width 1, lo -1, step 2`, so that one lowering serves binary
//! and integer layers.

mod argmax;
mod encoding;
mod joined;
mod linear;
mod number;
mod permute;
mod pool;
mod run;
mod scale;
mod secret;
mod sum;
mod template;
mod threshold;
mod window;

use xonn_circuits::tiled::{CircuitError, Layer, LayerInfo, Source, Tile, TiledCircuit};

use crate::op::{Cut, Linear, Op};
use crate::program::{Kind, LayerId, Program, Range};
use crate::tensor::Tensor;
use joined::Joined;
pub use joined::{cut_by, only_readers};
pub use run::{Held, Run, RunOfModel, Sharing, run, run_with};
use secret::SecretBits;
use template::Templates;

/// Which circuits this code makes. It is part of a package, so that two hosts whose circuits differ refuse
/// each other: whatever changes a circuit raises it.
pub const VERSION: u64 = 1;

/// Most tiles of a circuit.
const MAX_TILES: usize = 1 << 20;

/// A circuit and the garbler's bits for one model.
#[derive(Debug)]
pub struct Lowered {
    /// Public: depends on the architecture alone.
    pub circuit: TiledCircuit,
    /// The server's.
    pub secret: Vec<bool>,
}

/// Why a program has no circuit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LowerError {
    /// An operation that has no circuit.
    #[error("layer {layer}: {reason}")]
    Unsupported {
        /// The layer.
        layer: LayerId,
        /// What is not supported.
        reason: String,
    },
    /// A small program asks for a large circuit.
    #[error("its circuit has more than {max} {what}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// The most supported.
        max: usize,
    },
    /// The circuit breaks a rule: it is too large for one.
    #[error("the network does not fit a circuit")]
    Circuit(#[from] CircuitError),
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
pub(crate) struct Place {
    pub source: Source,
    pub encoding: Encoding,
    pub shape: Vec<usize>,
}

impl Place {
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// The state of lowering one program.
pub(crate) struct Lowering<'n> {
    pub program: &'n Program,
    /// The model's numbers, at the server.
    tensors: Option<&'n [Tensor]>,
    pub templates: Templates,
    pub secret: SecretBits,
    layers: Vec<Layer>,
    tiles: usize,
    /// For each layer of the program where its bits are, once there are some.
    places: Vec<Option<Place>>,
    /// For each layer of the program whether this circuit computes it.
    computed: Vec<bool>,
    /// Of each layer the only one that reads it, among those that are computed.
    only_readers: Vec<Option<LayerId>>,
    /// Tensors that both hosts hold in shares.
    joined: Vec<Joined>,
}

/// The circuit of `program`, as a client makes it.
///
/// # Errors
/// [`LowerError`] naming the layer.
pub fn lower(program: &Program) -> Result<TiledCircuit, LowerError> {
    Ok(Lowering::all(program, None)?.0)
}

/// The circuit of `program`, and the bits that the garbler brings to it.
///
/// * `tensors`: one for each of [`Program::tensors`].
///
/// # Errors
/// [`LowerError`] naming the layer.
///
/// # Panics
/// If the tensors are not those of this program.
pub fn lower_with(program: &Program, tensors: &[Tensor]) -> Result<Lowered, LowerError> {
    let (circuit, secret) = Lowering::all(program, Some(tensors))?;
    Ok(Lowered { circuit, secret })
}

impl<'n> Lowering<'n> {
    fn new(program: &'n Program, tensors: Option<&'n [Tensor]>) -> Self {
        Self {
            program,
            tensors,
            templates: Templates::default(),
            secret: SecretBits::new(tensors.is_some()),
            layers: Vec::new(),
            tiles: 0,
            places: vec![None; program.layers().len()],
            computed: vec![true; program.layers().len()],
            only_readers: only_readers(program, |_| true),
            joined: Vec::new(),
        }
    }

    /// The circuit of all layers.
    fn all(
        program: &'n Program,
        tensors: Option<&'n [Tensor]>,
    ) -> Result<(TiledCircuit, Vec<bool>), LowerError> {
        let mut lowering = Self::new(program, tensors);
        for id in 0..program.layers().len() {
            lowering.layer(id)?;
        }
        lowering.output()?;
        lowering.finish(program.input().bit_count() as u64)
    }

    fn finish(self, input_bits: u64) -> Result<(TiledCircuit, Vec<bool>), LowerError> {
        let secret_bits = self.secret.next();
        let (templates, layers) = (self.templates.into_netlists(), self.layers);
        let circuit = TiledCircuit::new(input_bits, secret_bits, templates, layers)?;
        debug_assert_eq!(self.program.output().expected_bits(), Some(circuit.output_bits() as u64));
        Ok((circuit, self.secret.into_bits().unwrap_or_default()))
    }

    /// Where the client's own bits are.
    fn input_place(&self, id: LayerId) -> Place {
        let input = self.program.input();
        let width = input.bits as usize;
        let encoding = if input.signed {
            Encoding::signed(width)
        } else {
            Encoding { width, lo: 0, step: 1, top_inverted: false }
        };
        Place { source: Source::Input, encoding, shape: self.program.layers()[id].shape.clone() }
    }

    fn layer(&mut self, id: LayerId) -> Result<(), LowerError> {
        if self.is_fused(id) {
            return Ok(());
        }
        let layer = &self.program.layers()[id];
        let place = match &layer.op {
            Op::Input => self.input_place(id),
            // Other public numbers for the same bits.
            &Op::Recode { step, offset } => {
                let x = self.input_of(id);
                let encoding = Encoding {
                    lo: step.wrapping_mul(x.encoding.lo).wrapping_add(offset),
                    step: step.wrapping_mul(x.encoding.step),
                    ..x.encoding
                };
                Place { encoding, ..x }
            }
            Op::Linear(op) => linear::linear(self, id, op, None)?,
            &Op::Threshold { cuts } => self.threshold(id, cuts)?,
            Op::MaxPool { window } => pool::max_pool(self, id, window)?,
            Op::SumPool { window } => pool::sum_pool(self, id, window)?,
            &Op::Scale { lines, bits } => scale::scale(self, id, lines, bits, id)?,
            &Op::Offset { offsets, .. } => number::offset(self, id, offsets, id)?,
            Op::Round(_) => self.round(id)?,
            Op::Relu => number::relu(self, id)?,
            &Op::LeakyRelu(leak) => number::leaky_relu(self, id, leak)?,
            &Op::Clamp(ends) => number::clamp(self, id, ends)?,
            Op::Spline(spline) => number::spline(self, id, spline)?,
            &Op::Truncate { bits } => encoding::truncate(self, id, bits as usize)?,
            &Op::TiesToEven { bits } => number::ties_to_even(self, id, bits as usize)?,
            Op::Add => encoding::add(self, id)?,
            Op::Product if layer.kind == Kind::Bit => encoding::product(self, id)?,
            Op::Product | Op::Square => number::product(self, id)?,
            Op::Concatenate => encoding::concatenate(self, id)?,
            Op::Permute { source } => permute::permute(self, id, source)?,
        };
        self.places[id] = Some(place);
        Ok(())
    }

    /// The numbers of layer `id`, if they are known.
    pub fn tensor(&self, id: LayerId) -> Option<&'n Tensor> {
        let tensor = self.program.layers()[id].secret?;
        Some(&self.tensors?[tensor])
    }

    /// The sums of layer `id`, if it is such and computed here.
    fn linear_of(&self, id: LayerId) -> Option<&'n Linear> {
        match &self.program.layers()[id].op {
            Op::Linear(linear) if self.computed[id] => Some(linear),
            _ => None,
        }
    }

    fn threshold(&mut self, id: LayerId, cuts: usize) -> Result<Place, LowerError> {
        let read = self.program.layers()[id].reads[0];
        if let Some(shares) = self.joined.iter().position(|joined| joined.is_cut_by(id)) {
            return joined::threshold(self, id, shares, cuts);
        }
        if !self.is_fused(read) {
            return threshold::threshold(self, id, cuts);
        }
        if let Some(op) = self.linear_of(read) {
            return linear::linear(self, read, op, Some(id));
        }
        // The largest sum passes a rising cut if any does, and a falling one if all do.
        let pooled = self.program.layers()[read].reads[0];
        match (&self.program.layers()[read].op, self.linear_of(pooled)) {
            (Op::MaxPool { window }, Some(op)) => {
                let bits = linear::linear(self, pooled, op, Some(id))?;
                let cuts: Option<&[Cut]> = self.tensor(id).map(Tensor::cuts);
                pool::pool_bits(self, read, &bits, window, cuts)
            }
            (other, _) => Err(self.unsupported(read, format!("{} adds up nothing", other.name()))),
        }
    }

    /// A rounding, with the secret numbers in front of it that nothing else reads.
    fn round(&mut self, id: LayerId) -> Result<Place, LowerError> {
        let read = self.program.layers()[id].reads[0];
        match self.program.layers()[read].op {
            Op::Offset { offsets, .. } if self.is_fused(read) => number::offset(self, read, offsets, id),
            Op::Scale { lines, bits } if self.is_fused(read) => scale::scale(self, read, lines, bits, id),
            _ => number::round(self, id),
        }
    }

    /// Whether a layer is lowered together with the one behind it, where nothing else reads it: a sum, or a
    /// maximum of sums or of numbers in shares, with its threshold; a scale or an offset with its rounding.
    fn is_fused(&self, id: LayerId) -> bool {
        let layer = &self.program.layers()[id];
        let Some(reader) = self.only_reader(id).filter(|_| self.computed[id]) else { return false };
        match (&layer.op, &self.program.layers()[reader].op) {
            (Op::Offset { .. } | Op::Scale { .. }, Op::Round(_)) => true,
            (Op::Linear(_), Op::Threshold { cuts }) => layer.channels().is_multiple_of(*cuts),
            (Op::Linear(linear), Op::MaxPool { .. }) => !linear.window.is_dense() && self.is_fused(reader),
            (Op::MaxPool { .. }, Op::Threshold { .. })
                if self.joined.iter().any(|joined| joined.is_cut_by(reader)) =>
            {
                true
            }
            (Op::MaxPool { .. }, Op::Threshold { cuts }) => {
                let read = layer.reads[0];
                let convolves = self.linear_of(read).is_some_and(|linear| !linear.window.is_dense());
                layer.channels() == *cuts && convolves && self.only_reader(read) == Some(id)
            }
            _ => false,
        }
    }

    fn only_reader(&self, id: LayerId) -> Option<LayerId> {
        self.only_readers[id]
    }

    /// The threshold that alone is made of a tensor in shares.
    fn cut_by(&self, id: LayerId) -> Option<LayerId> {
        joined::cut_by(self.program, id, &self.only_readers)
    }

    /// Where the first tensor that layer `id` reads is, in the shape of the layer that made it.
    pub fn input_of(&self, id: LayerId) -> Place {
        let read = self.program.layers()[id].reads[0];
        self.places[read].clone().expect("layers are in order and only fused ones have no bits")
    }

    /// Where all tensors that layer `id` reads are.
    pub fn inputs_of(&self, id: LayerId) -> Vec<Place> {
        let reads = self.program.layers()[id].reads.iter();
        reads.map(|&read| self.places[read].clone().expect("as for a single one")).collect()
    }

    /// Refuses more tiles than a circuit may have.
    pub fn check_tiles(&self, more: usize) -> Result<(), LowerError> {
        match self.tiles + more < MAX_TILES {
            true => Ok(()),
            false => Err(LowerError::TooLarge { what: "tiles", max: MAX_TILES }),
        }
    }

    /// Adds a layer of one kind and gives its place.
    pub fn push(
        &mut self,
        kind: &str,
        fan_in: usize,
        shape: &[usize],
        encoding: Encoding,
        tiles: Vec<Tile>,
    ) -> Result<Place, LowerError> {
        self.check_tiles(tiles.len())?;
        self.tiles += tiles.len();
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
        Ok(Place { source: Source::Layer(index as u32), encoding, shape: shape.to_vec() })
    }

    fn output(&mut self) -> Result<(), LowerError> {
        let id = self.program.layers().len() - 1;
        let place = self.places[id].clone().expect("the last layer is read by nobody and so not fused");
        argmax::output(self, id, &place)
    }

    pub fn unsupported(&self, id: LayerId, reason: String) -> LowerError {
        LowerError::Unsupported { layer: id, reason }
    }

    /// The range of layer `id`'s values.
    pub fn range_of(&self, id: LayerId) -> Range {
        self.program.layers()[id].kind.range()
    }
}
