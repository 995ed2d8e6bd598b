//! Both hosts of a stage, driven by hand.

use std::sync::{Arc, LazyLock};
use std::thread;

use chacha20::ChaCha12Rng;
use rand::{Rng, RngExt, SeedableRng};
use sha2::{Digest, Sha256};
use xonn_crypto::share::RingTensor;
use xonn_program::encoding::{InputEncoding, OutputEncoding};
use xonn_program::op::{Cut, Linear, Planes};
use xonn_program::{Kind, Layer, Op, Program, Range, Tensor};
use xonn_protocols::link::{ClientLink, ServerLink};
use xonn_protocols::plan::{How, Stage};
use xonn_protocols::protocol::{
    ClientContext, ClientSide, Kept, Phase, Protocol, ProtocolError, Rows, ServerContext, ServerSide, SetUp,
};
use xonn_protocols::steps::rows::{ReceiverRows, SenderRows};
use xonn_protocols::value::{ClientValue, Form, Ring, ServerValue};
use xonn_protocols::weight_ot::WeightOt;
use xonn_protocols::wire::{Memory, Wire, WireError};

pub const SESSION: [u8; 32] = [7; 32];

pub fn rng(seed: u64) -> ChaCha12Rng {
    ChaCha12Rng::seed_from_u64(seed)
}

/// A linear layer, and how it is shared.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub linear: Linear,
    pub reads: Ring,
    /// Bits of the sums.
    pub bits: u32,
}

impl Case {
    /// Of numbers in `span + 1` steps, shared in as few bits as hold the sums.
    pub fn new(linear: Linear, step: i64, span: u64) -> Self {
        let bits = u64::BITS - Self::span_of(&linear, span).leading_zeros();
        Self { linear, reads: Ring { bits, fraction: 0, terms: 0, step, span }, bits }
    }

    fn span_of(linear: &Linear, span: u64) -> u64 {
        let most = (linear.weights.largest() / Self::factor(linear)) as u64;
        linear.fan_in() as u64 * most * span
    }

    fn factor(linear: &Linear) -> i64 {
        if linear.weights == Planes::Ternary { 2 } else { 1 }
    }

    pub fn leaves(&self) -> Ring {
        let step = self.reads.step * Self::factor(&self.linear);
        Ring {
            bits: self.bits,
            fraction: 0,
            terms: 0,
            step,
            span: Self::span_of(&self.linear, self.reads.span),
        }
    }

    pub fn inputs(&self) -> usize {
        self.linear.window.input.iter().product()
    }

    pub fn elements(&self) -> usize {
        self.linear.elements()
    }

    /// An input, its signs, and the layer.
    pub fn program(&self) -> Program {
        let shape = self.linear.window.input;
        let most = self.linear.fan_in() as i64 * self.linear.weights.largest();
        let range = Range { lo: -most, hi: most };
        let layer = |op, reads, shape: &[usize], kind, secret| Layer {
            op,
            reads,
            shape: shape.to_vec(),
            kind,
            secret,
        };
        let window = self.linear.window;
        let output = [window.output[0], window.output[1], self.linear.filters];
        let count = self.elements() as u32;
        Program::new(
            InputEncoding {
                shape: shape.iter().map(|&size| size as u32).collect(),
                bits: 4,
                signed: true,
                scale: 1.0,
                zero: 0,
                features: vec![],
                tokens: false,
            },
            vec![
                layer(Op::Input, vec![], &shape, Kind::Int(Range { lo: -8, hi: 7 }), None),
                layer(Op::Threshold { cuts: 1 }, vec![0], &shape, Kind::Bit, Some(0)),
                layer(Op::Linear(self.linear), vec![1], &output, Kind::Int(range), Some(1)),
            ],
            OutputEncoding::Scores { count, bits: range.signed_bits(), scale: 1.0 },
        )
        .unwrap()
    }

    pub fn stage(&self) -> Stage {
        Stage {
            layers: vec![2],
            reads: vec![(1, Form::Shares(self.reads))],
            leaves: Form::Shares(self.leaves()),
            how: How::WeightOt,
        }
    }

    pub fn weights(&self, rng: &mut ChaCha12Rng) -> Vec<i32> {
        let planes = self.linear.weights;
        let codes = planes.largest() as u64 + 1;
        (0..self.linear.weight_count()).map(|_| planes.weight(rng.random_range(0..codes)).unwrap()).collect()
    }

    pub fn connect(&self, weights: Vec<i32>, seed: u64) -> Hosts {
        let (program, stage) = (self.program(), self.stage());
        let tensors = [Tensor::Cuts(vec![Cut { rising: true, at: 0 }]), Tensor::Weights(weights)];
        let server = WeightOt.server(&stage, &program, &tensors).unwrap();
        let client = WeightOt.client(&stage, &program).unwrap();
        let (mut kept, mut rngs) = ([None, None], [rng(seed), rng(seed ^ 1 << 32)]);
        let mut wires = Memory::pair();
        wires.iter_mut().for_each(|wire| wire.kept = Some(Vec::new()));
        let [to_client, to_server] = &mut wires;
        let ([server_kept, client_kept], [server_rng, client_rng]) = (&mut kept, &mut rngs);
        thread::scope(|scope| {
            scope.spawn(|| {
                for step in [SetUp::Asks, SetUp::Answers] {
                    server.set_up(step, &SESSION, server_kept, to_client, server_rng).unwrap();
                }
            });
            for step in [SetUp::Asks, SetUp::Answers] {
                client.set_up(step, &SESSION, client_kept, to_server, client_rng).unwrap();
            }
        });
        let set_up = wires.map(|wire| wire.kept.unwrap());
        Hosts { case: *self, server, client, kept, rngs, set_up, predictions: 0 }
    }
}

/// Both hosts of a connection.
pub struct Hosts {
    pub case: Case,
    pub server: Arc<dyn ServerSide>,
    pub client: Arc<dyn ClientSide>,
    pub kept: [Kept; 2],
    rngs: [ChaCha12Rng; 2],
    /// Messages of the set-up: the server's, the client's.
    pub set_up: [Vec<Vec<u8>>; 2],
    pub predictions: u64,
}

/// What changes the client's messages, all of a prediction at once.
pub type Tamper<'a> = &'a dyn Fn(&mut Vec<Vec<u8>>);

/// What both hosts have of a prediction, and what the client sent.
pub struct Outcome {
    pub server: Result<ServerValue, ProtocolError>,
    /// The client's share of what the stage leaves.
    pub client: RingTensor,
    pub sent: Vec<Vec<u8>>,
}

impl Hosts {
    /// A prediction of these t.
    pub fn predict(&mut self, t: &[u64], offsets: &[i64], tamper: Tamper<'_>) -> Outcome {
        let bits = self.case.reads.bits;
        let mask = (0..t.len()).map(|_| self.rngs[1].next_u64()).collect();
        let mask = RingTensor::new(bits, mask).unwrap();
        let share = RingTensor::new(bits, t.to_vec()).unwrap().sub(&mask).unwrap();
        let (client, sent) = self.client(ClientValue::Shares(mask)).unwrap();
        let mut messages = sent.clone();
        self.predictions += 1;
        tamper(&mut messages);
        let server = self.server(messages, &ServerValue::Shares { share, offsets: offsets.to_vec().into() });
        Outcome { server, client, sent }
    }

    /// The client's prediction of this share: its share of the sums, and what it sends.
    pub fn client(&mut self, mask: ClientValue) -> Result<(RingTensor, Vec<Vec<u8>>), ProtocolError> {
        let mut wire = Canned::default();
        let mut run = self.client.begin();
        with_client(&mut self.kept[1], &mut wire, &mut self.rngs[1], |context| {
            let mut left = None;
            for phase in Phase::ALL {
                if let Some(value) = run.prepare(phase, context, &[Some(&mask)])? {
                    assert!(phase == Phase::One && left.replace(value).is_none());
                }
            }
            assert!(run.run(context, &[&mask])?.is_none(), "its share was given ahead");
            let Some(ClientValue::Shares(share)) = left else { panic!("a share is left") };
            Ok(share)
        })
        .map(|share| (share, wire.sent))
    }

    /// The server, of these messages.
    pub fn server(
        &mut self,
        messages: Vec<Vec<u8>>,
        reads: &ServerValue,
    ) -> Result<ServerValue, ProtocolError> {
        let mut wire = Canned { messages: messages.into(), ..Canned::default() };
        let mut run = self.server.begin();
        with_server(&mut self.kept[0], &mut wire, &mut self.rngs[0], |context| {
            for phase in Phase::ALL {
                run.prepare(phase, context)?;
            }
            run.run(context, &[reads])
        })
    }

    /// The digest that goes with these corrections, in the prediction before the next.
    pub fn digest(&self, parts: &[Vec<u8>]) -> Vec<u8> {
        let session = Sha256::new_with_prefix(b"xonn weight OTs").chain_update(SESSION).finalize();
        let number = (self.predictions - 1).to_le_bytes();
        let mut digest = Sha256::new_with_prefix(b"corrections").chain_update(session).chain_update(number);
        parts.iter().for_each(|part| digest.update(part));
        digest.finalize().to_vec()
    }
}

/// Messages that are there already, and those that are sent.
#[derive(Default)]
pub struct Canned {
    pub messages: std::collections::VecDeque<Vec<u8>>,
    pub sent: Vec<Vec<u8>>,
}

impl Wire for Canned {
    fn send(&mut self, message: &[u8]) -> Result<(), WireError> {
        self.sent.push(message.to_vec());
        Ok(())
    }

    fn receive(&mut self, length: usize) -> Result<Vec<u8>, WireError> {
        match self.messages.pop_front() {
            Some(message) if message.len() == length => Ok(message),
            other => Err(WireError(format!("{:?} bytes, expected {length}", other.map(|m| m.len())).into())),
        }
    }

    fn flush(&mut self) -> Result<(), WireError> {
        Ok(())
    }
}

/// Links that no stage of this protocol uses.
static LINKS: LazyLock<(ServerLink, ClientLink)> = LazyLock::new(|| {
    let [mut to_client, mut to_server] = Memory::pair();
    thread::scope(|scope| {
        let server = scope.spawn(move || {
            ServerLink::set_up(SESSION, Rows::default(), &mut to_client, &mut rng(1)).unwrap()
        });
        let client = ClientLink::set_up(SESSION, Rows::default(), &mut to_server, &mut rng(2)).unwrap();
        (server.join().unwrap(), client)
    })
});

pub fn with_server<R>(
    kept: &mut Kept,
    wire: &mut dyn Wire,
    rng: &mut ChaCha12Rng,
    act: impl FnOnce(&mut ServerContext<'_>) -> R,
) -> R {
    let link = &LINKS.0;
    act(&mut ServerContext {
        wire,
        rng,
        link,
        kept,
        leaves: SenderRows::new(&[], link.delta().unwrap()),
        masks: ReceiverRows::new(&[]),
        tweaks: link.tweaks(0),
    })
}

pub fn with_client<R>(
    kept: &mut Kept,
    wire: &mut dyn Wire,
    rng: &mut ChaCha12Rng,
    act: impl FnOnce(&mut ClientContext<'_>) -> R,
) -> R {
    let link = &LINKS.1;
    act(&mut ClientContext {
        wire,
        rng,
        link,
        kept,
        leaves: ReceiverRows::new(&[]),
        masks: SenderRows::new(&[], link.delta().unwrap()),
        tweaks: link.tweaks(0),
    })
}
