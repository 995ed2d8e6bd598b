//! Collects the garbler's secret bits.

/// Secret bits so far, in the order of their indices.
#[derive(Default)]
pub(crate) struct SecretBits(Vec<bool>);

impl SecretBits {
    /// Index of the next bit.
    pub fn next(&self) -> u64 {
        self.0.len() as u64
    }

    /// Appends a bit.
    pub fn bit(&mut self, bit: bool) {
        self.0.push(bit);
    }

    /// Appends the low `width` bits of `number`, least significant first; negative numbers in two's complement.
    pub fn number(&mut self, number: i64, width: usize) {
        self.0.extend((0..width).map(|i| number >> i.min(63) & 1 == 1));
    }

    /// All bits.
    pub fn into_bits(self) -> Vec<bool> {
        self.0
    }
}
