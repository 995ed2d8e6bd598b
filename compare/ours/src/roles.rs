//! This project's roles, a thread each, over TCP on the loopback device.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Barrier;
use std::thread;

use xonn_crypto::block::Block;
use xonn_crypto::label::Delta;
use xonn_crypto::ot::msgs::{Correlate, Extend};
use xonn_crypto::ot::{Params, PendingReceiver, Receiver, ReceiverSetup, Sender, SenderSetup};

use crate::meter::{Cost, Meter};

/// OTs of one extension, each with a check of its own: the roles work at the same time on different ones.
const BATCH: usize = 1 << 16;

/// OTs that are hashed at a time.
const PIECE: usize = 64;

/// Random OTs: nothing is sent after the extension.
pub fn random(count: usize, k: usize) -> Cost {
    run(count, k, None)
}

/// Correlated OTs with an offset that is drawn after the extension, as for the labels of an inference.
pub fn correlated(count: usize, k: usize) -> Cost {
    run(count, k, Some(&Delta::from_block(Block::from(0x5eed))))
}

fn run(count: usize, k: usize, delta: Option<&Delta>) -> Cost {
    let params = Params::new(k).expect("a divisor of 128");
    let mut rng = rand::rng();
    let (setup, request) = SenderSetup::start(params, [1; 32], &mut rng);
    let (receiver, reply) =
        ReceiverSetup::reply(params, [1; 32], &mut rng, &request).expect("an honest server");
    let sender = setup.finish(&reply).expect("an honest client");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let client = TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
    let (server, _) = listener.accept().expect("the client connects");
    let choices: Vec<bool> = (0..count).map(|_| rand::random()).collect();
    // Outputs are allocated and touched before the clock starts, as the other side's are.
    let mut pairs = vec![[Block::from(1); 2]; count];
    let mut blocks = vec![Block::from(1); count];
    // Before, after the work, and before the threads end: a meter sees threads that are alive.
    let barrier = Barrier::new(3);
    let cost = thread::scope(|scope| {
        scope.spawn(|| {
            barrier.wait();
            send(sender, params, delta, server, &mut pairs);
            barrier.wait();
            barrier.wait();
        });
        scope.spawn(|| {
            barrier.wait();
            receive(receiver, delta.is_some(), &choices, client, &mut blocks);
            barrier.wait();
            barrier.wait();
        });
        let meter = Meter::start();
        barrier.wait();
        barrier.wait();
        let cost = meter.stop();
        barrier.wait();
        cost
    });
    for ((pair, block), &choice) in pairs.iter().zip(&blocks).zip(&choices) {
        assert!(pair[usize::from(choice)] == *block, "the receiver has the block of its choice");
    }
    cost
}

fn send(
    mut sender: Sender,
    params: Params,
    delta: Option<&Delta>,
    mut link: TcpStream,
    pairs: &mut [[Block; 2]],
) {
    for (batch, pairs) in (0..).zip(pairs.chunks_mut(BATCH)) {
        let mut bytes = vec![0; Extend::byte_len(params, pairs.len())];
        link.read_exact(&mut bytes).expect("the client sends");
        let extend = Extend::decode(params, pairs.len(), &bytes).expect("of that length");
        let keys = sender.extend(pairs.len(), &extend).expect("an honest client");
        if let Some(delta) = delta {
            let (zeros, correlate) = keys.correlate(delta);
            link.write_all(&correlate.encode()).expect("the client reads");
            pairs.iter_mut().zip(zeros).for_each(|(pair, zero)| *pair = [false, true].map(|bit| zero.label(bit, delta).block()));
        } else {
            let (keys, numbers) = (keys.into_streams(), numbers(pairs.len()));
            for (pairs, numbers) in pairs.chunks_mut(PIECE).zip(numbers.chunks(PIECE)) {
                keys.blocks(numbers, tweak(batch, numbers[0]), pairs);
            }
        }
    }
}

fn receive(
    mut receiver: Receiver,
    correlated: bool,
    choices: &[bool],
    link: TcpStream,
    blocks: &mut [Block],
) {
    let mut rng = rand::rng();
    let (mut write, mut read) = (&link, &link);
    let mut waiting = None;
    let mut finish = |(batch, pending, blocks): (u64, PendingReceiver, &mut [Block])| {
        if correlated {
            let mut bytes = vec![0; Correlate::byte_len(blocks.len())];
            read.read_exact(&mut bytes).expect("the server sends");
            let correlate = Correlate::decode(blocks.len(), &bytes).expect("of that length");
            let labels = pending.correlate(&correlate).expect("as many as there are OTs");
            blocks.iter_mut().zip(labels).for_each(|(block, label)| *block = label.block());
        } else {
            let (keys, numbers) = (pending.into_streams(), numbers(blocks.len()));
            for (blocks, numbers) in blocks.chunks_mut(PIECE).zip(numbers.chunks(PIECE)) {
                keys.blocks(numbers, tweak(batch, numbers[0]), blocks);
            }
        }
    };
    for ((batch, choices), blocks) in (0..).zip(choices.chunks(BATCH)).zip(blocks.chunks_mut(BATCH)) {
        let (pending, extend) = receiver.extend(&mut rng, choices).expect("not too many");
        write.write_all(&extend.encode()).expect("the server reads");
        // The next extension goes out before the answer to this one is awaited.
        if let Some(before) = waiting.replace((batch, pending, blocks)) {
            finish(before);
        }
    }
    waiting.into_iter().for_each(finish);
}

/// The tweak of an OT's block: none comes twice in a connection.
fn tweak(batch: u64, number: u32) -> u64 {
    batch << 32 | u64::from(number)
}

/// The numbers of an extension's OTs.
fn numbers(count: usize) -> Vec<u32> {
    (0..count as u32).collect()
}
