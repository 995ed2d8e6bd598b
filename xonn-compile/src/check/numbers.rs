//! What rounding does to a network of hidden numbers: numbers that did not fit, and classes when numbers are
//! rounded by chance, as hosts that hold shares will.

use rayon::prelude::*;
use serde::Serialize;
use xonn_program::Op;
use xonn_program::evaluate::{Evaluated, tensors_rounded};
use xonn_program::op::Rounding;

use super::Answer;
use crate::network::Network;
use crate::passes::Twin;

/// Dice that are tried.
const SEEDS: u64 = 3;

/// What was found of hidden numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Numbers {
    /// Bits of each number.
    pub bits: u32,
    /// Layers with numbers that did not fit their bits and were taken modulo `2^bits`, which is wrong, or
    /// that left where the samples were in a channel that did not change on them
    /// ([`crate::passes::Tamed`]).
    pub lost: Vec<Lost>,
    /// For each of some seeds, how many samples get the class, or labels, of rounding to the nearest if
    /// numbers are rounded by chance.
    pub equal_by_chance: Vec<usize>,
}

/// Numbers of one layer that did not fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lost {
    /// The Keras layer.
    pub layer: String,
    /// How many numbers of all samples.
    pub numbers: usize,
    /// Of how many.
    pub of: usize,
}

/// Looks at all samples; `None` of a network without hidden numbers.
///
/// * `twin`: what the network stands for.
/// * `found`: the predictions with rounding to the nearest.
#[must_use]
pub fn numbers(
    network: &Network,
    twin: Option<&Twin>,
    samples: &[Vec<i64>],
    found: &[Evaluated],
) -> Option<Numbers> {
    let layers = network.layers();
    let bits = layers.iter().filter_map(|layer| match layer.op {
        Op::Round(round) => Some(round.bits),
        _ => None,
    });
    let bits = bits.max()?;
    let rounded = |q: &Vec<i64>, mut rounding: Rounding| {
        let (mut tensors, mut lost) = tensors_rounded(layers, network.tensors(), q, &mut rounding);
        for tamed in twin.iter().flat_map(|twin| &twin.tamed) {
            lost[tamed.layer] += tamed.elsewhere(&tensors[tamed.read]);
        }
        (network.program().evaluated(tensors.pop().unwrap_or_default()), lost)
    };
    let add = |mut a: Vec<usize>, b: Vec<usize>| {
        a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        a
    };
    let lost = samples.par_iter().map(|q| rounded(q, Rounding::Half).1).reduce(|| vec![0; layers.len()], add);
    let lost = (0..layers.len()).filter(|&id| lost[id] > 0).map(|id| Lost {
        layer: network.name(id).to_owned(),
        numbers: lost[id],
        of: layers[id].elements() * samples.len(),
    });
    let answer = |found: &Evaluated| Answer::of(found, network.output());
    let by_chance = |seed: u64| {
        let equal = |(i, q): (usize, &Vec<i64>)| {
            let dice = Rounding::seeded(seed.wrapping_mul(1 << 32).wrapping_add(i as u64));
            answer(&rounded(q, dice).0) == answer(&found[i])
        };
        samples.par_iter().enumerate().filter(|&(i, q)| equal((i, q))).count()
    };
    Some(Numbers { bits, lost: lost.collect(), equal_by_chance: (1..=SEEDS).map(by_chance).collect() })
}
