//! How far each layer's hidden numbers are from the float network's.

use rayon::prelude::*;
use serde::Serialize;
use xonn_program::Op;
use xonn_program::data::Tensor;
use xonn_program::evaluate::tensors_rounded;
use xonn_program::op::Rounding;

use crate::calibrate::{Samples, multiplications};
use crate::network::Network;
use crate::passes::{Stand, Twin};

/// Most samples that are looked at.
const SAMPLES: usize = 256;

/// Multiplications of all samples together that may be spent.
const WORK: usize = 4_000_000_000;

/// Seed of the dice.
const SEED: u64 = 1;

/// By how much the numbers of one layer differ from the float network's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerError {
    /// The Keras layer.
    pub layer: String,
    /// Its class.
    pub class: String,
    /// Bits of a number.
    pub bits: u32,
    /// The largest number of the float network, in units of the last bit.
    pub largest: f64,
    /// Rounded to the nearest.
    pub nearest: Spread,
    /// Rounded by chance, as on shares.
    pub by_chance: Spread,
}

/// Differences in units of the last bit.
#[derive(Clone, Copy, Default, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Root of the mean square.
    pub deviation: f64,
    /// The largest.
    pub most: f64,
}

/// Sums that a [`Spread`] is made of.
#[derive(Clone, Copy, Default)]
struct Sums {
    count: f64,
    squares: f64,
    most: f64,
}

impl Sums {
    fn add(&mut self, difference: f64) {
        self.count += 1.0;
        self.squares += difference * difference;
        self.most = self.most.max(difference.abs());
    }

    fn with(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            squares: self.squares + other.squares,
            most: self.most.max(other.most),
        }
    }

    fn spread(self) -> Spread {
        Spread { deviation: (self.squares / self.count.max(1.0)).sqrt(), most: self.most }
    }
}

/// Looks at some of the samples, evenly taken.
///
/// * `x`: all samples, as the model was trained on.
/// * `samples`: the same as the program's integers.
///
/// # Errors
/// Samples of another size than the model's inputs.
pub fn errors(
    network: &Network,
    twin: &Twin,
    x: &Tensor,
    samples: &[Vec<i64>],
) -> Result<Vec<LayerError>, String> {
    let count = (WORK / multiplications(&twin.graph).max(1)).clamp(1, SAMPLES);
    let chosen = Samples::of(&twin.graph, x, count)?;
    let layers = network.layers();
    let of_one = |(inputs, &at): (&Vec<Vec<f32>>, &usize)| -> Result<Vec<[Sums; 3]>, String> {
        let real = twin.graph.evaluate(inputs)?;
        let dice = Rounding::seeded(SEED << 32 | at as u64);
        let found = [Rounding::Half, dice]
            .map(|mut rounding| tensors_rounded(layers, network.tensors(), &samples[at], &mut rounding).0);
        let of_layer = |&Stand { layer, node, unit }: &Stand| {
            let mut sums = [Sums::default(); 3];
            for (i, &real) in real[&node].iter().enumerate() {
                let real = f64::from(real) / unit;
                sums[0].add(real);
                sums[1].add(found[0][layer][i] as f64 - real);
                sums[2].add(found[1][layer][i] as f64 - real);
            }
            sums
        };
        Ok(twin.stands.iter().map(of_layer).collect())
    };
    let join = |a: Vec<[Sums; 3]>, b: Vec<[Sums; 3]>| {
        Ok(a.into_iter().zip(b).map(|(a, b)| std::array::from_fn(|i| a[i].with(b[i]))).collect())
    };
    let none = || vec![[Sums::default(); 3]; twin.stands.len()];
    let pairs = chosen.inputs.par_iter().zip(&chosen.chosen);
    let sums = pairs.map(of_one).try_reduce(none, join)?;
    let told = twin.stands.iter().zip(sums).map(|(stand, [real, nearest, by_chance])| {
        let layer = &twin.graph.graph[stand.node];
        let bits = match layers[stand.layer].op {
            Op::Round(round) => round.bits,
            _ => layers[stand.layer].kind.range().signed_bits(),
        };
        LayerError {
            layer: layer.name.clone(),
            class: layer.class.clone(),
            bits,
            largest: real.most,
            nearest: nearest.spread(),
            by_chance: by_chance.spread(),
        }
    });
    Ok(told.collect())
}
