//! S's side of a stage of numbers. `client.rs` mirrors it.

use std::iter::Peekable;
use std::sync::Arc;
use std::vec;

use rand::CryptoRng;
use xonn_crypto::Wiped;
use xonn_crypto::share::RingTensor;

use super::client::one;
use super::round::{Round, parts_of, split_rows};
use super::{Plan, curve, extend, gate, product};
use crate::steps::StepError;
use crate::steps::rows::{ReceiverRows, SenderRows, Tweaks};

/// S waits for C's cross terms.
#[derive(Debug)]
pub struct Server {
    plan: Arc<Plan>,
    rounds: Vec<CrossTerms>,
}

/// S sent its products and waits for C's digits.
#[derive(Debug)]
pub struct AwaitDigits {
    plan: Arc<Plan>,
    rounds: Vec<Digits>,
}

/// S is ready, and waits for its own shares.
#[derive(Debug)]
pub struct AwaitShare {
    plan: Arc<Plan>,
    rounds: Vec<Share>,
}

/// S sent the tables of a round trip and waits for F2.
#[derive(Debug)]
pub struct AwaitAnswer {
    plan: Arc<Plan>,
    number: usize,
    first: Answer,
    /// Its share of numbers that went by.
    alone: Wiped<u64>,
    rest: Peekable<vec::IntoIter<Share>>,
}

/// S goes on.
#[derive(Debug)]
pub enum ServerTurn {
    /// It sends the tables of the next round trip, and waits for the answer.
    Tables(Vec<u8>, AwaitAnswer),
    /// Its share of the results.
    Share(RingTensor),
}

#[derive(Debug)]
enum CrossTerms {
    Gate(Box<gate::AwaitCrossTerms>),
    Extend(Box<extend::AwaitCrossTerms>),
    Product(Box<product::Ready>),
    Curve(Box<curve::AwaitCrossTerms>),
}

#[derive(Debug)]
enum Digits {
    Gate(Box<gate::AwaitDigits>),
    Extend(Box<extend::AwaitCrossTerms>),
    Product(Box<product::AwaitBits>),
    Curve(Box<curve::AwaitDigits>),
}

#[derive(Debug)]
enum Share {
    Gate(Box<gate::AwaitShare>),
    Extend(Box<extend::AwaitShare>),
    Product(Box<product::AwaitShare>),
    Curve(Box<curve::AwaitShare>),
}

#[derive(Debug)]
enum Answer {
    Gate(Box<gate::AwaitAnswer>),
    Extend(Box<extend::AwaitAnswer>),
    Product(Box<product::AwaitAnswer>),
    Curve(Box<curve::AwaitAnswer>),
}

impl Server {
    /// Ahead: the rows.
    ///
    /// # Errors
    /// [`StepError::Shape`] if there are not as many as the plan says.
    pub fn start(plan: &Arc<Plan>, tweaks: Tweaks, masks: ReceiverRows<'_>) -> Result<Self, StepError> {
        plan.check_masks(masks.keys().len())?;
        let (mut rounds, mut rest, mut tweaks) = (Vec::new(), masks, tweaks);
        for round in &plan.rounds {
            let cost = round.cost();
            let [own, others] = split_rows(rest.split_at(cost.mask_rows))?;
            rounds.push(match round {
                Round::Pairs { gate, .. } | Round::Gate(gate) => {
                    CrossTerms::Gate(Box::new(gate::AwaitCrossTerms::new(gate, tweaks, own)?))
                }
                Round::Extend(extend) => {
                    CrossTerms::Extend(Box::new(extend::AwaitCrossTerms::new(extend, tweaks, own)?))
                }
                Round::Product(product) => {
                    CrossTerms::Product(Box::new(product::Ready::new(product, tweaks)))
                }
                Round::Curve(curve) => {
                    CrossTerms::Curve(Box::new(curve::AwaitCrossTerms::new(curve, tweaks, own)?))
                }
            });
            (rest, tweaks) = (others, tweaks.behind(cost.tweaks));
        }
        Ok(Self { plan: Arc::clone(plan), rounds })
    }

    /// Ahead: the first message comes, the second one goes. `rng` draws S's masks.
    ///
    /// # Errors
    /// [`StepError`] if message or rows have another length than the plan says.
    pub fn on_cross_terms(
        self,
        message: &[u8],
        leaves: SenderRows<'_>,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Vec<u8>, AwaitDigits), StepError> {
        let Self { plan, rounds } = self;
        plan.check_leaves(leaves.keys().len())?;
        let fields = plan.rounds.iter().map(|round| round.cost().ahead[0].clone()).collect();
        let messages = parts_of("cross terms of a stage of numbers", message, fields)?;
        let (mut products, mut next, mut rest) = (Vec::new(), Vec::new(), leaves);
        for ((round, state), message) in plan.rounds.iter().zip(rounds).zip(messages) {
            let [own, others] = split_rows(rest.split_at(round.cost().leaf_rows))?;
            rest = others;
            next.push(match state {
                CrossTerms::Gate(gate) => {
                    let (message, gate) = gate.on_cross_terms(message)?;
                    products.extend(message);
                    Digits::Gate(Box::new(gate))
                }
                CrossTerms::Extend(extend) => Digits::Extend(extend),
                CrossTerms::Product(product) => {
                    let (message, product) = product.start(own, &mut *rng)?;
                    products.extend(message);
                    Digits::Product(Box::new(product))
                }
                CrossTerms::Curve(curve) => {
                    let (message, curve) = curve.on_cross_terms(message, own, &mut *rng)?;
                    products.extend(message);
                    Digits::Curve(Box::new(curve))
                }
            });
        }
        Ok((products, AwaitDigits { plan, rounds: next }))
    }
}

impl AwaitDigits {
    /// Ahead: the third message comes.
    ///
    /// # Errors
    /// [`StepError`] if message or rows have another length than the plan says.
    pub fn on_digits(self, message: &[u8], leaves: SenderRows<'_>) -> Result<AwaitShare, StepError> {
        let Self { plan, rounds } = self;
        plan.check_leaves(leaves.keys().len())?;
        let fields = plan.rounds.iter().map(|round| round.cost().ahead[2].clone()).collect();
        let messages = parts_of("digits of a stage of numbers", message, fields)?;
        let (mut next, mut rest) = (Vec::new(), leaves);
        for ((round, digits), message) in plan.rounds.iter().zip(rounds).zip(messages) {
            let [own, others] = split_rows(rest.split_at(round.cost().leaf_rows))?;
            rest = others;
            next.push(match digits {
                Digits::Gate(gate) => Share::Gate(Box::new(gate.on_digits(message, own)?)),
                Digits::Extend(extend) => Share::Extend(Box::new(extend.on_corrections(message)?)),
                Digits::Product(product) => Share::Product(Box::new(product.on_corrections(message, own)?)),
                Digits::Curve(curve) => Share::Curve(Box::new(curve.on_digits(message, own)?)),
            });
        }
        Ok(AwaitShare { plan, rounds: next })
    }
}

impl AwaitShare {
    /// The first F1, from S's shares of what is read.
    ///
    /// # Errors
    /// [`StepError`] if they are not what the plan says.
    pub fn on_share(self, reads: &[&RingTensor]) -> Result<(Vec<u8>, AwaitAnswer), StepError> {
        let Self { plan, rounds } = self;
        let reads = plan.reads(reads)?;
        AwaitAnswer::tables(plan, 0, reads, rounds.into_iter().peekable())
    }
}

impl AwaitAnswer {
    fn tables(
        plan: Arc<Plan>,
        number: usize,
        reads: Vec<RingTensor>,
        mut rest: Peekable<vec::IntoIter<Share>>,
    ) -> Result<(Vec<u8>, Self), StepError> {
        let missing = StepError::Shape { what: "round trips", expected: number + 1, actual: number };
        let (Some(round), Some(share)) = (plan.rounds.get(number), rest.next()) else {
            return Err(missing);
        };
        let (operands, alone) = round.split(reads)?;
        let (tables, first) = match share {
            Share::Gate(gate) => {
                let (tables, next) = gate.on_share(operands)?;
                (tables, Answer::Gate(Box::new(next)))
            }
            Share::Extend(extend) => {
                let (tables, next) = extend.on_share(one(&operands)?)?;
                (tables, Answer::Extend(Box::new(next)))
            }
            Share::Product(product) => {
                let (tables, next) = product.on_share(&operands)?;
                (tables, Answer::Product(Box::new(next)))
            }
            Share::Curve(curve) => {
                let (tables, next) = curve.on_share(one(&operands)?)?;
                (tables, Answer::Curve(Box::new(next)))
            }
        };
        Ok((tables, Self { plan, number, first, alone, rest }))
    }

    /// F2 comes: the next F1, or S's share of the results.
    ///
    /// # Errors
    /// [`StepError`] if the message has another length than the plan says.
    pub fn on_answer(self, message: &[u8]) -> Result<ServerTurn, StepError> {
        let Self { plan, number, first, alone, mut rest } = self;
        let share = match first {
            Answer::Gate(gate) => gate.on_answer(message)?,
            Answer::Extend(extend) => extend.on_answer(message)?,
            Answer::Product(product) => product.on_answer(message)?,
            Answer::Curve(curve) => curve.on_answer(message)?,
        };
        let share = plan.rounds.get(number).map_or(Ok(share.clone()), |round| round.join(share, &alone))?;
        if rest.peek().is_none() {
            return Ok(ServerTurn::Share(share));
        }
        let (tables, next) = Self::tables(plan, number + 1, vec![share], rest)?;
        Ok(ServerTurn::Tables(tables, next))
    }
}
