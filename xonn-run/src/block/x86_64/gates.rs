//! Gates whose labels stay in vector registers from load to store.
//!
//! As the vectors of [`hash`](super::hash) hold one key for each lane, all ciphertexts TG come first, then all TE: nothing
//! has to be moved between lanes.

use core::arch::x86_64::{__m128i, _mm_set_epi32, _mm_set1_epi32};

use super::super::Block;
use super::super::gates::{self, LANES, Tables, Wide};
use super::hash::{Batch, KEYS, RCON, next_words, rounds, sigma, transpose};
use super::lanes::Lanes;

/// Gates on vectors `V`.
///
/// A value exists only where the instructions of `V` are enabled, which [`Gates::new`] makes its caller promise; the
/// methods below rest on it.
pub(super) struct Gates<V> {
    start: Block,
    /// The start point, that is round key 0 of tweak 0.
    key: V,
    /// Round key 1 of tweak 0.
    next_key: V,
    /// The same word-sliced, see `hash.rs`.
    next_words: [V; 4],
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

/// The number of the lane in each word.
static NUMBERS: Wide = {
    let mut wide = Wide::ZERO;
    let mut lane = 0;
    while lane < LANES {
        wide.0[lane] = Block::from_bytes((lane as u128 * 0x1_0000_0001_0000_0001_0000_0001).to_le_bytes());
        lane += 1;
    }
    wide
};

/// [`NUMBERS`] word-sliced for vectors of 1, 2 and 4 blocks: word `m` of block `l` is `m * blocks + l`.
static SLICED: [[Block; 4]; 3] = {
    let mut all = [[Block::ZERO; 4]; 3];
    let mut kind = 0;
    while kind < 3 {
        let mut l = 0;
        while l < 4 {
            let (mut words, mut m) = (0u128, 0);
            while m < 4 {
                words |= ((m << kind) + l) << (32 * m);
                m += 1;
            }
            all[kind][l as usize] = Block::from_bytes(words.to_le_bytes());
            l += 1;
        }
        kind += 1;
    }
    all
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
            let key = V::splat(__m128i::load(&start));
            let next_words = next_words(transpose([key; KEYS]), RCON[0]);
            Self { start, key, next_key: transpose(next_words)[0], next_words }
        }
    }

    /// Whether the tweaks from `first` on differ in their lower 32 bits only, on which the kernels rest; it fails once in
    /// 2^32 tweaks.
    #[inline(always)]
    fn same_upper_half(first: u64) -> bool {
        first as u32 <= u32::MAX - LANES as u32
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
            rounds::<V, PER, SETS, 1>(&mut batches);
            let mut states = [first.states; SETS];
            for set in 0..SETS {
                states[set] = batches[set].states;
            }
            states
        }
    }

    /// A batch after the first round.
    ///
    /// The tweak changes words 0 and 1 of the key and so not the first S-box layer of the key schedule, which is for word
    /// 3: round key 1 is that of tweak 0 plus the tweak's lower half in all words and its upper half in words 1 to 3. Both
    /// layouts of it are therefore had by addition, without a transpose.
    #[inline(always)]
    unsafe fn batch<const PER: usize>(&self, (first, labels): Call<V>, sigma_delta: V) -> Batch<V> {
        unsafe {
            let (low, high) = (V::splat(_mm_set1_epi32(first as i32)), (first >> 32) as i32);
            let key = self.key.xor(V::splat(_mm_set_epi32(0, 0, high, 0)));
            let next_key = self.next_key.xor(V::splat(_mm_set_epi32(high, high, high, 0)));
            let word = V::splat(_mm_set_epi32(0, 0, 0, -1));
            let mut inputs = [[key; 2]; KEYS];
            let mut states = [[key; 2]; KEYS];
            for m in 0..KEYS {
                let tweak = low.add_words(Self::one(&NUMBERS.0, m * V::BLOCKS));
                let round_key = next_key.xor(tweak);
                let input = sigma(labels[m]);
                inputs[m] = [input; 2];
                let state = input.xor(tweak.and_xor(word, key));
                states[m][0] = state.round(round_key);
                if PER == 2 {
                    states[m][1] = state.xor(sigma_delta).round(round_key);
                }
            }
            let tweak = low.add_words(V::load(SLICED[V::BLOCKS / 2].as_ptr()));
            let upper = tweak.xor(V::splat(_mm_set1_epi32(high)));
            let [w0, w1, w2, w3] = self.next_words;
            let words = [w0.xor(tweak), w1.xor(upper), w2.xor(upper), w3.xor(upper)];
            Batch { words, inputs, states }
        }
    }

    /// Labels `at..at + KEYS * V::BLOCKS` of a wire.
    #[inline(always)]
    unsafe fn part(wide: &[Block; LANES], at: usize) -> [V; KEYS] {
        let part = &wide[at..at + KEYS * V::BLOCKS];
        unsafe {
            let mut vectors = [V::load(part.as_ptr()); KEYS];
            #[allow(clippy::needless_range_loop)] // see `round` in `hash.rs`
            for m in 1..KEYS {
                vectors[m] = V::load(part.as_ptr().add(m * V::BLOCKS));
            }
            vectors
        }
    }

    /// Labels `at..at + KEYS * V::BLOCKS` of `a ^ c`, `b ^ c` and `c`.
    #[inline(always)]
    unsafe fn operands([a, b, c]: [&Wide; 3], at: usize) -> [[V; KEYS]; 3] {
        unsafe {
            let (mut a, mut b, c) = (Self::part(&a.0, at), Self::part(&b.0, at), Self::part(&c.0, at));
            for m in 0..KEYS {
                a[m] = a[m].xor(c[m]);
                b[m] = b[m].xor(c[m]);
            }
            [a, b, c]
        }
    }

    #[inline(always)]
    unsafe fn put(wide: &mut [Block; LANES], at: usize, values: [V; KEYS]) {
        let part = &mut wide[at..at + KEYS * V::BLOCKS];
        #[allow(clippy::needless_range_loop)] // see `round` in `hash.rs`
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
    fn xor3(&self, a: &Wide, b: &Wide, c: &Wide) -> Wide {
        unsafe {
            Self::each(
                #[inline(always)]
                |at| Self::one(&a.0, at).xor3(Self::one(&b.0, at), Self::one(&c.0, at)),
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
    fn garble_and(&self, delta: &Block, operands: [&Wide; 3], tweaks: [u64; 2], tables: &mut Tables) -> Wide {
        if !tweaks.into_iter().all(Self::same_upper_half) {
            return gates::portable(self.start).garble_and(delta, operands, tweaks, tables);
        }
        let mut out = Wide::ZERO;
        unsafe {
            let delta = V::splat(__m128i::load(delta));
            let sigma_delta = sigma(delta);
            for at in batches::<V>() {
                let [a, b, c] = Self::operands(operands, at);
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
                    tg[m] = ha[m][0].xor3(ha[m][1], sigma_delta.xor_coloured(delta, b[m]));
                    let both = hb[m][0].xor3(hb[m][1], sigma_delta);
                    te[m] = both.xor(a[m]);
                    w[m] = ha[m][0].xor3(hb[m][0], c[m]).xor_coloured(tg[m], a[m]).xor_coloured(both, b[m]);
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
        if !Self::same_upper_half(tweak) {
            return gates::portable(self.start).garble_half(delta, a, bits, tweak, table);
        }
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
                    w[m] = h[m][0].xor_coloured(t[m], a[m]);
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
        operands: [&Wide; 3],
        tweaks: [u64; 2],
        tg: &[Block; LANES],
        te: &[Block; LANES],
    ) -> Wide {
        if !tweaks.into_iter().all(Self::same_upper_half) {
            return gates::portable(self.start).evaluate_and(operands, tweaks, tg, te);
        }
        let mut out = Wide::ZERO;
        unsafe {
            for at in batches::<V>() {
                let [a, b, c] = Self::operands(operands, at);
                let (tg, te) = (Self::part(tg, at), Self::part(te, at));
                let tweak = |of: usize| tweaks[of].wrapping_add(at as u64);
                let [ha, hb] = self.hash::<1, 2>([(tweak(0), a), (tweak(1), b)], self.key);
                let mut w = a;
                for m in 0..KEYS {
                    let right = te[m].xor(a[m]);
                    w[m] = ha[m][0].xor3(hb[m][0], c[m]).xor_coloured(tg[m], a[m]).xor_coloured(right, b[m]);
                }
                Self::put(&mut out.0, at, w);
            }
        }
        out
    }

    #[inline(always)]
    fn evaluate_half(&self, a: &Wide, tweak: u64, table: &[Block; LANES]) -> Wide {
        if !Self::same_upper_half(tweak) {
            return gates::portable(self.start).evaluate_half(a, tweak, table);
        }
        let mut out = Wide::ZERO;
        unsafe {
            for at in batches::<V>() {
                let (a, table) = (Self::part(&a.0, at), Self::part(table, at));
                let [h] = self.hash::<1, 1>([(tweak.wrapping_add(at as u64), a)], self.key);
                let mut w = a;
                for m in 0..KEYS {
                    w[m] = h[m][0].xor_coloured(table[m], a[m]);
                }
                Self::put(&mut out.0, at, w);
            }
        }
        out
    }
}
