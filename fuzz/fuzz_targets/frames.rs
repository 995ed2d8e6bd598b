//! Frames: what a channel is told is what was sent, of the kind and length that were asked for.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use xonn_fuzz::allocations::Memory;
use xonn_fuzz::peer::Peer;
use xonn_fuzz::script::End;
use xonn_run::session::channel::Channel;
use xonn_run::session::msgs::{Kind, MAX_REFUSAL};

/// What a host awaits next.
#[derive(Arbitrary, Debug)]
enum Step {
    Exactly { kind: u8, length: u8 },
    AtMost { kind: u8, length: u8 },
    Into { kind: u8, length: u8 },
    Anything,
    Send { kind: u8, length: u8 },
}

/// Whole heads are more likely than by chance.
#[derive(Arbitrary, Debug)]
enum Part {
    Frame { kind: u8, payload: Vec<u8> },
    Bytes(Vec<u8>),
}

#[derive(Arbitrary, Debug)]
struct Input {
    stream: Vec<Part>,
    steps: Vec<Step>,
    piece: u8,
    end: End,
}

fuzz_target!(|input: Input| {
    let kind = |byte: u8| Kind::from_byte(byte).or(Kind::from_byte(byte % 27)).unwrap_or(Kind::Tables);
    let mut stream = Vec::new();
    for part in &input.stream {
        match part {
            Part::Frame { kind, payload } => {
                stream.push(*kind);
                stream.extend((payload.len() as u32).to_le_bytes());
                stream.extend(payload);
            }
            Part::Bytes(bytes) => stream.extend(bytes),
        }
    }
    let piece = if input.piece == 0 { usize::MAX } else { input.piece.into() };
    let (peer, told) = Peer::saying(stream.clone(), piece, usize::MAX, input.end);
    let limit = Duration::from_secs(60);
    let mut channel = Channel::new(peer, limit);
    let (mut at, mut sent) = (0, 0);
    let ((), memory) = Memory::of(|| {
        for step in &input.steps {
            let doing = "fuzzing";
            let received = match *step {
                Step::Exactly { kind: byte, length } => {
                    channel.receive(kind(byte), length.into(), doing).inspect(|payload| {
                        assert_eq!((payload.len(), stream[at]), (length.into(), kind(byte) as u8));
                    })
                }
                Step::AtMost { kind: byte, length } => {
                    channel.receive_up_to(kind(byte), length.into(), doing).inspect(|payload| {
                        assert!(payload.len() <= length.into() && stream[at] == kind(byte) as u8);
                    })
                }
                Step::Into { kind: byte, length } => {
                    let mut room = vec![0; length.into()];
                    channel.receive_into(kind(byte), length.into(), doing, || &mut room).map(|()| room)
                }
                Step::Anything => match channel.head(limit, doing) {
                    Ok((Kind::Refusal, length)) => {
                        let text = channel.refusal(length, doing).map(|error| error.to_string());
                        assert!(text.is_err() || text.is_ok_and(|text| text.len() <= 3 * MAX_REFUSAL + 32));
                        return;
                    }
                    Ok((_, length)) if length > 512 => return,
                    Ok((_, length)) => channel.payload(length, doing),
                    Err(error) => Err(error),
                },
                Step::Send { kind: byte, length } => {
                    sent += 5 + u64::from(length);
                    let sent = channel.send(kind(byte), &vec![7; length.into()], doing);
                    sent.expect("the peer takes all");
                    continue;
                }
            };
            match received {
                Ok(payload) => {
                    assert_eq!(stream[at + 1..at + 5], (payload.len() as u32).to_le_bytes());
                    assert_eq!(stream[at + 5..][..payload.len()], payload);
                    at += 5 + payload.len();
                    assert_eq!(channel.traffic().received, at as u64);
                }
                Err(error) => {
                    assert!(!error.to_string().contains('\n'), "{error}");
                    channel.refuse(&error);
                    return;
                }
            }
            assert_eq!(channel.traffic().sent, sent);
        }
    });
    // What waits to be sent is at most 64 KiB, in a vector that grows by doubling.
    memory.check(Memory { largest: 1 << 17, peak: 1 << 18 }, 0);
    drop(told);
});
