//! Samples as a client sends them.

use xonn_program::InputEncoding;
use xonn_program::data::{Sample, Tensor};

use crate::calibrate;

/// The samples of `x` as the client would send them, or why they do not fit the model.
pub(crate) fn quantised(x: &Tensor, encoding: &InputEncoding) -> Result<Vec<Vec<i64>>, String> {
    let shape = encoding.sample_shape();
    let samples = x.samples_of(&shape).map_err(|e| e.to_string())?;
    let codes = |(i, sample): (usize, Sample)| {
        encoding.codes_of(sample.values()).map_err(|e| format!("sample {i}, {e}"))
    };
    samples.iter().enumerate().map(codes).collect()
}

/// [`quantised`], with what to say so that samples fit which do not.
pub(crate) fn quantised_or_advice(x: &Tensor, encoding: &InputEncoding) -> Result<Vec<Vec<i64>>, String> {
    quantised(x, encoding).map_err(|error| {
        let Ok(found) = calibrate::input(x, None, None, &mut Vec::new()) else { return error };
        let flags = match (&found.features[..], found.bits, found.scale, found.zero) {
            ([], Some(bits), Some(scale), Some(zero)) => {
                format!("--input-bits {bits} --input-scale {scale} --input-zero {zero}, or ")
            }
            _ => String::new(),
        };
        format!(
            "{error}; if these are the numbers that the model was trained on, compile it for them with \
             {flags}--calibrate and this file, which takes the input's encoding from the data"
        )
    })
}
