//! Stored numbers as f32, the precision in which Keras computes.

/// How a number is stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stored {
    /// IEEE 754, 2, 4 or 8 bytes.
    Float {
        /// Bytes.
        size: usize,
        /// Whether the highest byte comes first.
        big_endian: bool,
    },
    /// The upper half of a float32.
    BrainFloat {
        /// Whether the highest byte comes first.
        big_endian: bool,
    },
    /// An integer of 1, 2, 4 or 8 bytes.
    Integer {
        /// Bytes.
        size: usize,
        /// Two's complement.
        signed: bool,
        /// Whether the highest byte comes first.
        big_endian: bool,
    },
}

impl Stored {
    /// Numbers from bytes; `None` for a size that is not read. Bytes that make no whole number are left out.
    pub fn numbers(self, bytes: &[u8]) -> Option<Vec<f32>> {
        let each2 = |big, f: fn([u8; 2]) -> f32| each(bytes, big, f);
        let each4 = |big, f: fn([u8; 4]) -> f32| each(bytes, big, f);
        let each8 = |big, f: fn([u8; 8]) -> f32| each(bytes, big, f);
        Some(match self {
            Self::Float { size: 2, big_endian } => each2(big_endian, |b| half(u16::from_le_bytes(b))),
            Self::Float { size: 4, big_endian } => each4(big_endian, f32::from_le_bytes),
            Self::Float { size: 8, big_endian } => each8(big_endian, |b| f64::from_le_bytes(b) as f32),
            Self::BrainFloat { big_endian } => {
                each2(big_endian, |b| f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16))
            }
            Self::Integer { size: 1, signed: true, .. } => {
                bytes.iter().map(|&b| f32::from(b as i8)).collect()
            }
            Self::Integer { size: 1, .. } => bytes.iter().map(|&b| f32::from(b)).collect(),
            Self::Integer { size: 2, signed: true, big_endian } => {
                each2(big_endian, |b| f32::from(i16::from_le_bytes(b)))
            }
            Self::Integer { size: 2, big_endian, .. } => {
                each2(big_endian, |b| f32::from(u16::from_le_bytes(b)))
            }
            Self::Integer { size: 4, signed: true, big_endian } => {
                each4(big_endian, |b| i32::from_le_bytes(b) as f32)
            }
            Self::Integer { size: 4, big_endian, .. } => each4(big_endian, |b| u32::from_le_bytes(b) as f32),
            Self::Integer { size: 8, signed: true, big_endian } => {
                each8(big_endian, |b| i64::from_le_bytes(b) as f32)
            }
            Self::Integer { size: 8, big_endian, .. } => each8(big_endian, |b| u64::from_le_bytes(b) as f32),
            _ => return None,
        })
    }
}

/// What is said of a type that is not read.
pub fn not_read(found: &dyn std::fmt::Debug) -> String {
    format!("type {found:?} is not read, expected float16, bfloat16, float32, float64 or int")
}

fn each<const N: usize>(bytes: &[u8], swap: bool, f: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    let number = |&b: &[u8; N]| {
        let mut b = b;
        if swap {
            b.reverse();
        }
        f(b)
    };
    bytes.as_chunks::<N>().0.iter().map(number).collect()
}

/// IEEE half precision to single, exactly.
fn half(bits: u16) -> f32 {
    let sign = f32::from_bits(u32::from(bits >> 15) << 31 | 1.0f32.to_bits());
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    let magnitude = match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1024.0 + fraction) * 2f32.powi(exponent - 25),
    };
    sign * magnitude
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_exact() {
        for (bits, value) in [
            (0x3c00, 1.0),
            (0xbc00, -1.0),
            (0x3555, 0.333_251_95),
            (0x0001, 5.960_464_5e-8),
            (0x7bff, 65504.0),
        ] {
            assert_eq!(half(bits), value);
        }
        assert!(half(0x7e00).is_nan());
        assert_eq!(half(0xfc00), f32::NEG_INFINITY);
        assert_eq!(half(0x8000).to_bits(), (-0.0f32).to_bits());
    }

    #[test]
    fn numbers_of_every_type_and_order() {
        let float = |size, big_endian| Stored::Float { size, big_endian };
        assert_eq!(float(8, true).numbers(&1.5f64.to_be_bytes()), Some(vec![1.5]));
        assert_eq!(float(4, false).numbers(&1.5f32.to_le_bytes()), Some(vec![1.5]));
        assert_eq!(float(2, true).numbers(&[0x3c, 0x00]), Some(vec![1.0]));
        let brain = |big_endian| Stored::BrainFloat { big_endian };
        assert_eq!(brain(false).numbers(&[0xc0, 0x3f]), Some(vec![1.5]));
        assert_eq!(brain(true).numbers(&[0x3f, 0xc0]), Some(vec![1.5]));
        for (size, bytes) in [(1, vec![255]), (2, vec![255; 2]), (4, vec![255; 4]), (8, vec![255; 8])] {
            let integer = |signed| Stored::Integer { size, signed, big_endian: false };
            assert_eq!(integer(true).numbers(&bytes), Some(vec![-1.0]));
            assert_eq!(
                integer(false).numbers(&bytes),
                Some(vec![2f32.powi(8 * size as i32) - if size < 4 { 1.0 } else { 0.0 }])
            );
        }
        assert_eq!(float(16, false).numbers(&[0; 16]), None);
    }
}
