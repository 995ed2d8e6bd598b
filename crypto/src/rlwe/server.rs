//! The server: its answer to the client's masks, and its share of the results.

use core::fmt;

use rand::CryptoRng;

use super::client::{ClientKey, check_ring, polynomial_bytes};
use super::encode::{EncodeError, Layout};
use super::ring::{Coefficients, Ring, Sum, Values};
use super::sample::{SEED_BYTES, SeedExpander, public_polynomial};
use super::switch::{Divider, Rounding};
use super::{Params, RlweError, Role};
use crate::{Wiped, bits};

/// Outputs whose products are summed together, because they read the same masks.
const OUTPUTS: usize = 4;

/// A client's public key.
#[derive(Debug)]
pub struct ServerKey {
    params: Params,
    a: Values,
    b: Values,
}

/// A client's masks of one layer, encrypted.
#[derive(Debug)]
pub struct Masks {
    params: Params,
    pairs: Vec<[Values; 2]>,
}

/// A layer's weights, transformed once for all clients.
#[derive(Debug)]
pub struct Weights {
    polynomials: Vec<Values>,
}

/// What the server keeps of its answer until the input is there: of each output its mask M as `floor(2^k M /
/// q)` and the remainder. It is used once.
pub struct Kept {
    q: u64,
    rounding: Rounding,
    masks: Wiped<[u64; 2]>,
}

/// The polynomials of a message whose coefficients are numbers modulo q.
fn read(
    params: Params,
    what: &'static str,
    bytes: &[u8],
    count: usize,
) -> Result<Vec<Coefficients>, RlweError> {
    let (expected, actual) = (polynomial_bytes(params, count), bytes.len());
    if expected != actual {
        return Err(RlweError::Length { what, expected, actual });
    }
    let (n, q) = (params.n(), params.q());
    let one = |(number, bytes): (usize, &[u8])| {
        let numbers =
            bits::unpack(bytes, n, params.bits()).map_err(|source| RlweError::Bits { what, source })?;
        match numbers.iter().position(|&number| number >= q) {
            None => Ok(Ring::of(params).polynomial(&numbers)),
            Some(at) => {
                let (index, value) = (number * n + at, numbers[at]);
                Err(RlweError::Coefficient { what, index, value, q })
            }
        }
    };
    bytes.chunks(polynomial_bytes(params, 1)).enumerate().map(one).collect()
}

/// The sums of products of an output and of those that follow and read the same masks, up to [`OUTPUTS`].
fn products(
    layout: &Layout,
    weights: &Weights,
    masks: &Masks,
    ring: &'static Ring,
    output: usize,
) -> Vec<[Sum; 2]> {
    let first = |output| layout.reads(output).next().map(|(input, _)| input);
    let last = (output + OUTPUTS).min(layout.outputs());
    let outputs = (output..last).take_while(|&other| first(other) == first(output));
    let mut sums: Vec<[Sum; 2]> = Vec::new();
    let mut pairs = Vec::new();
    for output in outputs {
        sums.push([ring.sum(), ring.sum()]);
        pairs.extend([0, 1].map(|half| {
            let pair =
                |(input, weight): (usize, usize)| (&masks.pairs[input][half], &weights.polynomials[weight]);
            layout.reads(output).map(pair).collect()
        }));
    }
    Sum::multiply_add_each(&mut sums.iter_mut().flatten().collect::<Vec<_>>(), &pairs);
    sums
}

impl ServerKey {
    /// The key that the client's message tells. `params` is the plan's, `session` and `role` both hosts'.
    ///
    /// # Errors
    /// [`RlweError`] if the message is no polynomial of the ring.
    pub fn receive(params: Params, session: &[u8], role: Role, message: &[u8]) -> Result<Self, RlweError> {
        let mut b = read(params, "public key", message, 1)?;
        let b = b.pop().expect("one was read").into_values();
        Ok(Self { params, a: public_polynomial(params, session, role).into_values(), b })
    }

    /// The masks of a layer.
    ///
    /// # Errors
    /// [`RlweError`] if the message is not a seed and this layer's number of polynomials of the ring.
    pub fn masks(&self, layout: &Layout, message: &[u8]) -> Result<Masks, RlweError> {
        check_ring(self.params, layout)?;
        let Some((seed, polynomials)) = message.split_first_chunk::<SEED_BYTES>() else {
            let (expected, actual) = (ClientKey::masks_bytes(self.params, layout.inputs()), message.len());
            return Err(RlweError::Length { what: "masks", expected, actual });
        };
        let mut public = SeedExpander::new(seed);
        let pairs = read(self.params, "masks", polynomials, layout.inputs())?
            .into_iter()
            .map(|b| [public.uniform(Ring::of(self.params)).into_values(), b.into_values()]);
        Ok(Masks { params: self.params, pairs: pairs.collect() })
    }

    /// The answer to a layer's masks: of each output polynomial
    ///
    /// * `A = sum w a + a_pk u + e1`, all coefficients rounded to k + ga bits,
    /// * `B = sum w b + b_pk u + e0 + M`, the outputs' coefficients rounded to k + gb bits,
    ///
    /// with fresh u, e0, e1, and M uniform modulo q.
    ///
    /// # Errors
    /// [`RlweError::Shape`] if layout, weights and masks are not of one layer and ring, a mistake of the
    /// caller.
    pub fn respond(
        &self,
        layout: &Layout,
        weights: &Weights,
        rounding: &Rounding,
        masks: &Masks,
        rng: &mut impl CryptoRng,
    ) -> Result<(Vec<u8>, Kept), RlweError> {
        check_ring(self.params, layout)?;
        for (what, expected, actual) in [
            ("weight polynomials", layout.weights(), weights.polynomials.len()),
            ("mask polynomials", layout.inputs(), masks.pairs.len()),
            ("degree of the weights' ring", self.params.n(), weights.polynomials[0].ring().n()),
            (
                "modulus of the weights' ring",
                self.params.q() as usize,
                weights.polynomials[0].ring().q() as usize,
            ),
            ("modulus of the masks' ring", self.params.q() as usize, masks.params.q() as usize),
        ] {
            if expected != actual {
                return Err(RlweError::Shape { what, expected, actual });
            }
        }
        let q = self.params.q();
        let (ring, divider) = (Ring::of(self.params), Divider::new(q));
        let mut secrets = SeedExpander::secret(rng);
        let mut answer = Vec::with_capacity(ClientKey::answer_bytes(layout, rounding));
        let mut kept = Wiped::zeros(layout.output_len());
        let mut rounded = Vec::with_capacity(ring.n());
        let mut ready = Vec::new().into_iter();
        for output in 0..layout.outputs() {
            if ready.len() == 0 {
                ready = products(layout, weights, masks, ring, output).into_iter();
            }
            let [mut a, mut b] = ready.next().expect("those of this output at least");
            let u = secrets.ternary(ring).into_values();
            a.multiply_add(&self.a, &u);
            b.multiply_add(&self.b, &u);

            let mut a = a.into_values().into_coefficients();
            a.add(&secrets.binomial(ring));
            rounded.clear();
            rounded.extend(a.iter().map(|a| divider.round(a, rounding.a_bits())));
            bits::pack(&rounded, rounding.a_bits(), &mut answer);

            let b = b.into_values().into_coefficients();
            let positions = layout.positions(output);
            let errors = secrets.errors(ring, positions.len());
            let large = secrets.uniform_numbers(ring, positions.len());
            rounded.clear();
            for (i, (at, element)) in positions.into_iter().enumerate() {
                // below 3q, q below 2^44
                let (_, b) = divider.div_rem(b.get(at) + errors[i] + large[i]);
                rounded.push(divider.round(b, rounding.b_bits()));
                let (quotient, remainder) = divider.scaled(large[i], rounding.k());
                kept[element] = [quotient, remainder];
            }
            bits::pack(&rounded, rounding.b_bits(), &mut answer);
        }
        Ok((answer, Kept { q, rounding: *rounding, masks: kept }))
    }
}

impl Weights {
    /// The weights of a layer in a ring.
    ///
    /// # Errors
    /// [`RlweError`] if there are not as many as the layer has.
    pub fn new(params: Params, layout: &Layout, weights: &[i64]) -> Result<Self, RlweError> {
        check_ring(params, layout)?;
        let transform = |w| Ok(Ring::of(params).lift(&layout.encode_weights(weights, w)?).into_values());
        let all = (0..layout.weights()).map(transform).collect::<Result<_, EncodeError>>()?;
        Ok(Self { polynomials: all })
    }
}

impl Kept {
    /// The server's share y0 of each output, modulo 2^k, from v, the layer's sum of x - r and its constants:
    ///
    /// `y0 = floor(2^phi v + theta - 2^k M / q)`, theta = (2^phi + 1) / 2 with bits of fraction, and 1
    /// without.
    ///
    /// v counts modulo 2^l. Exact, on integers, and without a branch on any of them.
    ///
    /// # Errors
    /// [`RlweError::Shape`] if there are not as many v as outputs, a mistake of the caller.
    pub fn into_shares(self, v: &[i64]) -> Result<Wiped<u64>, RlweError> {
        if v.len() != self.masks.len() {
            let (expected, actual) = (self.masks.len(), v.len());
            return Err(RlweError::Shape { what: "sums of a layer", expected, actual });
        }
        let share = |(&v, &[quotient, remainder]): (&i64, &[u64; 2])| self.share(v, quotient, remainder);
        Ok(v.iter().zip(self.masks.iter()).map(share).collect())
    }

    /// With `2^k M = quotient q + remainder`.
    fn share(&self, v: i64, quotient: u64, remainder: u64) -> u64 {
        let (l, phi, k) = (self.rounding.l(), self.rounding.phi(), self.rounding.k());
        let share = match phi {
            // floor(1/2 - remainder / q) is 0 or, where 2 remainder > q, -1; equal they are not, as q is odd.
            1.. => {
                let borrow = self.q.wrapping_sub(2 * remainder) >> 63;
                ((v as u64) << phi).wrapping_add(1 << (phi - 1)).wrapping_sub(borrow)
            }
            // floor(fraction + 1 - remainder / q) is 1 or, where the fraction is the lower, 0.
            _ => {
                let f = phi.unsigned_abs();
                let v = v as u64 & ((1 << l) - 1);
                let fraction = u128::from(v & ((1 << f) - 1)) * u128::from(self.q);
                let lower = fraction.wrapping_sub(u128::from(remainder) << f) >> 127;
                (v >> f).wrapping_add(1).wrapping_sub(lower as u64)
            }
        };
        share.wrapping_sub(quotient) & ((1 << k) - 1)
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("rounding", &self.rounding).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_share_is_the_floor_of_its_formula(
            (params, l, phi) in prop::sample::select(Params::ALL.to_vec())
                .prop_flat_map(|params| (Just(params), 2..params.bits()))
                .prop_flat_map(|(params, l)| (Just(params), Just(l), 1 - l as i32..4.min(39 - l as i32))),
            v in any::<i32>(),
            large in any::<u64>(),
            edge in 0u64..3,
        ) {
            let rounding = Rounding::new(params, l, phi, 0, 0).unwrap();
            let q = params.q();
            // Small, large and any masks; v of any size, for it counts modulo 2^l.
            let large = [large % q, edge, q - 1 - edge];
            let divide = |m: &u64| Divider::new(q).scaled(*m, rounding.k());
            let masks = large.iter().map(divide).map(|(quotient, remainder)| [quotient, remainder]).collect();
            let kept = Kept { q, rounding, masks };
            let shares = kept.into_shares(&[i64::from(v); 3]).unwrap();
            for (share, m) in shares.iter().zip(large) {
                // All times 2 q, and times 2^-phi where the result loses bits.
                let lost = phi.min(0).unsigned_abs();
                let scaled = |x: i128| x << lost;
                let (q, m, k) = (i128::from(q), i128::from(m), rounding.k());
                let twice_theta = if phi > 0 { (1 << phi) + 1 } else { 2 };
                let sum = (i128::from(v) << phi.max(0)) * 2 * q;
                let exact = sum + scaled(twice_theta * q) - scaled(2 * (m << k));
                let floor = exact.div_euclid(scaled(2 * q));
                prop_assert_eq!(i128::from(*share), floor.rem_euclid(1 << k), "phi {}", phi);
            }
        }
    }
}
