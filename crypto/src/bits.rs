//! Numbers of a fixed count of bits, packed into bytes: lowest bit first, padded with zeros to a byte.

/// Bytes of `count` numbers of `bits` bits.
pub const fn byte_len(count: usize, bits: u32) -> usize {
    // no overflow for any count that is the length of a slice of u64
    (count / 8) * bits as usize + ((count % 8) * bits as usize).div_ceil(8)
}

/// A packed field cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BitsError {
    /// It has another length.
    #[error("{actual} bytes, expected {expected} for {count} numbers of {bits} bits")]
    Length {
        /// How many numbers.
        count: usize,
        /// Of how many bits.
        bits: u32,
        /// Bytes that they take.
        expected: usize,
        /// Bytes there are.
        actual: usize,
    },
    /// The padding of the last byte is not zero.
    #[error("the last byte is {last:#04x}, expected zeros above its {used} used bits")]
    Padding {
        /// The last byte.
        last: u8,
        /// How many of its bits are used.
        used: u32,
    },
}

/// Appends the lowest `bits` bits of each number, and zeros up to a byte. No branch depends on a number.
///
/// # Panics
/// If `bits` is not 1 to 64, a mistake of the caller.
///
/// # Example
/// ```
/// let mut bytes = Vec::new();
/// xonn_crypto::bits::pack(&[5, 6, 7], 3, &mut bytes);
/// assert_eq!(bytes, [0b11_110_101, 0b1]);
/// assert_eq!(xonn_crypto::bits::unpack(&bytes, 3, 3)?, [5, 6, 7]);
/// # Ok::<(), xonn_crypto::bits::BitsError>(())
/// ```
pub fn pack(numbers: &[u64], bits: u32, bytes: &mut Vec<u8>) {
    assert!((1..=64).contains(&bits), "numbers of 1 to 64 bits");
    let end = bytes.len() + byte_len(numbers.len(), bits);
    bytes.reserve(byte_len(numbers.len(), bits));
    let mask = u64::MAX >> (64 - bits);
    // Fewer than 32 bits wait between two numbers, so that with 64 more all are in `waiting`.
    let (mut waiting, mut count) = (0u128, 0);
    for number in numbers {
        waiting |= u128::from(number & mask) << count;
        count += bits;
        while count >= 32 {
            bytes.extend_from_slice(&(waiting as u32).to_le_bytes());
            waiting >>= 32;
            count -= 32;
        }
    }
    while bytes.len() < end {
        bytes.push(waiting as u8);
        waiting >>= 8;
    }
}

/// The `count` numbers of `bits` bits in `bytes`.
///
/// # Errors
/// [`BitsError`] if the length is another or the padding is not zero.
///
/// # Panics
/// If `bits` is not 1 to 64, a mistake of the caller.
pub fn unpack(bytes: &[u8], count: usize, bits: u32) -> Result<Vec<u64>, BitsError> {
    assert!((1..=64).contains(&bits), "numbers of 1 to 64 bits");
    let expected = byte_len(count, bits);
    if bytes.len() != expected {
        return Err(BitsError::Length { count, bits, expected, actual: bytes.len() });
    }
    let used = (count % 8 * bits as usize % 8) as u32;
    if let (1.., Some(&last)) = (used, bytes.last())
        && last >> used != 0
    {
        return Err(BitsError::Padding { last, used });
    }
    let mask = u64::MAX >> (64 - bits);
    let (mut waiting, mut there) = (0u128, 0);
    let (words, rest) = bytes.as_chunks::<4>();
    let mut words = words.iter().map(|word| u128::from(u32::from_le_bytes(*word)));
    let mut rest = rest.iter().map(|&byte| u128::from(byte));
    let numbers = (0..count).map(|_| {
        while there < bits {
            // The bytes suffice, as their length says.
            let (next, width) = match words.next() {
                Some(word) => (word, 32),
                None => (rest.next().unwrap_or_default(), 8),
            };
            waiting |= next << there;
            there += width;
        }
        let number = waiting as u64 & mask;
        waiting >>= bits;
        there -= bits;
        number
    });
    Ok(numbers.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_packed_is_read_again(
            bits in 1u32..=64,
            numbers in prop::collection::vec(any::<u64>(), 0..200),
        ) {
            let mut bytes = vec![9];
            pack(&numbers, bits, &mut bytes);
            prop_assert_eq!(bytes.len(), 1 + byte_len(numbers.len(), bits));
            let cut: Vec<u64> = numbers.iter().map(|n| n & (u64::MAX >> (64 - bits))).collect();
            prop_assert_eq!(unpack(&bytes[1..], numbers.len(), bits).unwrap(), cut.clone());
            // bit i of number j is bit j * bits + i of all
            for (j, number) in cut.iter().enumerate() {
                for i in 0..bits as usize {
                    let at = j * bits as usize + i;
                    prop_assert_eq!(bytes[1 + at / 8] >> (at % 8) & 1, (number >> i & 1) as u8);
                }
            }
        }

        #[test]
        fn another_length_is_an_error(bits in 1u32..=64, count in 0usize..50, actual in 0usize..500) {
            let bytes = vec![0; actual];
            let expected = byte_len(count, bits);
            let wrong = Err(BitsError::Length { count, bits, expected, actual });
            let right = if actual == expected { Ok(vec![0; count]) } else { wrong };
            prop_assert_eq!(unpack(&bytes, count, bits), right);
        }
    }

    #[test]
    fn padding_is_zero() {
        assert_eq!(unpack(&[0xff, 0x02], 3, 3), Err(BitsError::Padding { last: 2, used: 1 }));
        assert_eq!(unpack(&[0xff, 0x01], 3, 3), Ok(vec![7, 7, 7]));
    }
}
