//! C's side of a tournament. `server.rs` mirrors it.

use std::sync::Arc;
use std::vec;

use rand::CryptoRng;
use xonn_crypto::Wiped;
use xonn_crypto::share::RingTensor;

use super::{Level, Pairs, Plan};
use crate::compare_ot::numbers::{parts_of, split_rows};
use crate::steps::StepError;
use crate::steps::column::Column;
use crate::steps::compare::{self, AwaitProducts, ClientBits};
use crate::steps::convert::ring_tensor;
use crate::steps::error::expect;
use crate::steps::frame::{Reader, Writer};
use crate::steps::rows::{ReceiverRows, SenderRows, Tweaks};
use crate::steps::scaled::negated;
use crate::steps::{messages, pads};

/// C sent its cross terms and waits for S's shares of products.
#[derive(Debug)]
pub struct Client {
    plan: Arc<Plan>,
    tweaks: Tweaks,
    levels: Vec<AwaitProducts>,
}

/// C is ready, and waits for the tables of a level.
#[derive(Debug)]
pub struct AwaitTables {
    plan: Arc<Plan>,
    first: Ready,
    rest: vec::IntoIter<Ready>,
    /// C's shares of the indexes so far.
    indexes: Wiped<u64>,
}

/// C answered the last level, and waits for S's share of the index.
#[derive(Debug)]
pub struct AwaitIndex {
    plan: Arc<Plan>,
    index: Wiped<u64>,
}

/// C answered, and goes on.
#[derive(Debug)]
pub enum ClientTurn {
    /// It waits for the tables of the next level.
    Tables(Box<AwaitTables>),
    /// It waits for the index.
    Index(AwaitIndex),
}

/// C's part of a level.
#[derive(Debug)]
struct Ready {
    level: Level,
    tweaks: Tweaks,
    comparison: compare::AwaitTables,
    /// C's shares of the differences, and of the second ones of pairs.
    difference: RingTensor,
    second: Wiped<u64>,
    /// `H(M)` of the row of what is picked, and gamma.
    pads: Wiped<u64>,
    choices: Column,
    /// C's shares of the larger ones; none in the last level.
    rho: Wiped<u64>,
}

impl Client {
    /// Ahead: the first message.
    ///
    /// # Errors
    /// [`StepError::Shape`] if there are not as many rows as the plan says.
    pub fn start(
        plan: &Arc<Plan>,
        tweaks: Tweaks,
        masks: SenderRows<'_>,
    ) -> Result<(Vec<u8>, Self), StepError> {
        expect("mask rows of an argmax", plan.cost().mask_rows, masks.keys().len())?;
        let (mut message, mut levels) = (Vec::new(), Vec::new());
        let (mut rest, mut next) = (masks, tweaks);
        for level in &plan.levels {
            let [own, others] = split_rows(rest.split_at(level.comparison.mask_rows()))?;
            let (cross, waits) = AwaitProducts::start(level.comparison, next, own)?;
            message.extend(cross);
            levels.push(waits);
            (rest, next) = (others, next.behind(level.cost(plan.bits).tweaks));
        }
        Ok((message, Self { plan: Arc::clone(plan), tweaks, levels }))
    }

    /// Ahead: S's products come, and C's shares of the numbers are known; the digits go. `rng` draws C's
    /// shares of the larger ones.
    ///
    /// # Errors
    /// [`StepError`] if message, rows or shares have another length or ring than the plan says.
    pub fn on_products(
        self,
        message: &[u8],
        y1: &RingTensor,
        leaves: ReceiverRows<'_>,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Vec<u8>, AwaitTables), StepError> {
        let Self { plan, tweaks, levels } = self;
        expect("leaf rows of an argmax", plan.cost().leaf_rows, leaves.keys().len())?;
        plan.check_share(y1)?;
        let products = parts_of("products of an argmax", message, plan.ahead(1))?;
        let (mut digits, mut ready) = (Vec::new(), Vec::new());
        let (mut rest, mut next) = (leaves, tweaks);
        let mut current: Wiped<u64> = y1.values().iter().copied().collect();
        for ((level, state), products) in plan.levels.iter().zip(levels).zip(products) {
            let [own, others] = split_rows(rest.split_at(level.comparison.leaf_rows()))?;
            let [row, others] = split_rows(others.split_at(level.rows()))?;
            let pairs = Pairs::of(&current);
            let difference = plan.differences(&pairs)?;
            let (message, comparison) = state.on_products(products, &difference, own)?;
            digits.extend(message);
            let left = if level.last { 0 } else { level.pairs() };
            let drawn = ring_tensor(plan.bits, (0..left).map(|_| rng.next_u64()).collect())?;
            let rho: Wiped<u64> = drawn.values().iter().copied().collect();
            current = Pairs::join(rho.iter().copied(), pairs.alone);
            let [at, _] = level.tweaks();
            ready.push(Ready {
                level: *level,
                tweaks: next,
                comparison,
                difference,
                second: pairs.second,
                pads: pads::received(&tweaks.leaves, next.behind(at).first, row.keys()),
                choices: Column::of_lsbs(row.keys()),
                rho,
            });
            (rest, next) = (others, next.behind(level.cost(plan.bits).tweaks));
        }
        let (indexes, mut rest) = (Wiped::zeros(plan.classes), ready.into_iter());
        let first = rest.next().ok_or(StepError::Shape { what: "levels", expected: 1, actual: 0 })?;
        Ok((digits, AwaitTables { plan, first, rest, indexes }))
    }
}

impl AwaitTables {
    /// F1 comes, F2 goes.
    ///
    /// # Errors
    /// [`StepError`] if the message has another length than the plan says, or its padding is not zero.
    pub fn on_tables(self, message: &[u8]) -> Result<(Vec<u8>, ClientTurn), StepError> {
        let Self { plan, first, mut rest, indexes } = self;
        let (answer, indexes) = first.on_tables(plan.bits, message, &indexes)?;
        let turn = match rest.next() {
            Some(first) => ClientTurn::Tables(Box::new(Self { plan, first, rest, indexes })),
            None => ClientTurn::Index(AwaitIndex { plan, index: indexes }),
        };
        Ok((answer, turn))
    }
}

impl AwaitIndex {
    /// S's share of the index comes: the index, its lowest bit first.
    ///
    /// # Errors
    /// [`StepError`] if the message has another length than the plan says, or its padding is not zero.
    pub fn on_index(self, message: &[u8]) -> Result<Vec<bool>, StepError> {
        let bits = self.plan.index_bits();
        let opened = Reader::new("the index", message, &self.plan.opening())?.numbers(1, bits)?;
        let index = opened.iter().zip(self.index.iter()).fold(0, |_, (theirs, own)| theirs ^ own);
        Ok((0..bits).map(|bit| index >> bit & 1 == 1).collect())
    }
}

impl Ready {
    /// F2, and C's shares of the indexes that the level leaves.
    fn on_tables(
        self,
        bits: u32,
        message: &[u8],
        indexes: &[u64],
    ) -> Result<(Vec<u8>, Wiped<u64>), StepError> {
        let Self { level, tweaks, comparison, difference, second, pads, choices, rho } = self;
        let (n, indexes) = (level.pairs(), Pairs::of(indexes));
        let mut tables = Reader::new("tables of an argmax", message, &level.tables(bits))?;
        let mut out = Writer::new(&level.answer(bits));
        let greater = comparison.on_tables(&mut tables, &mut out)?;
        let mut ways: Wiped<u64> = Wiped::zeros(n);
        if level.picks() {
            let opened = &greater.bits ^ &choices;
            out.column(&opened);
            let [_, at] = level.tweaks();
            let keys = messages::pads(std::slice::from_ref(&greater), &tweaks.masks, tweaks.behind(at).first);
            if !level.last {
                let masked = tables.numbers(n, bits)?;
                let numbers = [difference.values(), &masked, &second, &rho];
                out.numbers(&larger(&greater, &opened, numbers, &pads, &keys), bits);
            }
            if level.index > 0 {
                let masked = tables.numbers(n, level.index)?;
                let apart = |i: usize| indexes.first[i] ^ indexes.second[i];
                let pairs = keys.as_chunks::<2>().0;
                let other = |(i, [zero, one]): (usize, &[u64; 2])| (zero ^ one) >> bits ^ apart(i);
                out.numbers(&pairs.iter().enumerate().map(other).collect::<Wiped<u64>>(), level.index);
                for (i, way) in ways.iter_mut().enumerate() {
                    let picked = apart(i) & greater.bits.mask(i) ^ masked[i] & choices.mask(i);
                    let hashed = (pads[i] ^ pairs[i][0]) >> bits;
                    *way = (indexes.second[i] ^ picked ^ hashed) & level.low();
                }
            }
        }
        let ways = ways.iter().enumerate().map(|(i, way)| way | greater.bits.bit(i) << level.index);
        Ok((out.finish(), Pairs::join(ways, indexes.alone)))
    }
}

/// C's two messages of each pair: the larger one less C's share of it, for either value of S's bit. `numbers`
/// are C's shares of the differences, what S masked of its own, C's shares of the second ones and of what is
/// left; `pads` those of the row, `keys` those of the messages.
fn larger(
    greater: &ClientBits,
    opened: &Column,
    [difference, masked, second, rho]: [&[u64]; 4],
    pads: &[u64],
    keys: &[u64],
) -> Wiped<u64> {
    let mut all: Wiped<u64> = Wiped::zeros(keys.len());
    for (i, (messages, keys)) in
        all.as_chunks_mut::<2>().0.iter_mut().zip(keys.as_chunks::<2>().0).enumerate()
    {
        let number = difference[i].wrapping_add(masked[i]);
        let (mask, product) = (greater.bits.mask(i), negated(pads[i], opened.mask(i)));
        let rest = second[i].wrapping_sub(rho[i]);
        *messages = [
            (number & mask).wrapping_add(product).wrapping_add(rest) ^ keys[0],
            (number & !mask).wrapping_sub(product).wrapping_add(rest) ^ keys[1],
        ];
    }
    all
}
