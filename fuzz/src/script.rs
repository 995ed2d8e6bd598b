//! What a peer says: the frames that an honest one said, harmed as the fuzzer's bytes have it.

use libfuzzer_sys::arbitrary::{self, Arbitrary};

/// Most harms of one session.
const MOST: usize = 12;

/// A message as it goes over the wire; the length that its head claims may be a lie.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    pub kind: u8,
    pub claimed: u32,
    pub payload: Vec<u8>,
}

/// The frames of a stream; bytes at its end that are no whole frame are left out.
pub fn frames(mut stream: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Some(([kind, claimed @ ..], rest)) = stream.split_first_chunk::<5>() {
        let claimed = u32::from_le_bytes(*claimed);
        let Some((payload, rest)) = rest.split_at_checked(claimed as usize) else { break };
        frames.push(Frame { kind: *kind, claimed, payload: payload.to_vec() });
        stream = rest;
    }
    frames
}

/// One thing that is done to a stream. Numbers of frames and places count round.
#[derive(Arbitrary, Clone, Debug)]
pub enum Harm {
    /// Bits of a byte change.
    Flip { frame: u8, at: u16, bits: u8 },
    /// Bytes are others.
    Overwrite { frame: u8, at: u16, bytes: Vec<u8> },
    /// A message ends early, and its head says so.
    Shorten { frame: u8, by: u16 },
    /// A message is longer, and its head says so.
    Lengthen { frame: u8, bytes: Vec<u8> },
    /// A head names another kind.
    Kind { frame: u8, kind: u8 },
    /// A head claims another length.
    Claim { frame: u8, length: u32 },
    /// A message does not come.
    Drop { frame: u8 },
    /// A message comes once more.
    Repeat { frame: u8, before: u8 },
    /// Two messages come in each other's place.
    Exchange { frame: u8, other: u8 },
    /// A message has another one's payload, as far as it is long enough.
    Copy { to: u8, from: u8 },
    /// Another message comes in between; `lie` is what its head claims, if not its length.
    Insert { before: u8, kind: u8, lie: Option<u32>, payload: Vec<u8> },
    /// Blocks of 16 bytes of a message in each other's place.
    ExchangeBlocks { frame: u8, block: u16, other: u16 },
    /// Nothing comes from here on.
    Cut { frame: u8, at: u16 },
}

/// What a stream does when all is read.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum End {
    /// It ends.
    Closed,
    /// Nothing comes, and the reader's time is over.
    Silent,
    /// The connection is reset.
    Reset,
}

/// What a peer does.
#[derive(Arbitrary, Clone, Debug)]
pub struct Script {
    /// Which session.
    pub case: u8,
    /// Most bytes of one read, 0 for as many as are asked for.
    pub piece: u8,
    /// After how many bytes the peer takes no more.
    pub deaf: Option<u16>,
    pub end: End,
    harms: Vec<Harm>,
}

impl Script {
    /// Whether the peer is honest.
    pub fn is_honest(&self) -> bool {
        self.harms.is_empty() && self.deaf.is_none()
    }

    /// The stream that comes of an honest one.
    pub fn stream(&self, honest: &[Frame]) -> Vec<u8> {
        let mut frames = honest.to_vec();
        let mut cut = None;
        for harm in self.harms.iter().take(MOST) {
            harm.apply(&mut frames, &mut cut);
        }
        let mut stream = Vec::new();
        for (number, frame) in frames.iter().enumerate() {
            let begin = stream.len();
            stream.push(frame.kind);
            stream.extend(frame.claimed.to_le_bytes());
            stream.extend(&frame.payload);
            if let Some((_, at)) = cut.filter(|&(cut, _)| cut == number) {
                stream.truncate(begin + at % (frame.payload.len() + 5));
                break;
            }
        }
        stream
    }
}

impl Harm {
    fn apply(&self, frames: &mut Vec<Frame>, cut: &mut Option<(usize, usize)>) {
        let count = frames.len();
        if count == 0 {
            return;
        }
        let number = |frame: u8| usize::from(frame) % count;
        match self {
            &Self::Flip { frame, at, bits } => {
                let payload = &mut frames[number(frame)].payload;
                if let Some(at) = usize::from(at).checked_rem(payload.len()) {
                    payload[at] ^= bits;
                }
            }
            Self::Overwrite { frame, at, bytes } => {
                let payload = &mut frames[number(*frame)].payload;
                if let Some(at) = usize::from(*at).checked_rem(payload.len()) {
                    payload[at..].iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
                }
            }
            &Self::Shorten { frame, by } => {
                let frame = &mut frames[number(frame)];
                frame.payload.truncate(frame.payload.len().saturating_sub(by.into()));
                frame.claimed = frame.payload.len() as u32;
            }
            Self::Lengthen { frame, bytes } => {
                let frame = &mut frames[number(*frame)];
                frame.payload.extend(bytes);
                frame.claimed = frame.payload.len() as u32;
            }
            &Self::Kind { frame, kind } => frames[number(frame)].kind = kind,
            &Self::Claim { frame, length } => frames[number(frame)].claimed = length,
            &Self::Drop { frame } => drop(frames.remove(number(frame))),
            &Self::Repeat { frame, before } => {
                let again = frames[number(frame)].clone();
                frames.insert(usize::from(before) % (count + 1), again);
            }
            &Self::Exchange { frame, other } => frames.swap(number(frame), number(other)),
            &Self::Copy { to, from } => {
                let from = frames[number(from)].payload.clone();
                frames[number(to)].payload.iter_mut().zip(from).for_each(|(to, from)| *to = from);
            }
            Self::Insert { before, kind, lie, payload } => {
                let claimed = lie.unwrap_or(payload.len() as u32);
                let frame = Frame { kind: *kind, claimed, payload: payload.clone() };
                frames.insert(usize::from(*before) % (count + 1), frame);
            }
            &Self::ExchangeBlocks { frame, block, other } => {
                let (blocks, _) = frames[number(frame)].payload.as_chunks_mut::<16>();
                if !blocks.is_empty() {
                    let (block, other) =
                        (usize::from(block) % blocks.len(), usize::from(other) % blocks.len());
                    blocks.swap(block, other);
                }
            }
            &Self::Cut { frame, at } => *cut = Some((number(frame), at.into())),
        }
    }
}
