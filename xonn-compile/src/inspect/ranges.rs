//! How large the numbers of each layer are on samples, beside what their bits hold.
//!
//! This tells of weights and samples, so it is for the model's owner alone: it is shown of a model, is in no
//! package, and not in the JSON form of a report, which may be passed on.

use rayon::prelude::*;
use xonn_program::Op;
use xonn_program::data::Tensor;
use xonn_program::evaluate::tensors_rounded;
use xonn_program::op::Rounding;

use crate::calibrate::{Samples, multiplications};
use crate::compile::quantised;
use crate::network::Network;
use crate::passes::Twin;

/// Most samples that are looked at.
const SAMPLES: usize = 128;

/// Multiplications of all samples together that may be spent.
const WORK: usize = 2_000_000_000;

/// The numbers of one layer on samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranges {
    /// The Keras layer.
    pub layer: String,
    /// Its class.
    pub class: String,
    /// Bits of a number, with its sign.
    pub bits: u32,
    /// How many numbers have `i` binary digits, from 0 (the number 0) upwards: below 0, and from 0 on.
    pub digits: [Vec<u64>; 2],
    /// The smallest and the largest.
    pub ends: [i64; 2],
    /// How many did not fit.
    pub lost: u64,
}

impl Ranges {
    fn new(layer: &crate::graph::Layer, bits: u32) -> Self {
        let none = vec![0; bits as usize];
        Self {
            layer: layer.name.clone(),
            class: layer.class.clone(),
            bits,
            digits: [none.clone(), none],
            ends: [i64::MAX, i64::MIN],
            lost: 0,
        }
    }

    fn add(&mut self, numbers: &[i64], lost: usize) {
        for &x in numbers {
            let digits = (u64::BITS - x.unsigned_abs().leading_zeros()) as usize;
            // The smallest of all has one digit more.
            let row = &mut self.digits[usize::from(x >= 0)];
            let last = row.len() - 1;
            row[digits.min(last)] += 1;
            self.ends = [self.ends[0].min(x), self.ends[1].max(x)];
        }
        self.lost += lost as u64;
    }

    fn with(mut self, other: &Self) -> Self {
        for (own, other) in self.digits.iter_mut().zip(&other.digits) {
            own.iter_mut().zip(other).for_each(|(own, other)| *own += other);
        }
        self.ends = [self.ends[0].min(other.ends[0]), self.ends[1].max(other.ends[1])];
        self.lost += other.lost;
        self
    }

    /// Bits that the largest number leaves unused.
    #[must_use]
    pub fn spare(&self) -> f64 {
        let largest = self.ends.iter().map(|x| x.unsigned_abs()).max().unwrap_or(0).max(1);
        f64::from(self.bits - 1) - (largest as f64).log2()
    }
}

/// Looks at some of the samples, evenly taken.
///
/// # Errors
/// Samples of another size than the model's inputs, or that its encoding does not hold.
pub(super) fn ranges(network: &Network, twin: &Twin, x: &Tensor) -> Result<Vec<Ranges>, String> {
    let count = (WORK / multiplications(&twin.graph).max(1)).clamp(1, SAMPLES);
    let chosen = Samples::of(&twin.graph, x, count)?.chosen;
    let samples = quantised(x, network.input())?;
    let layers = network.layers();
    let none = || -> Vec<Ranges> {
        let of = |stand: &crate::passes::Stand| {
            let bits = match layers[stand.layer].op {
                Op::Round(round) => round.bits,
                _ => layers[stand.layer].kind.range().signed_bits(),
            };
            Ranges::new(&twin.graph.graph[stand.node], bits.max(2))
        };
        twin.stands.iter().map(of).collect()
    };
    let one = |&at: &usize| {
        let (tensors, lost) = tensors_rounded(layers, network.tensors(), &samples[at], &mut Rounding::Half);
        let mut found = none();
        for (found, stand) in found.iter_mut().zip(&twin.stands) {
            found.add(&tensors[stand.layer], lost[stand.layer]);
        }
        found
    };
    let join = |a: Vec<Ranges>, b: Vec<Ranges>| a.into_iter().zip(&b).map(|(a, b)| a.with(b)).collect();
    Ok(chosen.par_iter().map(one).reduce(none, join))
}
