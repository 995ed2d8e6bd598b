//! Sums of products with secret integer weights: dense layers and convolutions.
//!
//! A dense layer is a convolution with one position.

use super::{Planes, Window2d};
use crate::program::{Kind, Range};

/// `y[row, column, filter] = sum(weight * x)` over the window of each position.
///
/// Its tensor is the weights, `[filter][kernel row][kernel column][channel]`, the channels being those of the
/// filter's group.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Linear {
    /// Which integers the weights may be.
    pub weights: Planes,
    /// Input size, kernel, stride, padding.
    pub window: Window2d,
    /// Number of filters; filter `f` reads group `f / (filters / groups)` of the channels.
    pub filters: usize,
    /// Into how many equal runs of neighbours the input channels are cut; 1 for an ordinary convolution.
    pub groups: usize,
    /// What stands outside of the image.
    pub pad: Pad,
}

/// What a convolution reads outside of its image.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pad {
    /// Nothing: these taps are dropped, so border positions add up fewer numbers (Keras's zero padding).
    Drop,
    /// `+1` (true) or `-1` (larq's `pad_values`); only where the input is bits.
    Bit(bool),
}

impl Linear {
    /// A dense layer.
    #[must_use]
    pub fn dense(inputs: usize, units: usize, weights: Planes) -> Self {
        Self { weights, window: Window2d::of_dense(inputs), filters: units, groups: 1, pad: Pad::Drop }
    }

    /// Channels that a filter reads.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.window.input[2] / self.groups
    }

    /// Weights of one filter: the most numbers that a sum adds up.
    #[must_use]
    pub fn fan_in(&self) -> usize {
        self.window.kernel[0] * self.window.kernel[1] * self.channels()
    }

    /// What all weights are multiples of: ternary ones are -2, 0 and 2.
    #[must_use]
    pub fn common_factor(&self) -> i64 {
        self.weights.common_factor()
    }

    /// The largest sum of numbers of at most `most`, over the weights' common factor.
    #[must_use]
    pub fn span(&self, most: u64) -> Option<u64> {
        let largest = (self.weights.largest() / self.common_factor()).unsigned_abs();
        (self.fan_in() as u64).checked_mul(largest)?.checked_mul(most)
    }

    /// Weights of all filters.
    #[must_use]
    pub fn weight_count(&self) -> usize {
        self.filters * self.fan_in()
    }

    /// Sums that it gives.
    #[must_use]
    pub fn elements(&self) -> usize {
        self.window.output[0] * self.window.output[1] * self.filters
    }

    /// What the padding counts as, where there is any.
    #[must_use]
    pub fn outside(&self) -> Option<i64> {
        match self.pad {
            _ if !self.window.is_padded() => None,
            Pad::Drop => Some(0),
            Pad::Bit(bit) => Some(if bit { 1 } else { -1 }),
        }
    }

    pub(crate) fn check(&self, read: Kind) -> Result<(), String> {
        self.window.check()?;
        let Self { weights, window, filters, groups, pad } = *self;
        if let Planes::Even { bits } = weights
            && !(3..=24).contains(&bits)
        {
            return Err(format!("even weights of {bits} planes, expected 3 to 24"));
        }
        if let Planes::Odd { bits } = weights
            && !(1..=24).contains(&bits)
        {
            return Err(format!("weights of {bits} bits, expected 1 to 24"));
        }
        let fits = |n: usize| groups > 0 && n > 0 && n.is_multiple_of(groups);
        if !fits(window.input[2]) || !fits(filters) {
            return Err(format!(
                "{filters} filters on {} channels do not fit {groups} groups",
                window.input[2]
            ));
        }
        if matches!(pad, Pad::Bit(_)) && read != Kind::Bit {
            return Err("padding of signs around numbers, expected bits".into());
        }
        Ok(())
    }

    /// The range that follows from the architecture: all weights as large as they may be.
    pub(crate) fn range(&self, read: Range) -> [i128; 2] {
        let most = self.fan_in() as i128 * i128::from(self.weights.largest());
        let largest = i128::from(read.lo).abs().max(i128::from(read.hi).abs()).max(1);
        [-most * largest, most * largest]
    }

    /// The sums over each window of `x`, an image of the window's input size.
    #[must_use]
    pub fn evaluate(&self, weights: &[i32], x: &[i64]) -> Vec<i64> {
        let Self { window, filters, groups, .. } = *self;
        let (all_channels, channels, per_group) = (window.input[2], self.channels(), filters / groups);
        let fan_in = self.fan_in();
        // The pixels below a window, those of the padding as they are read.
        let outside = self.outside().unwrap_or(0);
        let mut y = Vec::with_capacity(self.elements());
        let mut seen = Vec::with_capacity(fan_in);
        for position in window.positions() {
            for group in 0..groups {
                seen.clear();
                for tap in window.taps(position) {
                    match tap {
                        Some(pixel) => {
                            seen.extend_from_slice(&x[pixel * all_channels + group * channels..][..channels]);
                        }
                        None => seen.resize(seen.len() + channels, outside),
                    }
                }
                let weights = &weights[group * per_group * fan_in..][..per_group * fan_in];
                y.extend(weights.chunks(fan_in).map(|weights| self.dot(weights, &seen)));
            }
        }
        y
    }

    fn dot(&self, weights: &[i32], x: &[i64]) -> i64 {
        let products = weights.iter().zip(x).map(|(&w, &x)| i64::from(w).wrapping_mul(x));
        products.fold(0, i64::wrapping_add)
    }
}
