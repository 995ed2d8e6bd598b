//! Packing: which coefficient of which polynomial holds which number of a layer, so that one product of
//! polynomials is many sums of products. No rotations.
//!
//! [`Geometry`] is the layer in plain numbers, [`Packing`] how much of it goes into one polynomial, and
//! [`Layout`] the two, checked against the ring. Tensors are row-major: inputs `[channel, height, width]`,
//! weights `[filter, channel of its group, height, width]`, outputs `[filter, height, width]`; of a dense
//! layer `[input]`, `[output, input]`, `[output]`.
//!
//! Source of both packings: Huang, Lu, Hong and Ding, "Cheetah: Lean and Fast Secure Two-Party Deep Neural
//! Network Inference", USENIX Security 2022.

mod convolution;
mod dense;

use core::ops::Range;

use crate::Wiped;
pub use convolution::Convolution;
use convolution::Tiles;
use dense::Dense;

/// A linear layer in plain numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Geometry {
    /// Every output reads every input.
    Dense {
        /// How many inputs.
        inputs: usize,
        /// How many outputs.
        outputs: usize,
    },
    /// A convolution, depthwise or in groups too.
    Convolution(Convolution),
}

impl Geometry {
    /// A dense layer.
    pub const fn dense(inputs: usize, outputs: usize) -> Self {
        Self::Dense { inputs, outputs }
    }
}

/// How much of a layer goes into one polynomial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Packing {
    /// Of a dense layer.
    Dense {
        /// Inputs in one input polynomial: iw.
        inputs: usize,
        /// Outputs in one output polynomial: ow. Fewer than fit make less noise.
        rows: usize,
    },
    /// Of a convolution.
    Tiles {
        /// Rows of outputs in one output polynomial.
        height: usize,
        /// Columns of outputs in one output polynomial.
        width: usize,
        /// Channels in one input polynomial: c; of a layer with strides, of its phases.
        channels: usize,
        /// Filters in one output polynomial: f. Fewer than fit make less noise.
        filters: usize,
    },
}

/// A layer or its packing is impossible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A number of the layer or the packing is out of range.
    #[error("{what} is {actual}, expected {least} to {most}")]
    Range {
        /// Which number.
        what: &'static str,
        /// What it is.
        actual: usize,
        /// The least that is possible.
        least: usize,
        /// The most that is possible.
        most: usize,
    },
    /// The packing needs more coefficients than a polynomial has.
    #[error("the packing takes {needed} coefficients of a polynomial, which has {n}")]
    DoesNotFit {
        /// Coefficients that it takes.
        needed: usize,
        /// The ring's degree.
        n: usize,
    },
    /// A dense packing for a convolution, or the other way round.
    #[error("a packing of another kind of layer")]
    Kind,
    /// A tensor has another number of elements.
    #[error("{what}: {actual} numbers, expected {expected}")]
    Length {
        /// Which tensor.
        what: &'static str,
        /// What the layer says.
        expected: usize,
        /// What there are.
        actual: usize,
    },
}

/// Most elements of a tensor: what a packing may size stays below it.
const MOST: usize = 1 << 28;

pub(super) fn check(what: &'static str, actual: usize, least: usize, most: usize) -> Result<(), EncodeError> {
    if (least..=most).contains(&actual) {
        Ok(())
    } else {
        Err(EncodeError::Range { what, actual, least, most })
    }
}

/// The product, or an error if it is above [`MOST`].
pub(super) fn product(what: &'static str, factors: &[usize]) -> Result<usize, EncodeError> {
    let all = factors.iter().fold(1usize, |all, &factor| all.saturating_mul(factor));
    check(what, all, 1, MOST)?;
    Ok(all)
}

/// A layer and its packing, checked against a ring's degree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    n: usize,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Dense(Dense),
    Tiles(Tiles),
}

/// What a layout of either kind says. Polynomials and elements by number.
pub(super) trait Places {
    /// Elements of inputs, weights and outputs.
    fn elements(&self) -> [usize; 3];
    /// Polynomials of inputs, weights and outputs.
    fn polynomials(&self) -> [usize; 3];
    /// Coefficients and elements of an input polynomial; other coefficients are zero.
    fn input(&self, polynomial: usize, place: impl FnMut(usize, usize));
    /// Coefficients and elements of a weight polynomial; other coefficients are zero.
    fn weight(&self, polynomial: usize, place: impl FnMut(usize, usize));
    /// Coefficients and elements of an output polynomial, coefficients rising; other coefficients mean
    /// nothing.
    fn output(&self, polynomial: usize, place: impl FnMut(usize, usize));
    /// The input polynomials and the weight polynomials whose products, pair by pair, add up to an output
    /// polynomial.
    fn reads(&self, polynomial: usize) -> [Range<usize>; 2];
}

macro_rules! either {
    ($layout:expr, $places:ident => $body:expr) => {
        match &$layout.kind {
            Kind::Dense($places) => $body,
            Kind::Tiles($places) => $body,
        }
    };
}

impl Layout {
    /// The layout of a layer in a ring of degree n.
    ///
    /// # Errors
    /// [`EncodeError`] if the layer is impossible or the packing does not fit it or the ring.
    pub fn new(geometry: Geometry, packing: Packing, n: usize) -> Result<Self, EncodeError> {
        let kind = match (geometry, packing) {
            (Geometry::Dense { inputs, outputs }, Packing::Dense { inputs: iw, rows }) => {
                Kind::Dense(Dense::new([inputs, outputs], [iw, rows], n)?)
            }
            (Geometry::Convolution(layer), Packing::Tiles { height, width, channels, filters }) => {
                Kind::Tiles(Tiles::new(layer, [height, width], channels, filters, n)?)
            }
            _ => return Err(EncodeError::Kind),
        };
        Ok(Self { n, kind })
    }

    /// The degree that it was checked against.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Elements of the input tensor.
    pub fn input_len(&self) -> usize {
        either!(self, places => places.elements()[0])
    }

    /// Elements of the weight tensor.
    pub fn weight_len(&self) -> usize {
        either!(self, places => places.elements()[1])
    }

    /// Elements of the output tensor.
    pub fn output_len(&self) -> usize {
        either!(self, places => places.elements()[2])
    }

    /// How many polynomials hold the inputs.
    pub fn inputs(&self) -> usize {
        either!(self, places => places.polynomials()[0])
    }

    /// How many polynomials hold the weights. Tiles share them.
    pub fn weights(&self) -> usize {
        either!(self, places => places.polynomials()[1])
    }

    /// How many polynomials hold the outputs.
    pub fn outputs(&self) -> usize {
        either!(self, places => places.polynomials()[2])
    }

    /// The input polynomials and the weight polynomials whose products, pair by pair, add up to an output
    /// polynomial.
    pub fn reads(&self, output: usize) -> impl ExactSizeIterator<Item = (usize, usize)> {
        let [inputs, weights] = either!(self, places => places.reads(output));
        inputs.zip(weights)
    }

    /// Coefficients of an output polynomial that are outputs, rising, and which outputs they are.
    pub fn positions(&self, output: usize) -> Vec<(usize, usize)> {
        let mut all = Vec::new();
        either!(self, places => places.output(output, |at, element| all.push((at, element))));
        all
    }

    /// The input polynomials of an input tensor: n coefficients each, zero padding written out.
    ///
    /// # Errors
    /// [`EncodeError::Length`] if it has another number of elements.
    pub fn encode_inputs(&self, values: &[u64]) -> Result<Vec<Wiped<u64>>, EncodeError> {
        let (expected, actual) = (self.input_len(), values.len());
        if expected != actual {
            return Err(EncodeError::Length { what: "inputs", expected, actual });
        }
        let encode = |polynomial| {
            let mut all = Wiped::zeros(self.n);
            either!(self, places => places.input(polynomial, |at, element| all[at] = values[element]));
            all
        };
        Ok((0..self.inputs()).map(encode).collect())
    }

    /// One of the weight polynomials of a weight tensor.
    ///
    /// # Errors
    /// [`EncodeError::Length`] if the tensor has another number of elements.
    ///
    /// # Panics
    /// If there is no such polynomial, a mistake of the caller.
    pub fn encode_weights(&self, weights: &[i64], polynomial: usize) -> Result<Wiped<i64>, EncodeError> {
        let (expected, actual) = (self.weight_len(), weights.len());
        if expected != actual {
            return Err(EncodeError::Length { what: "weights", expected, actual });
        }
        assert!(polynomial < self.weights(), "weight polynomial {polynomial} of {}", self.weights());
        let mut all = Wiped::zeros(self.n);
        either!(self, places => places.weight(polynomial, |at, element| all[at] = weights[element]));
        Ok(all)
    }

    /// Of each output polynomial, the sum of the squares of all weights that meet in it: what its noise
    /// depends on.
    ///
    /// # Errors
    /// [`EncodeError::Length`] if the tensor has another number of elements.
    pub fn square_sums(&self, weights: &[i64]) -> Result<Vec<f64>, EncodeError> {
        let squares = (0..self.weights())
            .map(|w| Ok(self.encode_weights(weights, w)?.iter().map(|&x| (x as f64) * (x as f64)).sum()))
            .collect::<Result<Vec<f64>, EncodeError>>()?;
        Ok((0..self.outputs()).map(|output| self.reads(output).map(|(_, w)| squares[w]).sum()).collect())
    }
}

#[cfg(test)]
mod tests;
