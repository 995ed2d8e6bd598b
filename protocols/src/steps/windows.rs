//! Which elements belong to one result: each alone, or windows of a pool.

use super::StepError;
use super::error::within;

/// Most elements of all windows of a pool together: what the windows take in memory and time follows from it.
pub const MOST_PLACES: usize = 1 << 26;

/// Most elements of a window whose results are all written out.
pub const MOST_MEMBERS: usize = 4;

/// Windows over the elements of a layer, all of one size. Public.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Windows {
    elements: usize,
    members: usize,
    indices: Vec<u32>,
}

impl Windows {
    /// Windows of `members` elements each: `indices` holds those of the first window, then those of the next.
    ///
    /// # Errors
    /// [`StepError`] if there are no members, an index is none of an element, or the last window is not
    /// whole.
    pub fn new(elements: usize, members: usize, indices: Vec<u32>) -> Result<Self, StepError> {
        within("elements of a window", members, [1, u32::MAX as usize])?;
        within("elements", elements, [1, u32::MAX as usize])?;
        if let Some(&index) = indices.iter().find(|&&index| index as usize >= elements) {
            return Err(StepError::Range {
                what: "an element of a window",
                actual: index as usize,
                least: 0,
                most: elements - 1,
            });
        }
        match indices.len() % members {
            0 => Ok(Self { elements, members, indices }),
            rest => {
                Err(StepError::Shape { what: "elements of the last window", expected: members, actual: rest })
            }
        }
    }

    /// Each element by itself.
    ///
    /// # Errors
    /// [`StepError::Range`] if there are none, or 2^32 and more.
    pub fn single(elements: usize) -> Result<Self, StepError> {
        within("elements", elements, [1, u32::MAX as usize])?;
        Self::new(elements, 1, (0..elements as u32).collect())
    }

    /// Windows of `size` rows and columns, side by side, of images `[channels, height, width]`; a rest at the
    /// lower and right edge is in no window. The results are images `[channels, height / size, width /
    /// size]`.
    ///
    /// # Errors
    /// [`StepError::Range`] if no window fits, or there are 2^32 elements and more.
    pub fn pool(
        [channels, height, width]: [usize; 3],
        [rows, columns]: [usize; 2],
    ) -> Result<Self, StepError> {
        within("rows of a window", rows, [1, height])?;
        within("columns of a window", columns, [1, width])?;
        let elements = channels.checked_mul(height).and_then(|n| n.checked_mul(width)).unwrap_or(usize::MAX);
        within("elements", elements, [1, u32::MAX as usize])?;
        let mut indices = Vec::with_capacity(elements);
        for channel in 0..channels {
            for (i, j) in (0..height / rows).flat_map(|i| (0..width / columns).map(move |j| (i, j))) {
                for (a, b) in (0..rows).flat_map(|a| (0..columns).map(move |b| (a, b))) {
                    let at = (channel * height + i * rows + a) * width + j * columns + b;
                    indices.push(at as u32);
                }
            }
        }
        Self::new(elements, rows * columns, indices)
    }

    /// Elements of the layer.
    pub fn elements(&self) -> usize {
        self.elements
    }

    /// Elements of a window.
    pub fn members(&self) -> usize {
        self.members
    }

    /// How many windows.
    pub fn len(&self) -> usize {
        self.indices.len() / self.members
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// The elements of each window.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u32]> + '_ {
        self.indices.chunks_exact(self.members)
    }

    /// Each window with one more element, which it has alone: those of all windows stand behind the others.
    ///
    /// # Errors
    /// [`StepError::Range`] if there are 2^32 elements and more.
    pub(crate) fn with_own(&self) -> Result<Self, StepError> {
        let elements = self.elements.saturating_add(self.len());
        within("elements", elements, [1, u32::MAX as usize])?;
        let own = self.elements as u32..;
        let indices = self.iter().zip(own).flat_map(|(window, own)| window.iter().copied().chain([own]));
        Self::new(elements, self.members + 1, indices.collect())
    }

    /// An error if windows have too many elements for their results to be written out.
    pub(crate) fn check_written_out(&self) -> Result<usize, StepError> {
        within("elements of a window", self.members, [1, MOST_MEMBERS])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_are_windows_side_by_side() {
        let windows = Windows::pool([2, 4, 5], [2, 2]).unwrap();
        let all: Vec<&[u32]> = windows.iter().collect();
        assert_eq!(all[..3], [&[0, 1, 5, 6][..], &[2, 3, 7, 8], &[10, 11, 15, 16]]);
        assert_eq!((all[7], windows.len(), windows.elements()), (&[32, 33, 37, 38][..], 8, 40));
    }

    #[test]
    fn what_are_no_windows_is_refused() {
        let range = |what, actual, least, most| Err(StepError::Range { what, actual, least, most });
        let most = u32::MAX as usize;
        assert_eq!(Windows::new(4, 0, vec![]), range("elements of a window", 0, 1, most));
        assert_eq!(Windows::new(4, 2, vec![0, 4]), range("an element of a window", 4, 0, 3));
        let rest = StepError::Shape { what: "elements of the last window", expected: 2, actual: 1 };
        assert_eq!(Windows::new(4, 2, vec![0, 1, 2]), Err(rest));
        assert_eq!(Windows::single(0), range("elements", 0, 1, most));
        assert_eq!(Windows::pool([1, 1, 8], [2, 2]), range("rows of a window", 2, 1, 1));
        assert_eq!(Windows::pool([usize::MAX, 8, 8], [2, 2]), range("elements", usize::MAX, 1, most));
    }
}
