//! Correlated OT with random choices, as many rows as a connection needs, in one direction.
//!
//! A row: the sender has K, the receiver a random bit c and M = K + c Delta. Bit 0 of Delta is 1, bit 0 of K
//! is 0, so bit 0 of M is c. Delta belongs to the connection and the direction; a connection that needs both
//! directions has two sources, with the roles exchanged.
//!
//! A source is a state machine: [`CotSource::extend`] says how many rows are wanted, then [`CotSource::step`]
//! says what to send or how many bytes to read, until it is [`Step::Done`]. Both hosts ask for the same
//! counts in the same order, so all lengths follow from public numbers. [`CotSource::reserve`] then hands out
//! a block of rows: a prediction reserves one before it begins, uses rows by their place in it, and nothing
//! counts at the time of use.
//!
//! | source | what |
//! |---|---|
//! | [`PoolSender`], [`PoolReceiver`] | SoftSpokenOT with k = 8 for few rows, Ferret (`silent.rs`) for many |
//! | `ideal.rs` | a dealer, for tests: feature `ideal` |
//!
//! # Example
//! ```
//! use rand::SeedableRng;
//! use xonn_crypto::ot::{Params, ReceiverSetup, SenderSetup};
//! use xonn_crypto::ot::correlated::{CotSender, CotSource, PoolReceiver, PoolSender, Step, Supply};
//!
//! let mut rng = chacha20::ChaCha20Rng::seed_from_u64(1); // of the operating system in earnest
//! let (setup, request) = SenderSetup::start(PoolSender::PARAMS, [7; 32], &mut rng);
//! let (receiver, reply) = ReceiverSetup::reply(PoolSender::PARAMS, [7; 32], &mut rng, &request)?;
//! let mut sender = PoolSender::new(setup.finish(&reply)?, Supply::default())?;
//! let mut receiver = PoolReceiver::new(receiver, Supply::default())?;
//!
//! sender.extend(1000)?;
//! receiver.extend(1000)?;
//! // Each host runs this loop on its side of a wire.
//! while let Step::Send(message) = receiver.step(&mut rng)? {
//!     let Step::Receive(length) = sender.step(&mut rng)? else { panic!("it waits for this message") };
//!     assert_eq!(length, message.len());
//!     sender.receive(&message)?;
//! }
//! let (keys, rows) = (sender.reserve(1000)?, receiver.reserve(1000)?);
//! assert_eq!(rows[17], keys[17] ^ sender.delta()?.masked(rows.choice(17)));
//! # Ok::<(), xonn_crypto::ot::OtError>(())
//! ```

mod policy;
mod receiver;
mod sender;
mod stream;

#[cfg(test)]
mod tests;

use core::fmt;
use core::ops::{Deref, Range};

use rand::CryptoRng;

use super::OtError;
use crate::Wiped;
use crate::block::Block;

pub use policy::{Supply, Traffic, cost};
pub use receiver::PoolReceiver;
pub use sender::PoolSender;

/// What a source wants next.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Step {
    /// Send this to the other host.
    Send(Vec<u8>),
    /// Read as many bytes and pass them to [`CotSource::receive`].
    Receive(usize),
    /// The rows asked for are there.
    Done,
}

/// Rows of a round of silent OT that a pool makes together with it at most, if they are wanted: 16 MiB of
/// memory.
pub const AHEAD: usize = 1 << 20;

/// One host's side of a source of rows.
pub trait CotSource {
    /// A block of rows as this host has it.
    type Rows: Deref<Target = [Block]>;

    /// Rows that can be reserved now, without a message.
    fn ready(&self) -> usize;

    /// From here on [`Self::step`] works until `count` rows are ready.
    ///
    /// # Errors
    /// [`OtError::TooMany`] for more than [`super::MAX_COUNT`], [`OtError::Unfinished`] if an earlier
    /// extension was not brought to its end, [`OtError::Refused`] after a failed check.
    fn extend(&mut self, count: usize) -> Result<(), OtError>;

    /// What to do next; [`Step::Receive`] until the message is there.
    ///
    /// # Errors
    /// [`OtError::Refused`] after a failed check.
    fn step(&mut self, rng: &mut dyn CryptoRng) -> Result<Step, OtError>;

    /// Takes the message that [`Step::Receive`] asked for.
    ///
    /// # Errors
    /// [`OtError::Length`] if it has another length, [`OtError::Unexpected`] if none is waited for, and those
    /// of the checks. After any of these the source has no secret left and gives [`OtError::Refused`].
    fn receive(&mut self, message: &[u8]) -> Result<(), OtError>;

    /// The next `count` rows, which are nobody else's.
    ///
    /// # Errors
    /// [`OtError::TooFew`] if fewer are [ready](Self::ready), [`OtError::Refused`] after a failed check.
    fn reserve(&mut self, count: usize) -> Result<Self::Rows, OtError>;
}

/// The side that has Delta and, of each row, K.
pub trait CotSender: CotSource<Rows = SenderRows> {
    /// Delta of this connection and direction: bit 0 is 1.
    ///
    /// # Errors
    /// [`OtError::Refused`] after a failed check.
    fn delta(&self) -> Result<Block, OtError>;
}

/// The side that has, of each row, c and M.
pub trait CotReceiver: CotSource<Rows = ReceiverRows> {}

/// A block of rows at the sender: K of each. Wiped when dropped.
#[derive(Default)]
pub struct SenderRows {
    first: u64,
    rows: Wiped<Block>,
}

/// A block of rows at the receiver: M of each, whose bit 0 is c. Wiped when dropped.
#[derive(Default)]
pub struct ReceiverRows {
    first: u64,
    rows: Wiped<Block>,
}

impl SenderRows {
    pub(super) fn new(first: u64, rows: Wiped<Block>) -> Self {
        Self { first, rows }
    }

    /// The numbers of these rows among all that the source has handed out.
    #[must_use]
    pub fn numbers(&self) -> Range<u64> {
        self.first..self.first + self.rows.len() as u64
    }
}

impl ReceiverRows {
    pub(super) fn new(first: u64, rows: Wiped<Block>) -> Self {
        Self { first, rows }
    }

    /// The numbers of these rows among all that the source has handed out.
    #[must_use]
    pub fn numbers(&self) -> Range<u64> {
        self.first..self.first + self.rows.len() as u64
    }

    /// The choice c of row `row` of the block.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn choice(&self, row: usize) -> bool {
        self.rows[row].lsb()
    }
}

impl Deref for SenderRows {
    type Target = [Block];

    fn deref(&self) -> &[Block] {
        &self.rows
    }
}

impl Deref for ReceiverRows {
    type Target = [Block];

    fn deref(&self) -> &[Block] {
        &self.rows
    }
}

impl fmt::Debug for SenderRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SenderRows").field("numbers", &self.numbers()).finish_non_exhaustive()
    }
}

impl fmt::Debug for ReceiverRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiverRows").field("numbers", &self.numbers()).finish_non_exhaustive()
    }
}

/// The block with bit 0, where the choice goes, set to 0.
#[inline(always)]
pub(super) fn without_choice(block: Block) -> Block {
    Block::from(u128::from(block) & !1)
}
