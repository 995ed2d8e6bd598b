//! Layers in a garbled circuit, up to the program's output: of the client's own input, of tensors in shares,
//! or of both.
//!
//! | message | from | what |
//! |---|---|---|
//! | Three | client | a digest; each bit of its shares, and a 0, less its row's choice |
//! | Four | server | the start point; a correction for each label by OT; the tables, segment by segment |
//! | input | client | a digest; its input bits, each masked by a row's choice. None if it reads shares only |
//! | output | server | the labels of the masked bits and of the server's own bits; the decoding, masked |
//!
//! Where a prediction's input follows at once, message Four comes with the output: the start point, the
//! corrections and the labels; the tables; the decoding. So no host holds the tables of a whole circuit.
//!
//! Rows, all of the pool in which the server sends: one for each input bit of the client's, then one for each
//! bit of its shares, then one more; row i has tweak i. See `docs/protocols/garbled.md`.

mod client;
mod cost;
mod labels;
mod server;

use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use xonn_crypto::bits;
use xonn_crypto::block::Block;
use xonn_crypto::garble::{DECODE_BYTES, Scheme};
use xonn_program::circuit::{self, Held, LowerError, Run, Sharing};
use xonn_program::{LayerId, Program, Tensor};

pub use cost::{Cost, cost};

use crate::plan::{How, Stage};
use crate::protocol::{ClientSide, Protocol, ProtocolError, Rows, ServerSide, StageError, Trust};
use crate::value::Form;

/// The protocol.
pub struct Garbled;

impl Protocol for Garbled {
    fn name(&self) -> &'static str {
        "garbled"
    }

    /// What it reads in shares comes from a stage that says so itself.
    fn holds(&self) -> Trust {
        Trust::Hostile
    }

    fn server(
        &self,
        stage: &Stage,
        program: &Program,
        tensors: &[Tensor],
    ) -> Result<Arc<dyn ServerSide>, StageError> {
        let scheme = scheme(stage)?;
        let run = circuit::run_with(program, tensors, &stage.layers, &reads(stage)?);
        Ok(Arc::new(server::Server::new(run.map_err(|error| refused(stage, &error))?, scheme)))
    }

    fn client(&self, stage: &Stage, program: &Program) -> Result<Arc<dyn ClientSide>, StageError> {
        let scheme = scheme(stage)?;
        let run = lowered(stage, program)?;
        Ok(Arc::new(client::Client::new(run, scheme, program)))
    }
}

/// The scheme of a stage that is this protocol's.
fn scheme(stage: &Stage) -> Result<Scheme, StageError> {
    match stage.how {
        How::Garbled { scheme } if stage.leaves == Form::Output => Ok(scheme),
        _ => Err(stage.error("a garbled circuit leaves the program's output")),
    }
}

/// The circuit of a stage.
fn lowered(stage: &Stage, program: &Program) -> Result<Run, StageError> {
    circuit::run(program, &stage.layers, &reads(stage)?).map_err(|error| refused(stage, &error))
}

fn refused(stage: &Stage, error: &LowerError) -> StageError {
    let layer = if let LowerError::Unsupported { layer, .. } = error { *layer } else { stage.last() };
    StageError { layer, reason: error.to_string() }
}

/// How the circuit of a stage reads its tensors.
fn reads(stage: &Stage) -> Result<Vec<(LayerId, Held)>, StageError> {
    let held = |&(layer, form): &(LayerId, Form)| match form {
        Form::Client => Ok((layer, Held::Client)),
        Form::Shares(ring) => {
            let (bits, fraction, step, span) = (ring.bits, ring.fraction, ring.step, ring.span);
            Ok((layer, Held::Shares(Sharing { bits, fraction, step, span })))
        }
        Form::Output => Err(stage.error(format!("it reads the output of layer {layer}"))),
    };
    stage.reads.iter().map(held).collect()
}

/// The input bits of a circuit, by where their labels come from; they lie in this order.
#[derive(Clone, Copy, Debug)]
struct Wires {
    /// The client's own: the XOR of a pad's label, by OT, and a masked bit's, with the output.
    pads: usize,
    /// The client's shares: by OT, ahead.
    shares: usize,
    /// The server's: with the output.
    servers: usize,
    /// Output bits.
    outputs: usize,
}

impl Wires {
    fn of(run: &Run) -> Self {
        let outputs = run.circuit().output_bits();
        Self { pads: run.input_bits(), shares: run.share_bits(), servers: run.server_bits(), outputs }
    }

    /// Labels by OT.
    fn transfers(self) -> usize {
        self.pads + self.shares
    }

    /// One row a label, and one for the key of the decoding's mask.
    fn rows(self) -> Rows {
        let leaves = self.transfers() + 1;
        Rows { leaves, masks: 0, tweaks: leaves }
    }

    /// Bytes of message Three.
    fn choice_bytes(self) -> usize {
        DIGEST + bits::byte_len(self.shares + 1, 1)
    }

    /// Bytes of message Four in front of the tables.
    fn correction_bytes(self) -> usize {
        Block::BYTES * (1 + self.transfers())
    }

    /// Bytes of the input's message, if there is one.
    fn input_bytes(self) -> usize {
        if self.pads == 0 { 0 } else { DIGEST + bits::byte_len(self.pads, 1) }
    }

    /// Labels that come with the output.
    fn answered(self) -> usize {
        self.pads + self.servers
    }

    /// Bytes of these labels.
    fn answered_bytes(self) -> usize {
        Block::BYTES * self.answered()
    }

    /// Bytes of what lets the client read its output.
    fn decoding_bytes(self) -> usize {
        DECODE_BYTES * self.outputs
    }
}

/// Length of the digest in front of a message of bits.
const DIGEST: usize = 32;

/// Against damage on the way, which would otherwise show as a wrong answer. It does not bind a host to
/// anything.
fn digest(what: &str, first_tweak: u64, payload: &[u8]) -> [u8; DIGEST] {
    let digest = Sha256::new_with_prefix(b"xonn garbled ").chain_update(what);
    digest.chain_update(first_tweak.to_le_bytes()).chain_update(payload).finalize().into()
}

/// A message of bits under a digest. `first_tweak`: whose number no other prediction of the connection has.
fn encode(what: &str, first_tweak: u64, choices: impl Iterator<Item = bool>) -> Vec<u8> {
    let numbers: Vec<u64> = choices.map(u64::from).collect();
    let mut payload = Vec::with_capacity(bits::byte_len(numbers.len(), 1));
    bits::pack(&numbers, 1, &mut payload);
    let mut message = digest(what, first_tweak, &payload).to_vec();
    message.extend(payload);
    message
}

/// Takes such a message apart.
fn decode(
    what: &'static str,
    first_tweak: u64,
    count: usize,
    message: &[u8],
) -> Result<Vec<bool>, ProtocolError> {
    let wrong = |reason: String| ProtocolError::message(what, reason);
    let split = message.split_first_chunk::<DIGEST>();
    let (found, payload) = split.ok_or_else(|| wrong("it is shorter than its digest".into()))?;
    if *found != digest(what, first_tweak, payload) {
        return Err(wrong("it does not have the digest that the client sent with it".into()));
    }
    let numbers = bits::unpack(payload, count, 1).map_err(|error| wrong(error.to_string()))?;
    Ok(numbers.iter().map(|&bit| bit == 1).collect())
}

/// What the client's message of phase Three is called.
const CHOICES: &str = "choices of labels";
/// What the client's message with its input is called.
const INPUT: &str = "masked input bits";

/// A garbling scheme as it stands in a plan: by its name.
pub mod scheme_name {
    use serde::{Deserialize as _, Deserializer, Serializer};
    use xonn_crypto::garble::Scheme;

    /// # Errors
    /// The serialiser's.
    pub fn serialize<S: Serializer>(scheme: &Scheme, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(scheme)
    }

    /// # Errors
    /// For a name that is no scheme's.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Scheme, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(serde::de::Error::custom)
    }
}
