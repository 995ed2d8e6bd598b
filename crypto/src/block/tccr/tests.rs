//! The hash against AES written out from FIPS 197, on every backend this processor has.

use std::sync::LazyLock;

use chacha20::ChaCha12Rng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::block::Prg;

/// The product in GF(2^8).
fn times(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    while b != 0 {
        product ^= if b & 1 == 1 { a } else { 0 };
        a = (a << 1) ^ if a & 0x80 != 0 { 0x1b } else { 0 };
        b >>= 1;
    }
    product
}

/// The S-box, from the inverse in GF(2^8).
static SBOX: LazyLock<[u8; 256]> = LazyLock::new(|| {
    core::array::from_fn(|x| {
        let inverse = (0..=255).find(|&y| times(x as u8, y) == 1).unwrap_or(0);
        (0..5).fold(0x63, |sum, turn| sum ^ inverse.rotate_left(turn))
    })
});

/// AES-128 byte by byte as FIPS 197 has it: slow and obvious.
fn reference_aes(key: [u8; 16], mut state: [u8; 16]) -> [u8; 16] {
    let sbox = &*SBOX;
    let mut words: Vec<[u8; 4]> = key.chunks(4).map(|word| word.try_into().unwrap()).collect();
    let mut rcon = 1;
    for i in 4..44 {
        let mut word = words[i - 1];
        if i % 4 == 0 {
            word.rotate_left(1);
            word = word.map(|byte| sbox[usize::from(byte)]);
            word[0] ^= rcon;
            rcon = times(rcon, 2);
        }
        words.push(core::array::from_fn(|b| words[i - 4][b] ^ word[b]));
    }
    let add_key = |state: &mut [u8; 16], round: usize| {
        for (byte, key) in state.iter_mut().zip(words[4 * round..4 * round + 4].as_flattened()) {
            *byte ^= key;
        }
    };
    add_key(&mut state, 0);
    for round in 1..=10 {
        state = state.map(|byte| sbox[usize::from(byte)]);
        state = core::array::from_fn(|at| state[(4 * (at / 4 + at % 4) + at % 4) % 16]);
        if round < 10 {
            state = core::array::from_fn(|at| {
                let column = at / 4 * 4;
                let byte = |row: usize| state[column + (at + row) % 4];
                times(byte(0), 2) ^ times(byte(1), 3) ^ byte(2) ^ byte(3)
            });
        }
        add_key(&mut state, round);
    }
    state
}

/// The definition, on `u128`.
fn reference_hash(start: Block, tweak: u64, x: Block) -> Block {
    let x = u128::from(x);
    let (left, right) = (x >> 64, x & u128::from(u64::MAX));
    let sigma = Block::from(((left ^ right) << 64) | left);
    let key = start ^ Block::from(u128::from(tweak));
    Block::from_bytes(reference_aes(key.to_bytes(), sigma.to_bytes())) ^ sigma
}

#[test]
fn the_reference_is_aes() {
    // FIPS 197, appendix C.1.
    let bytes = |hex: u128| hex.to_be_bytes();
    assert_eq!(
        reference_aes(bytes(0x000102030405060708090a0b0c0d0e0f), bytes(0x00112233445566778899aabbccddeeff)),
        bytes(0x69c4e0d86a7b0430d8cdb78070b4c55a)
    );
}

#[test]
fn sigma_is_an_orthomorphism() {
    // Linear by construction, so that a trivial kernel is all there is to show; both maps are checked on a
    // basis.
    let rank = |map: fn(Block) -> Block| {
        let mut rows: Vec<u128> = (0..128).map(|bit| map(Block::from(1 << bit)).into()).collect();
        let mut rank = 0;
        for bit in 0..128 {
            let Some(pivot) = (rank..128).find(|&row| rows[row] >> bit & 1 == 1) else { continue };
            rows.swap(rank, pivot);
            for row in 0..128 {
                if row != rank && rows[row] >> bit & 1 == 1 {
                    rows[row] ^= rows[rank];
                }
            }
            rank += 1;
        }
        rank
    };
    assert_eq!((rank(sigma), rank(|x| sigma(x) ^ x)), (128, 128));
}

/// Every backend, for every number of groups around its batch sizes and tweaks that wrap, equals the
/// definition.
fn check_all<const PER: usize>() {
    let mut rng = ChaCha12Rng::seed_from_u64(PER as u64);
    // Under Miri, which is slow, just the numbers at the edges of a vector and of a batch.
    let few = (0..=35).filter(|groups| !cfg!(miri) || [0, 1, 3, 17, 33].contains(groups));
    for groups in few.chain(if cfg!(miri) { vec![] } else { vec![47, 48, 64, 65, 257] }) {
        let start = Block::random(&mut rng);
        let tweak = if groups % 3 == 0 { u64::MAX - groups / 2 } else { rng.next_u64() };
        let blocks: Vec<Block> = (0..groups * PER as u64).map(|_| Block::random(&mut rng)).collect();
        let expected: Vec<Block> = (0..)
            .zip(&blocks)
            .map(|(at, &x): (u64, _)| reference_hash(start, tweak.wrapping_add(at / PER as u64), x))
            .collect();
        for backend in Backend::available() {
            let mut hashed = blocks.clone();
            Tccr::with_backend(start, backend).unwrap().hash::<PER>(tweak, &mut hashed);
            assert_eq!(hashed, expected, "{backend}, {groups} groups of {PER}");
        }
    }
}

#[test]
fn every_backend_computes_the_definition() {
    check_all::<1>();
    check_all::<2>();
}

#[test]
fn every_backend_works_at_any_address() {
    let mut blocks = [Block::from(5); 41];
    for from in 0..4 {
        let mut expected = blocks;
        Tccr::with_backend(Block::ZERO, Backend::Portable).unwrap().hash::<1>(9, &mut expected[from..]);
        for backend in Backend::available() {
            let mut copy = blocks;
            Tccr::with_backend(Block::ZERO, backend).unwrap().hash::<1>(9, &mut copy[from..]);
            assert_eq!(copy, expected, "{backend} from block {from}");
        }
        blocks[0] ^= Block::from(1);
    }
}

#[test]
fn tweak_and_start_point_both_matter() {
    let hash = |start: u128, tweak| {
        let mut block = [Block::from(1)];
        Tccr::new(Block::from(start)).hash::<1>(tweak, &mut block);
        block[0]
    };
    assert_ne!(hash(0, 0), hash(0, 1));
    assert_ne!(hash(0, 0), hash(1 << 100, 0));
    // By definition only their XOR counts, which is why S has to be random.
    assert_eq!(hash(0, 1), hash(1, 0));
}

#[test]
#[should_panic(expected = "3 blocks are not whole groups of 2")]
fn half_a_group_is_a_mistake() {
    Tccr::new(Block::ZERO).hash::<2>(0, &mut [Block::ZERO; 3]);
}

#[test]
fn every_backend_generates_the_same_stream() {
    let seed = Block::from(0x0123_4567_89ab_cdef_u128 << 17);
    let base = 0x1122_3344_5566_7788_99aa_bbcc_ddee_ff00_u128;
    let block = |i: u128| Block::from_bytes(reference_aes(seed.to_bytes(), (base ^ i).to_le_bytes()));
    let (expected, base): (Vec<Block>, _) = ((0..150).map(block).collect(), Block::from(base));
    for backend in Backend::available() {
        let mut prg = Prg::with_backend(seed, backend).unwrap().on_base(base);
        let mut stream = vec![];
        // Pieces of uneven length: the stream may not depend on how it is cut.
        for len in [0, 1, 3, 31, 32, 33, 50] {
            let mut piece = vec![Block::ZERO; len];
            prg.fill(&mut piece);
            stream.extend(piece);
        }
        assert_eq!(stream, expected, "{backend}");
        let mut tail = [Block::ZERO; 5];
        Prg::based(seed, base, 145).fill(&mut tail);
        assert_eq!(tail, expected[145..]);
    }
}

#[test]
fn many_blocks_under_a_tweak_are_hashed_as_one_by_one() {
    let mut rng = ChaCha12Rng::seed_from_u64(77);
    let start = Block::random(&mut rng);
    for backend in Backend::available() {
        let hash = Tccr::with_backend(start, backend).unwrap();
        for groups in [1, 3, 4, 7, 8, 15, 16, 17, 33, 64] {
            for turns in [0, 1, 2, 3, 16] {
                for tweak in [5, u64::MAX - 2] {
                    let blocks: Vec<Block> = (0..groups * turns).map(|_| Block::random(&mut rng)).collect();
                    let mut strided = blocks.clone();
                    hash.hash_strided(tweak, groups, &mut strided);
                    for (i, (block, hashed)) in blocks.into_iter().zip(strided).enumerate() {
                        let tweak = tweak.wrapping_add((i % groups) as u64);
                        let expected = reference_hash(start, tweak, block);
                        assert_eq!(hashed, expected, "{backend}, {turns} turns of {groups}, block {i}");
                    }
                }
            }
        }
    }
}
