//! Splits a function by a linear form.

use super::super::function::{Sum, VARIABLES, shifted};

/// `f = low + form * difference`.
pub(super) struct Split {
    pub low: u64,
    pub difference: u64,
    pub form: Sum,
    /// The halves' variables as sums of the function's.
    pub sums: [Sum; VARIABLES],
}

/// Both halves of a function, where a linear form is 0 and where it is 1.
pub(super) struct Halves {
    low: u64,
    high: u64,
    form: usize,
    /// The variable that the halves do without: one of the form's.
    pivot: usize,
    variables: usize,
}

impl Halves {
    pub fn new(table: u64, variables: usize, form: usize) -> Self {
        let pivot = form.trailing_zeros() as usize;
        let (mut low, mut high) = (0, 0);
        for y in 0..1usize << (VARIABLES - 1) {
            let point = insert(y, pivot);
            let parity = (point & form).count_ones() as usize & 1;
            low |= (table >> (point | parity << pivot) & 1) << y;
            high |= (table >> (point | (1 - parity) << pivot) & 1) << y;
        }
        // Tables repeat over the variables that they do not have.
        Self { low: low | low << 32, high: high | high << 32, form, pivot, variables }
    }

    /// The split that maps `y` in the low half to `y + shift` in the high one.
    pub fn split(&self, shift: usize) -> Split {
        let mut sums = [0; VARIABLES];
        for (y, sum) in sums.iter_mut().enumerate().take(self.variables - 1) {
            let x = if y < self.pivot { y } else { y + 1 };
            *sum = 1 << x ^ if shift >> y & 1 == 1 { self.form as Sum } else { 0 };
        }
        let difference = self.low ^ shifted(self.high, shift);
        Split { low: self.low, difference, form: self.form as Sum, sums }
    }
}

/// `y` with a bit 0 inserted in place `at`.
fn insert(y: usize, at: usize) -> usize {
    let low = y & ((1 << at) - 1);
    low | (y ^ low) << 1
}
