//! The client's numbers become shares: it draws its share r ahead, and with the input it sends x - r, which
//! tells the server nothing.
//!
//! In: the client's codes q. Out: exact shares of `t = q - lo`, lo the least code, modulo 2^bits.
//!
//! | phase | message |
//! |---|---|
//! | with the input, client to server | `t - r` of each element, packed |

use std::sync::Arc;

use xonn_crypto::bits;
use xonn_crypto::share::RingTensor;
use xonn_program::{Op, Program, Tensor};

use crate::cost::{Cost, StageCost};
use crate::plan::{How, Stage};
use crate::protocol::{
    ClientContext, ClientRun, ClientSide, Phase, Protocol, ProtocolError, ServerContext, ServerRun,
    ServerSide, StageError, Trust,
};
use crate::value::{ClientValue, Form, Ring, ServerValue};

/// The protocol.
pub struct Mask;

/// Both sides of a stage.
#[derive(Clone, Copy)]
struct Side {
    count: usize,
    ring: Ring,
    /// The least code.
    lo: i64,
}

impl Side {
    fn of(stage: &Stage, program: &Program) -> Result<Self, StageError> {
        let input = stage.last();
        let is_input = matches!(program.layers()[input].op, Op::Input) && stage.layers == [input];
        let (Form::Shares(ring), How::Mask, [(read, Form::Client)]) =
            (stage.leaves, &stage.how, &stage.reads[..])
        else {
            return Err(stage.error("the client's input becomes shares, and nothing else is masked"));
        };
        if !is_input || *read != input {
            return Err(stage.error("only the client's input is masked"));
        }
        let codes = program.input().codes();
        let (lo, span) = (*codes.start(), codes.end().abs_diff(*codes.start()));
        let holds = (1..=Ring::MOST_BITS).contains(&ring.bits) && span >> ring.bits == 0;
        if !holds || ring != (Ring { bits: ring.bits, fraction: 0, terms: 0, step: 1, span }) {
            return Err(stage.error(format!("shares {ring:?} of codes {codes:?}")));
        }
        Ok(Self { count: program.layers()[input].elements(), ring, lo })
    }

    fn bytes(&self) -> usize {
        bits::byte_len(self.count, self.ring.bits)
    }
}

impl Protocol for Mask {
    fn name(&self) -> &'static str {
        "mask"
    }

    fn holds(&self) -> Trust {
        Trust::SemiHonest
    }

    fn server(
        &self,
        stage: &Stage,
        program: &Program,
        _tensors: &[Tensor],
    ) -> Result<Arc<dyn ServerSide>, StageError> {
        Ok(Arc::new(Side::of(stage, program)?))
    }

    fn client(&self, stage: &Stage, program: &Program) -> Result<Arc<dyn ClientSide>, StageError> {
        Ok(Arc::new(Side::of(stage, program)?))
    }
}

impl ServerSide for Side {
    fn cost(&self) -> StageCost {
        StageCost {
            online: Cost { rounds: 0.5, ..Cost::of_bytes(self.bytes() as u64, 0) },
            ..StageCost::default()
        }
    }

    fn begin(&self) -> Box<dyn ServerRun> {
        Box::new(*self)
    }
}

impl ServerRun for Side {
    fn prepare(&mut self, _phase: Phase, _context: &mut ServerContext<'_>) -> Result<(), ProtocolError> {
        Ok(())
    }

    fn run(
        self: Box<Self>,
        context: &mut ServerContext<'_>,
        _reads: &[&ServerValue],
    ) -> Result<ServerValue, ProtocolError> {
        let message = context.wire.receive(self.bytes())?;
        let numbers = bits::unpack(&message, self.count, self.ring.bits)
            .map_err(|error| ProtocolError::message("masked input", error.to_string()))?;
        let share = RingTensor::new(self.ring.bits, numbers)?;
        Ok(ServerValue::Shares { share, offsets: vec![self.lo; self.count].into() })
    }
}

impl ClientSide for Side {
    fn cost(&self) -> StageCost {
        StageCost {
            online: Cost { rounds: 0.5, ..Cost::of_bytes(self.bytes() as u64, 0) },
            ..StageCost::default()
        }
    }

    fn begin(&self) -> Box<dyn ClientRun> {
        Box::new(Masked { side: *self, mask: None })
    }
}

/// The client's mask.
struct Masked {
    side: Side,
    mask: Option<RingTensor>,
}

impl ClientRun for Masked {
    fn prepare(
        &mut self,
        phase: Phase,
        context: &mut ClientContext<'_>,
        _reads: &[Option<&ClientValue>],
    ) -> Result<Option<ClientValue>, ProtocolError> {
        if phase != Phase::One {
            return Ok(None);
        }
        let mask = random(self.side.count, self.side.ring.bits, context)?;
        self.mask = Some(mask.clone());
        Ok(Some(ClientValue::Shares(mask)))
    }

    fn run(
        self: Box<Self>,
        context: &mut ClientContext<'_>,
        reads: &[&ClientValue],
    ) -> Result<Option<ClientValue>, ProtocolError> {
        let Side { count, ring, lo } = self.side;
        let numbers = reads.first().and_then(|read| read.numbers());
        let numbers = numbers.ok_or_else(|| ProtocolError::missing("the client's numbers"))?;
        let t: Vec<i64> = numbers.iter().take(count).map(|q| q.wrapping_sub(lo)).collect();
        let mask = self.mask.as_ref().ok_or_else(|| ProtocolError::out_of_turn("the input's mask"))?;
        let masked = RingTensor::from_signed(ring.bits, &t)?.sub(mask)?;
        let mut message = Vec::with_capacity(self.side.bytes());
        bits::pack(masked.values(), ring.bits, &mut message);
        context.wire.send(&message)?;
        Ok(None)
    }
}

/// A share that is drawn: uniform numbers of so many bits.
pub(crate) fn random(
    count: usize,
    bits: u32,
    context: &mut ClientContext<'_>,
) -> Result<RingTensor, ProtocolError> {
    Ok(RingTensor::new(bits, (0..count).map(|_| context.rng.next_u64()).collect())?)
}
