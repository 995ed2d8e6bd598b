//! Gates whose labels stay in vector registers from load to store.
//!
//! As the vectors of [`hash`](super::hash) hold one key for each lane, all ciphertexts TG come first, then all TE: nothing
//! has to be moved between lanes.

use super::super::Block;
use super::super::gates::{self, LANES, Tables, Wide};
use super::super::tccr::{Offsets, SHARING};
use super::One;
use super::hash::{KEYS, RCON, next_words, sigma, transpose};
use super::lanes::Lanes;

mod three_halves;

/// Gates on vectors `V`.
///
/// A value exists only where the instructions of `V` are enabled, which [`Gates::new`] makes its caller promise; the
/// methods below rest on it.
pub(super) struct Gates<V> {
    start: Block,
    offsets: Offsets,
    /// The start point, that is round key 0 of tweak 0.
    key: V,
    /// Round key 1 of tweak 0.
    next_key: V,
    /// The same word-sliced, see `hash.rs`.
    next_words: [V; 4],
    /// The round keys of `KEYS * V::BLOCKS` tweaks from `first` on: some gates' at a time, for they are computed side by side.
    keys: [[V; KEYS]; 11],
    first: u64,
    /// Tweaks from `first` on with which a gate may begin: none before keys have been computed.
    begins: u64,
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

impl<V: Lanes> Gates<V> {
    /// Gates under the hash with this start point.
    ///
    /// # Safety
    /// The value must not leave the function with the instructions of `V` that makes it.
    #[inline(always)]
    pub unsafe fn new(start: Block, offsets: Offsets) -> Self {
        unsafe {
            let key = V::splat(One::load(&start));
            let next_words = next_words(transpose([key; KEYS]), RCON[0]);
            let next_key = transpose(next_words)[0];
            let keys = [[key; KEYS]; 11];
            Self { start, offsets, key, next_key, next_words, keys, first: 0, begins: 0 }
        }
    }

    /// Makes the round keys of a gate with tweaks `tweak..tweak + LANES / SHARING` available, or says that they are to be
    /// left to the portable code, which happens once in 2^32 tweaks.
    #[inline(always)]
    unsafe fn prepare(&mut self, tweak: u64) -> bool {
        if tweak.wrapping_sub(self.first) < self.begins {
            return true;
        }
        // The kernel rests on tweaks that differ in their lower 32 bits only.
        if tweak as u32 > u32::MAX - LANES as u32 {
            return false;
        }
        unsafe { self.expand(tweak) };
        true
    }

    /// Encrypts `N` blocks under each of the keys for the vector at lane `at` of a gate that is prepared.
    #[inline(always)]
    unsafe fn encrypt<const N: usize>(&self, tweak: u64, at: usize, mut states: [V; N]) -> [V; N] {
        unsafe {
            let number = tweak.wrapping_sub(self.first) as usize + at / SHARING;
            // A round is `KEYS` vectors of blocks, of which this is one.
            assert!(number < KEYS * V::BLOCKS);
            let key =
                |round: usize| V::splat(One::load(self.keys[round].as_ptr().cast::<Block>().add(number)));
            let first = key(0);
            for n in 0..N {
                states[n] = states[n].xor(first);
            }
            for round in 1..RCON.len() {
                let key = key(round);
                for n in 0..N {
                    states[n] = states[n].round(key);
                }
            }
            let last = key(RCON.len());
            for n in 0..N {
                states[n] = states[n].last_round(last);
            }
            states
        }
    }

    /// What is added to the labels of the vector at lane `at` of a gate's `wire`.
    #[inline(always)]
    unsafe fn offset(&self, wire: usize, at: usize) -> V {
        let from = SHARING * wire + at % SHARING;
        unsafe { V::load(self.offsets[from..from + V::BLOCKS].as_ptr()) }
    }

    /// Computes the round keys of the tweaks from `first` on.
    ///
    /// The tweak changes words 0 and 1 of the key and so not the first S-box layer of the key schedule, which is for word
    /// 3: round key 1 is that of tweak 0 plus the tweak's lower half in all words and its upper half in words 1 to 3. Both
    /// layouts of it are therefore had by addition, without a transpose.
    #[inline(always)]
    unsafe fn expand(&mut self, first: u64) {
        unsafe {
            let (low, high) = (V::words([first as u32; 4]), (first >> 32) as u32);
            let key = self.key.xor(V::words([0, high, 0, 0]));
            let next_key = self.next_key.xor(V::words([0, high, high, high]));
            let word = V::words([!0, 0, 0, 0]);
            for m in 0..KEYS {
                let tweak = low.add_words(Self::one(&NUMBERS.0, m * V::BLOCKS));
                self.keys[0][m] = tweak.and_xor(word, key);
                self.keys[1][m] = next_key.xor(tweak);
            }
            let tweak = low.add_words(V::load(SLICED[V::BLOCKS / 2].as_ptr()));
            let upper = tweak.xor(V::words([high; 4]));
            let [w0, w1, w2, w3] = self.next_words;
            let mut words = [w0.xor(tweak), w1.xor(upper), w2.xor(upper), w3.xor(upper)];
            for at in 1..RCON.len() {
                words = next_words(words, RCON[at]);
                self.keys[at + 1] = transpose(words);
            }
            self.first = first;
            self.begins = (KEYS * V::BLOCKS - LANES / SHARING + 1) as u64;
        }
    }

    /// Vector `at` of `a ^ c`, `b ^ c` and `c`.
    #[inline(always)]
    unsafe fn operands([a, b, c]: [&Wide; 3], at: usize) -> [V; 3] {
        unsafe {
            let c = Self::one(&c.0, at);
            [Self::one(&a.0, at).xor(c), Self::one(&b.0, at).xor(c), c]
        }
    }

    #[inline(always)]
    unsafe fn put(wide: &mut [Block; LANES], at: usize, value: V) {
        let part = &mut wide[at..at + V::BLOCKS];
        unsafe { value.store(part.as_mut_ptr()) };
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

/// Where vectors begin among the lanes.
#[inline(always)]
fn vectors<V: Lanes>() -> impl Iterator<Item = usize> {
    (0..LANES).step_by(V::BLOCKS)
}

// SAFETY of all blocks below: `self` exists, so the instructions of `V` are enabled (see `Gates`); pointers are to slices
// whose length was checked where they were cut.
impl<V: Lanes> gates::Gates for Gates<V> {
    #[inline(always)]
    fn splat(&self, block: &Block) -> Wide {
        unsafe {
            let block = V::splat(One::load(block));
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
            let bits = V::words([u32::from(bits); 4]);
            Self::each(
                #[inline(always)]
                |at| Self::one(&a.0, at).xor_where(Self::one(&other.0, at), bits, Self::one(&CHOICES.0, at)),
            )
        }
    }

    #[inline(always)]
    fn garble_and(&mut self, delta: &Block, operands: [&Wide; 3], tweak: u64, tables: &mut Tables) -> Wide {
        if !unsafe { self.prepare(tweak) } {
            return gates::portable(self.start, self.offsets).garble_and(delta, operands, tweak, tables);
        }
        let mut out = Wide::ZERO;
        unsafe {
            let delta = V::splat(One::load(delta));
            let sigma_delta = sigma(delta);
            for at in vectors::<V>() {
                let [a, b, c] = Self::operands(operands, at);
                let (x, y) = (sigma(a).xor(self.offset(0, at)), sigma(b).xor(self.offset(1, at)));
                let [a0, a1, b0, b1] =
                    self.encrypt(tweak, at, [x, x.xor(sigma_delta), y, y.xor(sigma_delta)]);
                let tg = a0.xor3(a1, sigma_delta.xor_coloured(delta, b));
                let both = b0.xor3(b1, sigma_delta);
                let w = a0.xor3(b0, x.xor3(y, c)).xor_coloured(tg, a).xor_coloured(both, b);
                Self::put(&mut tables[0], at, tg);
                Self::put(&mut tables[1], at, both.xor(a));
                Self::put(&mut out.0, at, w);
            }
        }
        out
    }

    #[inline(always)]
    fn garble_half(
        &mut self,
        delta: &Block,
        a: &Wide,
        bits: u16,
        tweak: u64,
        table: &mut [Block; LANES],
    ) -> Wide {
        if !unsafe { self.prepare(tweak) } {
            return gates::portable(self.start, self.offsets).garble_half(delta, a, bits, tweak, table);
        }
        let mut out = Wide::ZERO;
        unsafe {
            let delta = V::splat(One::load(delta));
            let sigma_delta = sigma(delta);
            let bits = V::words([u32::from(bits); 4]);
            for at in vectors::<V>() {
                let a = Self::one(&a.0, at);
                let x = sigma(a).xor(self.offset(0, at));
                let [a0, a1] = self.encrypt(tweak, at, [x, x.xor(sigma_delta)]);
                let known = sigma_delta.xor_where(delta, bits, Self::one(&CHOICES.0, at));
                let t = a0.xor3(a1, known);
                Self::put(table, at, t);
                Self::put(&mut out.0, at, a0.xor(x).xor_coloured(t, a));
            }
        }
        out
    }

    #[inline(always)]
    fn evaluate_and(
        &mut self,
        operands: [&Wide; 3],
        tweak: u64,
        tg: &[Block; LANES],
        te: &[Block; LANES],
    ) -> Wide {
        if !unsafe { self.prepare(tweak) } {
            return gates::portable(self.start, self.offsets).evaluate_and(operands, tweak, tg, te);
        }
        let mut out = Wide::ZERO;
        unsafe {
            for at in vectors::<V>() {
                let [a, b, c] = Self::operands(operands, at);
                let (x, y) = (sigma(a).xor(self.offset(0, at)), sigma(b).xor(self.offset(1, at)));
                let [ha, hb] = self.encrypt(tweak, at, [x, y]);
                let (tg, te) = (Self::one(tg, at), Self::one(te, at).xor(a));
                let w = ha.xor3(hb, x.xor3(y, c)).xor_coloured(tg, a).xor_coloured(te, b);
                Self::put(&mut out.0, at, w);
            }
        }
        out
    }

    #[inline(always)]
    fn evaluate_half(&mut self, a: &Wide, tweak: u64, table: &[Block; LANES]) -> Wide {
        if !unsafe { self.prepare(tweak) } {
            return gates::portable(self.start, self.offsets).evaluate_half(a, tweak, table);
        }
        let mut out = Wide::ZERO;
        unsafe {
            for at in vectors::<V>() {
                let a = Self::one(&a.0, at);
                let x = sigma(a).xor(self.offset(0, at));
                let [h] = self.encrypt(tweak, at, [x]);
                Self::put(&mut out.0, at, h.xor(x).xor_coloured(Self::one(table, at), a));
            }
        }
        out
    }

    #[inline(always)]
    fn garble_sliced(
        &mut self,
        delta: &Block,
        operands: [&Wide; 3],
        tweak: u64,
        dice: [u16; 2],
        pairs: &mut [Block; LANES],
        slices: &mut [[u8; 8]; LANES],
    ) -> (Wide, [u16; 5]) {
        if !unsafe { self.prepare(tweak) } {
            return gates::portable(self.start, self.offsets)
                .garble_sliced(delta, operands, tweak, dice, pairs, slices);
        }
        unsafe { self.garble_three(delta, operands, tweak, dice, pairs, slices) }
    }

    #[inline(always)]
    fn evaluate_sliced(
        &mut self,
        operands: [&Wide; 3],
        tweak: u64,
        pairs: &[Block; LANES],
        slices: &[[u8; 8]; LANES],
        control: [u16; 5],
    ) -> Wide {
        if !unsafe { self.prepare(tweak) } {
            return gates::portable(self.start, self.offsets)
                .evaluate_sliced(operands, tweak, pairs, slices, control);
        }
        unsafe { self.evaluate_three(operands, tweak, pairs, slices, control) }
    }
}
