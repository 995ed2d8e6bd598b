//! The server's side: its signs choose, and it takes corrections. `client.rs` mirrors this file.

use std::sync::{Arc, OnceLock};

use rand::CryptoRng;
use rayon::prelude::*;
use sha2::Digest;
use xonn_crypto::Wiped;
use xonn_crypto::block::{Block, mask as secret_mask, vectorised};
use xonn_crypto::ot::msgs::BaseRequest;
use xonn_crypto::ot::{ReceiverSetup, ReceiverStreams, SessionId};
use xonn_crypto::share::RingTensor;
use xonn_program::{Program, Tensor};
use zeroize::{Zeroize, Zeroizing};

use super::packing::{Numbers, Unpacker};
use super::single::{PIECE, Receive, Single};
use super::sums::{Sums, Unit, add};
use super::{DIGEST_BYTES, Ready, Turn, message_tweak, own_session, params};
use crate::cost::StageCost;
use crate::plan::Stage;
use crate::protocol::{Kept, Phase, ProtocolError, ServerContext, ServerRun, ServerSide, SetUp, StageError};
use crate::value::ServerValue;
use crate::wire::Wire;

/// The server's side of a stage.
pub(super) struct Side {
    sums: Sums,
    /// The weights, divided by their common factor.
    weights: Wiped<i32>,
    choices: Wiped<bool>,
    /// What makes the least possible t of each element 0.
    least: Wiped<i64>,
    /// What the offset of each element has in it that is no input's.
    constants: Wiped<i64>,
    /// The offsets of what the first prediction added up, and of its sums.
    offsets: OnceLock<(Wiped<i64>, Wiped<i64>)>,
}

impl Side {
    pub(super) fn new(stage: &Stage, program: &Program, tensors: &[Tensor]) -> Result<Self, StageError> {
        let sums = Sums::of(stage, program)?;
        let layer = &program.layers()[stage.last()];
        let weights = layer.secret.and_then(|id| tensors.get(id)).map(Tensor::weights).unwrap_or_default();
        let (linear, expected) = (&sums.linear, sums.linear.weight_count());
        if weights.len() != expected || !weights.iter().all(|&weight| linear.weights.holds(weight)) {
            return Err(stage.error(format!(
                "{} weights, not {expected} of {:?}",
                weights.len(),
                linear.weights
            )));
        }
        let choices = sums.choices(weights);
        let whole = weights;
        let weights: Wiped<i32> = whole.iter().map(|weight| weight >> (sums.factor - 1)).collect();
        let negative: Wiped<i32> = weights.iter().map(|&weight| (-weight).max(0)).collect();
        let span = vec![sums.reads.span as i64; sums.inputs()];
        let least = sums.inside(linear.filters, &negative, &span);
        let outside: Wiped<i64> = linear.evaluate(whole, &vec![0; sums.inputs()]).into();
        let step = sums.leaves.step;
        let constants = outside.iter().zip(least.iter());
        let constants = constants.map(|(outside, least)| outside.wrapping_sub(step.wrapping_mul(*least)));
        Ok(Self { constants: constants.collect(), least, choices, weights, sums, offsets: OnceLock::new() })
    }

    /// The offsets of the sums, given those of what is added up. A model's are the same for every prediction.
    fn offsets(&self, of: &[i64]) -> Wiped<i64> {
        let made = || {
            let sums = self.evaluate(of);
            let factor = self.sums.factor;
            let offsets = sums.iter().zip(self.constants.iter());
            let offsets = offsets.map(|(sum, more)| sum.wrapping_mul(factor).wrapping_add(*more));
            (of.to_vec().into(), offsets.collect())
        };
        let (known, offsets) = self.offsets.get_or_init(made);
        if known[..] == *of { offsets.clone() } else { made().1 }
    }

    /// What comes of tensors that the server has, weights being divided by their common factor.
    fn evaluate(&self, x: &[i64]) -> Wiped<i64> {
        self.sums.inside(self.sums.linear.filters, &self.weights, x)
    }
}

/// A prediction.
struct Run {
    side: Arc<Side>,
    /// The server's share of what the client's numbers make, filter after filter.
    shares: Option<Wiped<u64>>,
}

impl ServerSide for Arc<Side> {
    fn cost(&self) -> StageCost {
        self.sums.cost()
    }

    fn set_up(
        &self,
        step: SetUp,
        session: &SessionId,
        kept: &mut Kept,
        wire: &mut dyn Wire,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), ProtocolError> {
        let (params, session) = (params(), own_session(session));
        *kept = Some(match step {
            SetUp::Asks => {
                let request = wire.receive(BaseRequest::byte_len(params))?;
                Box::new(BaseRequest::decode(params, &request)?)
            }
            SetUp::Answers => {
                let Some(request) = kept.take().and_then(|kept| kept.downcast::<BaseRequest>().ok()) else {
                    return Err(ProtocolError::out_of_turn("the request for base OTs"));
                };
                let (mut receiver, reply) = ReceiverSetup::reply(params, session, rng, &request)?;
                wire.send(&reply.encode())?;
                let (pending, extend) = receiver.extend(rng, &self.choices)?;
                wire.send(&extend.encode())?;
                Box::new(Ready::new(pending.into_streams(), session))
            }
        });
        Ok(())
    }

    fn begin(&self) -> Box<dyn ServerRun> {
        Box::new(Run { side: Arc::clone(self), shares: None })
    }
}

impl ServerRun for Run {
    fn prepare(&mut self, phase: Phase, context: &mut ServerContext<'_>) -> Result<(), ProtocolError> {
        if phase != Phase::One {
            return Ok(());
        }
        let ready = context.kept.as_mut().and_then(|kept| kept.downcast_mut::<Ready<ReceiverStreams>>());
        let Some(ready) = ready else {
            return Err(ProtocolError::out_of_turn("the connection's OTs"));
        };
        let sums = &self.side.sums;
        let receiving = Receiving { sums, turn: ready.turn(sums) };
        self.shares = Some(receiving.receive(context.wire)?);
        Ok(())
    }

    fn run(
        self: Box<Self>,
        _context: &mut ServerContext<'_>,
        reads: &[&ServerValue],
    ) -> Result<ServerValue, ProtocolError> {
        let Self { side, shares } = *self;
        let (sums, filters) = (&side.sums, side.sums.linear.filters);
        let Some(shares) = shares else { return Err(ProtocolError::out_of_turn("corrections")) };
        let (share, offsets) = reads[0].shares().ok_or_else(|| ProtocolError::missing("shares"))?;
        if (share.bits(), share.len(), offsets.len()) != (sums.reads.bits, sums.inputs(), sums.inputs()) {
            return Err(ProtocolError::message("sums", format!("{share:?} is no share of what is added up")));
        }
        let own: Wiped<i64> = share.values().iter().map(|&y| y as i64).collect();
        let own = side.evaluate(&own);
        let own = |position: usize, filter: usize| {
            let at = position * filters + filter;
            own[at].wrapping_add(side.least[at]) as u64
        };
        let share = RingTensor::new(sums.leaves.bits, sums.tensor(&shares, own))?;
        Ok(ServerValue::Shares { share, offsets: side.offsets(offsets) })
    }
}

/// One prediction's corrections.
struct Receiving<'a> {
    sums: &'a Sums,
    turn: Turn<'a, ReceiverStreams>,
}

impl Receiving<'_> {
    /// Takes them; gives the server's share of all sums.
    fn receive(mut self, wire: &mut dyn Wire) -> Result<Wiped<u64>, ProtocolError> {
        let (sums, positions) = (self.sums, self.sums.positions());
        let mut shares: Wiped<u64> = Wiped::zeros(positions * sums.linear.filters);
        for part in &sums.parts {
            let bytes = wire.receive(sums.part_bytes(part))?;
            self.turn.digest.update(&bytes);
            let mut rest = &bytes[..];
            let unit = |unit: usize| {
                let unit = sums.unit(unit);
                let corrections;
                (corrections, rest) = rest.split_at(unit.bytes);
                (unit, corrections)
            };
            let units: Vec<_> = part.clone().map(unit).collect();
            let done: Vec<_> = units.par_iter().map(|(unit, bytes)| self.unit(unit, bytes)).collect();
            for ((unit, _), more) in units.iter().zip(&done) {
                add(&mut shares[unit.filter * positions..][..positions], more);
            }
        }
        // Public: the client can make any.
        if wire.receive(DIGEST_BYTES)? != self.turn.digest.finalize()[..] {
            return Err(ProtocolError::message(
                "corrections",
                "they do not have the digest that was sent with them",
            ));
        }
        Ok(shares)
    }

    /// The server's share of what a unit adds to each of the filter's sums.
    fn unit(&self, unit: &Unit, corrections: &[u8]) -> Wiped<u64> {
        let sums = self.sums;
        let mut shares: Wiped<u64> = Wiped::zeros(sums.positions());
        let mut corrections = Unpacker::new(corrections);
        let mut blocks = [Block::ZERO; PIECE];
        let mut ots = [0; PIECE];
        let (mut stream, mut single) = (Numbers::default(), Zeroizing::new(Single::default()));
        let first = unit.filter * sums.messages();
        let mut next = unit.messages.start;
        while next < unit.messages.end {
            let count = PIECE.min(unit.messages.end - next);
            let (blocks, ots) = (&mut blocks[..count], &mut ots[..count]);
            ots.iter_mut().enumerate().for_each(|(i, ot)| *ot = (first + next + i) as u32);
            let tweak = self.turn.first + (first + next) as u64;
            self.turn.streams.blocks(ots, tweak, blocks);
            if let [share] = &mut shares[..] {
                single.messages(sums, next);
                for (i, &ot) in ots.iter().enumerate() {
                    single.numbers[i] = corrections.next(single.bits[i]);
                    single.chosen[i] = secret_mask(self.turn.streams.choice(ot));
                }
                *share = share.wrapping_add(vectorised(Receive { blocks, single: &single }));
            } else {
                for (i, (&block, &ot)) in blocks.iter().zip(ots.iter()).enumerate() {
                    let message = sums.message(next + i);
                    // All ones for a minus sign: no branch depends on a weight.
                    let chosen = secret_mask(self.turn.streams.choice(ot));
                    let base = self.turn.base ^ message_tweak(tweak + i as u64);
                    let mut numbers = stream.of((block, base), message.count(), message.bits);
                    for (at, _, count) in message.lines() {
                        for share in &mut shares[at..at + count] {
                            let correction = corrections.next(message.bits) & chosen;
                            let product = numbers.next(message.bits).wrapping_add(correction);
                            *share = share.wrapping_sub(product << message.place);
                        }
                    }
                }
            }
            next += count;
        }
        blocks.zeroize();
        shares
    }
}
