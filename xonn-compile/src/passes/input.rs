//! How the client's numbers enter: `x = scale * (q - zero)`, `q` an integer.

use petgraph::stable_graph::NodeIndex;
use xonn_program::Range;
use xonn_program::encoding::{Feature, InputEncoding};

use super::PassError;
use crate::graph::{LayerGraph, LayerOp, Line};

/// Deviations either way that a standardised number may be away from the mean, where nothing else is said.
const DEVIATIONS: f64 = 32.0;

/// Bits of a standardised number, where nothing else is said: steps of 1 / 16384 of a deviation.
const STANDARDISED_BITS: u32 = 20;

/// The client's numbers: `x = scale * (q - zero)`, `q` an integer of `bits` bits; `x` is standardised by
/// feature where `features` is not empty.
#[derive(Clone, PartialEq, Debug)]
pub struct InputSpec {
    /// Shape of one sample, channels last.
    pub shape: Vec<usize>,
    /// Bits of each `q`.
    pub bits: u32,
    /// Whether `q` is in two's complement.
    pub signed: bool,
    /// Value of one unit of `q`.
    pub scale: f64,
    /// The `q` that stands for 0; also between two integers, as in `q / 127.5 - 1`.
    pub zero: f64,
    /// One for each index of the last axis: what the client standardises by. Empty if it does not.
    pub features: Vec<Feature>,
    /// Whether samples are of tokens, each sent as bits that are all 0 but one.
    pub tokens: bool,
    /// Whether the network computes with standardised numbers, as the `Normalization` that the client does in
    /// its place would give them; else with the client's own, which `features` only encode.
    pub standardised: bool,
}

impl InputSpec {
    /// Raw numbers as they are: `bits` bits without a sign, one unit being 1.
    #[must_use]
    pub fn unsigned(shape: Vec<usize>, bits: u32) -> Self {
        Self {
            shape,
            bits,
            signed: false,
            scale: 1.0,
            zero: 0.0,
            features: Vec::new(),
            tokens: false,
            standardised: false,
        }
    }

    /// Tokens; `shape` is theirs with another axis, of which each has a place.
    #[must_use]
    pub fn tokens(shape: Vec<usize>) -> Self {
        Self { tokens: true, ..Self::unsigned(shape, 1) }
    }

    /// The network's numbers in terms of `q`: one line for all, or one for each index of the
    /// last axis.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        let all = Line::new(self.scale, -self.scale * self.zero);
        if self.standardised || self.features.is_empty() {
            return vec![all];
        }
        let of = |f: &Feature| Line::new(f.deviation * all.scale, f.mean + f.deviation * all.offset);
        self.features.iter().map(of).collect()
    }

    /// How the client's numbers become bits.
    #[must_use]
    pub fn encoding(&self) -> InputEncoding {
        // A zero between two integers is a shift of every feature: x = s (q - z) is -s z + s q.
        let whole = self.zero.fract() == 0.0;
        let shift = Feature { mean: -self.scale * self.zero, deviation: 1.0 };
        let features = match whole {
            true => self.features.clone(),
            false => vec![shift; self.shape.last().copied().unwrap_or(1)],
        };
        InputEncoding {
            shape: self.shape.iter().map(|&n| n as u32).collect(),
            bits: self.bits,
            signed: self.signed,
            scale: self.scale,
            zero: if whole { self.zero as i64 } else { 0 },
            features,
            tokens: self.tokens,
        }
    }

    /// The smallest and the largest `q`.
    #[must_use]
    pub fn range(&self) -> Range {
        if self.signed {
            Range { lo: -(1 << (self.bits - 1)), hi: (1 << (self.bits - 1)) - 1 }
        } else {
            Range { lo: 0, hi: (1 << self.bits) - 1 }
        }
    }
}

/// What the user says about the input; what is left open is 8 bits, unsigned, scale 1, zero 0, or for
/// standardised inputs 20 bits, signed, and 32 deviations either way.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct InputOptions {
    /// Bits of each `q`.
    pub bits: Option<u32>,
    /// Whether `q` is signed.
    pub signed: bool,
    /// Value of one unit of `q`.
    pub scale: Option<f64>,
    /// The `q` that stands for 0, a whole number or one between two.
    pub zero: Option<f64>,
    /// Whether the client does what the `Normalization` that reads the input does, so that its numbers become
    /// public.
    pub standardised: bool,
    /// What each feature is encoded by, where one scale does not fit all: shifted by `mean` and divided by
    /// `deviation` first.
    pub features: Vec<Feature>,
}

impl InputOptions {
    /// The input of a model that takes `shape`; `features` are those that the client standardises.
    ///
    /// # Errors
    /// [`PassError::Input`] if a number is out of bounds.
    pub fn spec(
        &self,
        shape: &[usize],
        features: Vec<Feature>,
        notes: &mut Vec<String>,
    ) -> Result<InputSpec, PassError> {
        let error = |reason: String| PassError::Input { reason };
        if *self == Self::default() {
            notes.push(
                "the input is taken as integers 0 to 255, as they come (8 bits, scale 1); say otherwise with \
                 --input-bits, --input-scale and --input-zero"
                    .into(),
            );
        }
        let bits = self.bits.unwrap_or(if self.standardised { STANDARDISED_BITS } else { 8 });
        if !(1..=24).contains(&bits) {
            return Err(error(format!("{bits} bits, expected 1 to 24")));
        }
        let widest = DEVIATIONS / f64::from(1u32 << (bits - 1));
        let scale = self.scale.unwrap_or(if self.standardised { widest } else { 1.0 });
        if !(scale.is_finite() && scale > 0.0) {
            return Err(error(format!("a scale of {scale}, expected a positive number")));
        }
        let zero = self.zero.unwrap_or(0.0);
        if !zero.is_finite() || zero.abs() >= f64::from(1 << 24) {
            return Err(error(format!("a zero of {zero}, expected a number below 2^24")));
        }
        if !self.features.is_empty() && self.features.len() != shape.last().copied().unwrap_or(1) {
            let (found, expected) = (self.features.len(), shape.last().copied().unwrap_or(1));
            return Err(error(format!(
                "scales for {found} features, expected {expected}, the last axis of the input"
            )));
        }
        if zero.fract() != 0.0 && (self.standardised || !self.features.is_empty()) {
            return Err(error(format!(
                "a zero of {zero} where features have scales of their own, expected a whole number"
            )));
        }
        let features = if self.standardised { features } else { self.features.clone() };
        let signed = self.signed || self.standardised;
        let (shape, standardised) = (shape.to_vec(), self.standardised);
        Ok(InputSpec { shape, bits, signed, scale, zero, features, tokens: false, standardised })
    }

    /// What the client standardises by, if it is to: the numbers of the `Normalization` that alone reads the
    /// input.
    ///
    /// # Errors
    /// [`PassError::Input`] if there is no such layer, or no deviation to divide by.
    pub fn features(
        &self,
        graph: &LayerGraph,
        used: &[NodeIndex],
        notes: &mut Vec<String>,
    ) -> Result<Vec<Feature>, PassError> {
        if !self.standardised {
            return Ok(Vec::new());
        }
        let error = |reason: String| PassError::Input { reason };
        let [input] = *used else {
            return Err(error(format!("{} inputs to standardise, expected one", used.len())));
        };
        let readers = graph.readers_of(input);
        let normalization = match readers[..] {
            [reader] => match &graph.graph[reader].op {
                LayerOp::Normalize { mean, deviation } => Some((reader, mean, deviation)),
                _ => None,
            },
            _ => None,
        };
        let Some((layer, mean, deviation)) = normalization else {
            let names =
                readers.iter().map(|&reader| graph.graph[reader].op.name()).collect::<Vec<_>>().join(", ");
            return Err(error(format!(
                "a standardised input that is read by {names}, expected a Normalization that reads it and \
                 nothing else"
            )));
        };
        let count = graph.graph[input].shape.last().copied().unwrap_or(1);
        let of = |numbers: &[f32], i: usize| f64::from(numbers[i % numbers.len()]);
        let features: Vec<Feature> = (0..count)
            .map(|i| Feature { mean: of(&mean.data, i), deviation: of(&deviation.data, i) })
            .collect();
        let name = &graph.graph[layer].name;
        notes.push(format!(
            "the client standardises its numbers as {name:?} says: its means and deviations become public"
        ));
        Ok(features)
    }
}
