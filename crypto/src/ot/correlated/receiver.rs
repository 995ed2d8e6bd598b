//! The pool of the side that has the choices; `sender.rs` mirrors this file.

use core::fmt;

use rand::CryptoRng;
use zeroize::Zeroizing;

use super::policy::{Move, Policy};
use super::stream::Stream;
use super::{AHEAD, CotReceiver, CotSource, ReceiverRows, Step, Supply, without_choice};
use crate::Wiped;
use crate::block::Block;
use crate::ot::silent::{Public, ReceiverRound, ReceiverTrees, Set};
use crate::ot::{MAX_COUNT, OtError, Receiver};

/// Rows at the receiver, by SoftSpokenOT or silent OT. Wiped on drop, and when a check fails.
pub struct PoolReceiver {
    ready: Option<Ready>,
}

struct Ready {
    extension: Receiver,
    public: Public,
    policy: Policy,
    stream: Stream<ReceiverTrees>,
    state: State,
    /// Rows handed out.
    reserved: u64,
    /// Rows of a round that are made with it at most.
    ahead: usize,
}

/// What is under way.
enum State {
    Idle,
    /// Waits for the corrections of a round, with the rows for it.
    Corrections(Set, Wiped<Block>),
    /// Has the mask to send.
    Mask(Box<(Set, Block, ReceiverRound)>),
    /// Waits for the answer to it.
    Answer(Box<(Set, ReceiverRound)>),
}

/// Bytes of an answer.
const ANSWER: usize = 32;

impl PoolReceiver {
    /// A pool of the rows of this setup.
    ///
    /// # Errors
    /// [`OtError::NoDelta`] if the sender's secret is none.
    pub fn new(extension: Receiver, supply: Supply) -> Result<Self, OtError> {
        if !extension.params().shared_delta() {
            return Err(OtError::NoDelta);
        }
        let (session, transcript) = extension.state();
        let policy = Policy::new(extension.params(), supply);
        let public = Public::new(session, &transcript);
        let (stream, state) = (Stream::new(), State::Idle);
        Ok(Self {
            ready: Some(Ready { extension, public, policy, stream, state, reserved: 0, ahead: AHEAD }),
        })
    }
}

impl PoolReceiver {
    /// The same, with room for so many rows of 16 bytes that are made together with a round, in place of
    /// [`AHEAD`]: others are made when they are reserved, which takes a third longer. The other host need not
    /// know.
    #[must_use]
    pub fn with_rows_ahead(mut self, rows: usize) -> Self {
        self.ready.iter_mut().for_each(|ready| ready.ahead = rows);
        self
    }
}

impl CotSource for PoolReceiver {
    type Rows = ReceiverRows;

    fn ready(&self) -> usize {
        self.ready.as_ref().map_or(0, |ready| ready.policy.ready())
    }

    fn extend(&mut self, count: usize) -> Result<(), OtError> {
        let ready = self.ready.as_mut().ok_or(OtError::Refused)?;
        if count > MAX_COUNT {
            return Err(OtError::TooMany { found: count, limit: MAX_COUNT });
        }
        if !ready.is_done() {
            return Err(OtError::Unfinished);
        }
        ready.policy.wanted = count;
        Ok(())
    }

    fn step(&mut self, rng: &mut dyn CryptoRng) -> Result<Step, OtError> {
        let (ready, step) = self.ready.take().ok_or(OtError::Refused)?.step(rng)?;
        self.ready = Some(ready);
        Ok(step)
    }

    fn receive(&mut self, message: &[u8]) -> Result<(), OtError> {
        self.ready = Some(self.ready.take().ok_or(OtError::Refused)?.receive(message)?);
        Ok(())
    }

    fn reserve(&mut self, count: usize) -> Result<ReceiverRows, OtError> {
        let ready = self.ready.as_mut().ok_or(OtError::Refused)?;
        if !matches!(ready.state, State::Idle) {
            return Err(OtError::Unfinished);
        }
        if count > ready.policy.ready() {
            return Err(OtError::TooFew { wanted: count, ready: ready.policy.ready() });
        }
        let rows = ready.stream.draw(&ready.public, count);
        let first = ready.reserved;
        ready.reserved += count as u64;
        ready.policy.rows -= count;
        ready.policy.wanted = 0;
        Ok(ReceiverRows::new(first, rows))
    }
}

impl CotReceiver for PoolReceiver {}

impl Ready {
    /// Rows of a round that were asked for: what is left in front of them is not enough.
    fn ahead(&self, set: Set) -> usize {
        (self.policy.wanted + set.base()).saturating_sub(self.policy.rows).min(self.ahead)
    }

    fn is_done(&self) -> bool {
        matches!(self.state, State::Idle) && self.policy.next().is_none()
    }

    fn step(mut self, rng: &mut dyn CryptoRng) -> Result<(Self, Step), OtError> {
        let step = match std::mem::replace(&mut self.state, State::Idle) {
            State::Corrections(set, base) => {
                self.state = State::Corrections(set, base);
                Step::Receive(set.corrections_len())
            }
            State::Mask(made) => {
                let (set, masked, round) = *made;
                self.state = State::Answer(Box::new((set, round)));
                Step::Send(masked.to_bytes().to_vec())
            }
            State::Answer(waiting) => {
                self.state = State::Answer(waiting);
                Step::Receive(ANSWER)
            }
            State::Idle => match self.policy.next() {
                None => Step::Done,
                Some(Move::SoftSpoken(count)) => {
                    let message = self.soft_spoken(count, rng)?;
                    self.policy.did(Move::SoftSpoken(count));
                    Step::Send(message)
                }
                Some(Move::Round(set)) => {
                    let base = self.stream.draw(&self.public, set.base());
                    self.state = State::Corrections(set, base);
                    Step::Receive(set.corrections_len())
                }
            },
        };
        Ok((self, step))
    }

    /// Rows by the extension, with random choices; returns the message.
    fn soft_spoken(&mut self, count: usize, rng: &mut dyn CryptoRng) -> Result<Vec<u8>, OtError> {
        let mut bytes = Zeroizing::new(vec![0; count.div_ceil(8)]);
        rng.fill_bytes(&mut bytes);
        let mut choices = Zeroizing::new(Vec::with_capacity(count));
        choices.extend((0..count).map(|i| bytes[i / 8] >> (i % 8) & 1 == 1));
        let (pending, message) = self.extension.extend(rng, &choices)?;
        let mut rows = Wiped::from(pending.into_rows());
        for (row, &choice) in rows.iter_mut().zip(choices.iter()) {
            *row = without_choice(*row) ^ Block::from(u128::from(choice));
        }
        self.stream.push(rows);
        Ok(message.encode())
    }

    fn receive(mut self, message: &[u8]) -> Result<Self, OtError> {
        let found = message.len();
        let expect = |name, expected| {
            if found == expected { Ok(()) } else { Err(OtError::Length { message: name, found, expected }) }
        };
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Corrections(set, base) => {
                expect("corrections", set.corrections_len())?;
                let ((_, transcript), ahead) = (self.extension.state(), self.ahead(set));
                let (round, masked) =
                    ReceiverRound::start(&mut self.public, (set, ahead, &transcript), base, message);
                self.state = State::Mask(Box::new((set, masked, round)));
            }
            State::Answer(waiting) => {
                expect("answer", ANSWER)?;
                let (set, round) = *waiting;
                self.stream.push_round(round.finish(message)?);
                self.policy.did(Move::Round(set));
            }
            State::Idle | State::Mask(_) => return Err(OtError::Unexpected { found }),
        }
        Ok(self)
    }
}

impl fmt::Debug for PoolReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refused = self.ready.is_none();
        f.debug_struct("PoolReceiver")
            .field("ready", &self.ready())
            .field("refused", &refused)
            .finish_non_exhaustive()
    }
}
