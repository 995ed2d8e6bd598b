//! Output positions of a sliding window by the taps that they read.
//!
//! Where a window hangs over the edge of the image it reads fewer taps. Positions that read the same taps form a
//! rectangle, and the taps form one too, so each class of positions is one tile with strides.

use xonn_circuits::tiled::Axis;

use crate::op::Window2d;

/// A rectangle of output positions that read the same taps.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Class {
    /// Rows and columns of the output.
    pub positions: [std::ops::Range<usize>; 2],
    /// Rows and columns of the kernel that lie inside of the image.
    pub taps: [std::ops::Range<usize>; 2],
}

impl Class {
    /// Number of taps.
    pub fn tap_count(&self) -> usize {
        self.taps.iter().map(ExactSizeIterator::len).product()
    }

    /// Grid axes of the tile: rows and columns of positions.
    pub fn grid(&self) -> [u32; 2] {
        self.positions.clone().map(|range| range.len() as u32)
    }

    /// First element, and strides along rows and columns, of what the class reads from an image whose pixels have
    /// `channels` elements.
    pub fn reads(&self, window: &Window2d, channels: usize) -> (u64, [u64; 2]) {
        let pixel = [window.input[1] * channels, channels];
        let axis = |a: usize| {
            let padded = self.positions[a].start * window.stride[a] + self.taps[a].start * window.dilation[a];
            // Without taps nothing is read, and the position may lie in the padding.
            padded.saturating_sub(window.pad_low[a]) * pixel[a]
        };
        let base = axis(0) + axis(1);
        (base as u64, [0, 1].map(|a| (window.stride[a] * pixel[a]) as u64))
    }

    /// Axes over the taps of the class, in elements.
    pub fn tap_axes(&self, window: &Window2d, channels: usize) -> [Axis; 2] {
        let pixel = [window.input[1] * channels, channels];
        [0, 1].map(|a| Axis {
            extent: self.taps[a].len() as u32,
            stride: (window.dilation[a] * pixel[a]) as u64,
        })
    }

    /// First element, and strides along rows and columns, of what the class writes to an image with `channels` elements a
    /// pixel.
    pub fn writes(&self, window: &Window2d, channels: usize) -> (u64, [u64; 2]) {
        let pixel = [window.output[1] * channels, channels];
        let base: usize = (0..2).map(|a| self.positions[a].start * pixel[a]).sum();
        (base as u64, pixel.map(|stride| stride as u64))
    }
}

/// The classes of all output positions.
pub(super) fn classes(window: &Window2d) -> Vec<Class> {
    let [rows, columns] = [0, 1].map(|a| runs(window, a));
    let pairs = rows.iter().flat_map(|row| columns.iter().map(move |column| (row, column)));
    pairs
        .map(|((rows, row_taps), (columns, column_taps))| Class {
            positions: [rows.clone(), columns.clone()],
            taps: [row_taps.clone(), column_taps.clone()],
        })
        .collect()
}

type Run = (std::ops::Range<usize>, std::ops::Range<usize>);

/// Runs of neighbouring positions along one axis that read the same taps, with those taps.
fn runs(window: &Window2d, axis: usize) -> Vec<Run> {
    let (stride, dilation) = (window.stride[axis], window.dilation[axis]);
    let (kernel, pad, length) = (window.kernel[axis], window.pad_low[axis], window.input[axis]);
    let taps = |position: usize| {
        let first = position * stride;
        let inside = |tap: &usize| (pad..pad + length).contains(&(first + tap * dilation));
        let low = (0..kernel).find(inside).unwrap_or(0);
        let count = (0..kernel).filter(inside).count(); // those inside are neighbours
        low..low + count
    };
    let mut all: Vec<Run> = Vec::new();
    for position in 0..window.output[axis] {
        let taps = taps(position);
        match all.last_mut() {
            Some((positions, same)) if *same == taps => positions.end = position + 1,
            _ => all.push((position..position + 1, taps)),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every position and tap of many windows against `Window2d::source`.
    #[test]
    fn classes_read_what_the_window_reads() {
        for (input, kernel, stride, dilation, pad_low, output) in [
            ([5, 6, 2], [3, 3], [1, 1], [1, 1], [1, 1], [5, 6]),
            ([5, 6, 1], [3, 2], [2, 3], [1, 1], [1, 0], [3, 2]),
            ([7, 7, 3], [3, 3], [1, 1], [2, 2], [2, 2], [7, 7]),
            ([4, 4, 1], [2, 2], [2, 2], [1, 1], [0, 0], [2, 2]),
            ([2, 2, 1], [5, 5], [1, 1], [1, 1], [2, 2], [2, 2]),
            ([1, 3, 1], [1, 1], [1, 1], [1, 1], [2, 2], [5, 7]),
        ] {
            let window = Window2d { input, kernel, stride, dilation, pad_low, output };
            let mut seen = 0;
            for class in classes(&window) {
                let channels = input[2];
                let (base, strides) = class.reads(&window, channels);
                let axes = class.tap_axes(&window, channels);
                for row in class.positions[0].clone() {
                    for column in class.positions[1].clone() {
                        seen += 1;
                        for i in 0..kernel[0] {
                            for j in 0..kernel[1] {
                                let inside = class.taps[0].contains(&i) && class.taps[1].contains(&j);
                                let source = window.source([row, column], [i, j]);
                                assert_eq!(inside, source.is_some());
                                let Some([y, x]) = source else { continue };
                                let place = base
                                    + (row - class.positions[0].start) as u64 * strides[0]
                                    + (column - class.positions[1].start) as u64 * strides[1]
                                    + (i - class.taps[0].start) as u64 * axes[0].stride
                                    + (j - class.taps[1].start) as u64 * axes[1].stride;
                                assert_eq!(place, ((y * input[1] + x) * channels) as u64);
                            }
                        }
                    }
                }
            }
            assert_eq!(seen, output[0] * output[1]);
        }
    }
}
