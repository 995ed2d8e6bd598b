//! The server's sums on its own share, in the clear: the whole of its work once the input is there.
//!
//! Wrapping arithmetic on words that hold the ring; which words are read depends on the layer alone.

use rayon::prelude::*;
use xonn_crypto::Wiped;
use xonn_program::op::Linear;

/// Positions whose sums are computed together, so that weights are read once for all.
const TOGETHER: usize = 8;

/// A number modulo a power of two.
pub(super) trait Word: Copy + Default + Send + Sync {
    /// `self + a b`.
    fn multiply_add(self, a: Self, b: Self) -> Self;
}

impl Word for u32 {
    fn multiply_add(self, a: Self, b: Self) -> Self {
        self.wrapping_add(a.wrapping_mul(b))
    }
}

impl Word for u64 {
    fn multiply_add(self, a: Self, b: Self) -> Self {
        self.wrapping_add(a.wrapping_mul(b))
    }
}

/// The sums over each window of `x`, `[height, width, channel]`; what is outside of the image counts as `outside`.
pub(super) fn sums<W: Word>(linear: &Linear, weights: &[W], x: &[W], outside: W) -> Wiped<W> {
    let Linear { window, filters, groups, .. } = *linear;
    let (all_channels, channels, of_group) = (window.input[2], linear.channels(), filters / groups);
    let fan_in = linear.fan_in();
    let mut y = Wiped::zeros(linear.elements());
    y.par_chunks_mut(TOGETHER * filters).enumerate().for_each(|(chunk, y)| {
        let first = chunk * TOGETHER;
        let count = y.len() / filters;
        let mut seen = Wiped::zeros(count * fan_in);
        for group in 0..groups {
            for (place, seen) in seen.chunks_exact_mut(fan_in).enumerate() {
                let position = [(first + place) / window.output[1], (first + place) % window.output[1]];
                for (seen, tap) in seen.chunks_exact_mut(channels).zip(window.taps(position)) {
                    match tap {
                        Some(pixel) => {
                            let pixel = &x[pixel * all_channels + group * channels..][..channels];
                            seen.copy_from_slice(pixel);
                        }
                        None => seen.fill(outside),
                    }
                }
            }
            for filter in group * of_group..(group + 1) * of_group {
                let weights = &weights[filter * fan_in..][..fan_in];
                for (place, seen) in seen.chunks_exact(fan_in).enumerate() {
                    let products = weights.iter().zip(seen);
                    y[place * filters + filter] =
                        products.fold(W::default(), |sum, (&w, &x)| sum.multiply_add(w, x));
                }
            }
        }
    });
    y
}
