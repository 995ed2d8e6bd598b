//! A layer as lattice encryption packs it: an image that is only what the windows read, padding written out
//! as zeros, channels first. Indices follow from the public layer alone.

use xonn_crypto::Wiped;
use xonn_crypto::rlwe::encode::{Convolution, Geometry};
use xonn_program::op::{Linear, Window2d, gcd};

/// Most elements of an image once padding is written out.
const MOST_PIXELS: usize = 1 << 26;

/// Most weights once dilation is written out, which the server alone does.
const MOST_WEIGHTS: usize = 1 << 28;

/// One axis of a window, as a window without padding and dilation over an image of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Axis {
    /// Pixels of the image written out.
    size: usize,
    /// Of the kernel written out, and its taps' distance.
    kernel: usize,
    spread: usize,
    stride: usize,
    /// Pixel `stride o + i` lies `unit (step o + i)` behind the first one of the padding.
    step: usize,
    unit: usize,
    low: usize,
    input: usize,
}

impl Axis {
    fn of(window: &Window2d, axis: usize) -> Self {
        let [kernel, output, low] = [window.kernel, window.output, window.pad_low].map(|all| all[axis]);
        // With one position strides do not count, with one tap its distance to others does not.
        let (step, spread) = match (output, kernel) {
            (1, _) => (window.dilation[axis], window.dilation[axis]),
            (_, 1) => (window.stride[axis], window.stride[axis]),
            _ => (window.stride[axis], window.dilation[axis]),
        };
        // Pixels between those that both are multiples of are never read.
        let unit = gcd(step as i64, spread as i64) as usize;
        let (step, spread) = (step / unit, spread / unit);
        let kernel = (kernel - 1) * spread + 1;
        // Nor are pixels between two windows.
        let stride = step.min(kernel);
        let size = (output - 1) * stride + kernel;
        Self { size, kernel, spread, stride, step, unit, low, input: window.input[axis] }
    }

    /// The pixel of the layer's image at pixel `at`, if it is none of the padding.
    fn source(&self, at: usize) -> Option<usize> {
        let padded = self.unit * (at / self.stride * self.step + at % self.stride);
        padded.checked_sub(self.low).filter(|&pixel| pixel < self.input)
    }
}

/// A layer written out.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    linear: Linear,
    axes: [Axis; 2],
    /// Whether it is a dense layer on all taps of its one position.
    dense: bool,
}

impl Shape {
    /// Whether a layer can be one of the dense kind.
    pub fn has_one_position(linear: &Linear) -> bool {
        linear.window.output == [1, 1] && linear.groups == 1
    }

    /// None if it would be too large, or is to be dense and cannot.
    pub fn of(linear: &Linear, dense: bool) -> Option<Self> {
        let axes = [0, 1].map(|axis| Axis::of(&linear.window, axis));
        let small = |factors: [usize; 4], most: usize| {
            let all = factors.into_iter().try_fold(1usize, usize::checked_mul);
            all.is_some_and(|all| all <= most)
        };
        let image = [axes[0].size, axes[1].size, linear.window.input[2], 1];
        let kernels = [axes[0].kernel, axes[1].kernel, linear.channels(), linear.filters];
        let fits = small(image, MOST_PIXELS)
            && small(kernels, MOST_WEIGHTS)
            && (!dense || Self::has_one_position(linear));
        fits.then_some(Self { linear: *linear, axes, dense })
    }

    /// For `crypto`'s layouts.
    pub fn geometry(&self) -> Geometry {
        let Linear { filters, groups, .. } = self.linear;
        match self.dense {
            true => Geometry::dense(self.linear.fan_in(), filters),
            false => Geometry::Convolution(Convolution {
                channels: self.linear.window.input[2],
                size: self.axes.map(|axis| axis.size),
                kernel: self.axes.map(|axis| axis.kernel),
                padding: [[0; 2]; 2],
                strides: self.axes.map(|axis| axis.stride),
                filters,
                groups,
            }),
        }
    }

    /// Height, width and channels of the image written out, of which strides are still to be taken.
    pub fn strides(&self) -> [usize; 2] {
        self.axes.map(|axis| axis.stride)
    }

    /// Height and width of the kernel of a phase: of all pixels with the same remainders by the strides.
    pub fn phase_kernel(&self) -> [usize; 2] {
        self.axes.map(|axis| axis.kernel.div_ceil(axis.stride))
    }

    /// The image written out, of the layer's `[height, width, channel]`.
    pub fn image(&self, x: &[u64]) -> Wiped<u64> {
        let [height, width] = self.axes;
        let channels = self.linear.window.input[2];
        let columns: Vec<Option<usize>> = (0..width.size).map(|at| width.source(at)).collect();
        let mut image = Wiped::zeros(height.size * width.size * channels);
        for i in 0..height.size {
            let Some(row) = height.source(i) else { continue };
            for (j, column) in columns.iter().enumerate() {
                let Some(column) = column else { continue };
                let pixel = &x[(row * self.linear.window.input[1] + column) * channels..][..channels];
                for (channel, &x) in pixel.iter().enumerate() {
                    image[self.at(i, j, channel)] = x;
                }
            }
        }
        image
    }

    /// Where an element of the image written out stands.
    fn at(&self, i: usize, j: usize, channel: usize) -> usize {
        let [height, width] = self.axes.map(|axis| axis.size);
        let channels = self.linear.window.input[2];
        if self.dense { (i * width + j) * channels + channel } else { (channel * height + i) * width + j }
    }

    /// The kernels written out, of the layer's `[filter][row][column][channel]`.
    pub fn kernels(&self, weights: &[i32]) -> Wiped<i64> {
        if self.dense {
            return weights.iter().map(|&w| i64::from(w)).collect();
        }
        let [height, width] = self.axes;
        let [rows, columns] = self.linear.window.kernel;
        let channels = self.linear.channels();
        let mut all = Wiped::zeros(self.linear.filters * channels * height.kernel * width.kernel);
        for filter in 0..self.linear.filters {
            for tap in 0..rows * columns {
                let (i, j) = (tap / columns * height.spread, tap % columns * width.spread);
                let weights = &weights[(filter * rows * columns + tap) * channels..][..channels];
                for (channel, &w) in weights.iter().enumerate() {
                    let at = ((filter * channels + channel) * height.kernel + i) * width.kernel + j;
                    all[at] = i64::from(w);
                }
            }
        }
        all
    }

    /// Sums of `[height, width, filter]` as `[filter, height, width]`.
    pub fn filters_first(&self, sums: &[i64]) -> Wiped<i64> {
        let mut all = Wiped::zeros(sums.len());
        for (place, sums) in sums.chunks_exact(self.linear.filters).enumerate() {
            for (filter, &sum) in sums.iter().enumerate() {
                all[filter * self.places() + place] = sum;
            }
        }
        all
    }

    /// Sums of `[filter, height, width]` as `[height, width, filter]`.
    pub fn filters_last(&self, sums: &[u64]) -> Vec<u64> {
        let mut all = vec![0; sums.len()];
        for (filter, sums) in sums.chunks_exact(self.places()).enumerate() {
            for (place, &sum) in sums.iter().enumerate() {
                all[place * self.linear.filters + filter] = sum;
            }
        }
        all
    }

    fn places(&self) -> usize {
        self.linear.window.output[0] * self.linear.window.output[1]
    }
}
