//! The client's side: it knows its numbers ahead, and sends corrections. `server.rs` mirrors this file.

use std::sync::Arc;

use rand::CryptoRng;
use rayon::prelude::*;
use sha2::Digest;
use xonn_crypto::Wiped;
use xonn_crypto::block::{Block, vectorised};
use xonn_crypto::ot::msgs::{BaseReply, Extend};
use xonn_crypto::ot::{SenderSetup, SenderStreams, SessionId};
use xonn_crypto::share::RingTensor;
use zeroize::{Zeroize, Zeroizing};

use super::packing::{Numbers, Packer, mask};
use super::single::{PIECE, Send, Single};
use super::sums::{Sums, Unit, add};
use super::{Ready, Turn, message_tweak, own_session, params};
use crate::cost::StageCost;
use crate::protocol::{ClientContext, ClientRun, ClientSide, Kept, Phase, ProtocolError, SetUp};
use crate::value::ClientValue;
use crate::wire::Wire;

/// The client's side of a stage.
pub(super) struct Side(pub Arc<Sums>);

/// A prediction.
struct Run {
    sums: Arc<Sums>,
    done: bool,
}

impl ClientSide for Side {
    fn cost(&self) -> StageCost {
        self.0.cost()
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
                let (setup, request) = SenderSetup::start(params, session, rng);
                wire.send(&request.encode())?;
                Box::new(setup)
            }
            SetUp::Answers => {
                let Some(setup) = kept.take().and_then(|kept| kept.downcast::<SenderSetup>().ok()) else {
                    return Err(ProtocolError::out_of_turn("the request for base OTs"));
                };
                let reply = wire.receive(BaseReply::byte_len(params))?;
                let mut sender = setup.finish(&BaseReply::decode(params, &reply)?)?;
                let ots = self.0.ots();
                let extend = wire.receive(Extend::byte_len(params, ots))?;
                let keys = sender.extend(ots, &Extend::decode(params, ots, &extend)?)?;
                Box::new(Ready::new(keys.into_streams(), session))
            }
        });
        Ok(())
    }

    fn begin(&self) -> Box<dyn ClientRun> {
        Box::new(Run { sums: Arc::clone(&self.0), done: false })
    }
}

impl ClientRun for Run {
    fn prepare(
        &mut self,
        phase: Phase,
        context: &mut ClientContext<'_>,
        reads: &[Option<&ClientValue>],
    ) -> Result<Option<ClientValue>, ProtocolError> {
        if phase != Phase::One {
            return Ok(None);
        }
        let sums = &*self.sums;
        let Some(share) = reads.first().and_then(|read| read.and_then(ClientValue::share)) else {
            return Err(ProtocolError::missing("the client's share ahead"));
        };
        if (share.bits(), share.len()) != (sums.reads.bits, sums.inputs()) {
            return Err(ProtocolError::message(
                "corrections",
                format!("{share:?} is no share of what is added up"),
            ));
        }
        let ready = context.kept.as_mut().and_then(|kept| kept.downcast_mut::<Ready<SenderStreams>>());
        let Some(ready) = ready else {
            return Err(ProtocolError::out_of_turn("the connection's OTs"));
        };
        self.done = true;
        let sending = Sending { sums, turn: ready.turn(sums) };
        let shares = sending.send(share.values(), context.wire)?;
        Ok(Some(ClientValue::Shares(RingTensor::new(sums.leaves.bits, shares)?)))
    }

    fn run(
        self: Box<Self>,
        _context: &mut ClientContext<'_>,
        _reads: &[&ClientValue],
    ) -> Result<Option<ClientValue>, ProtocolError> {
        if self.done { Ok(None) } else { Err(ProtocolError::out_of_turn("corrections")) }
    }
}

/// One prediction's corrections.
struct Sending<'a> {
    sums: &'a Sums,
    turn: Turn<'a, SenderStreams>,
}

impl Sending<'_> {
    /// Sends them; gives the client's share of all sums.
    fn send(mut self, numbers: &[u64], wire: &mut dyn Wire) -> Result<Vec<u64>, ProtocolError> {
        let sums = self.sums;
        let (positions, filters) = (sums.positions(), sums.linear.filters);
        let mut shares: Wiped<u64> = Wiped::zeros(positions * filters);
        let channels = sums.channels_of(numbers);
        for part in &sums.parts {
            let units: Vec<Unit> = part.clone().map(|unit| sums.unit(unit)).collect();
            let done: Vec<_> = units.par_iter().map(|unit| self.unit(unit, &channels)).collect();
            let mut bytes = Vec::with_capacity(sums.part_bytes(part));
            for (unit, (corrections, more)) in units.iter().zip(&done) {
                bytes.extend(corrections);
                add(&mut shares[unit.filter * positions..][..positions], more);
            }
            self.turn.digest.update(&bytes);
            wire.send(&bytes)?;
        }
        wire.send(&self.turn.digest.finalize())?;
        // All weights as large as they may be: what OTs take from that is shared.
        let groups = sums.linear.groups;
        let most = vec![sums.most as i32; groups * sums.linear.fan_in()];
        let numbers: Wiped<i64> = numbers.iter().map(|&number| number as i64).collect();
        let largest = sums.inside(groups, &most, &numbers);
        let own =
            |position: usize, filter: usize| largest[position * groups + filter / (filters / groups)] as u64;
        Ok(sums.tensor(&shares, own))
    }

    /// The corrections of a unit, and the client's share of what it adds to each of the filter's sums.
    fn unit(&self, unit: &Unit, channels: &[u64]) -> (Vec<u8>, Wiped<u64>) {
        let sums = self.sums;
        let mut corrections = Packer::with_capacity(unit.bytes);
        let mut shares: Wiped<u64> = Wiped::zeros(sums.positions());
        let mut pairs = [[Block::ZERO; 2]; PIECE];
        let mut ots = [0; PIECE];
        let mut streams = [Numbers::default(), Numbers::default()];
        let mut single = Zeroizing::new(Single::default());
        let numbers =
            if sums.positions() == 1 { sums.numbers(channels, unit.filter) } else { Wiped::default() };
        let first = unit.filter * sums.messages();
        let mut next = unit.messages.start;
        while next < unit.messages.end {
            let count = PIECE.min(unit.messages.end - next);
            let (pairs, ots) = (&mut pairs[..count], &mut ots[..count]);
            ots.iter_mut().enumerate().for_each(|(i, ot)| *ot = (first + next + i) as u32);
            let tweak = self.turn.first + (first + next) as u64;
            self.turn.streams.blocks(ots, tweak, pairs);
            if let [share] = &mut shares[..] {
                single.messages(sums, next);
                for (i, number) in single.numbers[..count].iter_mut().enumerate() {
                    *number = numbers[(next + i) / sums.places().len()];
                }
                *share = share.wrapping_add(vectorised(Send { pairs, single: &mut single }));
                let sent = single.numbers.iter().zip(&single.bits).take(count);
                sent.for_each(|(&number, &bits)| corrections.push(number, bits));
            } else {
                for (i, &[zero, one]) in pairs.iter().enumerate() {
                    let message = sums.message(next + i);
                    let (bits, count, stride) = (message.bits, message.count(), message.stride());
                    let base = self.turn.base ^ message_tweak(tweak + i as u64);
                    let [zeros, ones] = &mut streams;
                    let mut zeros = zeros.of((zero, base), count, bits);
                    let mut ones = ones.of((one, base), count, bits);
                    let pixels = sums.pixels(channels, unit.filter, message.channel);
                    for (at, pixel, count) in message.lines() {
                        let line = pixels[pixel..].iter().step_by(stride);
                        for (share, &number) in shares[at..at + count].iter_mut().zip(line) {
                            let (zero, one) = (zeros.next(bits), ones.next(bits));
                            corrections.push(zero.wrapping_add(number).wrapping_sub(one) & mask(bits), bits);
                            *share = share.wrapping_add(zero << message.place);
                        }
                    }
                }
            }
            next += count;
        }
        pairs.zeroize();
        (corrections.finish(), shares)
    }
}
