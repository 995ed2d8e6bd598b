//! The server's sums on its own share, in the clear: the whole of its work once the input is there.
//!
//! Wrapping arithmetic on words that hold the ring; which of them are read depends on the layer alone.

use rayon::prelude::*;
use xonn_crypto::Wiped;
use xonn_program::op::Linear;

/// Positions whose sums are computed together, so that weights are read once for all.
const TOGETHER: usize = 8;

/// A number modulo a power of two.
pub(super) trait Word: Copy + Default + Send + Sync {
    /// Modulo it.
    fn of(x: u64) -> Self;

    /// `self + a b`.
    fn multiply_add(self, a: Self, b: Self) -> Self;
}

macro_rules! word {
    ($($word:ty),*) => {$(
        impl Word for $word {
            #[inline]
            fn of(x: u64) -> Self {
                x as Self
            }

            #[inline]
            fn multiply_add(self, a: Self, b: Self) -> Self {
                self.wrapping_add(a.wrapping_mul(b))
            }
        }
    )*};
}

word!(u16, u32, u64);

/// The weights of sums modulo 2^l, in the shortest words that hold such numbers: 16 bits are many times as
/// fast as 32 on processors of which nothing is known.
pub(super) enum Weights {
    Short(Wiped<u16>),
    Long(Wiped<u32>),
    Wide(Wiped<u64>),
}

impl Weights {
    /// For sums of l bits.
    pub fn new(l: u32, weights: &[i32]) -> Self {
        match l {
            ..=16 => Self::Short(weights.iter().map(|&w| w as u16).collect()),
            17..=32 => Self::Long(weights.iter().map(|&w| w as u32).collect()),
            _ => Self::Wide(weights.iter().map(|&w| w as u64).collect()),
        }
    }

    /// The sums over each window, every number outside of the image being `outside`: modulo 2^l, and not
    /// reduced.
    pub fn sums(&self, linear: &Linear, x: &[u64], outside: u64) -> Wiped<u64> {
        fn of<W: Word + Into<u64>>(linear: &Linear, weights: &[W], x: &[u64], outside: u64) -> Wiped<u64> {
            let x: Wiped<W> = x.iter().map(|&x| W::of(x)).collect();
            sums(linear, weights, &x, W::of(outside)).iter().map(|&sum| sum.into()).collect()
        }
        match self {
            Self::Short(weights) => of(linear, weights, x, outside),
            Self::Long(weights) => of(linear, weights, x, outside),
            Self::Wide(weights) => of(linear, weights, x, outside),
        }
    }
}

/// A sum of products, in vector instructions as it stands.
fn dot<W: Word>(weights: &[W], x: &[W]) -> W {
    weights.iter().zip(x).fold(W::default(), |sum, (&w, &x)| sum.multiply_add(w, x))
}

/// The sums over each window of `x`, `[height, width, channel]`; what is outside of the image counts as
/// `outside`.
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
                    y[place * filters + filter] = dot(weights, seen);
                }
            }
        }
    });
    y
}

#[cfg(test)]
mod tests {
    use super::*;
    use xonn_program::op::{Pad, Planes, Window2d};

    #[test]
    fn sums_are_those_of_the_program() {
        let window = Window2d {
            input: [5, 7, 6],
            kernel: [3, 2],
            stride: [1, 2],
            dilation: [2, 1],
            pad_low: [2, 1],
            output: [5, 4],
        };
        for groups in [1, 2, 3] {
            let weights = Planes::Odd { bits: 4 };
            let linear = Linear { weights, window, filters: 12, groups, pad: Pad::Bit(false) };
            let w: Vec<i32> =
                (0..linear.weight_count() as i32).map(|i| (i * i * 7 + i) % 16 * 2 - 15).collect();
            let x: Vec<i64> = (0..5 * 7 * 6).map(|i| i * i * 977 - 70_000).collect();
            let words = |x: &[i64]| -> Vec<u64> { x.iter().map(|&x| x as u64).collect() };
            let wide: Vec<u64> = w.iter().map(|&w| w as u64).collect();
            let outside = sums(&linear, &wide, &words(&x), u64::MAX);
            assert_eq!(outside[..], words(&linear.evaluate(&w, &x)));
            let expected = Linear { pad: Pad::Drop, ..linear }.evaluate(&w, &x);
            for l in [1, 11, 16, 17, 32, 33, 62] {
                let found = Weights::new(l, &w).sums(&linear, &words(&x), 0);
                let modulo = |x: u64| x & ((1 << l) - 1);
                assert!(found.iter().zip(&expected).all(|(&y, &e)| modulo(y) == modulo(e as u64)), "{l}");
            }
            let found = Weights::new(11, &w).sums(&linear, &words(&x), u64::MAX);
            assert!(found.iter().zip(&outside[..]).all(|(&y, &e)| y & 0x7ff == e & 0x7ff));
        }
    }
}
