//! Dense layers: a row of the weight matrix backwards, so that its product with the inputs has their sum at
//! one coefficient.
//!
//! Of iw inputs and ow rows, `iw ow <= n`: input i is coefficient i, weight (m, i) coefficient `m iw + iw - 1
//! - i`, output m coefficient `m iw + iw - 1`.

use core::ops::Range;

use super::{EncodeError, Places, check, product};

/// A dense layer and its packing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dense {
    inputs: usize,
    outputs: usize,
    iw: usize,
    rows: usize,
}

impl Dense {
    pub fn new([inputs, outputs]: [usize; 2], [iw, rows]: [usize; 2], n: usize) -> Result<Self, EncodeError> {
        product("a weight matrix's number of elements", &[inputs, outputs])?;
        check("inputs in a polynomial", iw, 1, inputs)?;
        check("rows in a polynomial", rows, 1, outputs)?;
        let needed = iw * rows;
        if needed > n {
            return Err(EncodeError::DoesNotFit { needed, n });
        }
        Ok(Self { inputs, outputs, iw, rows })
    }

    /// Input polynomials, which is weight polynomials of an output polynomial.
    fn across(&self) -> usize {
        self.inputs.div_ceil(self.iw)
    }

    fn down(&self) -> usize {
        self.outputs.div_ceil(self.rows)
    }

    /// The inputs of a polynomial.
    fn columns(&self, polynomial: usize) -> Range<usize> {
        polynomial * self.iw..((polynomial + 1) * self.iw).min(self.inputs)
    }

    /// The outputs of a polynomial.
    fn rows(&self, polynomial: usize) -> Range<usize> {
        polynomial * self.rows..((polynomial + 1) * self.rows).min(self.outputs)
    }
}

impl Places for Dense {
    fn elements(&self) -> [usize; 3] {
        [self.inputs, self.inputs * self.outputs, self.outputs]
    }

    fn polynomials(&self) -> [usize; 3] {
        [self.across(), self.across() * self.down(), self.down()]
    }

    fn input(&self, polynomial: usize, mut place: impl FnMut(usize, usize)) {
        self.columns(polynomial).enumerate().for_each(|(at, element)| place(at, element));
    }

    fn weight(&self, polynomial: usize, mut place: impl FnMut(usize, usize)) {
        let (down, across) = (polynomial / self.across(), polynomial % self.across());
        for (m, row) in self.rows(down).enumerate() {
            for (i, column) in self.columns(across).enumerate() {
                place(m * self.iw + self.iw - 1 - i, row * self.inputs + column);
            }
        }
    }

    fn output(&self, polynomial: usize, mut place: impl FnMut(usize, usize)) {
        self.rows(polynomial).enumerate().for_each(|(m, row)| place(m * self.iw + self.iw - 1, row));
    }

    fn reads(&self, polynomial: usize) -> [Range<usize>; 2] {
        let across = self.across();
        [0..across, polynomial * across..(polynomial + 1) * across]
    }
}
