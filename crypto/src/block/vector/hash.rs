//! The re-keyed hash: key schedule and rounds of AES-128 side by side, for 4 vectors of keys at a time.
//!
//! A new key per tweak makes the key schedule as dear as the encryption, so it decides the speed. It is
//! computed word-sliced: vector `j` holds 32-bit word `j` of four times [`Lanes::BLOCKS`] keys, so that one
//! round of it is one shuffle, one S-box layer and four XORs for all of them, plus eight unpacks that turn
//! the words back into keys (a schedule of whole keys takes four S-box layers and twelve shuffles for as
//! many). The S-box is that of the last round of AES, so nothing is looked up in memory. Key schedule and encryption
//! depend on each other only from key to round, which leaves the processor enough independent work to fill
//! its pipes.

use super::super::Block;
use super::One;
use super::lanes::Lanes;

/// Vectors of keys in flight. Four, because a block has four words: the word-sliced keys are a 4 x 4
/// transpose.
pub(super) const KEYS: usize = 4;

/// The round constants of the AES-128 key schedule, FIPS 197 §5.2.
pub(super) const RCON: [u32; 10] = [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x1b, 0x36];

/// Hashes `groups` in place, group `g` of `PER` in {1, 2} blocks under the key `start ^ (first_tweak + g)`.
///
/// # Safety
/// The instructions of `V` must be enabled in the caller, see [`Lanes`].
#[inline(always)]
pub(super) unsafe fn groups<V: Lanes, const PER: usize>(
    start: Block,
    first_tweak: u64,
    groups: &mut [[Block; PER]],
) {
    let batch = KEYS * V::BLOCKS;
    let mut tweak = first_tweak;
    let mut rest = groups;
    // The key schedule is one long chain; two of them side by side are a tenth faster. They need 8 registers
    // for words, 8 for states of one block, 16 for two; where these do not fit they are a quarter slower
    // instead.
    if PER == 1 || V::REGISTERS == 32 {
        let mut pairs = rest.chunks_exact_mut(2 * batch);
        for chunk in &mut pairs {
            // SAFETY: `chunk` is two batches; the instructions are the caller's promise.
            unsafe { hash_batches::<V, PER, 2>(start, tweak, chunk.as_mut_ptr().cast()) };
            tweak = tweak.wrapping_add(2 * batch as u64);
        }
        rest = pairs.into_remainder();
    }
    let mut whole = rest.chunks_exact_mut(batch);
    for chunk in &mut whole {
        // SAFETY: `chunk` is a batch; the instructions are the caller's promise.
        unsafe { hash_batches::<V, PER, 1>(start, tweak, chunk.as_mut_ptr().cast()) };
        tweak = tweak.wrapping_add(batch as u64);
    }
    rest = whole.into_remainder();
    if rest.is_empty() {
        return;
    }
    // The largest batch is 4 x 4 groups. What is left of it is hashed in a copy, filled up with zeros; a few
    // groups, as in a circuit that goes gate by gate, take single blocks instead, of which a batch costs the
    // least.
    let mut padded = [[Block::ZERO; PER]; 16];
    padded[..rest.len()].copy_from_slice(rest);
    if rest.len() <= KEYS {
        // SAFETY: `padded` has 16 groups, a batch of `One` has 4; where `V` is enabled, so is `One`.
        unsafe { hash_batches::<One, PER, 1>(start, tweak, padded.as_mut_ptr().cast()) };
    } else {
        // SAFETY: `padded` has 16 groups, at least a batch; the instructions are the caller's promise.
        unsafe { hash_batches::<V, PER, 1>(start, tweak, padded.as_mut_ptr().cast()) };
    }
    rest.copy_from_slice(&padded[..rest.len()]);
}

/// Four vectors of keys, word-sliced, and what is encrypted under them.
#[derive(Clone, Copy)]
struct Batch<V> {
    /// `words[j]` holds word `j` of all keys.
    words: [V; 4],
    /// `inputs[m][p]` is `sigma` of block `p` of the groups of key vector `m`; only the first `PER` are used.
    inputs: [[V; 2]; KEYS],
    /// The AES states, in the same places.
    states: [[V; 2]; KEYS],
}

/// Hashes `SETS * KEYS * V::BLOCKS` groups of `PER` blocks in place.
///
/// # Safety
/// That many groups can be read and written at `at`, and the instructions of `V` are enabled in the caller.
#[inline(always)]
unsafe fn hash_batches<V: Lanes, const PER: usize, const SETS: usize>(
    start: Block,
    first_tweak: u64,
    at: *mut Block,
) {
    let groups = KEYS * V::BLOCKS;
    unsafe {
        let start = V::splat(One::load(&start));
        let mut batches =
            [Batch { words: [start; 4], inputs: [[start; 2]; KEYS], states: [[start; 2]; KEYS] }; SETS];
        for (set, batch) in batches.iter_mut().enumerate() {
            let first_tweak = first_tweak.wrapping_add((set * groups) as u64);
            *batch = load_batch::<V, PER>(start, first_tweak, at.add(set * groups * PER));
        }
        rounds::<V, PER, SETS>(&mut batches);
        // By reference: an array that is iterated by value is copied first, a tenth of the hash's time.
        for (set, batch) in batches.iter().enumerate() {
            for (m, &states) in batch.states.iter().enumerate() {
                store_groups::<V, PER>(states, at.add((set * groups + m * V::BLOCKS) * PER));
            }
        }
    }
}

/// Key schedule and encryption of `SETS` batches side by side, round by round.
///
/// # Safety
/// The instructions of `V` are enabled in the caller.
#[inline(always)]
unsafe fn rounds<V: Lanes, const PER: usize, const SETS: usize>(batches: &mut [Batch<V>; SETS]) {
    // Written out: a loop that the compiler leaves as one keeps words and states in memory, at half the speed.
    macro_rules! rounds {
        ($($round:literal)*) => {$(
            unsafe { round::<V, PER, SETS, $round>(batches) };
        )*};
    }
    rounds!(0 1 2 3 4 5 6 7 8 9);
}

/// Round `ROUND + 1` of key schedule and encryption.
#[inline(always)]
unsafe fn round<V: Lanes, const PER: usize, const SETS: usize, const ROUND: usize>(
    batches: &mut [Batch<V>; SETS],
) {
    unsafe {
        for batch in batches.iter_mut() {
            batch.words = next_words(batch.words, RCON[ROUND]);
        }
        for batch in batches.iter_mut() {
            let keys = transpose(batch.words);
            for m in 0..KEYS {
                for p in 0..PER {
                    let state = batch.states[m][p];
                    batch.states[m][p] = if ROUND < 9 {
                        state.round(keys[m])
                    } else {
                        // The feed-forward is folded into the last round key.
                        state.last_round(keys[m].xor(batch.inputs[m][p]))
                    };
                }
            }
        }
    }
}

/// The keys, and the inputs with the first round key added.
///
/// # Safety
/// As for [`hash_batches`], with one set.
#[inline(always)]
unsafe fn load_batch<V: Lanes, const PER: usize>(start: V, first_tweak: u64, at: *const Block) -> Batch<V> {
    unsafe {
        let mut tweaks = [start; KEYS];
        let mut inputs = [[start; 2]; KEYS];
        let mut states = [[start; 2]; KEYS];
        for m in 0..KEYS {
            tweaks[m] = V::count_from(first_tweak.wrapping_add((m * V::BLOCKS) as u64));
            inputs[m] = load_groups::<V, PER>(at.add(m * V::BLOCKS * PER));
            for p in 0..PER {
                inputs[m][p] = sigma(inputs[m][p]);
                states[m][p] = inputs[m][p].xor3(start, tweaks[m]);
            }
        }
        // The start point is transposed once for all batches, and the tweaks have words 0 and 1 only, so that
        // of the transpose of the keys little is left to do; words 2 and 3 are the same for all keys, and
        // with them the first S-box layer.
        let [w0, w1, w2, w3] = transpose([start; KEYS]);
        let low = tweaks[0].low_words(tweaks[1]);
        let high = tweaks[2].low_words(tweaks[3]);
        let words = [w0.xor(low.low_halves(high)), w1.xor(low.high_halves(high)), w2, w3];
        Batch { words, inputs, states }
    }
}

/// The blocks of `V::BLOCKS` groups, block `p` of each in vector `p`.
#[inline(always)]
unsafe fn load_groups<V: Lanes, const PER: usize>(at: *const Block) -> [V; 2] {
    unsafe {
        let first = V::load(at);
        if PER == 1 {
            return [first, first];
        }
        let (even, odd) = first.unzip(V::load(at.add(V::BLOCKS)));
        [even, odd]
    }
}

/// Undoes [`load_groups`].
#[inline(always)]
unsafe fn store_groups<V: Lanes, const PER: usize>([even, odd]: [V; 2], at: *mut Block) {
    unsafe {
        if PER == 1 {
            return even.store(at);
        }
        let (first, second) = even.zip(odd);
        first.store(at);
        second.store(at.add(V::BLOCKS));
    }
}

/// Hashes in place: block `p * groups + g` under the key `start ^ (first_tweak + g)`. A key schedule serves all
/// blocks of its key.
///
/// # Safety
/// The instructions of `V` must be enabled in the caller, see [`Lanes`].
#[inline(always)]
pub(super) unsafe fn strided<V: Lanes>(start: Block, first_tweak: u64, groups: usize, blocks: &mut [Block]) {
    let batch = KEYS * V::BLOCKS;
    for begin in (0..groups).step_by(batch) {
        let count = batch.min(groups - begin);
        // SAFETY: the instructions are the caller's promise.
        let keys = unsafe { round_keys::<V>(start, first_tweak.wrapping_add(begin as u64)) };
        if count < batch {
            // The largest batch is 4 x 4 keys.
            let mut padded = [Block::ZERO; 16];
            for turn in blocks.chunks_exact_mut(groups) {
                let turn = &mut turn[begin..];
                padded[..count].copy_from_slice(turn);
                // SAFETY: `padded` is at least a batch; the instructions are the caller's promise.
                unsafe { encrypt::<V, 1>(&keys, [padded.as_mut_ptr()]) };
                turn.copy_from_slice(&padded[..count]);
            }
            continue;
        }
        // Two turns side by side fill the pipes.
        let mut pairs = blocks.chunks_exact_mut(2 * groups);
        for pair in &mut pairs {
            let (one, two) = pair.split_at_mut(groups);
            let at = [one[begin..begin + batch].as_mut_ptr(), two[begin..begin + batch].as_mut_ptr()];
            // SAFETY: both are a batch; the instructions are the caller's promise.
            unsafe { encrypt::<V, 2>(&keys, at) };
        }
        for turn in pairs.into_remainder().chunks_exact_mut(groups) {
            // SAFETY: as above.
            unsafe { encrypt::<V, 1>(&keys, [turn[begin..begin + batch].as_mut_ptr()]) };
        }
    }
}

/// All round keys of a batch, as whole keys.
#[inline(always)]
unsafe fn round_keys<V: Lanes>(start: Block, first_tweak: u64) -> [[V; KEYS]; 11] {
    unsafe {
        let start = V::splat(One::load(&start));
        let mut keys = [[start; KEYS]; 11];
        for m in 0..KEYS {
            keys[0][m] = start.xor(V::count_from(first_tweak.wrapping_add((m * V::BLOCKS) as u64)));
        }
        let mut words = transpose(keys[0]);
        for round in 0..10 {
            words = next_words(words, RCON[round]);
            keys[round + 1] = transpose(words);
        }
        keys
    }
}

/// Hashes a batch of blocks at each of `TURNS` places in place.
///
/// # Safety
/// `KEYS * V::BLOCKS` blocks can be read and written at each place, and the instructions of `V` are enabled.
#[inline(always)]
unsafe fn encrypt<V: Lanes, const TURNS: usize>(keys: &[[V; KEYS]; 11], at: [*mut Block; TURNS]) {
    unsafe {
        let mut states = [[keys[0][0]; KEYS]; TURNS];
        for turn in 0..TURNS {
            for m in 0..KEYS {
                states[turn][m] = sigma(V::load(at[turn].add(m * V::BLOCKS))).xor(keys[0][m]);
            }
        }
        // Written out, as above.
        macro_rules! rounds {
            ($($round:literal)*) => {$(
                for turn in 0..TURNS {
                    for m in 0..KEYS {
                        states[turn][m] = states[turn][m].round(keys[$round][m]);
                    }
                }
            )*};
        }
        rounds!(1 2 3 4 5 6 7 8 9);
        for turn in 0..TURNS {
            for m in 0..KEYS {
                let at = at[turn].add(m * V::BLOCKS);
                let last = keys[10][m].xor(sigma(V::load(at)));
                states[turn][m].last_round(last).store(at);
            }
        }
    }
}

/// `sigma(xL || xR) = (xL ^ xR) || xL`, see `tccr.rs`.
#[inline(always)]
pub(super) unsafe fn sigma<V: Lanes>(x: V) -> V {
    unsafe {
        let upper = V::words([0, 0, !0, !0]);
        x.and_xor(upper, x.swap_halves())
    }
}

/// Word `j` of block `l` of vector `m` becomes word `m` of block `l` of vector `j`; its own inverse.
#[inline(always)]
pub(super) unsafe fn transpose<V: Lanes>([a, b, c, d]: [V; KEYS]) -> [V; KEYS] {
    unsafe {
        let (ab_low, ab_high) = (a.low_words(b), a.high_words(b));
        let (cd_low, cd_high) = (c.low_words(d), c.high_words(d));
        [
            ab_low.low_halves(cd_low),
            ab_low.high_halves(cd_low),
            ab_high.low_halves(cd_high),
            ab_high.high_halves(cd_high),
        ]
    }
}

/// One round of the key schedule on word-sliced keys, FIPS 197 §5.2:
/// `w0 ^= SubWord(RotWord(w3)) ^ rcon`, then `w1 ^= w0`, `w2 ^= w1`, `w3 ^= w2`.
#[inline(always)]
pub(super) unsafe fn next_words<V: Lanes>([w0, w1, w2, w3]: [V; 4], rcon: u32) -> [V; 4] {
    unsafe {
        let rotated = w3.shuffle(V::words(ROT_WORD));
        // ShiftRows of `last_round` is undone by the index, SubBytes is SubWord, and the round key is `rcon`.
        let change = rotated.last_round(V::words([rcon; 4]));
        // The next round waits for word 3 alone, so that is not computed last, behind the other words: its
        // four old words are summed while the S-box works. This takes a third off the longest path.
        let last = w1.xor3(w2, w3).xor3(w0, change);
        let w0 = w0.xor(change);
        let w1 = w1.xor(w0);
        [w0, w1, w1.xor(w2), last]
    }
}

/// RotWord in each of four words, then the inverse of ShiftRows.
///
/// Byte `r` of word `c` is at `4 c + r`. ShiftRows moves `(r, c + r)` to `(r, c)`, and RotWord wants byte `r
/// + 1` of word `c` at `(r, c)`; so the byte for `(r, c + r)` is `(r + 1, c)`, word and row numbers modulo 4.
const ROT_WORD: [u32; 4] = {
    let mut bytes = [[0u8; 4]; 4];
    let mut c = 0;
    while c < 4 {
        let mut r = 0;
        while r < 4 {
            bytes[(c + r) % 4][r] = (4 * c + (r + 1) % 4) as u8;
            r += 1;
        }
        c += 1;
    }
    [
        u32::from_le_bytes(bytes[0]),
        u32::from_le_bytes(bytes[1]),
        u32::from_le_bytes(bytes[2]),
        u32::from_le_bytes(bytes[3]),
    ]
};
