//! Arrays of numbers, and the samples in them.

use super::DataError;

/// Numbers in row-major order, as exact as the file has them.
#[derive(Clone, PartialEq, Debug)]
pub enum Values {
    /// Integers 0 to 255: images, one byte each in memory.
    Bytes(Vec<u8>),
    /// Integers of other types.
    Integers(Vec<i64>),
    /// Real numbers, NaN and infinities included; `f2` and `f4` are exact in `f64`.
    Reals(Vec<f64>),
}

impl Values {
    /// Number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(v) => v.len(),
            Self::Integers(v) => v.len(),
            Self::Reals(v) => v.len(),
        }
    }

    /// Whether there are no values.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Value `i` as a real number; integers above 2^53 are rounded.
    ///
    /// # Panics
    /// If there are not that many values.
    #[must_use]
    pub fn get(&self, i: usize) -> f64 {
        match self {
            Self::Bytes(v) => v[i].into(),
            Self::Integers(v) => v[i] as f64,
            Self::Reals(v) => v[i],
        }
    }

    /// Value `i` if it is an integer that `i64` holds exactly: labels are read by this.
    ///
    /// # Panics
    /// If there are not that many values.
    #[must_use]
    pub fn integer(&self, i: usize) -> Option<i64> {
        match self {
            Self::Bytes(v) => Some(v[i].into()),
            Self::Integers(v) => Some(v[i]),
            // 2^63 itself is the first real number that i64 does not hold.
            Self::Reals(v) => {
                let whole = v[i].fract() == 0.0 && (-(2f64.powi(63))..2f64.powi(63)).contains(&v[i]);
                whole.then_some(v[i] as i64)
            }
        }
    }
}

/// An array. The number of values is the product of the shape.
#[derive(Clone, PartialEq, Debug)]
pub struct Tensor {
    shape: Vec<usize>,
    values: Values,
}

impl Tensor {
    /// Makes an array of its parts; `None` if the shape does not have as many elements as there are values.
    #[must_use]
    pub fn new(shape: Vec<usize>, values: Values) -> Option<Self> {
        (elements(&shape) == Some(values.len())).then_some(Self { shape, values })
    }

    /// The length of each axis, the first varying slowest.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The values in row-major order.
    #[must_use]
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// The samples of shape `shape` in this array.
    ///
    /// The array's shape is `shape` (one sample) or `[n, ...shape]`; axes of length 1 may be missing or added, and either
    /// may be flat: `[28, 28]`, `[28, 28, 1]` and `[784]` are the same sample. Other shapes of the same size are refused,
    /// since `[3, 32, 32]` read as `[32, 32, 3]` would be another image.
    ///
    /// # Errors
    /// [`DataError::Shape`], also if there is no sample at all.
    pub fn samples_of(&self, shape: &[usize]) -> Result<Samples<'_>, DataError> {
        let wrong = || DataError::Shape { found: self.shape.clone(), expected: shape.to_vec() };
        let size = elements(shape).filter(|&n| n > 0).ok_or_else(wrong)?;
        let several = self.shape.split_first().filter(|(_, inner)| same_layout(inner, shape));
        let count = match several {
            _ if self.shape == shape => 1,
            Some((&n, _)) => n,
            None if same_layout(&self.shape, shape) => 1,
            None => return Err(wrong()),
        };
        if count == 0 { Err(wrong()) } else { Ok(Samples { values: &self.values, size, count }) }
    }
}

fn elements(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |n, &side| n.checked_mul(side))
}

/// Whether two shapes have the same values at the same places: equal but for axes of length 1, or one of them flat.
fn same_layout(a: &[usize], b: &[usize]) -> bool {
    let squeezed = |shape: &[usize]| shape.iter().copied().filter(|&side| side != 1).collect::<Vec<_>>();
    let (x, y) = (squeezed(a), squeezed(b));
    x == y || (elements(a) == elements(b) && (x.len() <= 1 || y.len() <= 1))
}

/// Equally large pieces of an array.
#[derive(Clone, Copy, Debug)]
pub struct Samples<'t> {
    values: &'t Values,
    size: usize,
    count: usize,
}

impl<'t> Samples<'t> {
    /// Number of samples, at least 1.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Sample `i`, or `None` if there are not that many.
    #[must_use]
    pub fn get(&self, i: usize) -> Option<Sample<'t>> {
        (i < self.count).then_some(Sample { values: self.values, first: i * self.size, size: self.size })
    }

    /// All samples in order.
    pub fn iter(self) -> impl Iterator<Item = Sample<'t>> {
        (0..self.count).filter_map(move |i| self.get(i))
    }
}

/// One sample.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'t> {
    values: &'t Values,
    first: usize,
    size: usize,
}

impl<'t> Sample<'t> {
    /// The sample's numbers in row-major order.
    pub fn values(self) -> impl ExactSizeIterator<Item = f64> + 't {
        (self.first..self.first + self.size).map(move |i| self.values.get(i))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counting(shape: &[usize]) -> Tensor {
        let n = elements(shape).expect("small") as u8;
        Tensor::new(shape.to_vec(), Values::Bytes((0..n).collect())).expect("as many as the shape says")
    }

    #[test]
    fn one_sample_or_several_in_any_equal_layout() {
        let count = |found: &[usize], expected: &[usize]| {
            counting(found).samples_of(expected).ok().map(|s| s.count())
        };
        assert_eq!(count(&[4, 4], &[4, 4]), Some(1));
        assert_eq!(count(&[3, 4, 4], &[4, 4]), Some(3));
        assert_eq!(count(&[3, 4, 4, 1], &[4, 4]), Some(3));
        assert_eq!(count(&[3, 16], &[4, 4, 1]), Some(3));
        assert_eq!(count(&[16], &[4, 4, 1]), Some(1));
        assert_eq!(count(&[4, 4, 1], &[16]), Some(1));
        assert_eq!(count(&[2, 4, 4], &[16]), Some(2));
        assert_eq!(count(&[1, 4, 4], &[4, 4]), Some(1));
        assert_eq!(count(&[4, 4], &[4]), Some(4), "four samples of four numbers");
        assert_eq!((count(&[5], &[1]), count(&[1], &[1]), count(&[], &[1])), (Some(5), Some(1), Some(1)));
    }

    #[test]
    fn shapes_that_mean_something_else_are_refused() {
        for (found, expected) in [
            (&[3usize, 4, 4][..], &[4usize, 4, 3][..]),
            (&[2, 3, 4, 4], &[4, 4, 3]),
            (&[4, 8], &[16, 2]),
            (&[0, 4, 4], &[4, 4]),
            (&[17], &[4, 4]),
            (&[32], &[4, 4]),
            (&[0], &[0]),
            (&[4], &[usize::MAX, usize::MAX]),
        ] {
            let error = counting(found).samples_of(expected).expect_err("another layout");
            let want = format!("the data has shape {found:?}, expected {expected:?} for one sample");
            assert!(error.to_string().starts_with(&want), "{error}");
        }
        assert_eq!(Tensor::new(vec![2, 2], Values::Bytes(vec![0; 3])), None);
        assert_eq!(Tensor::new(vec![usize::MAX, 2], Values::Bytes(vec![])), None);
    }

    #[test]
    fn samples_are_consecutive() {
        let t = counting(&[3, 2, 2]);
        let samples = t.samples_of(&[4]).expect("flat");
        let all: Vec<Vec<f64>> = samples.iter().map(|s| s.values().collect()).collect();
        assert_eq!(all, [[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0], [8.0, 9.0, 10.0, 11.0]]);
        assert!(samples.get(3).is_none());
    }

    #[test]
    fn integers_are_told_from_reals() {
        let reals = Values::Reals(vec![3.0, 2.5, f64::NAN, 1e300, -0.0, 2f64.powi(63), -(2f64.powi(63))]);
        let want = [Some(3), None, None, None, Some(0), None, Some(i64::MIN)];
        assert!(want.iter().enumerate().all(|(i, &w)| reals.integer(i) == w));
        assert_eq!(Values::Integers(vec![i64::MAX]).integer(0), Some(i64::MAX));
        assert_eq!((Values::Bytes(vec![7]).integer(0), Values::Bytes(vec![7]).get(0)), (Some(7), 7.0));
    }
}
