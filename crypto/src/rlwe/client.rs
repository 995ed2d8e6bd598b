//! The client: its key, its encrypted masks, its share of the results.

use core::fmt;

use rand::CryptoRng;

use super::encode::Layout;
use super::ring::{Coefficients, Ring, Values};
use super::sample::{SEED_BYTES, SeedExpander, public_polynomial};
use super::switch::{Rounding, scale_up};
use super::{Params, RlweError, Role};
use crate::{Wiped, bits};

/// A secret key for one row of the menu. It is made for a connection, renewed after some predictions, and
/// never stored.
pub struct ClientKey {
    params: Params,
    /// The secret, in the ring and in the one for exact integers.
    s: Values,
    exact: Values,
}

/// Bytes of `count` polynomials whose coefficients are numbers modulo q.
pub(super) fn polynomial_bytes(params: Params, count: usize) -> usize {
    count * bits::byte_len(params.n(), params.bits())
}

/// An error unless the layout was made for this ring.
pub(super) fn check_ring(params: Params, layout: &Layout) -> Result<(), RlweError> {
    match layout.n() == params.n() {
        true => Ok(()),
        false => Err(RlweError::Shape {
            what: "degree of the layout's ring",
            expected: params.n(),
            actual: layout.n(),
        }),
    }
}

/// Bytes of an answer: of each output polynomial all coefficients of A' and the outputs' of B'.
pub(super) fn answer_bytes(layout: &Layout, rounding: &Rounding, output: usize) -> [usize; 2] {
    let outputs = layout.positions(output).len();
    [bits::byte_len(layout.n(), rounding.a_bits()), bits::byte_len(outputs, rounding.b_bits())]
}

impl ClientKey {
    /// A new key, and the message that tells the server its public half: `b = a s + e`, a chosen by a hash.
    pub fn generate(params: Params, session: &[u8], role: Role, rng: &mut impl CryptoRng) -> (Self, Vec<u8>) {
        let ring = Ring::of(params);
        let mut secrets = SeedExpander::secret(rng);
        let [s, exact] = secrets.ternary_in([ring, Ring::exact(params.n())]);
        let key = Self { params, s: s.into_values(), exact: exact.into_values() };
        let b = key.zero(&public_polynomial(params, session, role).into_values(), &mut secrets);
        let mut message = Vec::new();
        key.write(&b, &mut message);
        (key, message)
    }

    /// Bytes of the message of [`ClientKey::encrypt`], for this many polynomials.
    pub fn masks_bytes(params: Params, polynomials: usize) -> usize {
        SEED_BYTES + polynomial_bytes(params, polynomials)
    }

    /// Bytes of the message of [`ClientKey::generate`].
    pub fn key_bytes(params: Params) -> usize {
        polynomial_bytes(params, 1)
    }

    /// `a s + e`.
    fn zero(&self, a: &Values, secrets: &mut SeedExpander) -> Coefficients {
        let mut b = a.multiply(&self.s).into_coefficients();
        b.add(&secrets.binomial(Ring::of(self.params)));
        b
    }

    fn write(&self, b: &Coefficients, message: &mut Vec<u8>) {
        let numbers: Vec<u64> = b.iter().collect();
        bits::pack(&numbers, self.params.bits(), message);
    }

    /// Masks modulo 2^l, one layer's: a seed, and of each polynomial `b = a s + e + round(r q / 2^l)` with
    /// the a that the seed gives, in order.
    ///
    /// # Errors
    /// [`RlweError::Rounding`] if l is not below the bits of q, [`RlweError::Shape`] if a polynomial has not
    /// n numbers, or one of 2^l and more: mistakes of the caller.
    pub fn encrypt(
        &self,
        l: u32,
        masks: &[Wiped<u64>],
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<u8>, RlweError> {
        // What a rounding says of l, which is the same for all that follows of it.
        Rounding::new(self.params, l, 0, 0, 0)?;
        let ring = Ring::of(self.params);
        let mut seed = [0; SEED_BYTES];
        rng.fill_bytes(&mut seed);
        let (mut public, mut secrets) = (SeedExpander::new(&seed), SeedExpander::secret(rng));
        let mut message = Vec::with_capacity(Self::masks_bytes(self.params, masks.len()));
        message.extend_from_slice(&seed);
        for r in masks {
            if r.len() != ring.n() {
                let (expected, actual) = (ring.n(), r.len());
                return Err(RlweError::Shape { what: "masks of a polynomial", expected, actual });
            }
            // Of all at once, so that the branch tells of none.
            let bits = r.iter().fold(0, |all, r| all | r);
            if bits >> l != 0 {
                let actual = (u64::BITS - bits.leading_zeros()) as usize;
                return Err(RlweError::Shape { what: "bits of a mask", expected: l as usize, actual });
            }
            let mut b = self.zero(&public.uniform(ring).into_values(), &mut secrets);
            b.add(&ring.coefficients(r.iter().map(|&r| scale_up(r, ring.q(), l))));
            self.write(&b, &mut message);
        }
        Ok(message)
    }

    /// Bytes of the answer that [`ClientKey::decrypt`] takes.
    pub fn answer_bytes(layout: &Layout, rounding: &Rounding) -> usize {
        (0..layout.outputs()).map(|output| answer_bytes(layout, rounding, output).iter().sum::<usize>()).sum()
    }

    /// The client's share y1 of each output, modulo 2^k: the top k bits of `B' 2^(ga - gb) - A' s`.
    ///
    /// Nothing is checked on what comes out, for a check would tell the server of s.
    ///
    /// # Errors
    /// [`RlweError`] if the answer has another length than the plan says or its padding is not zero, which
    /// the server knows.
    pub fn decrypt(
        &self,
        layout: &Layout,
        rounding: &Rounding,
        answer: &[u8],
    ) -> Result<Wiped<u64>, RlweError> {
        check_ring(self.params, layout)?;
        let (expected, actual) = (Self::answer_bytes(layout, rounding), answer.len());
        if expected != actual {
            return Err(RlweError::Length { what: "answer", expected, actual });
        }
        let read = |bytes: &[u8], count, width| {
            bits::unpack(bytes, count, width).map_err(|source| RlweError::Bits { what: "answer", source })
        };
        let (bits, up) = (rounding.a_bits(), rounding.ga() - rounding.gb());
        let mut shares = Wiped::zeros(layout.output_len());
        let mut rest = answer;
        for output in 0..layout.outputs() {
            let positions = layout.positions(output);
            let [a_len, b_len] = answer_bytes(layout, rounding, output);
            let (a, after) = rest.split_at(a_len);
            let (b, after) = after.split_at(b_len);
            rest = after;
            let product = self.times_s(&read(a, layout.n(), bits)?, bits);
            for (b, (at, element)) in read(b, positions.len(), rounding.b_bits())?.into_iter().zip(positions)
            {
                let phase = (b << up).wrapping_sub(product[at]) & ((1 << bits) - 1);
                shares[element] = phase >> rounding.ga();
            }
        }
        Ok(shares)
    }

    /// `a s` modulo a power of two, for a of so many bits.
    ///
    /// A product of signed numbers of w bits has coefficients of at most `n 2^(w - 1)`, less as soon as one
    /// of s is zero, so with `w = 30 - log2 n` it is known from what it is modulo 1073692673. Longer a go in
    /// two parts, of w bits and of the rest, which [`Rounding`] keeps at w bits or fewer.
    fn times_s(&self, a: &[u64], bits: u32) -> Wiped<u64> {
        let ring = Ring::exact(self.params.n());
        let w = (30 - self.params.n().ilog2()).min(bits);
        let signed = |x: u64, bits: u32| ((x << (64 - bits)) as i64) >> (64 - bits);
        let part = |part: &[i64]| {
            let mut product = ring.sum();
            product.multiply_add(&ring.lift(part).into_values(), &self.exact);
            product.into_values().into_coefficients().signed()
        };
        let low: Vec<i64> = a.iter().map(|&a| signed(a, w)).collect();
        let mut product: Wiped<u64> = part(&low).iter().map(|&p| p as u64).collect();
        if w < bits {
            let high = a.iter().zip(&low).map(|(&a, &low)| signed(a.wrapping_sub(low as u64) >> w, bits - w));
            let high: Vec<i64> = high.collect();
            for (product, &high) in product.iter_mut().zip(part(&high).iter()) {
                *product = product.wrapping_add((high as u64) << w);
            }
        }
        product
    }
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientKey").field("params", &self.params).finish_non_exhaustive()
    }
}
