//! The pool of the side that has Delta; `receiver.rs` mirrors this file.

use core::fmt;

use rand::CryptoRng;
use zeroize::Zeroizing;

use super::policy::{Move, Policy};
use super::stream::Stream;
use super::{AHEAD, CotSender, CotSource, SenderRows, Step, Supply, without_choice};
use crate::block::Block;
use crate::ot::msgs::Extend;
use crate::ot::silent::{Public, SenderRound, SenderTrees, Set};
use crate::ot::{MAX_COUNT, OtError, Params, Sender};

/// Rows at the sender, by SoftSpokenOT or silent OT. Wiped on drop, and when a check fails.
pub struct PoolSender {
    ready: Option<Ready>,
}

struct Ready {
    extension: Sender,
    delta: Zeroizing<Block>,
    public: Public,
    policy: Policy,
    stream: Stream<SenderTrees>,
    state: State,
    /// Rows handed out.
    reserved: u64,
    /// Rows of a round that are made with it at most.
    ahead: usize,
}

/// What is under way.
enum State {
    Idle,
    /// Waits for corrections of so many OTs.
    Extend(usize),
    /// Waits for the receiver's mask.
    Mask(Box<(Move, SenderRound)>),
    /// Has the answer to it.
    Answer([u8; 32]),
}

impl PoolSender {
    /// The parameters that a pool's setup has best: 2 bytes a row, one delta.
    pub const PARAMS: Params = Params::POOL;

    /// A pool of the rows of this setup, which used the secret for nothing else.
    ///
    /// # Errors
    /// [`OtError::NoDelta`] if the secret is none; [`OtError::Refused`] if a check failed before.
    pub fn new(extension: Sender, supply: Supply) -> Result<Self, OtError> {
        if !extension.params().shared_delta() {
            return Err(OtError::NoDelta);
        }
        let (session, transcript, delta) = extension.state()?;
        let policy = Policy::new(extension.params(), supply);
        let public = Public::new(session, &transcript);
        let (stream, state) = (Stream::new(), State::Idle);
        Ok(Self {
            ready: Some(Ready { extension, delta, public, policy, stream, state, reserved: 0, ahead: AHEAD }),
        })
    }
}

impl PoolSender {
    /// The same, with room for so many rows of 16 bytes that are made together with a round, in place of
    /// [`AHEAD`]: others are made when they are reserved, which takes a third longer. The other host need not
    /// know.
    #[must_use]
    pub fn with_rows_ahead(mut self, rows: usize) -> Self {
        self.ready.iter_mut().for_each(|ready| ready.ahead = rows);
        self
    }
}

impl CotSource for PoolSender {
    type Rows = SenderRows;

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

    fn reserve(&mut self, count: usize) -> Result<SenderRows, OtError> {
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
        Ok(SenderRows::new(first, rows))
    }
}

impl CotSender for PoolSender {
    fn delta(&self) -> Result<Block, OtError> {
        self.ready.as_ref().map(|ready| *ready.delta).ok_or(OtError::Refused)
    }
}

impl Ready {
    /// Rows of a round that were asked for: what is left in front of them is not enough.
    fn ahead(&self, set: Set) -> usize {
        (self.policy.wanted + set.base()).saturating_sub(self.policy.rows).min(self.ahead)
    }

    fn is_done(&self) -> bool {
        matches!(self.state, State::Idle) && self.policy.next().is_none()
    }

    fn step(mut self, rng: &mut dyn CryptoRng) -> Result<(Self, Step), OtError> {
        let step = match &self.state {
            State::Extend(count) => Step::Receive(self.policy.soft_spoken_len(*count)),
            State::Mask(_) => Step::Receive(Block::BYTES),
            State::Answer(answer) => {
                let step = Step::Send(answer.to_vec());
                self.state = State::Idle;
                step
            }
            State::Idle => match self.policy.next() {
                None => Step::Done,
                Some(Move::SoftSpoken(count)) => {
                    self.state = State::Extend(count);
                    Step::Receive(self.policy.soft_spoken_len(count))
                }
                Some(Move::Round(set)) => {
                    let base = self.stream.draw(&self.public, set.base());
                    let ((_, transcript, delta), ahead) = (self.extension.state()?, self.ahead(set));
                    let (round, corrections) =
                        SenderRound::start(&mut self.public, (set, ahead, &transcript), (delta, base), rng);
                    self.state = State::Mask(Box::new((Move::Round(set), round)));
                    Step::Send(corrections)
                }
            },
        };
        Ok((self, step))
    }

    fn receive(mut self, message: &[u8]) -> Result<Self, OtError> {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Extend(count) => {
                let message = Extend::decode(self.extension.params(), count, message)?;
                let rows = self.extension.extend(count, &message)?.into_rows();
                let mut rows = crate::Wiped::from(rows);
                rows.iter_mut().for_each(|row| *row = without_choice(*row));
                self.stream.push(rows);
                self.policy.did(Move::SoftSpoken(count));
            }
            State::Mask(waiting) => {
                let bytes: [u8; 16] = message.try_into().map_err(|_| OtError::Length {
                    message: "mask",
                    found: message.len(),
                    expected: Block::BYTES,
                })?;
                let (what, round) = *waiting;
                let (round, answer) = round.answer(&mut self.public, Block::from_bytes(bytes));
                self.stream.push_round(round);
                self.policy.did(what);
                self.state = State::Answer(answer);
            }
            State::Idle | State::Answer(_) => return Err(OtError::Unexpected { found: message.len() }),
        }
        Ok(self)
    }
}

impl fmt::Debug for PoolSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refused = self.ready.is_none();
        f.debug_struct("PoolSender")
            .field("ready", &self.ready())
            .field("refused", &refused)
            .finish_non_exhaustive()
    }
}
