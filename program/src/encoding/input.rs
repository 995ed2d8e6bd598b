//! The public quantisation of a model's input: from a real number to integer to bits.

use serde::{Deserialize, Serialize};

/// Most bits of one input.
pub const MAX_BITS: u64 = 1 << 28;

/// Most bits of one number: with more, codes and scales would leave what `f64` holds exactly.
pub const MAX_WIDTH: u32 = 32;

/// What the client takes from a feature, and what it divides the rest by, before it is coded.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feature {
    /// Taken from the number; finite.
    pub mean: f64,
    /// Divided by; finite and more than 0.
    pub deviation: f64,
}

/// How an input sample becomes bits: `x = scale * (q - zero)` with an integer code `q` of `bits` bits.
///
/// Stored in the package and applied by the client. The bits of a sample are the codes of its numbers in
/// row-major order, each least significant bit first, two's complement if `signed`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputEncoding {
    /// Shape of one sample, channels last.
    pub shape: Vec<u32>,
    /// Bits of one code, `1..=32`.
    pub bits: u32,
    /// Whether codes are two's complement (`-2^(bits-1) .. 2^(bits-1)`) or unsigned (`0 .. 2^bits`).
    pub signed: bool,
    /// The real number that one step of the code stands for; finite and more than 0.
    pub scale: f64,
    /// The code of the real number 0. It may lie outside the range of codes.
    pub zero: i64,
    /// If not empty, numbers are standardised first, and `x` is `(number - mean) / deviation`; one for each
    /// index of the last axis.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<Feature>,
    /// Whether a sample is of tokens, numbers from 0 to the length of the last axis without that: of each
    /// that many bits are sent, all 0 but one. The shape has the last axis, samples do not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tokens: bool,
}

/// A number that has no code, or an encoding that breaks a rule.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodingError {
    /// NaN or an infinity.
    #[error("the value {value} is not a finite number, expected one from {lowest} to {highest}")]
    NotFinite {
        /// The value.
        value: f64,
        /// Smallest value that has a code.
        lowest: f64,
        /// Largest value that has a code.
        highest: f64,
    },
    /// The nearest code does not fit the declared bits.
    #[error(
        "the value {value} is out of the model's input range, expected one from {lowest} to {highest} \
         ({bits} bits, scale {scale}, zero {zero})"
    )]
    OutOfRange {
        /// The value.
        value: f64,
        /// Smallest value that has a code.
        lowest: f64,
        /// Largest value that has a code.
        highest: f64,
        /// Bits of a code.
        bits: u32,
        /// Step of the code.
        scale: f64,
        /// Code of 0.
        zero: i64,
    },
    /// A model that takes whole numbers is given another one.
    #[error(
        "the value {value} is not a whole number, this model takes whole numbers from {lowest} to {highest}: \
         give the data as it was before it was scaled, or build the model with --input-scale"
    )]
    NotWhole {
        /// The value.
        value: f64,
        /// Smallest value that has a code.
        lowest: f64,
        /// Largest value that has a code.
        highest: f64,
    },
    /// It is no token.
    #[error("the value {value} is no token, this model takes whole numbers from 0 to {largest}")]
    Token {
        /// The value.
        value: f64,
        /// Largest token.
        largest: usize,
    },
    /// Tokens are something else than bits, or there are less than two.
    #[error(
        "the input encoding is of tokens in {bits} bits and shape {shape:?}, expected one bit of scale 1 \
         for each of two or more"
    )]
    Tokens {
        /// Declared bits.
        bits: u32,
        /// Declared shape.
        shape: Vec<u32>,
    },
    /// The width is not supported.
    #[error("the input encoding has {bits} bits a number, expected 1 to {MAX_WIDTH}")]
    Width {
        /// Declared bits.
        bits: u32,
    },
    /// The scale is not a positive number.
    #[error("the input encoding has scale {scale}, expected a finite number above 0")]
    Scale {
        /// Declared scale.
        scale: f64,
    },
    /// The zero point is so far off that codes are not exact any more.
    #[error("the input encoding has zero point {zero}, expected one from -2^52 to 2^52")]
    Zero {
        /// Declared zero point.
        zero: i64,
    },
    /// There is not one feature for each index of the last axis.
    #[error("the input encoding standardises {found} features, expected {expected}, its last axis, or none")]
    Features {
        /// Features that it names.
        found: usize,
        /// Length of the last axis.
        expected: usize,
    },
    /// A feature cannot be standardised.
    #[error(
        "the input encoding has mean {mean} and deviation {deviation} for feature {index}, expected finite \
         numbers, the latter above 0"
    )]
    Feature {
        /// Its index in the last axis.
        index: usize,
        /// Declared mean.
        mean: f64,
        /// Declared deviation.
        deviation: f64,
    },
    /// The shape is too large.
    #[error(
        "the input encoding has shape {shape:?} of {bits} bits each, expected at most {MAX_BITS} bits \
         together"
    )]
    TooLarge {
        /// Declared shape.
        shape: Vec<u32>,
        /// Declared bits.
        bits: u32,
    },
}

/// What is wrong with one number of a sample, and where it stands.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[error("{place}: {wrong}")]
pub struct ElementError {
    /// `column 5 of 8` counted from 1 in a sample of one axis, otherwise `element [12, 3, 0]` counted from 0.
    pub place: String,
    /// Why the number has no code.
    #[source]
    pub wrong: EncodingError,
}

impl InputEncoding {
    /// Checks the rules of the fields' own documentation, and that a sample has at most [`MAX_BITS`] bits.
    ///
    /// # Errors
    /// The first rule broken. Encodings from files are checked before anything else is done with them.
    pub fn check(&self) -> Result<(), EncodingError> {
        if !(1..=MAX_WIDTH).contains(&self.bits) {
            return Err(EncodingError::Width { bits: self.bits });
        }
        if !(self.scale.is_finite() && self.scale > 0.0) {
            return Err(EncodingError::Scale { scale: self.scale });
        }
        if self.zero.unsigned_abs() > 1 << 52 {
            return Err(EncodingError::Zero { zero: self.zero });
        }
        let plain = self.bits == 1 && !self.signed && self.scale == 1.0 && self.zero == 0;
        let one_hot = plain && self.features.is_empty() && self.shape.last().is_some_and(|&count| count >= 2);
        if self.tokens && !one_hot {
            return Err(EncodingError::Tokens { bits: self.bits, shape: self.shape.clone() });
        }
        let bits = self.shape.iter().try_fold(u64::from(self.bits), |n, &side| n.checked_mul(side.into()));
        // A side of 0 hides any size behind it; an empty input has nothing to predict from.
        match bits {
            Some(1..=MAX_BITS) => self.check_features(),
            _ => Err(EncodingError::TooLarge { shape: self.shape.clone(), bits: self.bits }),
        }
    }

    fn check_features(&self) -> Result<(), EncodingError> {
        let (found, expected) = (self.features.len(), self.shape.last().map_or(1, |&n| n as usize));
        if found != 0 && found != expected {
            return Err(EncodingError::Features { found, expected });
        }
        let usable = |f: &Feature| f.mean.is_finite() && f.deviation.is_finite() && f.deviation > 0.0;
        match self.features.iter().position(|f| !usable(f)) {
            None => Ok(()),
            Some(index) => {
                let Feature { mean, deviation } = self.features[index];
                Err(EncodingError::Feature { index, mean, deviation })
            }
        }
    }

    /// The shape of what a client has: without the last axis, where that says which token it is.
    #[must_use]
    pub fn sample_shape(&self) -> Vec<usize> {
        let axes = self.shape.len() - usize::from(self.tokens && !self.shape.is_empty());
        self.shape[..axes].iter().map(|&n| n as usize).collect()
    }

    /// Numbers of what a client has.
    #[must_use]
    pub fn sample_elements(&self) -> usize {
        self.sample_shape().iter().fold(1, |n, &side| n.saturating_mul(side))
    }

    /// Codes of one number of a sample: one, or of a token one for each that there is.
    fn codes_of_one(&self) -> usize {
        if self.tokens { self.shape.last().map_or(1, |&n| n as usize) } else { 1 }
    }

    /// The codes of one number of a sample, of this place (row-major). As much work for one that has none:
    /// then they are 0.
    ///
    /// # Errors
    /// As [`Self::quantise`]; [`EncodingError::Token`] for what is no token.
    pub fn codes_at(&self, x: f64, element: usize, codes: &mut Vec<i64>) -> Result<(), EncodingError> {
        if !self.tokens {
            let code = self.quantise(x, element);
            codes.push(*code.as_ref().unwrap_or(&0));
            return code.map(drop);
        }
        let count = self.codes_of_one();
        codes.extend((0..count).map(|token| i64::from(x == token as f64)));
        let fits = x.fract() == 0.0 && x >= 0.0 && x < count as f64;
        if fits { Ok(()) } else { Err(EncodingError::Token { value: x, largest: count.saturating_sub(1) }) }
    }

    /// Codes of one sample: the product of the shape.
    ///
    /// At most [`MAX_BITS`] for a checked encoding.
    #[must_use]
    pub fn elements(&self) -> usize {
        self.shape.iter().fold(1usize, |n, &side| n.saturating_mul(side as usize))
    }

    /// Bits of one sample.
    #[must_use]
    pub fn bit_count(&self) -> usize {
        self.elements().saturating_mul(self.bits as usize)
    }

    /// Smallest and largest code.
    #[must_use]
    pub fn codes(&self) -> std::ops::RangeInclusive<i64> {
        let span = 1i64 << self.bits.clamp(1, MAX_WIDTH);
        if self.signed { -span / 2..=span / 2 - 1 } else { 0..=span - 1 }
    }

    fn feature_of(&self, element: usize) -> Option<&Feature> {
        self.features.get(element.checked_rem(self.features.len())?)
    }

    /// The real number that a code of this element (row-major) stands for.
    #[must_use]
    pub fn value_of(&self, q: i64, element: usize) -> f64 {
        let x = self.scale * (q.saturating_sub(self.zero)) as f64;
        self.feature_of(element).map_or(x, |f| f.mean + f.deviation * x)
    }

    /// The code of `x`, the number of this element (row-major): `round(x / scale) + zero`, halves away from
    /// 0; standardised before, where `features` say so. Where `scale` is 1 and nothing is standardised only
    /// whole numbers have codes: pixels scaled to 0..1 would all become 0 or 1 otherwise.
    ///
    /// # Errors
    /// [`EncodingError::NotFinite`], [`EncodingError::NotWhole`] and [`EncodingError::OutOfRange`]: values
    /// are never clipped, since a clipped pixel would be predicted from without a word.
    pub fn quantise(&self, x: f64, element: usize) -> Result<i64, EncodingError> {
        let codes = self.codes();
        let (lowest, highest) =
            (self.value_of(*codes.start(), element), self.value_of(*codes.end(), element));
        if !x.is_finite() {
            return Err(EncodingError::NotFinite { value: x, lowest, highest });
        }
        let feature = self.feature_of(element);
        if feature.is_none() && self.scale == 1.0 && x.fract() != 0.0 {
            return Err(EncodingError::NotWhole { value: x, lowest, highest });
        }
        let standard = feature.map_or(x, |f| (x - f.mean) / f.deviation);
        // Up to 2^53 both summands and the sum are exact; beyond it the code is out of range by far.
        let code = (standard / self.scale).round() + self.zero as f64;
        if code >= *codes.start() as f64 && code <= *codes.end() as f64 {
            return Ok(code as i64);
        }
        let &Self { bits, scale, zero, .. } = self;
        Err(EncodingError::OutOfRange { value: x, lowest, highest, bits, scale, zero })
    }

    /// The codes of the numbers of one sample, row-major.
    ///
    /// # Errors
    /// The first number that has no code ([`Self::quantise`]), with its place.
    pub fn codes_of(&self, sample: impl IntoIterator<Item = f64>) -> Result<Vec<i64>, ElementError> {
        let mut codes = Vec::new();
        for (element, x) in sample.into_iter().enumerate() {
            self.codes_at(x, element, &mut codes)
                .map_err(|wrong| ElementError { place: self.place_of(element), wrong })?;
        }
        Ok(codes)
    }

    /// Where an element (row-major) stands, as people count.
    fn place_of(&self, element: usize) -> String {
        let shape = self.sample_shape();
        if let [columns] = shape[..] {
            return format!("column {} of {columns}", element + 1);
        }
        let mut rest = element;
        let mut index: Vec<usize> = Vec::with_capacity(shape.len());
        for &side in shape.iter().rev() {
            let side = side.max(1);
            index.push(rest % side);
            rest /= side;
        }
        index.reverse();
        format!("element {index:?}")
    }

    /// The bits of a code, least significant first, two's complement.
    pub fn bits_of(&self, q: i64) -> impl Iterator<Item = bool> + use<> {
        (0..self.bits.min(MAX_WIDTH)).map(move |i| q >> i & 1 == 1)
    }

    /// The codes of a sample's bits, [`bits_of`](Self::bits_of) each.
    #[must_use]
    pub fn codes_of_bits(&self, bits: &[bool]) -> Vec<i64> {
        let width = self.bits.min(MAX_WIDTH) as usize;
        let code = |bits: &[bool]| {
            let code = bits.iter().enumerate().fold(0i64, |code, (i, &bit)| code | i64::from(bit) << i);
            let unused = 64 - bits.len();
            if self.signed { code << unused >> unused } else { code }
        };
        bits.chunks(width.max(1)).map(code).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoding(bits: u32, signed: bool, scale: f64, zero: i64) -> InputEncoding {
        InputEncoding { shape: vec![2, 3], bits, signed, scale, zero, features: Vec::new(), tokens: false }
    }

    #[test]
    fn codes_come_back_from_their_bits() {
        for (bits, signed, codes) in [(3, false, [0, 5, 7]), (3, true, [-4, -1, 3]), (1, false, [0, 1, 1])] {
            let encoding = encoding(bits, signed, 1.0, 0);
            let all: Vec<bool> = codes.iter().flat_map(|&q| encoding.bits_of(q)).collect();
            assert_eq!(encoding.codes_of_bits(&all), codes, "{bits} {signed}");
        }
    }

    fn standardised(features: &[(f64, f64)]) -> InputEncoding {
        let features = features.iter().map(|&(mean, deviation)| Feature { mean, deviation }).collect();
        InputEncoding { features, ..encoding(12, true, 1.0 / 64.0, 0) }
    }

    #[test]
    fn each_feature_is_standardised_by_its_own_numbers() {
        let e = standardised(&[(0.0, 1.0), (50.0, 4.0), (-1e3, 0.5)]);
        assert_eq!(e.check(), Ok(()));
        // (54 - 50) / 4 is one deviation, 64 codes; the second row's elements have the same features.
        for (element, x, code) in
            [(0, 1.0, 64), (1, 54.0, 64), (4, 46.0, -64), (5, -1000.25, -32), (3, 0.01, 1)]
        {
            assert_eq!(e.quantise(x, element), Ok(code), "{x} as element {element}");
        }
        for element in 0..6 {
            for q in [-2048, -1, 0, 77, 2047] {
                assert_eq!(e.quantise(e.value_of(q, element), element), Ok(q));
            }
        }
        // 32 deviations and no more; whole numbers are not asked for.
        assert!(matches!(
            e.quantise(178.0, 1),
            Err(EncodingError::OutOfRange { lowest: -78.0, highest: 177.9375, .. })
        ));
        let whole = InputEncoding { scale: 1.0, ..e };
        assert_eq!(whole.quantise(50.5, 1), Ok(0));
    }

    #[test]
    fn features_of_another_number_or_without_a_deviation_are_refused() {
        for features in [&[(0.0, 1.0)][..], &[(0.0, 1.0); 2], &[(0.0, 1.0); 6]] {
            assert!(matches!(
                standardised(features).check(),
                Err(EncodingError::Features { expected: 3, .. })
            ));
        }
        for bad in [(0.0, 0.0), (0.0, -1.0), (f64::NAN, 1.0), (0.0, f64::INFINITY), (0.0, f64::NAN)] {
            let e = standardised(&[(0.0, 1.0), bad, (0.0, 1.0)]);
            assert!(matches!(e.check(), Err(EncodingError::Feature { index: 1, .. })));
        }
        let scalar = InputEncoding { shape: vec![], ..standardised(&[(3.0, 1.0)]) };
        assert_eq!((scalar.check(), scalar.quantise(4.0, 0)), (Ok(()), Ok(64)));
    }

    #[test]
    fn integers_are_exact_at_scale_one() {
        for (signed, range) in [(false, 0..256i64), (true, -128..128)] {
            let e = encoding(8, signed, 1.0, 0);
            for q in range.clone() {
                assert_eq!(e.quantise(q as f64, 0), Ok(q));
                let back = e.bits_of(q).enumerate().fold(0i64, |n, (i, bit)| n | i64::from(bit) << i);
                assert_eq!(if signed { i64::from(back as i8) } else { back }, q);
            }
            for outside in [range.start - 1, range.end] {
                assert!(matches!(e.quantise(outside as f64, 0), Err(EncodingError::OutOfRange { .. })));
            }
        }
        let wide = encoding(32, true, 1.0, 0);
        assert_eq!(wide.quantise(f64::from(i32::MIN), 0), Ok(i32::MIN.into()));
        assert_eq!(wide.bits_of(-1).filter(|&bit| bit).count(), 32);
    }

    #[test]
    fn scale_and_zero_follow_the_formula() {
        // x = (q - 128) / 127.5 would be Keras's rescaling to -1..1; every code comes back.
        let e = encoding(8, false, 1.0 / 127.5, 128);
        for q in 0..256 {
            assert_eq!(e.quantise(e.value_of(q, 0), 0), Ok(q));
        }
        // Halves go away from 0.
        let e = encoding(4, true, 0.5, 0);
        assert_eq!((e.quantise(0.25, 0), e.quantise(-0.25, 0), e.quantise(0.24, 0)), (Ok(1), Ok(-1), Ok(0)));
    }

    #[test]
    fn what_has_no_code_is_refused_with_the_range() {
        let e = encoding(8, false, 0.5, 10);
        for x in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(matches!(e.quantise(x, 0), Err(EncodingError::NotFinite { .. })));
        }
        assert_eq!(
            e.quantise(200.0, 0).map_err(|e| e.to_string()),
            Err("the value 200 is out of the model's input range, expected one from -5 to 122.5 \
                 (8 bits, scale 0.5, zero 10)"
                .into())
        );
        assert!(e.quantise(f64::MAX, 0).is_err() && e.quantise(-1e300, 0).is_err());
        // A division that overflows to infinity.
        assert!(encoding(8, false, f64::MIN_POSITIVE, 0).quantise(1e308, 0).is_err());
    }

    #[test]
    fn a_number_without_a_code_is_named_by_its_place() {
        let table = InputEncoding { shape: vec![3], ..encoding(8, false, 1.0, 0) };
        assert_eq!(table.codes_of([1.0, 2.0, 255.0]), Ok(vec![1, 2, 255]));
        let wrong = table.codes_of([1.0, 256.0, -1.0]).unwrap_err().to_string();
        assert!(wrong.starts_with("column 2 of 3: the value 256 is out of"), "{wrong}");
        let image = InputEncoding { shape: vec![2, 4, 3], ..encoding(8, false, 1.0, 0) };
        let at = |element: usize| (0..24).map(move |i| if i == element { f64::NAN } else { 0.0 });
        assert_eq!(image.codes_of(at(0)).unwrap_err().place, "element [0, 0, 0]");
        assert_eq!(image.codes_of(at(23)).unwrap_err().place, "element [1, 3, 2]");
        assert_eq!(image.codes_of(at(16)).unwrap_err().place, "element [1, 1, 1]");
    }

    #[test]
    fn hostile_encodings_are_refused() {
        assert_eq!(encoding(8, false, 1.0, 0).check(), Ok(()));
        for bits in [0, 33, u32::MAX] {
            assert_eq!(encoding(bits, false, 1.0, 0).check(), Err(EncodingError::Width { bits }));
            let _ = (encoding(bits, true, 1.0, 0).codes(), encoding(bits, true, 1.0, 0).bit_count());
        }
        for scale in [0.0, -0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(encoding(8, false, scale, 0).check(), Err(EncodingError::Scale { .. })));
        }
        assert!(matches!(encoding(8, false, 1.0, i64::MIN).check(), Err(EncodingError::Zero { .. })));
        for shape in [vec![1 << 14, 1 << 14], vec![u32::MAX; 9], vec![0], vec![u32::MAX, u32::MAX, 0]] {
            let e = InputEncoding { shape, ..encoding(8, false, 1.0, 0) };
            assert!(matches!(e.check(), Err(EncodingError::TooLarge { .. })));
        }
        let largest = InputEncoding { shape: vec![1 << 14, 1 << 11], ..encoding(8, false, 1.0, 0) };
        assert_eq!((largest.check(), largest.bit_count() as u64), (Ok(()), MAX_BITS));
        let scalar = InputEncoding { shape: vec![], ..encoding(8, false, 1.0, 0) };
        assert_eq!((scalar.check(), scalar.bit_count()), (Ok(()), 8));
    }

    fn tokens(shape: &[u32]) -> InputEncoding {
        InputEncoding { shape: shape.to_vec(), tokens: true, ..encoding(1, false, 1.0, 0) }
    }

    #[test]
    fn tokens_are_bits_of_which_one_is_set() {
        let e = tokens(&[2, 5]);
        assert_eq!(e.check(), Ok(()));
        assert_eq!(
            (e.sample_shape(), e.sample_elements(), e.elements(), e.bit_count()),
            (vec![2], 2, 10, 10)
        );
        assert_eq!(e.codes_of([0.0, 3.0]), Ok(vec![1, 0, 0, 0, 0, 0, 0, 0, 1, 0]));
        assert_eq!(e.codes_of([-0.0, 4.0]).map(|codes| codes[9]), Ok(1));
        // A token by itself, and one of many axes.
        assert_eq!(tokens(&[5]).codes_of([2.0]), Ok(vec![0, 0, 1, 0, 0]));
        assert_eq!(tokens(&[2, 1, 3]).sample_shape(), [2, 1]);
        for encoding in [encoding(8, false, 1.0, 0), standardised(&[(0.5, 2.0); 3])] {
            assert_eq!(encoding.sample_elements(), encoding.elements());
        }
    }

    /// What is no token has codes, too, as many: a client goes on with them and sees no answer.
    #[test]
    fn wrong_tokens_are_refused_in_a_sentence() {
        let e = tokens(&[2, 5]);
        for wrong in [5.0, -1.0, 0.5, f64::NAN, f64::INFINITY, 1e300] {
            let error = e.codes_of([0.0, wrong]).unwrap_err();
            assert!(matches!(error.wrong, EncodingError::Token { largest: 4, .. }), "{wrong}");
            assert!(error.to_string().contains("column 2 of 2"), "{error}");
            let mut codes = Vec::new();
            assert!(e.codes_at(wrong, 1, &mut codes).is_err());
            assert_eq!(codes, [0; 5]);
        }
        let said = e.codes_of([7.0, 0.0]).unwrap_err().to_string();
        assert!(
            said.contains("the value 7 is no token, this model takes whole numbers from 0 to 4"),
            "{said}"
        );
    }

    #[test]
    fn encodings_of_tokens_are_bits() {
        let broken = [
            InputEncoding { bits: 2, ..tokens(&[2, 5]) },
            InputEncoding { signed: true, ..tokens(&[2, 5]) },
            InputEncoding { scale: 0.5, ..tokens(&[2, 5]) },
            InputEncoding { zero: 1, ..tokens(&[2, 5]) },
            InputEncoding { features: vec![Feature { mean: 0.0, deviation: 1.0 }; 5], ..tokens(&[2, 5]) },
            tokens(&[2, 1]),
            tokens(&[]),
        ];
        for encoding in broken {
            assert!(matches!(encoding.check(), Err(EncodingError::Tokens { .. })), "{encoding:?}");
            // Whoever has not checked it meets no panic.
            let _ = (encoding.sample_shape(), encoding.codes_of([0.0, 1.0]));
        }
        let json = serde_json::to_string(&tokens(&[2, 5])).expect("plain data");
        assert!(json.contains("\"tokens\":true"));
        assert_eq!(serde_json::from_str::<InputEncoding>(&json).expect("just written"), tokens(&[2, 5]));
        let other = serde_json::to_string(&encoding(1, false, 1.0, 0)).expect("plain data");
        assert!(!other.contains("tokens"), "other packages are as they always were");
    }

    #[test]
    fn json_keeps_every_field_and_no_other() {
        let e = encoding(8, true, 1.0 / 255.0, -3);
        let json = serde_json::to_string(&e).expect("plain data");
        assert_eq!(serde_json::from_str::<InputEncoding>(&json).expect("just written"), e);
        assert!(serde_json::from_str::<InputEncoding>(&json.replace("\"zero\"", "\"offset\"")).is_err());
        // Packages of encodings that standardise nothing are as they always were.
        assert!(!json.contains("features"));
        let e = standardised(&[(0.5, 2.0); 3]);
        let json = serde_json::to_string(&e).expect("plain data");
        assert_eq!(serde_json::from_str::<InputEncoding>(&json).expect("just written"), e);
    }
}
