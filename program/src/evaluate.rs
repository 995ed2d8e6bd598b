//! A program in the clear: the reference that circuits and protocols are compared with.

use rayon::prelude::*;

use crate::encoding::{OutputEncoding, Prediction};
use crate::op::{Op, Rounding};
use crate::program::{Layer, Program};
use crate::tensor::Tensor;

/// An input of the wrong length or out of range.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("sample {sample}: {reason}")]
pub struct InputError {
    /// Index of the sample.
    pub sample: usize,
    /// What was found and what was expected.
    pub reason: String,
}

/// What a network gives for one sample.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Evaluated {
    /// The class, the lowest one if scores tie; 0 where the network gives labels.
    pub class: usize,
    /// The last tensor.
    pub scores: Vec<i64>,
}

impl Evaluated {
    /// The last tensor's signs as 0 and 1.
    #[must_use]
    pub fn labels(&self) -> Vec<u8> {
        self.scores.iter().map(|&bit| u8::from(bit > 0)).collect()
    }

    /// What the client learns of it.
    #[must_use]
    pub fn prediction(&self, output: &OutputEncoding) -> Prediction {
        match *output {
            OutputEncoding::Scores { scale, .. } => {
                Prediction::Scores(self.scores.iter().map(|&score| score as f64 * scale).collect())
            }
            OutputEncoding::Labels { .. } => Prediction::Labels(self.labels()),
            _ => Prediction::Class(self.class as u32),
        }
    }
}

impl Program {
    /// Evaluates any number of samples, in parallel; each is the input's `q` in row-major order.
    ///
    /// * `secret`: one tensor for each of [`Program::tensors`].
    ///
    /// # Errors
    /// [`InputError`] for the first sample of the wrong length or with a number out of the input's range.
    ///
    /// # Panics
    /// If the tensors are not those of this program.
    pub fn evaluate(&self, secret: &[Tensor], samples: &[Vec<i64>]) -> Result<Vec<Evaluated>, InputError> {
        let (codes, length) = (self.input().codes(), self.input().elements());
        for (sample, q) in samples.iter().enumerate() {
            if q.len() != length {
                let reason = format!("{} numbers, expected {length}", q.len());
                return Err(InputError { sample, reason });
            }
            if let Some(q) = q.iter().find(|q| !codes.contains(q)) {
                let reason = format!("{q} is out of range, expected {} to {}", codes.start(), codes.end());
                return Err(InputError { sample, reason });
            }
        }
        let evaluate = |q: &Vec<i64>| {
            let scores = tensors(self.layers(), secret, q).pop().unwrap_or_default();
            self.evaluated(scores)
        };
        Ok(samples.par_iter().map(evaluate).collect())
    }

    /// What a sample is of which the last layer gives these numbers.
    #[must_use]
    pub fn evaluated(&self, scores: Vec<i64>) -> Evaluated {
        let largest = || {
            (0..scores.len()).reduce(|best, i| if scores[i] > scores[best] { i } else { best }).unwrap_or(0)
        };
        let class = match *self.output() {
            OutputEncoding::Scores { .. } if scores.len() == 1 => usize::from(scores[0] > 0),
            OutputEncoding::Argmax { .. } | OutputEncoding::Scores { .. } => largest(),
            OutputEncoding::Sign => usize::from(scores.first().is_some_and(|&bit| bit > 0)),
            OutputEncoding::Labels { .. } | OutputEncoding::Bits => 0,
        };
        Evaluated { class, scores }
    }
}

/// Every layer's tensor for one sample; bits are `+1` and `-1`. Where layers round, to the nearest number.
///
/// # Panics
/// If layers, secret and input do not fit each other.
#[must_use]
pub fn tensors(layers: &[Layer], secret: &[Tensor], q: &[i64]) -> Vec<Vec<i64>> {
    tensors_rounded(layers, secret, q, &mut Rounding::Half).0
}

/// Every layer's tensor for one sample, and of each layer how many of its numbers did not fit the bits that
/// it keeps ([`Round`](crate::op::Round)).
///
/// # Panics
/// If layers, secret and input do not fit each other.
#[must_use]
pub fn tensors_rounded(
    layers: &[Layer],
    secret: &[Tensor],
    q: &[i64],
    rounding: &mut Rounding,
) -> (Vec<Vec<i64>>, Vec<usize>) {
    let mut tensors: Vec<Vec<i64>> = Vec::with_capacity(layers.len());
    let mut lost = vec![0; layers.len()];
    for (layer, lost) in layers.iter().zip(&mut lost) {
        let mut reads: Vec<(&[i64], usize)> = Vec::with_capacity(layer.reads.len());
        for &read in &layer.reads {
            reads.push((&tensors[read], layers[read].channels()));
        }
        if reads.is_empty() {
            reads.push((q, 1));
        }
        let tensor = match &layer.op {
            Op::Round(round) => {
                let (tensor, count) = round.evaluate(reads[0].0, rounding);
                *lost = count;
                tensor
            }
            op => op.evaluate(layer.secret.map(|id| &secret[id]), &reads),
        };
        let range = layer.kind.range();
        debug_assert!(tensor.iter().all(|&v| range.lo <= v && v <= range.hi), "{:?} of {layer:?}", tensor);
        tensors.push(tensor);
    }
    (tensors, lost)
}
