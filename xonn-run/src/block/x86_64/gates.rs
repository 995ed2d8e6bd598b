//! Gates whose labels stay in vector registers from load to store.
//!
//! As the vectors of [`hash`](super::hash) hold one key for each lane, all ciphertexts TG come first, then all TE: nothing
//! has to be moved between lanes.

use core::arch::x86_64::{__m128i, _mm_set1_epi32};

use super::super::Block;
use super::super::gates::{self, LANES, Tables, Wide};
use super::hash::{Batch, KEYS, rounds, sigma, transpose};
use super::lanes::Lanes;

/// Gates on vectors `V`.
///
/// A value exists only where the instructions of `V` are enabled, which [`Gates::new`] makes its caller promise; the
/// methods below rest on it.
pub(super) struct Gates<V> {
    start: V,
    /// The start point word-sliced, see `hash.rs`.
    words: [V; 4],
}

/// Bit `lane` in each word of lane `lane`.
static CHOICES: Wide = {
    let mut wide = Wide::ZERO;
    let mut lane = 0;
    while lane < LANES {
        wide.0[lane] = Block::from_bytes((0x1_0000_0001_0000_0001_0000_0001_u128 << lane).to_le_bytes());
        lane += 1;
    }
    wide
};

/// What one hash needs: the tweak of the first of `KEYS * V::BLOCKS` labels, and the labels.
type Call<V> = (u64, [V; KEYS]);

impl<V: Lanes> Gates<V> {
    /// Gates under the hash with this start point.
    ///
    /// # Safety
    /// The value must not leave the function with the instructions of `V` that makes it.
    #[inline(always)]
    pub unsafe fn new(start: Block) -> Self {
        unsafe {
            let start = V::splat(__m128i::load(&start));
            Self { start, words: transpose([start; KEYS]) }
        }
    }

    /// Hashes sets of labels: of each label x first E(σ(x)) ^ σ(x), that is H(x); if `PER` is 2, then
    /// E(σ(x ^ delta)) ^ σ(x), that is H(x ^ delta) ^ σ(delta).
    #[inline(always)]
    unsafe fn hash<const PER: usize, const SETS: usize>(
        &self,
        calls: [Call<V>; SETS],
        sigma_delta: V,
    ) -> [[[V; 2]; KEYS]; SETS] {
        unsafe {
            // Loops, not `map`: a closure without the attribute is not inlined, and then lacks the instructions.
            let first = self.batch::<PER>(calls[0], sigma_delta);
            let mut batches = [first; SETS];
            for set in 1..SETS {
                batches[set] = self.batch::<PER>(calls[set], sigma_delta);
            }
            rounds::<V, PER, SETS>(&mut batches);
            let mut states = [first.states; SETS];
            for set in 0..SETS {
                states[set] = batches[set].states;
            }
            states
        }
    }

    #[inline(always)]
    unsafe fn batch<const PER: usize>(&self, (first, labels): Call<V>, sigma_delta: V) -> Batch<V> {
        unsafe {
            let mut tweaks = [self.start; KEYS];
            let mut inputs = [[self.start; 2]; KEYS];
            let mut states = [[self.start; 2]; KEYS];
            for m in 0..KEYS {
                tweaks[m] = V::count_from(first.wrapping_add((m * V::BLOCKS) as u64));
                let input = sigma(labels[m]);
                inputs[m] = [input; 2];
                states[m][0] = input.xor3(self.start, tweaks[m]);
                if PER == 2 {
                    states[m][1] = states[m][0].xor(sigma_delta);
                }
            }
            let low = tweaks[0].low_words(tweaks[1]);
            let high = tweaks[2].low_words(tweaks[3]);
            let [w0, w1, w2, w3] = self.words;
            let words = [w0.xor(low.low_halves(high)), w1.xor(low.high_halves(high)), w2, w3];
            Batch { words, inputs, states }
        }
    }

    /// Labels `at..at + KEYS * V::BLOCKS` of a wire.
    #[inline(always)]
    unsafe fn part(wide: &[Block; LANES], at: usize) -> [V; KEYS] {
        let part = &wide[at..at + KEYS * V::BLOCKS];
        unsafe {
            let mut vectors = [V::load(part.as_ptr()); KEYS];
            for m in 1..KEYS {
                vectors[m] = V::load(part.as_ptr().add(m * V::BLOCKS));
            }
            vectors
        }
    }

    #[inline(always)]
    unsafe fn put(wide: &mut [Block; LANES], at: usize, values: [V; KEYS]) {
        let part = &mut wide[at..at + KEYS * V::BLOCKS];
        for m in 0..KEYS {
            unsafe { values[m].store(part.as_mut_ptr().add(m * V::BLOCKS)) };
        }
    }

    /// `f` of each vector and its number.
    #[inline(always)]
    unsafe fn each(f: impl Fn(usize) -> V) -> Wide {
        let mut wide = Wide::ZERO;
        for at in (0..LANES).step_by(V::BLOCKS) {
            let part = &mut wide.0[at..at + V::BLOCKS];
            unsafe { f(at).store(part.as_mut_ptr()) };
        }
        wide
    }

    #[inline(always)]
    unsafe fn one(wide: &[Block; LANES], at: usize) -> V {
        unsafe { V::load(wide[at..at + V::BLOCKS].as_ptr()) }
    }
}

/// Where batches of keys begin among the lanes.
#[inline(always)]
fn batches<V: Lanes>() -> impl Iterator<Item = usize> {
    (0..LANES).step_by(KEYS * V::BLOCKS)
}

// SAFETY of all blocks below: `self` exists, so the instructions of `V` are enabled (see `Gates`); pointers are to slices
// whose length was checked where they were cut, `KEYS * V::BLOCKS` being 4, 8 or 16 and `LANES` 16.
impl<V: Lanes> gates::Gates for Gates<V> {
    #[inline(always)]
    fn splat(&self, block: &Block) -> Wide {
        unsafe {
            let block = V::splat(__m128i::load(block));
            Self::each(
                #[inline(always)]
                |_| block,
            )
        }
    }

    #[inline(always)]
    fn xor(&self, a: &Wide, b: &Wide) -> Wide {
        unsafe {
            Self::each(
                #[inline(always)]
                |at| Self::one(&a.0, at).xor(Self::one(&b.0, at)),
            )
        }
    }

    #[inline(always)]
    fn xor_where(&self, a: &Wide, other: &Wide, bits: u16) -> Wide {
        unsafe {
            let bits = V::splat(_mm_set1_epi32(i32::from(bits)));
            Self::each(
                #[inline(always)]
                |at| Self::one(&a.0, at).xor_where(Self::one(&other.0, at), bits, Self::one(&CHOICES.0, at)),
            )
        }
    }

    #[inline(always)]
    fn garble_and(&self, delta: &Block, a: &Wide, b: &Wide, tweaks: [u64; 2], tables: &mut Tables) -> Wide {
        let mut out = Wide::ZERO;
        unsafe {
            let delta = V::splat(__m128i::load(delta));
            let sigma_delta = sigma(delta);
            for at in batches::<V>() {
                let (a, b) = (Self::part(&a.0, at), Self::part(&b.0, at));
                let tweak = |of: usize| tweaks[of].wrapping_add(at as u64);
                let calls = [(tweak(0), a), (tweak(1), b)];
                // Two sets side by side hide the key schedule's latency, where there are registers for both.
                let [ha, hb] = if V::REGISTERS == 32 {
                    self.hash::<2, 2>(calls, sigma_delta)
                } else {
                    let [ha] = self.hash::<2, 1>([calls[0]], sigma_delta);
                    let [hb] = self.hash::<2, 1>([calls[1]], sigma_delta);
                    [ha, hb]
                };
                let (mut tg, mut te, mut w) = (a, a, a);
                for m in 0..KEYS {
                    let (pa, pb) = (a[m].colour(), b[m].colour());
                    tg[m] = ha[m][0].xor3(ha[m][1], delta.and_xor(pb, sigma_delta));
                    let both = hb[m][0].xor3(hb[m][1], sigma_delta);
                    te[m] = both.xor(a[m]);
                    w[m] = tg[m].and_xor(pa, ha[m][0]).xor(both.and_xor(pb, hb[m][0]));
                }
                Self::put(&mut tables[0], at, tg);
                Self::put(&mut tables[1], at, te);
                Self::put(&mut out.0, at, w);
            }
        }
        out
    }

    #[inline(always)]
    fn garble_half(
        &self,
        delta: &Block,
        a: &Wide,
        bits: u16,
        tweak: u64,
        table: &mut [Block; LANES],
    ) -> Wide {
        let mut out = Wide::ZERO;
        unsafe {
            let delta = V::splat(__m128i::load(delta));
            let sigma_delta = sigma(delta);
            let bits = V::splat(_mm_set1_epi32(i32::from(bits)));
            for at in batches::<V>() {
                let a = Self::part(&a.0, at);
                let choices = Self::part(&CHOICES.0, at);
                let [h] = self.hash::<2, 1>([(tweak.wrapping_add(at as u64), a)], sigma_delta);
                let (mut t, mut w) = (a, a);
                for m in 0..KEYS {
                    let known = sigma_delta.xor_where(delta, bits, choices[m]);
                    t[m] = h[m][0].xor3(h[m][1], known);
                    w[m] = t[m].and_xor(a[m].colour(), h[m][0]);
                }
                Self::put(table, at, t);
                Self::put(&mut out.0, at, w);
            }
        }
        out
    }

    #[inline(always)]
    fn evaluate_and(
        &self,
        a: &Wide,
        b: &Wide,
        tweaks: [u64; 2],
        tg: &[Block; LANES],
        te: &[Block; LANES],
    ) -> Wide {
        let mut out = Wide::ZERO;
        unsafe {
            for at in batches::<V>() {
                let (a, b) = (Self::part(&a.0, at), Self::part(&b.0, at));
                let (tg, te) = (Self::part(tg, at), Self::part(te, at));
                let tweak = |of: usize| tweaks[of].wrapping_add(at as u64);
                let [ha, hb] = self.hash::<1, 2>([(tweak(0), a), (tweak(1), b)], self.start);
                let mut w = a;
                for m in 0..KEYS {
                    let left = tg[m].and_xor(a[m].colour(), ha[m][0]);
                    let right = te[m].xor(a[m]).and_xor(b[m].colour(), hb[m][0]);
                    w[m] = left.xor(right);
                }
                Self::put(&mut out.0, at, w);
            }
        }
        out
    }

    #[inline(always)]
    fn evaluate_half(&self, a: &Wide, tweak: u64, table: &[Block; LANES]) -> Wide {
        let mut out = Wide::ZERO;
        unsafe {
            for at in batches::<V>() {
                let (a, table) = (Self::part(&a.0, at), Self::part(table, at));
                let [h] = self.hash::<1, 1>([(tweak.wrapping_add(at as u64), a)], self.start);
                let mut w = a;
                for m in 0..KEYS {
                    w[m] = table[m].and_xor(a[m].colour(), h[m][0]);
                }
                Self::put(&mut out.0, at, w);
            }
        }
        out
    }
}
