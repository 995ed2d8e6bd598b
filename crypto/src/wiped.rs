//! Numbers that are wiped when dropped.

use core::fmt;
use core::ops::{Deref, DerefMut};

use zeroize::optimization_barrier;

/// Secret numbers: wiped when dropped, and `Debug` shows how many there are.
///
/// As `Zeroizing<Vec<T>>`, with a plain fill and a barrier that keeps it in place of one volatile store a
/// number.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Wiped<T: Copy + Default>(Vec<T>);

impl<T: Copy + Default> Wiped<T> {
    /// As many zeros.
    pub fn zeros(len: usize) -> Self {
        Self(vec![T::default(); len])
    }
}

/// Overwrites numbers so that the compiler keeps it.
pub(crate) fn wipe<T: Copy + Default>(numbers: &mut [T]) {
    numbers.fill(T::default());
    optimization_barrier(numbers);
}

impl<T: Copy + Default> Drop for Wiped<T> {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

impl<T: Copy + Default> From<Vec<T>> for Wiped<T> {
    fn from(numbers: Vec<T>) -> Self {
        Self(numbers)
    }
}

/// Of an iterator that knows its length, so that nothing is moved and left behind.
impl<T: Copy + Default> FromIterator<T> for Wiped<T> {
    fn from_iter<I: IntoIterator<Item = T>>(numbers: I) -> Self {
        Self(numbers.into_iter().collect())
    }
}

impl<T: Copy + Default> Deref for Wiped<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Copy + Default> DerefMut for Wiped<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<T: Copy + Default> fmt::Debug for Wiped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} wiped numbers", self.0.len())
    }
}
