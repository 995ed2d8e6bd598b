//! Correlated rows from a dealer, without a message: for tests of what uses rows. A dealer that both hosts
//! trust exists in tests only.

use rand::CryptoRng;
use zeroize::Zeroizing;

use super::correlated::{CotReceiver, CotSender, CotSource, ReceiverRows, SenderRows, Step, without_choice};
use super::{MAX_COUNT, OtError};
use crate::Wiped;
use crate::block::{Block, Prg};

/// Both sides of a source.
#[must_use]
pub fn deal<R: CryptoRng + ?Sized>(rng: &mut R) -> (IdealSender, IdealReceiver) {
    let delta = Block::random(rng).with_lsb_set();
    let seed = Block::random(rng);
    (IdealSender(Dealer::new(seed, delta)), IdealReceiver(Dealer::new(seed, delta)))
}

/// The sender of [`deal`].
#[derive(Debug)]
pub struct IdealSender(Dealer);

/// The receiver of [`deal`].
#[derive(Debug)]
pub struct IdealReceiver(Dealer);

/// What draws the same rows at both sides.
struct Dealer {
    stream: Prg,
    delta: Zeroizing<Block>,
    ready: usize,
    reserved: u64,
}

impl Dealer {
    fn new(seed: Block, delta: Block) -> Self {
        Self { stream: Prg::new(seed), delta: Zeroizing::new(delta), ready: 0, reserved: 0 }
    }

    fn extend(&mut self, count: usize) -> Result<(), OtError> {
        if count > MAX_COUNT {
            return Err(OtError::TooMany { found: count, limit: MAX_COUNT });
        }
        self.ready = self.ready.max(count);
        Ok(())
    }

    /// The next rows, of a receiver with the choices and Delta in them.
    fn reserve(&mut self, count: usize, receiver: bool) -> Result<(u64, Wiped<Block>), OtError> {
        if count > self.ready {
            return Err(OtError::TooFew { wanted: count, ready: self.ready });
        }
        let mut rows = Wiped::zeros(count);
        self.stream.fill(&mut rows);
        for row in rows.iter_mut() {
            let choice = row.lsb();
            *row = without_choice(*row) ^ self.delta.masked(choice & receiver);
        }
        let first = self.reserved;
        self.ready -= count;
        self.reserved += count as u64;
        Ok((first, rows))
    }
}

impl core::fmt::Debug for Dealer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Dealer").field("ready", &self.ready).finish_non_exhaustive()
    }
}

macro_rules! sources {
    ($($source:ident, $rows:ident, $receiver:literal;)*) => {$(
        impl CotSource for $source {
            type Rows = $rows;

            fn ready(&self) -> usize {
                self.0.ready
            }

            fn extend(&mut self, count: usize) -> Result<(), OtError> {
                self.0.extend(count)
            }

            fn step(&mut self, _: &mut dyn CryptoRng) -> Result<Step, OtError> {
                Ok(Step::Done)
            }

            fn receive(&mut self, message: &[u8]) -> Result<(), OtError> {
                Err(OtError::Unexpected { found: message.len() })
            }

            fn reserve(&mut self, count: usize) -> Result<$rows, OtError> {
                self.0.reserve(count, $receiver).map(|(first, rows)| $rows::new(first, rows))
            }
        }
    )*};
}

sources! {
    IdealSender, SenderRows, false;
    IdealReceiver, ReceiverRows, true;
}

impl CotSender for IdealSender {
    fn delta(&self) -> Result<Block, OtError> {
        Ok(*self.0.delta)
    }
}

impl CotReceiver for IdealReceiver {}

#[cfg(test)]
mod tests {
    use chacha20::ChaCha12Rng;
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn rows_are_correlated_and_reserved_once() {
        let mut rng = ChaCha12Rng::seed_from_u64(1);
        let (mut sender, mut receiver) = deal(&mut rng);
        let delta = sender.delta().unwrap();
        assert!(delta.lsb());
        let mut ones = 0;
        for count in [1, 0, 1000] {
            assert_eq!(
                sender.reserve(count + 1).err(),
                Some(OtError::TooFew { wanted: count + 1, ready: 0 })
            );
            sender.extend(count).unwrap();
            receiver.extend(count).unwrap();
            assert_eq!((sender.step(&mut rng), receiver.step(&mut rng)), (Ok(Step::Done), Ok(Step::Done)));
            let (keys, rows) = (sender.reserve(count).unwrap(), receiver.reserve(count).unwrap());
            assert_eq!(keys.numbers(), rows.numbers());
            for (i, (&key, &row)) in keys.iter().zip(rows.iter()).enumerate() {
                assert_eq!(row, key ^ delta.masked(rows.choice(i)));
                assert!(!key.lsb());
                ones += usize::from(rows.choice(i));
            }
        }
        assert!((400..600).contains(&ones));
        assert!(!format!("{sender:?} {receiver:?}").contains("lock"));
    }
}
