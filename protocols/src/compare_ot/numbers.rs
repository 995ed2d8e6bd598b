//! Layers of hidden numbers: ReLU with change of ring, maxima, clamps, and others, one round trip each.
//!
//! In: shares `x = y0 + y1` modulo 2^from with a sign, `|x| < 2^(from - 2)`; y1 is C's and known ahead. Out:
//! shares modulo 2^to; C's share rho is chosen ahead, so it can be the mask of the next layer's input. A
//! number that is too large gives a wrong result, and nothing else.
//!
//! | function | module | round trips |
//! |---|---|---|
//! | ReLU, leaky ReLU, clamp, the larger of two | `gate` | 1; a window of m numbers ceil(log2(m)) |
//! | the same number in a larger ring | `extend` | 1 |
//! | square, product of two | `product` | 1 |
//! | curves | `curve` | 1 |
//!
//! A stage is a [`Plan`], and two roles whose states are named for what they wait for:
//!
//! | flight | C | S |
//! |---|---|---|
//! | ahead 1, C to S | [`Client::start`] | [`Server::start`], [`Server::on_cross_terms`] |
//! | ahead 2, S to C | [`Client::on_products`] | [`Server::on_cross_terms`] |
//! | ahead 3, C to S | [`Client::on_products`] | [`AwaitDigits::on_digits`] |
//! | F1, S to C | [`AwaitTables::on_tables`] | [`AwaitShare::on_share`] |
//! | F2, C to S | [`AwaitTables::on_tables`] | [`AwaitAnswer::on_answer`] |
//!
//! The last two are repeated for each round trip: [`Plan::cost`] says how many, and all lengths. Messages
//! ahead are those of all round trips, one after the other; so are rows and tweaks.

mod client;
mod compared;
mod curve;
mod extend;
mod gate;
mod product;
mod round;
mod server;
mod shape;

pub use client::{AwaitTables, Client, ClientTurn};
pub use curve::{Curve, End};
pub use server::{AwaitAnswer, AwaitDigits, AwaitShare, Server, ServerTurn};
pub use shape::{Function, Shape};

pub(super) use round::{parts_of, split_rows};
pub(super) use shape::MOST_FROM;

use xonn_crypto::share::RingTensor;

use super::Cost;
use crate::steps::StepError;
use crate::steps::convert::ring_tensor;
use crate::steps::error::expect;
use round::Round;

/// A stage of numbers. Public.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Plan {
    shape: Shape,
    rounds: Vec<Round>,
}

impl Plan {
    /// The messages of a stage.
    ///
    /// # Errors
    /// [`StepError`] if a number of the shape is out of range, or it asks for nothing.
    pub fn new(shape: Shape) -> Result<Self, StepError> {
        let rounds = shape.rounds()?;
        Ok(Self { shape, rounds })
    }

    /// What is computed.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// How many numbers are left.
    pub fn results(&self) -> usize {
        self.rounds.last().map_or(0, Round::results)
    }

    /// What the stage costs: two messages online a round trip.
    pub fn cost(&self) -> Cost {
        self.rounds.iter().fold(Cost::default(), |all, round| all.followed_by(round.cost()))
    }

    fn check_masks(&self, rows: usize) -> Result<(), StepError> {
        expect("mask rows of numbers", self.cost().mask_rows, rows)
    }

    fn check_leaves(&self, rows: usize) -> Result<(), StepError> {
        expect("leaf rows of numbers", self.cost().leaf_rows, rows)
    }

    /// A host's shares of what the first round trip computes on: members of a window become neighbours.
    fn reads(&self, reads: &[&RingTensor]) -> Result<Vec<RingTensor>, StepError> {
        let rings = self.shape.reads();
        expect("shares that are read", rings.len(), reads.len())?;
        for (read, bits) in reads.iter().zip(rings) {
            expect("numbers that are read", self.shape.elements, read.len())?;
            expect("bits of numbers that are read", bits as usize, read.bits() as usize)?;
        }
        let gather = |read: &&RingTensor| match &self.shape.largest {
            None => Ok((*read).clone()),
            Some(windows) => {
                let members = windows.iter().flatten();
                ring_tensor(read.bits(), members.map(|&member| read.values()[member as usize]).collect())
            }
        };
        reads.iter().map(gather).collect()
    }
}
