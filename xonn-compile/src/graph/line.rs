//! Straight lines of real numbers.

/// `scale * x + offset`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Line {
    /// By what a number is multiplied.
    pub scale: f64,
    /// What is added then.
    pub offset: f64,
}

impl Line {
    /// The number itself.
    pub const IDENTITY: Self = Self::new(1.0, 0.0);

    /// `scale * x + offset`.
    #[must_use]
    pub const fn new(scale: f64, offset: f64) -> Self {
        Self { scale, offset }
    }

    /// The line through `low` at -1 and `high` at +1: what a bit stands for.
    #[must_use]
    pub fn of_bit(low: f64, high: f64) -> Self {
        Self::new((high - low) / 2.0, (high + low) / 2.0)
    }

    /// Its value at `x`.
    #[must_use]
    pub fn at(self, x: f64) -> f64 {
        self.scale * x + self.offset
    }

    /// `next` of what this line gives.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        Self::new(self.scale * next.scale, self.offset * next.scale + next.offset)
    }

    /// Whether both of its numbers are finite.
    #[must_use]
    pub fn is_finite(self) -> bool {
        self.scale.is_finite() && self.offset.is_finite()
    }
}
