//! The client's side: its masks, encrypted, and its share of the sums, decrypted; both ahead of the input.

use std::sync::Arc;

use xonn_crypto::rlwe::ClientKey;
use xonn_crypto::share::RingTensor;

use super::sums::Sums;
use crate::cost::StageCost;
use crate::protocol::{ClientContext, ClientRun, ClientSide, Phase, ProtocolError};
use crate::value::ClientValue;

impl ClientSide for Arc<Sums> {
    fn cost(&self) -> StageCost {
        Sums::cost(self)
    }

    fn begin(&self) -> Box<dyn ClientRun> {
        Box::new(Run { sums: Arc::clone(self), key: None })
    }
}

/// One prediction.
struct Run {
    sums: Arc<Sums>,
    /// The key that its share was encrypted under; the connection may have a new one when the answer comes.
    key: Option<Arc<ClientKey>>,
}

impl Run {
    /// Its share of the inputs, encrypted.
    fn masks(
        &mut self,
        context: &mut ClientContext<'_>,
        share: Option<&RingTensor>,
    ) -> Result<Vec<u8>, ProtocolError> {
        let sums = Arc::clone(&self.sums);
        let share = share.ok_or_else(|| ProtocolError::out_of_turn("the client's share"))?;
        if share.len() != sums.inputs {
            let reason = format!("{} numbers, expected {}", share.len(), sums.inputs);
            return Err(ProtocolError::message("the client's share", reason));
        }
        let l = sums.rounding.l();
        let image = sums.shape.image(sums.masks(share)?.values());
        let masks = sums.layout.encode_inputs(&image).map_err(xonn_crypto::rlwe::RlweError::from)?;
        let key =
            context.link.key(sums.params).ok_or_else(|| ProtocolError::out_of_turn("the client's key"))?;
        let message = key.encrypt(l, &masks, &mut &mut *context.rng)?;
        self.key = Some(key);
        Ok(message)
    }
}

impl ClientRun for Run {
    fn prepare(
        &mut self,
        phase: Phase,
        context: &mut ClientContext<'_>,
        reads: &[Option<&ClientValue>],
    ) -> Result<Option<ClientValue>, ProtocolError> {
        match phase {
            Phase::One => {
                let share = reads.first().copied().flatten().and_then(ClientValue::share);
                let message = self.masks(context, share)?;
                context.wire.send(&message)?;
                Ok(None)
            }
            Phase::Two => {
                let sums = &self.sums;
                let answer = context.wire.receive(sums.bytes[1])?;
                let key = self.key.take().ok_or_else(|| ProtocolError::out_of_turn("the client's key"))?;
                let share = key.decrypt(&sums.layout, &sums.rounding, &answer)?;
                let share = RingTensor::new(sums.leaves.bits, sums.shape.filters_last(&share))?;
                Ok(Some(ClientValue::Shares(share)))
            }
            Phase::Three | Phase::Four => Ok(None),
        }
    }

    fn run(
        self: Box<Self>,
        _context: &mut ClientContext<'_>,
        _reads: &[&ClientValue],
    ) -> Result<Option<ClientValue>, ProtocolError> {
        Ok(None)
    }
}
