//! The one choice there is: how many bits of the server's secret share a seed tree.

use super::{COLUMNS, OtError};

/// The most OTs of one extension: bounds what a peer can make this host allocate to about 0.6 GB.
pub const MAX_COUNT: usize = 1 << 24;

/// Parameters of the extension; both hosts must use the same, and a session fixes them in its hellos.
///
/// With `field_bits` = k the client sends 128 / k bits per OT, and both hosts generate 128 / k * 2^k bits per
/// OT. k must divide 128 and be at most 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    field_bits: usize,
    shared_delta: bool,
}

impl Params {
    /// Those of a pool of correlated rows: k = 8, the secret being their delta.
    pub(super) const POOL: Self = Self { field_bits: 8, shared_delta: true };

    /// Trees over the field with 2^`field_bits` elements.
    ///
    /// # Errors
    /// [`OtError::FieldBits`] unless `field_bits` is 1, 2, 4 or 8.
    pub fn new(field_bits: usize) -> Result<Self, OtError> {
        match field_bits {
            1 | 2 | 4 | 8 => Ok(Self { field_bits, shared_delta: false }),
            found => Err(OtError::FieldBits { found }),
        }
    }

    /// The same, the server's secret being the delta of its labels too, so that its bit 0 is 1: see
    /// [`super::SenderKeys::into_labels`].
    #[must_use]
    pub fn with_shared_delta(self) -> Self {
        Self { shared_delta: true, ..self }
    }

    /// Whether the server's secret is the delta of its labels.
    #[must_use]
    pub fn shared_delta(self) -> bool {
        self.shared_delta
    }

    /// k: bits of the server's secret per tree.
    pub fn field_bits(self) -> usize {
        self.field_bits
    }

    /// 128 / k.
    pub(super) fn trees(self) -> usize {
        COLUMNS / self.field_bits
    }

    /// 2^k.
    pub(super) fn leaves(self) -> usize {
        1 << self.field_bits
    }
}

impl Default for Params {
    /// k = 4: 4 bytes per OT.
    fn default() -> Self {
        Self { field_bits: 4, shared_delta: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_divisors_of_128_up_to_8_are_taken() {
        for k in 0..=200 {
            assert_eq!(Params::new(k).is_ok(), k != 0 && k <= 8 && 128 % k == 0, "k = {k}");
        }
        let params = Params::new(8).unwrap();
        assert_eq!((params.trees(), params.leaves(), params.field_bits()), (16, 256, 8));
    }
}
