//! S's side of a tournament. `client.rs` mirrors it.

use std::sync::Arc;
use std::vec;

use xonn_crypto::Wiped;
use xonn_crypto::share::RingTensor;

use super::{Level, Pairs, Plan};
use crate::compare_ot::numbers::{parts_of, split_rows};
use crate::steps::StepError;
use crate::steps::column::Column;
use crate::steps::compare::{self, AwaitCrossTerms, AwaitInput, AwaitOpenings, ServerBits};
use crate::steps::convert::ring_tensor;
use crate::steps::error::expect;
use crate::steps::frame::{Reader, Writer};
use crate::steps::rows::{ReceiverRows, SenderRows, Tweaks};
use crate::steps::scaled::negated;
use crate::steps::{messages, pads};

/// S waits for C's cross terms.
#[derive(Debug)]
pub struct Server {
    plan: Arc<Plan>,
    tweaks: Tweaks,
    levels: Vec<AwaitCrossTerms>,
}

/// S sent its shares of products and waits for C's digits.
#[derive(Debug)]
pub struct AwaitDigits {
    plan: Arc<Plan>,
    tweaks: Tweaks,
    levels: Vec<compare::AwaitDigits>,
}

/// S is ready, and waits for its own shares y0.
#[derive(Debug)]
pub struct AwaitShare {
    plan: Arc<Plan>,
    levels: Vec<Ready>,
}

/// S sent the tables of a level and waits for F2.
#[derive(Debug)]
pub struct AwaitAnswer {
    plan: Arc<Plan>,
    first: Sent,
    rest: vec::IntoIter<Ready>,
}

/// S goes on.
#[derive(Debug)]
pub enum ServerTurn {
    /// It sends the tables of the next level, and waits for the answer.
    Tables(Vec<u8>, Box<AwaitAnswer>),
    /// It sends its share of the index, and is done.
    Index(Vec<u8>),
}

/// S's part of a level.
#[derive(Debug)]
struct Ready {
    level: Level,
    tweaks: Tweaks,
    comparison: AwaitInput,
    /// `H(K)` and `H(K + Delta)` of the row of what is picked.
    pads: Wiped<[u64; 2]>,
}

/// S's part of a level whose tables are sent.
#[derive(Debug)]
struct Sent {
    level: Level,
    tweaks: Tweaks,
    comparison: AwaitOpenings,
    pads: Wiped<[u64; 2]>,
    numbers: Pairs,
    indexes: Pairs,
}

impl std::fmt::Debug for Pairs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pairs({})", self.first.len())
    }
}

impl Server {
    /// Ahead: the rows.
    ///
    /// # Errors
    /// [`StepError::Shape`] if there are not as many as the plan says.
    pub fn start(plan: &Arc<Plan>, tweaks: Tweaks, masks: ReceiverRows<'_>) -> Result<Self, StepError> {
        expect("mask rows of an argmax", plan.cost().mask_rows, masks.keys().len())?;
        let (mut levels, mut rest, mut next) = (Vec::new(), masks, tweaks);
        for level in &plan.levels {
            let [own, others] = split_rows(rest.split_at(level.comparison.mask_rows()))?;
            levels.push(AwaitCrossTerms::start(level.comparison, next, own)?);
            (rest, next) = (others, next.behind(level.cost(plan.bits).tweaks));
        }
        Ok(Self { plan: Arc::clone(plan), tweaks, levels })
    }

    /// Ahead: the first message comes, the second one goes.
    ///
    /// # Errors
    /// [`StepError`] if the message has another length than the plan says.
    pub fn on_cross_terms(self, message: &[u8]) -> Result<(Vec<u8>, AwaitDigits), StepError> {
        let Self { plan, tweaks, levels } = self;
        let messages = parts_of("cross terms of an argmax", message, plan.ahead(0))?;
        let (mut products, mut next) = (Vec::new(), Vec::new());
        for (state, message) in levels.into_iter().zip(messages) {
            let (bits, waits) = state.on_cross_terms(message)?;
            products.extend(bits);
            next.push(waits);
        }
        Ok((products, AwaitDigits { plan, tweaks, levels: next }))
    }
}

impl AwaitDigits {
    /// Ahead: the third message comes.
    ///
    /// # Errors
    /// [`StepError`] if message or rows have another length than the plan says.
    pub fn on_digits(self, message: &[u8], leaves: SenderRows<'_>) -> Result<AwaitShare, StepError> {
        let Self { plan, tweaks, levels } = self;
        expect("leaf rows of an argmax", plan.cost().leaf_rows, leaves.keys().len())?;
        let messages = parts_of("digits of an argmax", message, plan.ahead(2))?;
        let (mut ready, mut rest, mut next) = (Vec::new(), leaves, tweaks);
        for ((level, state), message) in plan.levels.iter().zip(levels).zip(messages) {
            let [own, others] = split_rows(rest.split_at(level.comparison.leaf_rows()))?;
            let [row, others] = split_rows(others.split_at(level.rows()))?;
            let comparison = state.on_digits(message, own)?;
            let [at, _] = level.tweaks();
            let pads = pads::sent(&tweaks.leaves, next.behind(at).first, row.keys(), row.delta());
            ready.push(Ready { level: *level, tweaks: next, comparison, pads });
            (rest, next) = (others, next.behind(level.cost(plan.bits).tweaks));
        }
        Ok(AwaitShare { plan, levels: ready })
    }
}

impl AwaitShare {
    /// The first F1, from S's shares of the numbers.
    ///
    /// # Errors
    /// [`StepError`] if they are not what the plan says.
    pub fn on_share(self, y0: &RingTensor) -> Result<(Vec<u8>, AwaitAnswer), StepError> {
        let Self { plan, levels } = self;
        plan.check_share(y0)?;
        let mut rest = levels.into_iter();
        let first = rest.next().ok_or(StepError::Shape { what: "levels", expected: 1, actual: 0 })?;
        let (tables, first) = first.tables(&plan, Pairs::of(y0.values()), &Wiped::zeros(plan.classes))?;
        Ok((tables, AwaitAnswer { plan, first, rest }))
    }
}

impl AwaitAnswer {
    /// F2 comes: the next F1, or the index.
    ///
    /// # Errors
    /// [`StepError`] if the message has another length than the plan says, or its padding is not zero.
    pub fn on_answer(self, message: &[u8]) -> Result<ServerTurn, StepError> {
        let Self { plan, first, mut rest } = self;
        let (numbers, indexes) = first.on_answer(plan.bits, message)?;
        let Some(next) = rest.next() else {
            let mut out = Writer::new(&plan.opening());
            out.numbers(&indexes, plan.index_bits());
            return Ok(ServerTurn::Index(out.finish()));
        };
        let (tables, first) = next.tables(&plan, Pairs::of(&numbers), &indexes)?;
        Ok(ServerTurn::Tables(tables, Box::new(Self { plan, first, rest })))
    }
}

impl Ready {
    /// F1, from S's shares of numbers and indexes.
    fn tables(self, plan: &Plan, numbers: Pairs, indexes: &[u64]) -> Result<(Vec<u8>, Sent), StepError> {
        let Self { level, tweaks, comparison, pads } = self;
        let (bits, indexes) = (plan.bits, Pairs::of(indexes));
        let difference = plan.differences(&numbers)?;
        let compared = difference.values().iter().map(|number| number.wrapping_add(plan.half)).collect();
        let mut out = Writer::new(&level.tables(bits));
        let flips = Column::zeros(level.pairs());
        let comparison = comparison.tables(&ring_tensor(bits, compared)?, &flips, &mut out)?;
        if !level.last {
            let masked = difference.values().iter().zip(pads.iter());
            let masked = masked.map(|(number, [own, other])| number.wrapping_sub(other.wrapping_sub(*own)));
            out.numbers(&masked.collect::<Wiped<u64>>(), bits);
        }
        if level.index > 0 {
            let apart = indexes.first.iter().zip(indexes.second.iter());
            let masked = apart.zip(pads.iter()).map(|((a, b), [own, other])| a ^ b ^ (own ^ other) >> bits);
            out.numbers(&masked.collect::<Wiped<u64>>(), level.index);
        }
        Ok((out.finish(), Sent { level, tweaks, comparison, pads, numbers, indexes }))
    }
}

impl Sent {
    /// S's shares of the numbers and indexes that the level leaves.
    fn on_answer(self, bits: u32, message: &[u8]) -> Result<(Wiped<u64>, Wiped<u64>), StepError> {
        let Self { level, tweaks, comparison, pads, numbers, indexes } = self;
        let n = level.pairs();
        let mut answer = Reader::new("openings and messages of an argmax", message, &level.answer(bits))?;
        let greater = comparison.on_openings(&mut answer)?;
        let mut left = Wiped::zeros(0);
        let mut ways: Wiped<u64> = Wiped::zeros(n);
        if level.picks() {
            let opened = answer.column(n)?;
            let [_, at] = level.tweaks();
            let keys = messages::pad(std::slice::from_ref(&greater), &tweaks.masks, tweaks.behind(at).first);
            if !level.last {
                let messages = answer.numbers(2 * n, bits)?;
                let shares = larger(&greater, &opened, [&messages, &numbers.second, &keys], &pads);
                left = Pairs::join(shares.iter().copied(), numbers.alone);
            }
            if level.index > 0 {
                let others = answer.numbers(n, level.index)?;
                for (i, way) in ways.iter_mut().enumerate() {
                    let (own, apart) = (greater.bits.mask(i), indexes.first[i] ^ indexes.second[i]);
                    let picked = apart & (own ^ opened.mask(i)) ^ others[i] & own;
                    let hashed = (pads[i][0] ^ keys[i]) >> bits;
                    *way = (indexes.second[i] ^ picked ^ hashed) & level.low();
                }
            }
        }
        let ways = ways.iter().enumerate().map(|(i, way)| way | (greater.bits.bit(i) ^ 1) << level.index);
        Ok((left, Pairs::join(ways, indexes.alone)))
    }
}

/// S's shares of the larger ones, from the messages, its shares of the second ones, and its pad of each
/// message; `pads` are those of the row.
fn larger(
    greater: &ServerBits,
    opened: &Column,
    [messages, second, keys]: [&[u64]; 3],
    pads: &[[u64; 2]],
) -> Wiped<u64> {
    let all = messages.as_chunks::<2>().0.iter().zip(pads).enumerate();
    let share = |(i, ([zero, one], [own, other])): (usize, (&[u64; 2], &[u64; 2]))| {
        let (part, opened, alpha) = (greater.bits.mask(i), opened.mask(i), other.wrapping_sub(*own));
        let message = zero ^ (zero ^ one) & part ^ keys[i];
        let product = negated(own.wrapping_neg(), opened).wrapping_add(alpha & opened);
        let product = (alpha & part).wrapping_add(negated(product, part));
        message.wrapping_add(product).wrapping_add(second[i])
    };
    all.map(share).collect()
}
