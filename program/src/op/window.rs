//! The geometry that convolutions and poolings share: which inputs each output position reads.

/// Largest size along an axis.
const MAX_SIZE: usize = 1 << 20;

/// Most taps of all positions together.
const MAX_PLACES: usize = 1 << 28;

/// A sliding window over the rows and columns of an image `[height, width, channel]`.
///
/// Output position `(r, c)` reads, for each kernel tap `(i, j)`, the input at row `r * stride[0] + i * dilation[0] -
/// pad_low[0]` and the column likewise; a tap outside of the image is padding. Padding at the high ends is implied by
/// `output`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window2d {
    /// Height, width, channels of the input.
    pub input: [usize; 3],
    /// Rows and columns of the kernel.
    pub kernel: [usize; 2],
    /// Steps between neighbouring output positions.
    pub stride: [usize; 2],
    /// Steps between neighbouring taps.
    pub dilation: [usize; 2],
    /// Rows above and columns left of the image.
    pub pad_low: [usize; 2],
    /// Height and width of the output.
    pub output: [usize; 2],
}

impl Window2d {
    /// The window of a dense layer over `inputs` numbers: one position that sees them all.
    #[must_use]
    pub fn of_dense(inputs: usize) -> Self {
        Self {
            input: [1, 1, inputs],
            kernel: [1, 1],
            stride: [1, 1],
            dilation: [1, 1],
            pad_low: [0, 0],
            output: [1, 1],
        }
    }

    /// Whether there is one position, and it sees one pixel that is the whole input.
    #[must_use]
    pub fn is_dense(&self) -> bool {
        *self == Self::of_dense(self.input[2])
    }

    /// Checks what a file may have made up: every number at least 1 (padding 0) and small enough for what goes
    /// through positions and taps.
    pub(crate) fn check(&self) -> Result<(), String> {
        let Self { input, kernel, stride, dilation, pad_low, output } = *self;
        let sizes = || input.into_iter().chain(kernel).chain(stride).chain(dilation).chain(output);
        if sizes().any(|size| !(1..=MAX_SIZE).contains(&size)) || pad_low.iter().any(|&pad| pad > MAX_SIZE) {
            return Err(format!("a window {self:?}, expected sizes of 1 to {MAX_SIZE}"));
        }
        // At most 2^20 each: no product below overflows.
        let places = [0, 1].map(|axis| kernel[axis] * output[axis]);
        if places.iter().any(|&places| places > MAX_PLACES) || places[0] * places[1] > MAX_PLACES {
            return Err(format!("a window {self:?} that has more than {MAX_PLACES} taps at all positions"));
        }
        Ok(())
    }

    /// The input row and column under tap `tap` at output `position`, or `None` if it is padding.
    #[must_use]
    pub fn source(&self, position: [usize; 2], tap: [usize; 2]) -> Option<[usize; 2]> {
        let axis = |a: usize| {
            let padded = position[a] * self.stride[a] + tap[a] * self.dilation[a];
            padded.checked_sub(self.pad_low[a]).filter(|&i| i < self.input[a])
        };
        Some([axis(0)?, axis(1)?])
    }

    /// For each tap (row-major) at `position` the index of the pixel below it (`row * width + column`).
    pub fn taps(&self, position: [usize; 2]) -> impl Iterator<Item = Option<usize>> + '_ {
        (0..self.kernel[0] * self.kernel[1]).map(move |tap| {
            let [row, column] = self.source(position, [tap / self.kernel[1], tap % self.kernel[1]])?;
            Some(row * self.input[1] + column)
        })
    }

    /// All output positions, row-major.
    pub fn positions(&self) -> impl Iterator<Item = [usize; 2]> + use<> {
        let [rows, columns] = self.output;
        (0..rows * columns).map(move |i| [i / columns, i % columns])
    }

    /// Whether some output position reads padding.
    #[must_use]
    pub fn is_padded(&self) -> bool {
        (0..2).any(|a| {
            let last =
                (self.output[a].max(1) - 1) * self.stride[a] + (self.kernel[a].max(1) - 1) * self.dilation[a];
            self.pad_low[a] > 0 || last >= self.input[a] + self.pad_low[a]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taps_follow_stride_dilation_and_padding() {
        let window = Window2d {
            input: [4, 5, 3],
            kernel: [2, 2],
            stride: [2, 1],
            dilation: [2, 1],
            pad_low: [1, 0],
            output: [2, 5],
        };
        let taps: Vec<_> = window.taps([0, 0]).collect();
        assert_eq!(taps, [None, None, Some(5), Some(6)]);
        let taps: Vec<_> = window.taps([1, 4]).collect();
        assert_eq!(taps, [Some(9), None, Some(19), None]);
        assert!(window.is_padded());
        assert!(!Window2d { pad_low: [0, 0], output: [1, 4], ..window }.is_padded());
        assert!(Window2d { pad_low: [0, 0], output: [1, 5], ..window }.is_padded());
        assert_eq!(window.positions().count(), 10);
    }
}
