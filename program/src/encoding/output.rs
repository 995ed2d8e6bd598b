//! What a program's output bits mean.

/// How to read the output bits.
#[derive(Clone, PartialEq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum OutputEncoding {
    /// Plain bits, of a Bristol netlist.
    Bits,
    /// The index of the largest score, least significant bit first; ties went to the lowest index.
    Argmax {
        /// Number of classes.
        classes: u32,
    },
    /// Fixed-point scores: `count` numbers of `bits` bits each in two's complement; a score is `raw * scale`.
    Scores {
        /// Number of scores.
        count: u32,
        /// Bits of each.
        bits: u32,
        /// Value of the lowest bit.
        scale: f64,
    },
    /// One bit: 1 if the single unit's pre-activation is at least 0.
    Sign,
    /// Several bits, one for each unit of a multi-label head: 1 if its pre-activation is above 0, so its
    /// sigmoid above 0.5.
    Labels {
        /// Number of units.
        units: u32,
    },
}

/// An output in the terms of [`OutputEncoding`].
#[derive(Clone, PartialEq, Debug, serde::Serialize)]
#[serde(untagged)]
pub enum Prediction {
    /// Bits in wire order, as 0 and 1.
    Bits(Vec<u8>),
    /// A class index, or the sign bit.
    Class(u32),
    /// Scores.
    Scores(Vec<f64>),
    /// Of each label 1 if it is on, else 0.
    Labels(Vec<u8>),
}

impl OutputEncoding {
    /// Bits of the output, or `None` if any number will do.
    pub(crate) fn expected_bits(&self) -> Option<u64> {
        match *self {
            Self::Bits => None,
            Self::Argmax { classes } => {
                Some(xonn_circuits::gadgets::popcount::width_of(u64::from(classes).max(1) - 1) as u64)
            }
            Self::Scores { count, bits, .. } => Some(u64::from(count) * u64::from(bits)),
            Self::Sign => Some(1),
            Self::Labels { units } => Some(units.into()),
        }
    }

    /// Checks what a file may have made up.
    pub(crate) fn check(&self) -> Result<(), String> {
        match *self {
            Self::Labels { units: 0 } => Err("labels of 0 units, expected at least 1".into()),
            Self::Argmax { classes: 0 } => Err("an argmax over 0 classes, expected at least 1".into()),
            Self::Scores { bits, .. } if !(1..=63).contains(&bits) => {
                Err(format!("scores of {bits} bits, expected 1 to 63"))
            }
            Self::Scores { scale, .. } if !(scale.is_finite() && scale > 0.0) => {
                Err(format!("a score scale of {scale}, expected a positive number"))
            }
            _ => Ok(()),
        }
    }

    /// Reads the output bits.
    ///
    /// # Panics
    /// If `bits` is not as long as the program's output: executors give just that.
    #[must_use]
    pub fn decode(&self, bits: &[bool]) -> Prediction {
        let number = |bits: &[bool]| bits.iter().rev().fold(0u64, |n, &bit| n << 1 | u64::from(bit));
        match *self {
            Self::Bits => Prediction::Bits(bits.iter().map(|&bit| bit.into()).collect()),
            Self::Labels { .. } => Prediction::Labels(bits.iter().map(|&bit| bit.into()).collect()),
            Self::Argmax { .. } | Self::Sign => Prediction::Class(number(bits) as u32),
            Self::Scores { bits: width, scale, .. } => Prediction::Scores(
                bits.chunks(width as usize)
                    .map(|raw| {
                        let unused = 64 - raw.len();
                        ((number(raw) << unused) as i64 >> unused) as f64 * scale
                    })
                    .collect(),
            ),
        }
    }
}

impl std::fmt::Display for Prediction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bits(bits) => bits.iter().try_for_each(|bit| write!(f, "{bit}")),
            Self::Class(class) => write!(f, "{class}"),
            Self::Labels(labels) => {
                let text: Vec<String> = labels.iter().map(u8::to_string).collect();
                f.write_str(&text.join(" "))
            }
            Self::Scores(scores) => {
                let text: Vec<String> = scores.iter().map(|s| format!("{s:.6}")).collect();
                f.write_str(&text.join(" "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_read_least_significant_first() {
        let bits = [false, true, true, false];
        assert_eq!(OutputEncoding::Argmax { classes: 10 }.decode(&bits), Prediction::Class(6));
        assert_eq!(OutputEncoding::Bits.decode(&bits), Prediction::Bits(vec![0, 1, 1, 0]));
        let scores = OutputEncoding::Scores { count: 2, bits: 2, scale: 0.5 };
        assert_eq!(scores.decode(&bits), Prediction::Scores(vec![-1.0, 0.5]));
        assert_eq!(scores.expected_bits(), Some(4));
        assert_eq!(OutputEncoding::Argmax { classes: 1 }.expected_bits(), Some(0));
        let labels = OutputEncoding::Labels { units: 4 };
        assert_eq!(labels.decode(&bits), Prediction::Labels(vec![0, 1, 1, 0]));
        assert_eq!(labels.decode(&bits).to_string(), "0 1 1 0");
        assert_eq!((labels.expected_bits(), labels.check()), (Some(4), Ok(())));
        assert!(OutputEncoding::Labels { units: 0 }.check().is_err());
    }
}
