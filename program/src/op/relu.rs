//! Rectifiers, and other functions that are a line on each side of a public number.

/// `y = x` from 0 upwards, `floor(slope x / 2^bits)` below: a leaky ReLU with a public slope.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leak {
    /// Numerator of the slope, `0..2^bits`.
    pub slope: u32,
    /// Its binary digits, 1 to 16.
    pub bits: u32,
}

impl Leak {
    /// The slope nearest to `slope`, which lies from 0 to 1; `None` of another.
    #[must_use]
    pub fn near(slope: f64, bits: u32) -> Option<Self> {
        let numerator = (slope * f64::from(1u32 << bits)).round();
        let most = f64::from((1u32 << bits) - 1);
        (0.0..=1.0).contains(&slope).then(|| Self { slope: numerator.min(most) as u32, bits })
    }

    pub(crate) fn check(self) -> Result<(), String> {
        let Self { slope, bits } = self;
        match (1..=16).contains(&bits) && slope < 1 << bits {
            true => Ok(()),
            false => Err(format!("a slope of {slope} / 2^{bits}, expected one from 0 to 1 of 1 to 16 bits")),
        }
    }

    /// Of one number, below 2^46 either way.
    #[must_use]
    pub fn of(self, x: i64) -> i64 {
        if x >= 0 { x } else { (x.wrapping_mul(i64::from(self.slope))) >> self.bits }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_are_rounded_down_below_0() {
        let leak = Leak::near(0.3, 8).expect("a slope");
        assert_eq!(leak, Leak { slope: 77, bits: 8 });
        assert_eq!([5, 0, -1, -256, -1000].map(|x| leak.of(x)), [5, 0, -1, -77, -301]);
        assert_eq!(Leak::near(1.5, 8), None);
    }
}
