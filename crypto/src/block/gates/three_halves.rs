//! Three halves on one gate: an AND of 1.5 · 128 + 5 bits.
//!
//! Rosulek, Roy, "Three Halves Make a Whole? Beating the Half-Gates Lower Bound for Garbled Circuits", CRYPTO 2021,
//! figures 3, 4 and 6, for gates of odd parity. A label is *sliced* into halves `W = (L, R)`, here bits 0 to 63 and 64 to
//! 127, which are computed by different linear combinations, and which ones is told the evaluator by encrypted random
//! *control bits* (the dice).
//!
//! # The matrices as numbers
//! The paper's control matrices are linear maps of halves, and are the field of four elements: with
//! `w(L, R) = (L ^ R, L)`, so that `w^2(L, R) = (R, L ^ R)` and `1 + w + w^2 = 0`, its `S1 [A; B]` is `U = w A + B` and
//! `S2 [A; B]` is `w^2 U`. So the evaluator of colours `i`, `j` applies `R_ij = r U_ij + P_ij` with a number `r = r1 + r2
//! w^2` in place of a matrix. Let `a`, `b` be the colours of the labels for 1, `rho` uniform, `tau = a + w^2 b`:
//!
//! * `r_ij = rho + tau (w^2 i + w j)`: the paper's `R$ + a Ra + b Rb`. For each `i`, `j` alone it is uniform, whatever `a`
//!   and `b` are, and this is all that an evaluator sees of `a` and `b`.
//! * `P_ij = ((1 - i) B_L, (1 - j) A_R)`: the paper's `Rp`, which is public because an AND has odd parity.
//!
//! The tests hold these to the matrices of the paper, and those to its equations (4), (5) and (7).
//!
//! # The equation
//! With `H_A`, `H_B`, `H_AB` the hashes of `A_i`, `B_j` and `A_i ^ B_j`, cut to 64 bits, the evaluator computes
//!
//! ```text
//! C_L = H_A ^ H_AB ^ i G0 ^ (i ^ j) G2 ^ (r_ij U_ij + P_ij)_L
//! C_R = H_B ^ H_AB ^ j G1 ^ (i ^ j) G2 ^ (r_ij U_ij + P_ij)_R
//! ```
//!
//! which is V, M and R of figure 6, and the same equation on one more bit of the hashes, without labels, gives it `r1` and
//! `r2` from five bits z. The garbler solves for `C`, `G0`, `G1`, `G2` at `ij = 00, 10, 01`; for the others the equation holds
//! by the choice of `r_ij`.

use std::array::from_fn;

use super::super::Block;
use super::super::portable::Cipher;
use super::super::tccr::{Offsets, SHARING};
use super::{LANES, Wide};

/// Bits 0 to 63.
const LEFT: u128 = u64::MAX as u128;

/// `(L, R)` becomes `(L ^ R, L)`.
fn w(x: u128) -> u128 {
    x.rotate_left(64) ^ (x & LEFT)
}

/// `w(w(x))`, that is `(L, R)` becomes `(R, L ^ R)`.
fn w2(x: u128) -> u128 {
    x.rotate_left(64) ^ (x & !LEFT)
}

/// `x` if `bit`, else 0, without a branch.
fn when(bit: bool, x: u128) -> u128 {
    u128::from(Block::from(x).masked(bit))
}

/// The upper bit, which stands beside the slice as mask of a control bit.
fn top(x: u128) -> bool {
    x >> 127 == 1
}

/// The left halves of both, side by side.
fn lefts(left: u128, right: u128) -> u128 {
    left & LEFT | right << 64
}

/// The linear map in the hash: each half times x in GF(2^64), modulo x^64 + x^4 + x^3 + x + 1.
///
/// See [`Sliced`].
pub(super) fn double(x: u128) -> u128 {
    let half = |x: u64| x << 1 ^ (0x1b & (x >> 63).wrapping_neg());
    u128::from(half(x as u64)) | u128::from(half((x >> 64) as u64)) << 64
}

/// The hashes of a gate: `H(x, t, n) = E(S ^ t, y) ^ s(y)`, `y = x ^ U(n)`, cut to bits 0 to 63 and 127.
///
/// That is the hash of the paper's section on instantiation, `s` being multiplication by `alpha = x` in each half, which is
/// not in GF(4); only that the key of AES is that of four gates, not of the circuit, and that `U`, there a universal hash of
/// the tweak, is a table of random blocks, one for each of the three calls of the four gates.
///
/// Why `s` is not the map of half gates: a slice of a hash is added to a linear function of the offset's halves, for instance
/// its right half. If the slice of `s(delta)` were the same function, as it is for half gates' `sigma`, they would cancel,
/// 64 bits of a cipher's output were known, and its inverse could be searched.
pub(super) struct Sliced {
    pub start: Block,
    pub offsets: Offsets,
}

impl Sliced {
    /// The hashes of `labels`, of wires A, B and A ^ B of a lane under its key, in full length.
    fn hashes<const N: usize>(
        &self,
        (key, lane): (&Cipher, usize),
        labels: [[u128; N]; 3],
    ) -> [[u128; N]; 3] {
        let inputs: [[u128; N]; 3] = from_fn(|wire| {
            let offset = u128::from(self.offsets[SHARING * wire + lane % SHARING]);
            labels[wire].map(|x| x ^ offset)
        });
        let mut states = inputs.map(|inputs| inputs.map(Block::from));
        key.encrypt(states.as_flattened_mut());
        from_fn(|wire| from_fn(|n| u128::from(states[wire][n]) ^ double(inputs[wire][n])))
    }

    /// One gate: the zero label, G0 and G1, G2, z.
    fn garble_one(
        &self,
        delta: u128,
        [a, b]: [u128; 2],
        place: (&Cipher, usize),
        [r1, r2]: [bool; 2],
    ) -> (u128, u128, u64, [bool; 5]) {
        let (colour_a, colour_b) = (a & 1 == 1, b & 1 == 1);
        // The labels of colour 0, and the colours of the labels for 1.
        let (a, b) = (a ^ when(colour_a, delta), b ^ when(colour_b, delta));
        let (at_a, at_b) = (!colour_a, !colour_b);
        let [[ha, ha1], [hb, hb1], [hc, hc1]] = self.hashes(place, [a, b, a ^ b].map(|x| [x, x ^ delta]));
        let (u, p) = (w(a) ^ b, b & LEFT | a & !LEFT);
        let c =
            lefts(ha ^ hc, hb ^ hc) ^ p ^ when(r1, u) ^ when(r2, w2(u)) ^ when(colour_a & colour_b, delta);
        let pair = lefts(ha ^ ha1, hb ^ hb1)
            ^ p
            ^ delta
            ^ when(at_a, u ^ w(delta))
            ^ when(at_b, w2(u ^ delta))
            ^ when(r1, w2(delta))
            ^ when(r2, w(delta));
        let slice = hc
            ^ hc1
            ^ when(at_a, w(u) ^ w2(delta))
            ^ when(at_b, u ^ delta)
            ^ when(r1, delta)
            ^ when(r2, w2(delta));
        let z = [
            top(ha ^ hc) ^ r1,
            top(hb ^ hc) ^ r2,
            top(ha ^ ha1) ^ at_a,
            top(hb ^ hb1) ^ at_b,
            top(hc ^ hc1) ^ at_a ^ at_b,
        ];
        (c, pair, slice as u64, z)
    }

    /// The label that comes out.
    fn evaluate_one(
        &self,
        [a, b]: [u128; 2],
        place: (&Cipher, usize),
        pair: u128,
        slice: u64,
        z: [bool; 5],
    ) -> u128 {
        let (i, j) = (a & 1 == 1, b & 1 == 1);
        let [[ha], [hb], [hc]] = self.hashes(place, [[a], [b], [a ^ b]]);
        let r1 = top(ha ^ hc) ^ z[0] ^ (i & z[2]) ^ ((i ^ j) & z[4]);
        let r2 = top(hb ^ hc) ^ z[1] ^ (j & z[3]) ^ ((i ^ j) & z[4]);
        let u = w(a) ^ b;
        let g = when(i, pair & LEFT) ^ when(j, pair & !LEFT);
        let g2 = when(i ^ j, lefts(slice.into(), slice.into()));
        let p = when(!i, b & LEFT) ^ when(!j, a & !LEFT);
        lefts(ha ^ hc, hb ^ hc) ^ g ^ g2 ^ p ^ when(r1, u) ^ when(r2, w2(u))
    }

    /// [`super::Gates::garble_sliced`] lane by lane.
    pub fn garble(
        &self,
        delta: &Block,
        [a, b, c]: [&Wide; 3],
        tweak: u64,
        dice: [u16; 2],
        pairs: &mut [Block; LANES],
        slices: &mut [[u8; 8]; LANES],
    ) -> (Wide, [u16; 5]) {
        let mut control = [0; 5];
        let keys = Cipher::of_gate(self.start, tweak);
        let out = from_fn(|lane| {
            let operands = [a.0[lane] ^ c.0[lane], b.0[lane] ^ c.0[lane]].map(u128::from);
            let dice = dice.map(|bits| bits >> lane & 1 == 1);
            let (out, pair, slice, z) =
                self.garble_one((*delta).into(), operands, (&keys[lane / SHARING], lane), dice);
            pairs[lane] = pair.into();
            slices[lane] = slice.to_le_bytes();
            control.iter_mut().zip(z).for_each(|(bits, z)| *bits |= u16::from(z) << lane);
            Block::from(out) ^ c.0[lane]
        });
        (Wide(out), control)
    }

    /// [`super::Gates::evaluate_sliced`] lane by lane.
    pub fn evaluate(
        &self,
        [a, b, c]: [&Wide; 3],
        tweak: u64,
        pairs: &[Block; LANES],
        slices: &[[u8; 8]; LANES],
        control: [u16; 5],
    ) -> Wide {
        let keys = Cipher::of_gate(self.start, tweak);
        Wide(from_fn(|lane| {
            let operands = [a.0[lane] ^ c.0[lane], b.0[lane] ^ c.0[lane]].map(u128::from);
            let z = control.map(|bits| bits >> lane & 1 == 1);
            let slice = u64::from_le_bytes(slices[lane]);
            Block::from(self.evaluate_one(
                operands,
                (&keys[lane / SHARING], lane),
                pairs[lane].into(),
                slice,
                z,
            )) ^ c.0[lane]
        }))
    }
}

#[cfg(test)]
mod tests;
