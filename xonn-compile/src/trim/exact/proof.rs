//! What is certain of a layer's bits: which sums it can reach, and which channels are equal.

use std::collections::HashMap;

use xonn_program::op::{Cut, Pad, Planes};
use xonn_program::{Kind, LayerId, Op, Range};

use crate::trim::model::Model;
use crate::trim::space::Space;

/// Most channels of one sum that are compared pair by pair.
const MAX_EQUAL: usize = 256;

/// Whether a layer's weights are rounded to fixed point, which depends on all of them.
pub(super) fn is_rounded(model: &Model, layer: &str) -> bool {
    let sums = model.sums_of(layer).and_then(|id| model.network.sums(id));
    sums.is_some_and(|(linear, _)| matches!(linear.weights, Planes::Odd { .. }))
}

/// Whether any cut depends on a layer's sums, however far behind.
pub(super) fn is_cut(model: &Model, layer: &str) -> bool {
    let Some(id) = model.sums_of(layer) else { return true };
    let layers = model.network.layers();
    let mut depends = vec![false; layers.len()];
    depends[id] = true;
    for (at, layer) in layers.iter().enumerate().skip(id + 1) {
        depends[at] = layer.reads.iter().any(|&read| depends[read]);
    }
    layers.iter().zip(depends).any(|(layer, depends)| depends && matches!(layer.op, Op::Threshold { .. }))
}

/// The integer that a bit of 1 is at a node that holds bits, or sums of whole windows of them; `None` at any
/// other.
pub(super) fn integer_of_bits(model: &Model, mut id: LayerId) -> Option<i64> {
    let mut largest = 1;
    loop {
        let layer = &model.network.layers()[id];
        match &layer.op {
            _ if layer.kind == Kind::Bit => return Some(largest),
            Op::SumPool { window } if !window.is_padded() => {
                largest *= (window.kernel[0] * window.kernel[1]) as i64;
            }
            Op::MaxPool { .. } | Op::Permute { .. } => {}
            _ => return None,
        }
        id = *layer.reads.first()?;
    }
}

/// A layer's sums and the cuts behind them.
pub(super) struct Sums<'m> {
    /// One a channel, or a multiple of that: element `i` is of channel `i % channels`.
    pub cuts: &'m [Cut],
    /// Number of channels.
    pub channels: usize,
    /// How many sums an average pooling adds up before the cut; 1 without one.
    pub pooled: i64,
    /// `[channel][input]`.
    weights: &'m [i32],
    /// Whether the weights are all -1 or +1.
    pub signs: bool,
    /// What the layer reads.
    input: Kind,
    /// Whether some positions add up fewer numbers.
    drops: bool,
    /// Whether the largest sum of a window is cut.
    takes_largest: bool,
}

impl<'m> Sums<'m> {
    /// The sums of a space's own layer; `None` if its cuts say nothing about what its readers see.
    pub fn of(model: &'m Model, space: &Space) -> Option<Self> {
        let sums = Self::of_layer(model, &space.name)?;
        (space.is_plain && sums.channels == space.channels).then_some(sums)
    }

    /// The sums of a layer whose only reader is a cut, or a pooling and then a cut.
    pub fn of_layer(model: &'m Model, layer: &str) -> Option<Self> {
        let id = model.sums_of(layer)?;
        let own = &model.network.layers()[id];
        let (linear, weights) = model.network.sums(id)?;
        let drops = linear.window.is_padded() && linear.pad == Pad::Drop;
        // Weights that are rounded prove nothing about those of the file.
        if matches!(linear.weights, Planes::Odd { .. }) {
            return None;
        }
        let signs = linear.weights == Planes::Sign;
        let input = model.network.layers()[*own.reads.first()?].kind;
        let channels = own.channels();
        let (mut pooled, mut takes_largest) = (1, false);
        let mut at = model.only_reader(id)?;
        let cuts = loop {
            match &model.network.layers()[at].op {
                Op::Threshold { .. } => break model.network.cuts(at)?,
                Op::MaxPool { .. } => takes_largest = true,
                Op::SumPool { window } if !window.is_padded() => {
                    pooled *= (window.kernel[0] * window.kernel[1]) as i64;
                }
                // Another shape for the same elements.
                Op::Permute { source } if source.iter().enumerate().all(|(i, &s)| i == s) => {}
                _ => return None,
            }
            at = model.only_reader(at)?;
        };
        if channels == 0 || !cuts.len().is_multiple_of(channels) || !weights.len().is_multiple_of(channels) {
            return None;
        }
        Some(Self { cuts, channels, pooled, weights, signs, input, drops, takes_largest })
    }

    fn row(&self, channel: usize) -> &'m [i32] {
        let inputs = self.weights.len() / self.channels;
        &self.weights[channel * inputs..][..inputs]
    }

    /// The smallest and the largest number that can stand before the cut of a channel.
    pub fn reach(&self, channel: usize) -> [i64; 2] {
        let row = self.row(channel);
        let plus: i64 = row.iter().map(|&weight| i64::from(weight.max(0))).sum();
        let minus: i64 = row.iter().map(|&weight| i64::from(-weight.min(0))).sum();
        let Range { mut lo, mut hi } = self.input.range();
        if self.drops {
            // Any of them may be missing, which counts as 0.
            (lo, hi) = (lo.min(0), hi.max(0));
        }
        [(plus * lo - minus * hi) * self.pooled, (plus * hi - minus * lo) * self.pooled]
    }

    /// The bit that a channel always is.
    pub fn constant(&self, channel: usize) -> Option<bool> {
        let [lo, hi] = self.reach(channel);
        let mut bits = self.cuts.iter().skip(channel).step_by(self.channels).map(|cut| {
            // Monotone in the sum, so constant if both ends agree.
            (cut.fires(lo) == cut.fires(hi)).then_some(cut.fires(lo))
        });
        let first = bits.next()??;
        bits.all(|bit| bit == Some(first)).then_some(first)
    }

    /// Pairs of channels that are always equal, or (third) always opposite.
    pub fn twins(&self, flips: bool) -> Vec<(usize, usize, bool)> {
        // A sum and its negative have the same key; the largest of a window has no such symmetry.
        let flips = flips && !self.takes_largest;
        type Key = (Vec<i32>, Vec<i64>);
        let mut groups: HashMap<Key, Vec<(usize, Vec<bool>)>> = HashMap::new();
        for channel in 0..self.channels {
            let row = self.row(channel);
            let negate = flips && row.iter().find(|&&weight| weight != 0).is_some_and(|&weight| weight < 0);
            let key = row.iter().map(|&weight| if negate { -weight } else { weight }).collect();
            let cuts = self.cuts.iter().skip(channel).step_by(self.channels);
            let (edges, rising): (Vec<i64>, Vec<bool>) = cuts.map(|&cut| self.edge(cut, negate)).unzip();
            groups.entry((key, edges)).or_default().push((channel, rising));
        }
        let mut pairs = Vec::new();
        for members in groups.into_values() {
            let members = &members[..members.len().min(MAX_EQUAL)];
            for (i, (a, rising_a)) in members.iter().enumerate() {
                for (b, rising_b) in &members[i + 1..] {
                    if rising_a == rising_b {
                        pairs.push((*a, *b, false));
                    } else if flips && rising_a.iter().zip(rising_b).all(|(a, b)| a != b) {
                        pairs.push((*a, *b, true));
                    }
                }
            }
        }
        pairs.sort_unstable(); // groups come in any order
        pairs
    }

    /// The `e` for which the cut is `u >= e` (true) or `u < e` (false), `u` being the sum or its negative.
    fn edge(&self, cut: Cut, negate: bool) -> (i64, bool) {
        let (edge, rising) = match (cut.rising, negate) {
            (true, false) => (cut.at, true),
            (false, false) => (cut.at + 1, false),
            (true, true) => (1 - cut.at, false),
            (false, true) => (-cut.at, true),
        };
        // Sums of n bits are as odd as n, so every other edge means the same as the one above it.
        let odd = self.signs && self.input == Kind::Bit && !self.drops && self.pooled == 1;
        let inputs = (self.weights.len() / self.channels) as i64;
        (edge + i64::from(odd && (edge - inputs) % 2 != 0), rising)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums<'m>(weights: &'m [i32], cuts: &'m [Cut], input: Kind) -> Sums<'m> {
        let channels = cuts.len();
        let signs = weights.iter().all(|w| w.abs() == 1);
        Sums { cuts, channels, pooled: 1, weights, signs, input, drops: false, takes_largest: false }
    }

    /// All inputs of three bits decide what is constant, equal or opposite.
    #[test]
    fn proofs_agree_with_all_inputs() {
        let mut state = 7u32;
        let mut random = |n: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) % n
        };
        let mut seen = [0; 3];
        for _ in 0..300 {
            let kinds = random(3) as i32;
            let weight = |n: u32| if kinds == 0 { 2 * (n as i32 % 3 - 1) } else { 2 * (n as i32 % 2) - 1 };
            let weights: Vec<i32> = (0..12).map(|_| weight(random(6))).collect();
            let cuts: Vec<Cut> =
                (0..4).map(|_| Cut { rising: random(2) == 1, at: i64::from(random(11)) - 5 }).collect();
            let sums = sums(&weights, &cuts, Kind::Bit);
            let bits: Vec<Vec<bool>> = (0..4)
                .map(|c| {
                    (0..8)
                        .map(|x| {
                            let x: Vec<i64> = (0..3).map(|i| if x >> i & 1 == 1 { 1 } else { -1 }).collect();
                            let y = weights[3 * c..][..3].iter().zip(&x).map(|(&w, &x)| i64::from(w) * x);
                            cuts[c].fires(y.sum())
                        })
                        .collect()
                })
                .collect();
            for (c, bits) in bits.iter().enumerate() {
                let constant = bits.iter().all(|&b| b == bits[0]).then_some(bits[0]);
                assert_eq!(sums.constant(c), constant);
                seen[0] += usize::from(constant.is_some());
            }
            for (a, b, opposite) in sums.twins(true) {
                assert!(bits[a].iter().zip(&bits[b]).all(|(a, b)| (a != b) == opposite));
                seen[1 + usize::from(opposite)] += 1;
            }
            assert!(sums.twins(false).iter().all(|(.., opposite)| !opposite));
        }
        assert!(seen.iter().all(|&n| n > 20), "{seen:?}");
    }

    #[test]
    fn reach_is_what_the_inputs_can_do() {
        let weights = [1, 1, -1];
        let cuts = [Cut { rising: true, at: 0 }];
        let bytes = Kind::Int(Range { lo: 0, hi: 255 });
        assert_eq!(sums(&weights, &cuts, bytes).reach(0), [-255, 510]);
        let shifted = Kind::Int(Range { lo: 3, hi: 5 });
        assert_eq!(sums(&weights, &cuts, shifted).reach(0), [1, 7]);
        assert_eq!(Sums { drops: true, ..sums(&weights, &cuts, shifted) }.reach(0), [-5, 10]);
        assert_eq!(Sums { pooled: 4, ..sums(&weights, &cuts, bytes) }.reach(0), [-1020, 2040]);
    }
}
