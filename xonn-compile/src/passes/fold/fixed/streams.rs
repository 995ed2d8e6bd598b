//! Units of fixed point, and the tensors that share them.

use std::collections::HashMap;
use std::sync::Arc;

use crate::passes::fold::Fold;

/// The part of a unit's numbers that is left free, for roundings.
const MARGIN: f64 = 1.0 / 64.0;

/// The layer where tensors of the same units were written in fixed point first.
pub(in crate::passes::fold) type Stream = Arc<str>;

/// The largest numbers of each stream, also of those that join it late: known only when all layers have been
/// looked at, so they are looked at again if a unit was too small.
#[derive(Clone, Default, Debug)]
pub(in crate::passes::fold) struct Streams {
    largest: HashMap<Stream, Vec<f64>>,
    /// Whether a unit was too small.
    pub again: bool,
}

impl Fold<'_> {
    /// Units for the largest numbers by channel of several tensors, and of what joins them later.
    pub(in crate::passes::fold) fn units<'v>(
        &'v self,
        name: &str,
        all: impl Iterator<Item = &'v Vec<f64>>,
    ) -> Vec<f64> {
        let bits = self.options.scale_bits;
        let joined = all.chain(self.streams.largest.get(name)).fold(vec![0.0], |a, b| larger(&a, b));
        joined.into_iter().map(|largest| unit_for(largest, bits)).collect()
    }

    /// Takes note of tensors that join a stream of these units and do not fit.
    pub(in crate::passes::fold) fn fit<'v>(
        &mut self,
        stream: &Stream,
        units: &[f64],
        joining: impl Iterator<Item = &'v Vec<f64>>,
    ) {
        let joined = joining.fold(vec![0.0], |a, b| larger(&a, b));
        // Half of the margin, so that what is near it is not looked at again and again.
        let most = f64::from(self.options.scale_bits).exp2() * (1.0 - MARGIN / 2.0);
        let count = joined.len().max(units.len());
        if (0..count).any(|i| joined[i % joined.len()] > units[i % units.len()] * most) {
            let known = self.streams.largest.entry(stream.clone()).or_insert_with(|| vec![0.0]);
            *known = larger(known, &joined);
            self.streams.again = true;
        }
    }
}

/// The unit of which numbers up to `largest` are at most `2^bits`; next to nothing where there are none but
/// 0. A power of two, so that slopes which are integers or halves stay exact, and with them sums that are on
/// the edge of a sign.
pub(super) fn unit_for(largest: f64, bits: u32) -> f64 {
    let largest = largest.max(f64::from(f32::MIN_POSITIVE)) / (1.0 - MARGIN);
    (largest.log2().ceil() - f64::from(bits)).exp2()
}

/// The larger of two rows of numbers, of which either may be one for all.
fn larger(a: &[f64], b: &[f64]) -> Vec<f64> {
    (0..a.len().max(b.len())).map(|i| a[i % a.len()].max(b[i % b.len()])).collect()
}
