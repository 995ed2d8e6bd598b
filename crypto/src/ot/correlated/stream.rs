//! The rows of a pool, first in, first out: what extensions made, and rounds of silent OT that make theirs
//! when they are wanted.

use std::collections::VecDeque;

use crate::Wiped;
use crate::block::Block;
use crate::ot::silent::{Public, Round, Trees};

/// Where rows come from.
enum Source<T> {
    Rows { rows: Wiped<Block>, taken: usize },
    Round(Round<T>),
}

/// A queue of rows.
pub(super) struct Stream<T>(VecDeque<Source<T>>);

impl<T: Trees> Stream<T> {
    pub fn new() -> Self {
        Self(VecDeque::new())
    }

    /// Appends rows.
    pub fn push(&mut self, rows: Wiped<Block>) {
        self.0.push_back(Source::Rows { rows, taken: 0 });
    }

    /// Appends the rows of a round.
    pub fn push_round(&mut self, round: Round<T>) {
        self.0.push_back(Source::Round(round));
    }

    /// The next `count` rows, which are known to be there.
    pub fn draw(&mut self, public: &Public, count: usize) -> Wiped<Block> {
        let mut rows = Wiped::zeros(count);
        let mut done = 0;
        while done < count {
            let room = &mut rows[done..];
            let front = self.0.front_mut().expect("as many rows as were counted");
            let left = match front {
                Source::Rows { rows, taken } => {
                    let some = room.len().min(rows.len() - *taken);
                    room[..some].copy_from_slice(&rows[*taken..][..some]);
                    *taken += some;
                    done += some;
                    rows.len() - *taken
                }
                Source::Round(round) => {
                    done += round.draw(public, room);
                    round.left()
                }
            };
            if left == 0 {
                self.0.pop_front();
            }
        }
        rows
    }
}
