//! Rounds on rows from a dealer: right rows, recorded bytes, senders and receivers that cheat.

use chacha20::ChaCha12Rng;
use rand::{RngExt, SeedableRng};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::check::{dot, weight};
use super::set::MASKS;
use super::*;
use crate::Wiped;
use crate::block::Block;
use crate::ot::OtError;
use crate::ot::correlated::without_choice;

const SESSION: [u8; 32] = [6; 32];
const EXTENSION: [u8; 64] = [8; 64];

/// Both hosts with rows to begin with.
struct Hosts {
    rng: ChaCha12Rng,
    delta: Block,
    public: [Public; 2],
    keys: Vec<Block>,
    rows: Vec<Block>,
    /// Rows made with the round.
    ahead: usize,
}

impl Hosts {
    fn new(set: Set, seed: u64) -> Self {
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let delta = Block::random(&mut rng).with_lsb_set();
        let keys: Vec<Block> = (0..set.base()).map(|_| without_choice(Block::random(&mut rng))).collect();
        let rows = keys.iter().map(|&key| key ^ delta.masked(rng.random())).collect();
        let public = Public::new(SESSION, &EXTENSION);
        Self { rng, delta, public: [public.clone(), public], keys, rows, ahead: 3000 }
    }

    fn start_sender(&mut self, set: Set) -> (SenderRound, Vec<u8>) {
        let (delta, base) = (Zeroizing::new(self.delta), Wiped::from(self.keys[..set.base()].to_vec()));
        SenderRound::start(&mut self.public[0], (set, self.ahead, &EXTENSION), (delta, base), &mut self.rng)
    }

    fn start_receiver(&mut self, set: Set, corrections: &[u8]) -> (ReceiverRound, Block) {
        let base = Wiped::from(self.rows[..set.base()].to_vec());
        ReceiverRound::start(&mut self.public[1], (set, self.ahead, &EXTENSION), base, corrections)
    }

    /// The choices of the rows of a tree.
    fn choices(&self, set: Set, tree: usize) -> u32 {
        let first = MASKS + set.word() + tree * set.depth();
        (0..set.depth()).map(|level| u32::from(self.rows[first + level].lsb()) << level).sum()
    }
}

/// All rows of a round, in pieces of `piece`; hash of the sender's, and how many choices are 1.
fn check_rows(
    hosts: &Hosts,
    (mut sender, mut receiver): (Round<SenderTrees>, Round<ReceiverTrees>),
    piece: usize,
) -> ([u8; 32], usize) {
    let (mut hash, mut ones) = (Sha256::new(), 0);
    let (mut keys, mut rows) = (vec![Block::ZERO; piece], vec![Block::ZERO; piece]);
    loop {
        let count = sender.draw(&hosts.public[0], &mut keys);
        assert_eq!(receiver.draw(&hosts.public[1], &mut rows), count);
        for (i, (&key, &row)) in keys.iter().zip(&rows).take(count).enumerate() {
            assert!(!key.lsb() && row == key ^ hosts.delta.masked(row.lsb()), "row {i} of a piece");
            ones += usize::from(row.lsb());
        }
        hash.update(Block::as_bytes(&keys[..count]));
        if count < piece {
            assert_eq!((sender.left(), receiver.left()), (0, 0));
            return (hash.finalize().into(), ones);
        }
    }
}

/// One round: every row, every byte counted, about half of the choices 1; recorded.
fn one_round(set: Set, recorded: [&str; 2]) {
    let mut hosts = Hosts::new(set, set as u64);
    let mut said = Sha256::new();
    let (sender, corrections) = hosts.start_sender(set);
    let (receiver, masked) = hosts.start_receiver(set, &corrections);
    let (sender, answer) = sender.answer(&mut hosts.public[0], masked);
    let receiver = receiver.finish(&answer).unwrap();
    assert_eq!(corrections.len() + 16 + answer.len(), set.byte_len());
    for part in [corrections.as_slice(), &masked.to_bytes(), &answer] {
        said.update(part);
    }
    assert_eq!((sender.left(), receiver.left()), (set.rows(), set.rows()));
    let (rows, ones) = check_rows(&hosts, (sender, receiver), 10_007);
    let half = set.rows() / 2;
    assert!(ones.abs_diff(half) < 8 * half.isqrt(), "{ones} of {} choices are 1", set.rows());
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!([hex(&said.finalize())[..32].to_owned(), hex(&rows)[..32].to_owned()], recorded, "{set:?}");
}

#[test]
fn b10_gives_right_rows() {
    one_round(Set::B10, ["2f72c13484b5c3384f31a4d8023081d2", "c58f38319c6987453341290c3f11bcad"]);
}

#[test]
fn b11_gives_right_rows() {
    one_round(Set::B11, ["5a57434c7119551f37ad7fa1e6b86681", "f3afadfd2aca28d2a2e9a5b05de55dcc"]);
}

#[test]
#[ignore = "some seconds"]
fn b12_gives_right_rows() {
    one_round(Set::B12, ["1e7af57c9a6cfd54bad3e8f22f3817f8", "dfcb20380f2bce428c49712bca29da4e"]);
}

#[test]
#[ignore = "some seconds"]
fn b13_gives_right_rows() {
    one_round(Set::B13, ["cc74590417ba7bc1a6a016cc15853c7d", "e4dd5a54fd55407e8d7d057832915b43"]);
}

#[test]
fn what_is_made_ahead_and_in_what_pieces_does_not_matter() {
    let hashes: Vec<[u8; 32]> = [(1000, 0), (1024, 1), (4096, 1_000_000), (900_000, 5000)]
        .into_iter()
        .map(|(piece, ahead)| {
            let mut hosts = Hosts { ahead, ..Hosts::new(Set::B10, 5) };
            let (sender, corrections) = hosts.start_sender(Set::B10);
            let (receiver, masked) = hosts.start_receiver(Set::B10, &corrections);
            let (sender, answer) = sender.answer(&mut hosts.public[0], masked);
            check_rows(&hosts, (sender, receiver.finish(&answer).unwrap()), piece).0
        })
        .collect();
    assert!(hashes.iter().all(|hash| hash == &hashes[0]));
}

/// The noise is one row of each tree, at the place that the choices of the tree's rows say: the rows less the
/// code.
#[test]
fn the_noise_is_regular() {
    let set = Set::B10;
    let mut hosts = Hosts::new(set, 11);
    let (sender, corrections) = hosts.start_sender(set);
    let (receiver, masked) = hosts.start_receiver(set, &corrections);
    let (mut sender, answer) = sender.answer(&mut hosts.public[0], masked);
    let mut receiver = receiver.finish(&answer).unwrap();
    let (mut keys, mut rows) = (vec![Block::ZERO; set.leaves()], vec![Block::ZERO; set.leaves()]);
    for tree in 0..set.trees() {
        sender.draw(&hosts.public[0], &mut keys);
        receiver.draw(&hosts.public[1], &mut rows);
        for (public, word, rows) in
            [(&hosts.public[0], &hosts.keys, &mut keys), (&hosts.public[1], &hosts.rows, &mut rows)]
        {
            public.code.add(set, (0, tree), &word[MASKS..][..set.word()], rows);
        }
        let noise: Vec<usize> = (0..set.leaves()).filter(|&i| keys[i] != rows[i]).collect();
        assert_eq!(noise, [tree::place(hosts.choices(set, tree), set.depth())], "tree {tree}");
    }
}

/// Any flipped bit of the corrections is caught, wherever the noise is.
#[test]
fn wrong_corrections_are_caught() {
    let set = Set::B10;
    for (at, bit) in
        [(0, 0), (15, 7), (16, 1), (160 * 7 + 16 * 9, 1), (160 * 7 + 16 * 9 + 15, 7), (135_999, 7)]
    {
        let mut hosts = Hosts::new(set, 12);
        let (sender, mut corrections) = hosts.start_sender(set);
        corrections[at] ^= 1 << bit;
        let (receiver, masked) = hosts.start_receiver(set, &corrections);
        let (_, answer) = sender.answer(&mut hosts.public[0], masked);
        assert_eq!(receiver.finish(&answer).err(), Some(OtError::SilentCheck), "byte {at}, bit {bit}");
    }
}

/// A wrong mask or answer is caught by the receiver.
#[test]
fn wrong_masks_and_answers_are_caught() {
    let set = Set::B10;
    for bit in [0, 1, 64, 127] {
        let mut hosts = Hosts::new(set, 13);
        let (sender, corrections) = hosts.start_sender(set);
        let (receiver, masked) = hosts.start_receiver(set, &corrections);
        let (_, answer) = sender.answer(&mut hosts.public[0], masked ^ Block::from(1 << bit));
        assert_eq!(receiver.finish(&answer).err(), Some(OtError::SilentCheck), "bit {bit} of the mask");
    }
    for at in [0, 31] {
        let mut hosts = Hosts::new(set, 13);
        let (sender, corrections) = hosts.start_sender(set);
        let (receiver, masked) = hosts.start_receiver(set, &corrections);
        let (_, mut answer) = sender.answer(&mut hosts.public[0], masked);
        answer[at] ^= 1;
        assert_eq!(receiver.finish(&answer).err(), Some(OtError::SilentCheck), "byte {at} of the answer");
    }
}

/// A sender that uses another Delta in one tree is caught.
#[test]
fn another_delta_in_a_tree_is_caught() {
    let set = Set::B10;
    for bit in [1, 127] {
        let mut hosts = Hosts::new(set, 14);
        let honest = hosts.delta;
        hosts.delta = honest ^ Block::from(1 << bit);
        let (sender, corrections) = hosts.start_sender(set);
        let (receiver, masked) = hosts.start_receiver(set, &corrections);
        let (_, answer) = sender.answer(&mut hosts.public[0], masked);
        assert_eq!(receiver.finish(&answer).err(), Some(OtError::SilentCheck));
    }
}

/// What the check cannot prevent: with the last correction of a tree wrong, the receiver's leaves at its
/// place and at the sibling are wrong, and a sender that guesses these two, one pair of 512, answers right.
/// So it passes for one guess, and has then learnt as many bits as that was unlikely; for all others it is
/// caught.
#[test]
fn a_sender_passes_for_the_one_right_guess_of_a_place() {
    let set = Set::B10;
    let (tree, error, half) = (3, Block::from(1 << 70), set.leaves() / 2);
    let passes = |guess: usize| {
        let mut hosts = Hosts::new(set, 15);
        let (mut sender, mut corrections) = hosts.start_sender(set);
        let last = (tree * set.depth() + set.depth() - 1) * Block::BYTES;
        corrections[last..][..16].iter_mut().zip(error.to_bytes()).for_each(|(byte, error)| *byte ^= error);
        hosts.public[0] = Public::new(SESSION, &EXTENSION);
        sender.pretend(&mut hosts.public[0], (&EXTENSION, &corrections), |number, key| {
            let weight = |place| weight(key, set.leaves(), place);
            dot(weight(guess) ^ weight(guess + half), error.masked(number == tree))
        });
        let (receiver, masked) = hosts.start_receiver(set, &corrections);
        let (_, answer) = sender.answer(&mut hosts.public[0], masked);
        let place = tree::place(hosts.choices(set, tree), set.depth());
        (place % half, receiver.finish(&answer).is_ok())
    };
    let (right, _) = passes(0);
    assert!(passes(right).1, "the right guess");
    for wrong in [right ^ 1, right ^ 256, (right + 77) % half] {
        assert!(!passes(wrong).1, "guess {wrong}");
    }
    // Without wrong corrections, what it pretends is what it did.
    let mut hosts = Hosts::new(set, 15);
    let (mut sender, corrections) = hosts.start_sender(set);
    let mut public = Public::new(SESSION, &EXTENSION);
    sender.pretend(&mut public, (&EXTENSION, &corrections), |_, _| Block::ZERO);
    let (receiver, masked) = hosts.start_receiver(set, &corrections);
    assert!(receiver.finish(&sender.answer(&mut hosts.public[0], masked).1).is_ok());
}
