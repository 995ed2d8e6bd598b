//! Which extension makes the rows that are wanted: the one with the fewest bytes. Both hosts follow it by
//! public numbers alone.

use crate::block::Block;
use crate::ot::Params;
use crate::ot::msgs::Extend;
use crate::ot::silent::Set;

/// Where a pool's rows come from; both hosts must say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supply {
    /// SoftSpokenOT alone: 2 bytes a row with k = 8.
    SoftSpoken,
    /// SoftSpokenOT for few rows, silent OT from where that takes fewer bytes.
    Cheapest {
        /// The largest parameter set, which bounds memory: 16 bytes for each of [`Set::base`].
        largest: Set,
    },
}

impl Default for Supply {
    fn default() -> Self {
        Self::Cheapest { largest: Set::B12 }
    }
}

/// Bytes and messages of an extension.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes from the receiver to the sender.
    pub to_sender: usize,
    /// Bytes from the sender to the receiver.
    pub to_receiver: usize,
    /// Messages, both ways.
    pub messages: usize,
}

/// Most rows of one SoftSpokenOT message: bounds the memory for it.
const PIECE: usize = 1 << 17;

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// As many rows by SoftSpokenOT.
    SoftSpoken(usize),
    /// A round of silent OT.
    Round(Set),
}

/// Where a pool stands: public.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    params: Params,
    supply: Supply,
    /// Rows there are, with those kept back.
    pub rows: usize,
    /// Rows wanted at once.
    pub wanted: usize,
    /// Rows that stay for the next round of silent OT: none before the first, then what the largest so far
    /// took.
    kept: usize,
}

impl Policy {
    pub fn new(params: Params, supply: Supply) -> Self {
        Self { params, supply, rows: 0, wanted: 0, kept: 0 }
    }

    /// Rows that can be handed out. As many stay as a round takes, so that the next one can always be had.
    pub fn ready(&self) -> usize {
        self.rows.saturating_sub(self.kept)
    }

    /// What to do for the rows that are wanted, or nothing if they are there.
    pub fn next(&self) -> Option<Move> {
        let missing = self.wanted.checked_sub(self.ready()).filter(|&missing| missing > 0)?;
        let Supply::Cheapest { largest } = self.supply else {
            return Some(Move::SoftSpoken(missing.min(PIECE)));
        };
        if self.kept == 0 {
            let (first, base) = (Set::B10.base().saturating_sub(self.rows), Set::B10.base());
            // Of what a first round leaves, enough for another one is kept.
            let after = self.rows + first + Set::B10.gain() - base;
            let rest = (missing + self.rows).saturating_sub(after);
            let rounds = 1 + rest.div_ceil(Set::B10.gain());
            let silent = self.soft_spoken_len(first) + rounds * Set::B10.byte_len();
            return Some(if self.soft_spoken_len(missing) <= silent {
                Move::SoftSpoken(missing.min(PIECE))
            } else if first > 0 {
                Move::SoftSpoken(first.min(PIECE))
            } else {
                Move::Round(Set::B10)
            });
        }
        let sets =
            Set::ALL.into_iter().filter(|&set| set <= largest.max(Set::B10) && set.base() <= self.rows);
        let bytes = |set: &Set| {
            let missing = (self.wanted + self.kept.max(set.base())).saturating_sub(self.rows);
            missing.div_ceil(set.gain()) * set.byte_len()
        };
        sets.min_by_key(bytes).map(Move::Round)
    }

    /// That was done.
    pub fn did(&mut self, what: Move) {
        match what {
            Move::SoftSpoken(rows) => self.rows += rows,
            Move::Round(set) => {
                self.rows += set.gain();
                self.kept = self.kept.max(set.base());
            }
        }
    }

    /// Bytes of SoftSpokenOT for as many rows at once.
    pub fn soft_spoken_len(&self, rows: usize) -> usize {
        if rows == 0 { 0 } else { Extend::byte_len(self.params, rows) }
    }
}

/// Bytes and messages for `count` rows from a new pool.
#[must_use]
pub fn cost(params: Params, supply: Supply, count: usize) -> Traffic {
    let mut policy = Policy { wanted: count, ..Policy::new(params, supply) };
    let mut traffic = Traffic::default();
    while let Some(next) = policy.next() {
        match next {
            Move::SoftSpoken(rows) => {
                traffic.to_sender += policy.soft_spoken_len(rows);
                traffic.messages += 1;
            }
            Move::Round(set) => {
                traffic.to_sender += Block::BYTES;
                traffic.to_receiver += set.byte_len() - Block::BYTES;
                traffic.messages += 3;
            }
        }
        policy.did(next);
    }
    traffic
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moves(supply: Supply, counts: &[usize]) -> Vec<Move> {
        let params = Params::new(8).unwrap();
        let mut policy = Policy::new(params, supply);
        let mut moves = Vec::new();
        for &count in counts {
            policy.wanted = count;
            while let Some(next) = policy.next() {
                if let Move::Round(set) = next {
                    assert!(policy.rows >= set.base());
                }
                policy.did(next);
                moves.push(next);
            }
            assert!(policy.ready() >= count);
            // They are handed out.
            policy.rows -= count;
        }
        moves
    }

    #[test]
    fn few_rows_are_soft_spoken_and_many_are_silent() {
        use Move::{Round, SoftSpoken};
        let cheapest = Supply::default();
        assert_eq!(moves(cheapest, &[0]), []);
        assert_eq!(moves(cheapest, &[1000]), [SoftSpoken(1000)]);
        assert_eq!(moves(cheapest, &[140_000]), [SoftSpoken(1 << 17), SoftSpoken(140_000 - (1 << 17))]);
        assert_eq!(moves(cheapest, &[150_000]), [SoftSpoken(74_164), Round(Set::B10)]);
        assert_eq!(moves(cheapest, &[700_000]), [SoftSpoken(74_164), Round(Set::B10)]);
        assert_eq!(
            moves(cheapest, &[700_000, 500_000]),
            [SoftSpoken(74_164), Round(Set::B10), Round(Set::B10)]
        );
        assert_eq!(moves(cheapest, &[6_000_000]), [SoftSpoken(74_164), Round(Set::B10), Round(Set::B12)]);
        // Some were handed out before: they are fewer for the base.
        assert_eq!(
            moves(cheapest, &[1000, 500_000]),
            [SoftSpoken(1000), SoftSpoken(74_164), Round(Set::B10)]
        );
        // What a large round took is kept for the next one.
        let (million, b12) = (1_000_000, Round(Set::B12));
        assert_eq!(moves(cheapest, &[6 * million; 3])[1..], [Round(Set::B10), b12, b12, b12]);
        let largest = Supply::Cheapest { largest: Set::B13 };
        assert_eq!(moves(largest, &[12_000_000]), [SoftSpoken(74_164), Round(Set::B10), Round(Set::B13)]);
        assert_eq!(moves(Supply::SoftSpoken, &[300_000]).len(), 3);
    }

    /// The larger parameter of the two is where a row costs less; no count costs more than by SoftSpokenOT.
    #[test]
    fn bytes_are_the_closed_form() {
        let params = Params::new(8).unwrap();
        let soft_spoken = |rows: usize| 48 + 256 * (1 + rows.div_ceil(128));
        for count in [1, 128, 1000, 131_072] {
            let cost = cost(params, Supply::default(), count);
            assert_eq!(cost, Traffic { to_sender: soft_spoken(count), to_receiver: 0, messages: 1 });
        }
        let first = cost(params, Supply::default(), 700_000);
        assert_eq!(first.to_sender, soft_spoken(74_164) + 16);
        assert_eq!(first.to_receiver, 850 * 10 * 16 + 32);
        let many = cost(params, Supply::default(), 6_500_000);
        assert_eq!(many.to_sender, soft_spoken(74_164) + 2 * 16);
        assert_eq!(many.to_receiver, 850 * 10 * 16 + 1520 * 12 * 16 + 2 * 32);
        for count in (0..1 << 21).step_by(9973) {
            let (cheapest, other) =
                (cost(params, Supply::default(), count), cost(params, Supply::SoftSpoken, count));
            assert!(cheapest.to_sender + cheapest.to_receiver <= other.to_sender, "{count} rows");
        }
    }
}
