//! Affine index maps: which bit an instance reads or writes, from its place in the grid.

/// An axis that enumerates a template's bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Axis {
    /// Number of steps.
    pub extent: u32,
    /// Distance of two neighbours in bits.
    pub stride: u64,
}

/// `index = base + sum(grid position * outer stride) + sum(inner position * inner stride)`.
///
/// This covers dense layers, convolutions of any stride, dilation and grouping, pooling, transposes and slices.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IndexMap {
    /// Index of the first bit of the first instance.
    pub base: u64,
    /// A stride for each axis of the tile's grid; 0 where instances share bits (weights along the positions).
    pub outer: Vec<u64>,
    /// Axes over the template's bits, row-major.
    pub inner: Vec<Axis>,
}

impl IndexMap {
    /// Bits that one instance touches.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.inner.iter().map(|a| u64::from(a.extent)).product()
    }

    /// Whether an instance touches no bit.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The largest index, or `None` if it overflows. `grid` has as many axes as `outer`, none of them empty.
    pub(crate) fn largest(&self, grid: &[u32]) -> Option<u64> {
        let outer = grid.iter().zip(&self.outer).map(|(&n, &stride)| (n, stride));
        let inner = self.inner.iter().map(|a| (a.extent, a.stride));
        outer.chain(inner).try_fold(self.base, |sum, (extent, stride)| {
            sum.checked_add(u64::from(extent.checked_sub(1)?).checked_mul(stride)?)
        })
    }

    /// Where instance number `instance` (row-major in `grid`) begins: base and outer strides.
    #[must_use]
    pub fn offset(&self, grid: &[u32], instance: u64) -> usize {
        let mut rest = instance;
        let mut index = self.base;
        for (&extent, &stride) in grid.iter().zip(&self.outer).rev() {
            index += rest % u64::from(extent) * stride;
            rest /= u64::from(extent);
        }
        index as usize
    }

    /// The inner offsets, one for each of the template's bits in order, to be added to [`IndexMap::offset`].
    #[must_use]
    pub fn inner_offsets(&self) -> Vec<usize> {
        let mut offsets = vec![0usize];
        for axis in &self.inner {
            offsets = offsets
                .iter()
                .flat_map(|&o| (0..axis.extent as usize).map(move |i| o + i * axis.stride as usize))
                .collect();
        }
        offsets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_convolution_reads_its_window() {
        // 5x6x2 input, 3x3 kernel, stride 1: instance [y, x, filter] reads [ky, kx, c].
        let map = IndexMap {
            base: 0,
            outer: vec![12, 2, 0],
            inner: [(3, 12), (3, 2), (2, 1)].map(|(extent, stride)| Axis { extent, stride }).into(),
        };
        let grid = [3, 4, 7];
        let inner = map.inner_offsets();
        assert_eq!((map.len(), inner.len()), (18, 18));
        for (y, x, f) in [(0, 0, 0), (1, 2, 6), (2, 3, 3)] {
            let at = map.offset(&grid, (y * 4 + x) * 7 + f);
            assert_eq!(at as u64, y * 12 + x * 2);
            assert_eq!(at + inner[17], at + 2 * 12 + 2 * 2 + 1);
        }
        assert_eq!(map.largest(&grid), Some(5 * 6 * 2 - 1));
        assert_eq!(IndexMap { outer: vec![u64::MAX, 1, 1], ..map }.largest(&grid), None);
    }
}
