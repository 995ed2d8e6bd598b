//! An array of float32 numbers with its shape.

/// Numbers in row-major order.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Array {
    /// Length of each axis; the product is the number of elements.
    pub shape: Vec<usize>,
    /// The elements, last axis fastest.
    pub data: Vec<f32>,
}

impl Array {
    /// An array of one axis.
    #[must_use]
    pub fn vector(data: Vec<f32>) -> Self {
        Self { shape: vec![data.len()], data }
    }

    /// Length of the last axis; 1 for a scalar.
    #[must_use]
    pub fn last_axis(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }
}
