//! Clients that cheat in the extension: what the consistency check catches, and the guess that it cannot.

use chacha20::ChaCha12Rng;
use rand::SeedableRng;

use super::receiver::Receiver;
use super::sender::Sender;
use super::*;
use crate::ot::vole::{add, expand};
use crate::ot::{Params, ReceiverSetup, SenderSetup, bits};

const COUNT: usize = 300;

fn set_up(k: usize, seed: u64) -> (Sender, Receiver, ChaCha12Rng) {
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    let params = Params::new(k).unwrap();
    let (setup, request) = SenderSetup::start(params, [5; 32], &mut rng);
    let (receiver, reply) = ReceiverSetup::reply(params, [5; 32], &mut rng, &request).unwrap();
    (setup.finish(&reply).unwrap(), receiver, rng)
}

/// A client whose choices in tree t are `choices(t)`, and which hopes that bits `guess` of s are the ones
/// given.
///
/// It makes the best message there is: the hash of its choices in tree 0, and column hashes that are right if
/// the guess is right in every tree whose choices differ from those of tree 0.
fn cheat(receiver: &mut Receiver, choices: impl Fn(usize) -> Vec<Block>, guess: Block) -> Extend {
    let params = receiver.params();
    let (k, stride) = (params.field_bits(), Extend::stride(COUNT));
    let mut corrections = vec![Block::ZERO; params.trees() * stride];
    let (base, moved) = (receiver.progress.base(), vec![0; params.trees()]);
    let blocks = (receiver.progress.next_block, stride);
    let columns = expand(k, &receiver.seeds, (base, &moved), blocks, Some(&mut corrections));
    for (tree, correction) in corrections.chunks_mut(stride).enumerate() {
        add(correction, &choices(tree));
    }
    let hash = receiver.progress.challenge(COUNT, &corrections);
    receiver.progress.advance(COUNT);
    let choices_hash = hash.hash(&choices(0));
    let hashes = hash.hashes(&columns);
    let hashes = hashes.iter().zip(bits(guess)).enumerate().map(|(c, (&hashed, bit))| {
        let difference = hash.hash(&choices(c / k)) ^ choices_hash;
        hashed ^ difference.masked(bit)
    });
    let columns_digest = digest_of(&[5; 32], &hashes.collect::<Vec<_>>()).0;
    Extend { corrections, choices_hash, columns_digest }
}

fn honest_choices() -> Vec<Block> {
    (0..Extend::stride(COUNT) as u128).map(|i| Block::from(i * 0x1234_5678_9abc_def1)).collect()
}

fn one_bit_off(at: usize) -> Vec<Block> {
    let mut choices = honest_choices();
    choices[at / 128] ^= Block::from(1 << (at % 128));
    choices
}

#[test]
fn the_same_choices_in_all_trees_pass() {
    for k in [1, 2, 4, 8] {
        let (mut sender, mut receiver, _) = set_up(k, 1);
        let message = cheat(&mut receiver, |_| honest_choices(), Block::ZERO);
        assert!(sender.extend(COUNT, &message).is_ok(), "k = {k}");
    }
}

#[test]
fn other_choices_in_one_tree_pass_for_one_value_of_the_secret() {
    for k in [1, 2, 4, 8] {
        let (sender, mut receiver, _) = set_up(k, 2);
        let secret = *sender.ready.as_ref().unwrap().secret;
        let progress = receiver.progress.clone();
        for (tree, at) in [(1, 0), (128 / k - 1, 299), (64 / k, 383), (2, 511)] {
            let values = 1_u128 << k;
            let passing: Vec<u128> = (0..values)
                .filter(|guess| {
                    receiver.progress = progress.clone();
                    let guess = Block::from(guess << (tree * k));
                    let choices = |t| if t == tree { one_bit_off(at) } else { honest_choices() };
                    sender.clone().extend(COUNT, &cheat(&mut receiver, choices, guess)).is_ok()
                })
                .collect();
            // So the client is caught with probability 1 - 2^-k, and if not it knows these k bits and no
            // more.
            assert_eq!(
                passing,
                [u128::from(secret) >> (tree * k) & (values - 1)],
                "k = {k}, tree {tree}, bit {at}"
            );
        }
    }
}

#[test]
fn other_choices_in_many_trees_take_a_guess_of_all_their_bits() {
    for k in [1, 2, 4, 8] {
        let (sender, mut receiver, _) = set_up(k, 3);
        let secret = *sender.ready.as_ref().unwrap().secret;
        let progress = receiver.progress.clone();
        let mut passes = |guess| {
            receiver.progress = progress.clone();
            let choices = |tree| if tree == 0 { honest_choices() } else { one_bit_off(tree) };
            sender.clone().extend(COUNT, &cheat(&mut receiver, choices, guess)).is_ok()
        };
        assert!(passes(secret), "k = {k}");
        for bit in k..128 {
            assert!(!passes(secret ^ Block::from(1 << bit)), "k = {k}: a guess with bit {bit} wrong");
        }
    }
}

#[test]
fn the_challenge_depends_on_all_that_the_client_can_choose() {
    let (_, receiver, mut rng) = set_up(4, 4);
    let probe = [Block::random(&mut rng), Block::ZERO];
    let challenge = |progress: &Progress, count, corrections: &[Block]| {
        progress.clone().challenge(count, corrections).hash(&probe)
    };
    let corrections = vec![Block::ZERO; 64];
    let base = challenge(&receiver.progress, 100, &corrections);
    assert_eq!(challenge(&receiver.progress, 100, &corrections), base);
    assert_ne!(challenge(&receiver.progress, 101, &corrections), base);
    for at in 0..64 {
        let mut other = corrections.clone();
        other[at] ^= Block::from(1 << 127);
        assert_ne!(challenge(&receiver.progress, 100, &other), base, "correction {at}");
    }
    // Seeds are in the setup's transcript, and an extension in that of the next one.
    let mut other = receiver.progress.clone();
    other.transcript[63] ^= 1;
    assert_ne!(challenge(&other, 100, &corrections), base);
    let mut later = receiver.progress.clone();
    later.challenge(100, &corrections);
    assert_ne!(challenge(&later, 100, &corrections), base);
}

#[test]
fn tweaks_and_streams_are_never_used_twice() {
    let (_, mut receiver, mut rng) = set_up(8, 5);
    let (mut tweaks, mut blocks) = (0, 0);
    for count in [0, 1, 128, 129, 5] {
        assert_eq!((receiver.progress.next_tweak, receiver.progress.next_block), (tweaks, blocks));
        receiver.extend(&mut rng, &vec![true; count]).unwrap();
        tweaks += count as u64;
        blocks += count.div_ceil(128) as u64 + 1;
    }
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
#[test]
#[ignore = "takes half a minute; `just steps` runs it"]
fn the_servers_extension_takes_the_same_steps_for_all_secrets() {
    const COUNT: usize = 20;
    let (sender, mut receiver, mut rng) = set_up(1, 21);
    let choices: Vec<bool> = (0..COUNT).map(|i| i % 3 == 0).collect();
    let (_, extend) = receiver.extend(&mut rng, &choices).unwrap();
    // What is not this client's secret fails the check, at the end and all at once.
    let secrets = [0, u128::MAX, 0x1234_5678_9abc_def0_0fed_cba9_8765_4321, 1].map(|secret| {
        let mut sender = sender.clone();
        *sender.ready.as_mut().unwrap().secret = Block::from(secret);
        sender
    });
    crate::block::steps::assert_same_steps("extension", &secrets, |sender| {
        sender.clone().extend(COUNT, &extend).is_err()
    });
}
