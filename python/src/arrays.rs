//! Arrays of NumPy as samples, and predictions as arrays.

use numpy::{PyArray1, PyReadonlyArrayDyn, PyUntypedArrayMethods, ToPyArray};
use pyo3::prelude::*;
use xonn_program::data::{Tensor, Values};
use xonn_program::{InputEncoding, Prediction};

use crate::errors::{DataError, sentence};

/// An array of samples: bytes and whole numbers stay what they are, all else are real numbers.
pub fn tensor(x: &Bound<'_, PyAny>) -> PyResult<Tensor> {
    let bytes = x.extract::<PyReadonlyArrayDyn<'_, u8>>().ok();
    let integers = x.extract::<PyReadonlyArrayDyn<'_, i64>>().ok();
    let (shape, values) = if let Some(array) = bytes {
        (array.shape().to_vec(), Values::Bytes(array.as_array().iter().copied().collect()))
    } else if let Some(array) = integers {
        (array.shape().to_vec(), Values::Integers(array.as_array().iter().copied().collect()))
    } else {
        let array: PyReadonlyArrayDyn<'_, f64> =
            x.extract().map_err(|_| DataError::new_err("expected an array of numbers"))?;
        (array.shape().to_vec(), Values::Reals(array.as_array().iter().copied().collect()))
    };
    Tensor::new(shape, values).ok_or_else(|| DataError::new_err("an array of another shape than its values"))
}

/// The samples of an array, each in row-major order.
pub fn samples(x: &Tensor, input: &InputEncoding) -> PyResult<Vec<Vec<f64>>> {
    let shape = input.sample_shape();
    let samples = x.samples_of(&shape).map_err(|error| DataError::new_err(sentence(&error)))?;
    Ok(samples.iter().map(|sample| sample.values().collect()).collect())
}

/// Predictions as one array: classes `[n]`, labels and bits `[n, units]` of 0 and 1, scores `[n, units]`.
pub fn predictions<'py>(py: Python<'py>, all: &[Prediction]) -> PyResult<Bound<'py, PyAny>> {
    let (mut whole, mut real): (Vec<i64>, Vec<f64>) = (Vec::new(), Vec::new());
    let mut width = 1;
    for prediction in all {
        match prediction {
            Prediction::Class(class) => whole.push(i64::from(*class)),
            Prediction::Labels(bits) | Prediction::Bits(bits) => {
                width = bits.len();
                whole.extend(bits.iter().map(|&bit| i64::from(bit)));
            }
            Prediction::Scores(scores) => {
                width = scores.len();
                real.extend(scores);
            }
        }
    }
    let flat = if real.is_empty() { whole.to_pyarray(py).into_any() } else { real.to_pyarray(py).into_any() };
    match all.first() {
        Some(Prediction::Class(_)) | None => Ok(flat),
        _ => flat.call_method1("reshape", (all.len(), width)),
    }
}

/// No predictions.
pub fn none(py: Python<'_>) -> Bound<'_, PyAny> {
    PyArray1::<i64>::zeros(py, 0, false).into_any()
}
