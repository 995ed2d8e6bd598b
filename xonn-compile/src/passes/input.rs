//! How the client's numbers enter: `x = scale * (q - zero)`, `q` an integer.

use super::PassError;
use crate::integer::InputSpec;

/// What the user says about the input; what is left open is 8 bits, unsigned, scale 1, zero 0.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct InputOptions {
    /// Bits of each `q`.
    pub bits: Option<u32>,
    /// Whether `q` is signed.
    pub signed: bool,
    /// Value of one unit of `q`.
    pub scale: Option<f64>,
    /// The `q` that stands for 0.
    pub zero: Option<i64>,
}

impl InputOptions {
    /// The input of a model that takes `shape`.
    ///
    /// # Errors
    /// [`PassError::Input`] if a number is out of bounds.
    pub fn spec(&self, shape: &[usize], notes: &mut Vec<String>) -> Result<InputSpec, PassError> {
        let error = |reason: String| PassError::Input { reason };
        if *self == Self::default() {
            notes.push(
                "the input is taken as integers 0 to 255, as they come (8 bits, scale 1); say otherwise with --input-bits, \
                 --input-scale and --input-zero"
                    .into(),
            );
        }
        let bits = self.bits.unwrap_or(8);
        if !(1..=24).contains(&bits) {
            return Err(error(format!("{bits} bits, expected 1 to 24")));
        }
        let scale = self.scale.unwrap_or(1.0);
        if !(scale.is_finite() && scale > 0.0) {
            return Err(error(format!("a scale of {scale}, expected a positive number")));
        }
        let zero = self.zero.unwrap_or(0);
        if zero.unsigned_abs() >= 1 << 24 {
            return Err(error(format!("a zero of {zero}, expected less than 2^24")));
        }
        Ok(InputSpec { shape: shape.to_vec(), bits, signed: self.signed, scale, zero })
    }
}
