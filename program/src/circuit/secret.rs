//! Collects the garbler's secret bits, or only counts them.

/// Secret bits so far, in the order of their indices.
pub(crate) struct SecretBits {
    count: u64,
    /// The bits; none at the client, who knows only how many there are.
    bits: Option<Vec<bool>>,
}

impl SecretBits {
    /// None so far. `known`: whether the bits will be there.
    pub fn new(known: bool) -> Self {
        Self { count: 0, bits: known.then(Vec::new) }
    }

    /// Index of the next bit.
    pub fn next(&self) -> u64 {
        self.count
    }

    /// Counts bits that are not known.
    pub fn skip(&mut self, count: u64) {
        debug_assert!(self.bits.is_none(), "bits that are known are written");
        self.count = self.count.saturating_add(count);
    }

    /// Appends a bit.
    pub fn bit(&mut self, bit: bool) {
        self.count += 1;
        self.bits.iter_mut().for_each(|bits| bits.push(bit));
    }

    /// Appends the low `width` bits of `number`, least significant first; negative numbers in two's complement.
    pub fn number(&mut self, number: i64, width: usize) {
        self.count += width as u64;
        let number = (0..width).map(|i| number >> i.min(63) & 1 == 1);
        self.bits.iter_mut().for_each(|bits| bits.extend(number.clone()));
    }

    /// All bits, if they are known.
    pub fn into_bits(self) -> Option<Vec<bool>> {
        self.bits
    }
}
