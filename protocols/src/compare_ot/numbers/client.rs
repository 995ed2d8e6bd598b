//! C's side of a stage of numbers. `server.rs` mirrors it.

use std::sync::Arc;
use std::vec;

use rand::CryptoRng;
use xonn_crypto::share::RingTensor;

use super::round::{Round, parts_of, split_rows};
use super::{Plan, curve, extend, gate, product};
use crate::steps::StepError;
use crate::steps::convert::ring_tensor;
use crate::steps::rows::{ReceiverRows, SenderRows, Tweaks};

/// C sent its cross terms and waits for S's products.
#[derive(Debug)]
pub struct Client {
    plan: Arc<Plan>,
    rounds: Vec<Started>,
}

/// C is ready, and waits for the tables of a round trip.
#[derive(Debug)]
pub struct AwaitTables {
    first: Ready,
    rest: vec::IntoIter<Ready>,
}

/// C answered, and goes on.
#[derive(Debug)]
pub enum ClientTurn {
    /// It waits for the tables of the next round trip.
    Tables(AwaitTables),
    /// That was the last one.
    Done,
}

#[derive(Debug)]
enum Started {
    Gate(Box<gate::Started>),
    Extend(Box<extend::Started>),
    Product(Box<product::Started>),
    Curve(Box<curve::Started>),
}

#[derive(Debug)]
enum Ready {
    Gate(Box<gate::Ready>),
    Extend(Box<extend::Ready>),
    Product(Box<product::AwaitTables>),
    Curve(Box<curve::AwaitTables>),
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
        plan.check_masks(masks.keys().len())?;
        let (mut message, mut rounds) = (Vec::new(), Vec::new());
        let (mut rest, mut tweaks) = (masks, tweaks);
        for round in &plan.rounds {
            let cost = round.cost();
            let [own, others] = split_rows(rest.split_at(cost.mask_rows))?;
            rounds.push(match round {
                Round::Pairs { gate, .. } | Round::Gate(gate) => {
                    let (cross, next) = gate::Started::new(gate, tweaks, own)?;
                    message.extend(cross);
                    Started::Gate(Box::new(next))
                }
                Round::Extend(extend) => {
                    Started::Extend(Box::new(extend::Started::new(extend, tweaks, own)?))
                }
                Round::Product(product) => Started::Product(Box::new(product::Started::new(product, tweaks))),
                Round::Curve(curve) => {
                    let (cross, next) = curve::Started::new(curve, tweaks, own)?;
                    message.extend(cross);
                    Started::Curve(Box::new(next))
                }
            });
            (rest, tweaks) = (others, tweaks.behind(cost.tweaks));
        }
        Ok((message, Self { plan: Arc::clone(plan), rounds }))
    }

    /// Ahead: S's products come, and C's shares of what is read are known; the digits go. `rho` is C's share
    /// of the results, `rng` draws its shares of what is in between.
    ///
    /// # Errors
    /// [`StepError`] if message, rows or shares have another length or ring than the plan says.
    pub fn on_products(
        self,
        message: &[u8],
        reads: &[&RingTensor],
        rho: &RingTensor,
        leaves: ReceiverRows<'_>,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Vec<u8>, AwaitTables), StepError> {
        let Self { plan, rounds } = self;
        plan.check_leaves(leaves.keys().len())?;
        let fields = plan.rounds.iter().map(|round| round.cost().ahead[1].clone()).collect();
        let products = parts_of("products of a stage of numbers", message, fields)?;
        let mut random =
            |count: usize, bits: u32| ring_tensor(bits, (0..count).map(|_| rng.next_u64()).collect());
        let (mut digits, mut ready, mut rest) = (Vec::new(), Vec::new(), leaves);
        let mut current = plan.reads(reads)?;
        let last = plan.rounds.len() - 1;
        for (number, ((round, started), products)) in plan.rounds.iter().zip(rounds).zip(products).enumerate()
        {
            let [own, others] = split_rows(rest.split_at(round.cost().leaf_rows))?;
            rest = others;
            let (operands, alone) = round.split(current)?;
            let left = match number == last {
                true => rho.clone(),
                false => random(round.results() - alone.len(), round.ring())?,
            };
            let (message, next) = match started {
                Started::Gate(gate) => {
                    let low = random(round.random_low_bits(), 16)?;
                    let (message, next) = gate.on_products(products, operands, [left.clone(), low], own)?;
                    (message, Ready::Gate(Box::new(next)))
                }
                Started::Extend(extend) => {
                    let (message, next) = extend.on_share(one(&operands)?, left.clone())?;
                    (message, Ready::Extend(Box::new(next)))
                }
                Started::Product(product) => {
                    let (message, next) = product.on_messages(products, operands, left.clone(), own)?;
                    (message, Ready::Product(Box::new(next)))
                }
                Started::Curve(curve) => {
                    let (message, next) = curve.on_products(products, one(&operands)?, left.clone(), own)?;
                    (message, Ready::Curve(Box::new(next)))
                }
            };
            digits.extend(message);
            ready.push(next);
            current = vec![round.join(left, &alone)?];
        }
        let mut rest = ready.into_iter();
        match rest.next() {
            Some(first) => Ok((digits, AwaitTables { first, rest })),
            None => Err(StepError::Shape { what: "round trips", expected: 1, actual: 0 }),
        }
    }
}

/// The only share of several.
pub(super) fn one(shares: &[RingTensor]) -> Result<&RingTensor, StepError> {
    match shares {
        [share] => Ok(share),
        _ => Err(StepError::Shape { what: "shares that are read", expected: 1, actual: shares.len() }),
    }
}

impl AwaitTables {
    /// F1 comes, F2 goes.
    ///
    /// # Errors
    /// [`StepError`] if the message has another length than the plan says.
    pub fn on_tables(self, message: &[u8]) -> Result<(Vec<u8>, ClientTurn), StepError> {
        let Self { first, mut rest } = self;
        let answer = match first {
            Ready::Gate(gate) => gate.on_tables(message)?,
            Ready::Extend(extend) => extend.on_openings(message)?,
            Ready::Product(product) => product.on_tables(message)?,
            Ready::Curve(curve) => curve.on_tables(message)?,
        };
        let turn = match rest.next() {
            Some(first) => ClientTurn::Tables(Self { first, rest }),
            None => ClientTurn::Done,
        };
        Ok((answer, turn))
    }
}
