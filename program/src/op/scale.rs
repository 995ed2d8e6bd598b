//! Fixed point: `y = scale * x + offset` with a secret line a channel.

/// The greatest common divisor: the largest step by which both numbers can be counted. Of 0 and another it is
/// the other's size.
#[must_use]
pub fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a.wrapping_abs() } else { gcd(b, a.wrapping_rem(b)) }
}

/// A secret line of integers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, zeroize::Zeroize)]
pub struct Line {
    /// Slope.
    pub scale: i64,
    /// Value at 0.
    pub offset: i64,
}

/// Element `i` on line `i % lines.len()`.
pub(super) fn evaluate(x: &[i64], lines: &[Line]) -> Vec<i64> {
    let line = |i: usize| lines[i % lines.len()];
    x.iter().enumerate().map(|(i, &x)| line(i).scale.wrapping_mul(x).wrapping_add(line(i).offset)).collect()
}
