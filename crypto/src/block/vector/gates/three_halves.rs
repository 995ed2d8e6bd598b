//! Three halves in vectors: what `block/gates/three_halves.rs` writes down, with the same names.
//!
//! Masks take the place of its conditions: all bits of a block are those of its colour, or of a control bit.

use super::{Block, CHOICES, Gates, LANES, Lanes, One, Wide, sigma, vectors};

/// `(L, R)` becomes `(L ^ R, L)`; its square is [`sigma`], which takes the upper half for the left one.
#[inline(always)]
unsafe fn w<V: Lanes>(x: V) -> V {
    unsafe { x.and_xor(V::words([!0, !0, 0, 0]), x.swap_halves()) }
}

/// Whether slices are to be kept for, or shared with, the next vector.
#[inline(always)]
fn even<V: Lanes>(at: usize) -> bool {
    (at / V::BLOCKS).is_multiple_of(2)
}

// SAFETY of all blocks below: `self` exists, so the instructions of `V` are enabled (see `Gates`); pointers are to slices
// whose length was checked where they were cut.
impl<V: Lanes> Gates<V> {
    /// All bits of a lane like its bit of `bits`.
    #[inline(always)]
    unsafe fn masks(bits: u16, at: usize) -> V {
        unsafe {
            let (zero, ones) = (V::words([0; 4]), V::words([!0; 4]));
            zero.xor_where(ones, V::words([bits.into(); 4]), Self::one(&CHOICES.0, at))
        }
    }

    /// `gates::Gates::garble_sliced`.
    #[inline(always)]
    pub(super) unsafe fn garble_three(
        &self,
        delta: &Block,
        operands: [&Wide; 3],
        tweak: u64,
        dice: [u16; 2],
        pairs: &mut [Block; LANES],
        slices: &mut [[u8; 8]; LANES],
    ) -> (Wide, [u16; 5]) {
        let (mut out, mut control) = (Wide::ZERO, [dice[0], dice[1], 0, 0, 0]);
        unsafe {
            let delta = V::splat(One::load(delta));
            let (none, ones) = (V::words([0; 4]), V::words([!0; 4]));
            let (w_delta, w2_delta, fed) = (w(delta), sigma(delta), delta.double());
            let mut slice = delta;
            for at in vectors::<V>() {
                let [a, b, c] = Self::operands(operands, at);
                let (colour_a, colour_b) = (a.colours(), b.colours());
                let (a, b) = (colour_a.and_xor(delta, a), colour_b.and_xor(delta, b));
                let (at_a, at_b) = (colour_a.xor(ones), colour_b.xor(ones));
                let offsets = [self.offset(0, at), self.offset(1, at), self.offset(2, at)];
                let (x, y, z) = (a.xor(offsets[0]), b.xor(offsets[1]), a.xor3(b, offsets[2]));
                let [ha, ha1, hb, hb1, hc, hc1] =
                    self.encrypt(tweak, at, [x, x.xor(delta), y, y.xor(delta), z, z.xor(delta)]);
                // Of the linear parts of two hashes there is left what their inputs differ by.
                let (left, right) = (ha.xor3(hc, x.xor(z).double()), hb.xor3(hc, y.xor(z).double()));
                let (ga, gb, gc) = (ha.xor3(ha1, fed), hb.xor3(hb1, fed), hc.xor3(hc1, fed));

                let (r1, r2) = (Self::masks(dice[0], at), Self::masks(dice[1], at));
                let (u, p) = (w(a).xor(b), b.lower_upper(a));
                let zero = left.low_halves(right).xor3(p, c);
                let zero = colour_a.and_xor(colour_b, none).and_xor(delta, zero);
                Self::put(&mut out.0, at, r1.and_xor(u, r2.and_xor(sigma(u), zero)));

                let pair = ga.low_halves(gb).xor3(p, delta);
                let pair = at_a.and_xor(u.xor(w_delta), at_b.and_xor(sigma(u.xor(delta)), pair));
                Self::put(pairs, at, r1.and_xor(w2_delta, r2.and_xor(w_delta, pair)));

                let part = at_a.and_xor(w(u).xor(w2_delta), at_b.and_xor(u.xor(delta), gc));
                let part = r1.and_xor(delta, r2.and_xor(w2_delta, part));
                if even::<V>(at) {
                    slice = part;
                } else {
                    let to = &mut slices[at - V::BLOCKS..at + V::BLOCKS];
                    slice.pack(part).store(to.as_mut_ptr().cast());
                }
                let tops = [left, right, ga.xor(at_a), gb.xor(at_b), gc.xor3(at_a, at_b)];
                for n in 0..tops.len() {
                    control[n] ^= (tops[n].top_bits() << at) as u16;
                }
            }
        }
        (out, control)
    }

    /// `gates::Gates::evaluate_sliced`.
    #[inline(always)]
    pub(super) unsafe fn evaluate_three(
        &self,
        operands: [&Wide; 3],
        tweak: u64,
        pairs: &[Block; LANES],
        slices: &[[u8; 8]; LANES],
        control: [u16; 5],
    ) -> Wide {
        let mut out = Wide::ZERO;
        unsafe {
            let mut spread = (V::words([0; 4]), V::words([0; 4]));
            for at in vectors::<V>() {
                let [a, b, c] = Self::operands(operands, at);
                let offsets = [self.offset(0, at), self.offset(1, at), self.offset(2, at)];
                let (x, y, z) = (a.xor(offsets[0]), b.xor(offsets[1]), a.xor3(b, offsets[2]));
                let [ha, hb, hc] = self.encrypt(tweak, at, [x, y, z]);
                let (left, right) = (ha.xor3(hc, x.xor(z).double()), hb.xor3(hc, y.xor(z).double()));
                let (i, j) = (a.colours(), b.colours());
                let ij = i.xor(j);

                let mut bits = [a; 5];
                for n in 0..bits.len() {
                    bits[n] = Self::masks(control[n], at);
                }
                let r1 = i.and_xor(bits[2], ij.and_xor(bits[4], left.xor(bits[0]))).tops();
                let r2 = j.and_xor(bits[3], ij.and_xor(bits[4], right.xor(bits[1]))).tops();

                if even::<V>(at) {
                    let from = &slices[at..at + 2 * V::BLOCKS];
                    spread = V::load(from.as_ptr().cast()).spread();
                }
                let g2 = if even::<V>(at) { spread.0 } else { spread.1 };
                let u = w(a).xor(b);
                let g = V::choose(i.lower_upper(j), Self::one(pairs, at), b.lower_upper(a));
                let label = ij.and_xor(g2, left.low_halves(right).xor3(g, c));
                Self::put(&mut out.0, at, r1.and_xor(u, r2.and_xor(sigma(u), label)));
            }
        }
        out
    }
}
