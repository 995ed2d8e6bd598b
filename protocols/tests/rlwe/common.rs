//! Programs of one linear layer, and both hosts of its stage in one process.

use std::sync::Arc;

use chacha20::ChaCha12Rng;
use rand::{RngExt, SeedableRng};
use xonn_crypto::rlwe::Params;
use xonn_crypto::share::RingTensor;
use xonn_program::op::{Cut, Linear, Pad, Planes, Window2d};
use xonn_program::{InputEncoding, Kind, Layer, Op, OutputEncoding, Program, Range, Tensor};
use xonn_protocols::link::{ClientLink, ServerLink};
use xonn_protocols::plan::{How, Stage};
use xonn_protocols::protocol::{
    ClientContext, ClientSide, Phase, Protocol, ProtocolError, Rows, ServerContext, ServerSide, StageError,
};
use xonn_protocols::rlwe::{self, Choice, Rlwe};
use xonn_protocols::steps::rows::{ReceiverRows, SenderRows};
use xonn_protocols::value::{ClientValue, Form, Ring, ServerValue};
use xonn_protocols::wire::Memory;

pub fn rng(seed: u64) -> ChaCha12Rng {
    ChaCha12Rng::seed_from_u64(seed)
}

/// What a layer reads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reads {
    Bits,
    /// Numbers of so many bits, recoded with a step and an offset.
    Numbers(u32, i64, i64),
}

impl Reads {
    /// The ring of its shares, with some bits more than it needs.
    pub fn ring(self, bits: u32) -> Ring {
        match self {
            Self::Bits => Ring::of_bits(bits),
            Self::Numbers(width, step, _) => {
                Ring { bits, fraction: 0, terms: 0, step, span: (1 << width) - 1 }
            }
        }
    }

    pub fn offset(self) -> i64 {
        match self {
            Self::Bits => -1,
            Self::Numbers(_, _, offset) => offset,
        }
    }
}

/// Image, kernel, stride, dilation, padding at the low ends, output, filters, groups.
pub struct Conv(
    pub [usize; 3],
    pub [usize; 2],
    pub [usize; 2],
    pub [usize; 2],
    pub [usize; 2],
    pub [usize; 2],
    pub usize,
    pub usize,
);

impl Conv {
    pub fn linear(&self, weights: Planes, pad: Pad) -> Linear {
        let &Self(input, kernel, stride, dilation, pad_low, output, filters, groups) = self;
        let window = Window2d { input, kernel, stride, dilation, pad_low, output };
        Linear { weights, window, filters, groups, pad }
    }
}

/// Input, what makes of it what the layer reads, the layer.
pub fn program(linear: Linear, reads: Reads) -> Program {
    let shape: Vec<usize> = linear.window.input.to_vec();
    let elements: usize = shape.iter().product();
    let bits = if let Reads::Numbers(bits, ..) = reads { bits } else { 1 };
    let codes = Range { lo: 0, hi: (1 << bits) - 1 };
    let (before, kind, secret) = match reads {
        Reads::Bits => (Op::Threshold { cuts: elements }, Kind::Bit, Some(0)),
        Reads::Numbers(_, step, offset) => {
            let range = Range { lo: offset, hi: step * codes.hi + offset };
            (Op::Recode { step, offset }, Kind::Int(range), None)
        }
    };
    let [lo, hi] = [kind.range().lo, kind.range().hi].map(i128::from);
    let most = linear.fan_in() as i128 * i128::from(linear.weights.largest()) * lo.abs().max(hi).max(1);
    let range = Range { lo: -most as i64, hi: most as i64 };
    let [height, width] = linear.window.output;
    let count = linear.elements() as u32;
    let output = OutputEncoding::Scores { count, bits: range.signed_bits(), scale: 1.0 };
    let layer = |op, reads, shape, kind, secret| Layer { op, reads, shape, kind, secret };
    let layers = vec![
        layer(Op::Input, vec![], shape.clone(), Kind::Int(codes), None),
        layer(before, vec![0], shape.clone(), kind, secret),
        layer(
            Op::Linear(linear),
            vec![1],
            vec![height, width, linear.filters],
            Kind::Int(range),
            Some(usize::from(secret.is_some())),
        ),
    ];
    let shape = shape.iter().map(|&size| size as u32).collect();
    let input =
        InputEncoding { shape, bits, signed: false, scale: 1.0, zero: 0, features: vec![], tokens: false };
    Program::new(input, layers, output).unwrap()
}

/// The program's tensors, with these weights.
pub fn tensors(linear: &Linear, reads: Reads, weights: Vec<i32>) -> Vec<Tensor> {
    let cuts = vec![Cut { rising: true, at: 1 }; linear.window.input.iter().product()];
    let weights = Tensor::Weights(weights);
    if reads == Reads::Bits { vec![Tensor::Cuts(cuts), weights] } else { vec![weights] }
}

pub fn weight(planes: Planes, rng: &mut ChaCha12Rng) -> i32 {
    let most = planes.largest();
    (most - 2 * rng.random_range(0..=most)) as i32
}

/// The stage of the layer with a choice.
pub fn stage(linear: &Linear, ring: Ring, choice: Choice) -> Stage {
    let leaves = rlwe::leaves(linear, ring, &choice).unwrap();
    Stage {
        layers: vec![2],
        reads: vec![(1, Form::Shares(ring))],
        leaves: Form::Shares(leaves),
        how: How::Rlwe(choice),
    }
}

/// The stage that the search finds.
pub fn found(linear: &Linear, program: &Program, reads: Reads) -> Stage {
    let sigmas = rlwe::sigmas_for(rlwe::neurons(program));
    let choice = rlwe::search(linear, reads.ring(1).span, 1, sigmas, 1).unwrap();
    stage(linear, reads.ring(choice.bits + 3), choice)
}

/// Both ends of a connection with keys for all rings.
pub struct Ends {
    pub server: (ServerLink, Memory, ChaCha12Rng),
    pub client: (ClientLink, Memory, ChaCha12Rng),
}

impl Ends {
    pub fn new(seed: u64) -> Self {
        let [mut one, mut two] = Memory::pair();
        let mut rngs = [rng(seed), rng(seed + 1000)];
        let session = [7; 32];
        let [server_rng, client_rng] = &mut rngs;
        let (mut server, mut client) = std::thread::scope(|scope| {
            let server =
                scope.spawn(|| ServerLink::set_up(session, Rows::default(), &mut one, server_rng).unwrap());
            let client = ClientLink::set_up(session, Rows::default(), &mut two, client_rng).unwrap();
            (server.join().unwrap(), client)
        });
        // New ones, so that what follows does not depend on what the set-up draws.
        let [server_rng, mut client_rng] = [rng(seed), rng(seed + 1000)];
        client.renew_keys(&Params::ALL, &mut two, &mut rng(seed + 1000)).unwrap();
        server.renew_keys(&Params::ALL, &mut one).unwrap();
        // What seven keys take, as many as there were rows when bytes were recorded.
        for _ in 0..7 {
            client_rng.fill(&mut [0u8; 16]);
        }
        Self { server: (server, one, server_rng), client: (client, two, client_rng) }
    }

    /// A prediction more: new keys, if it is time for them.
    pub fn renew_keys(&mut self, rng: &mut ChaCha12Rng) {
        self.renew_keys_of(&Params::ALL, rng);
    }

    /// The same, for these rows.
    pub fn renew_keys_of(&mut self, params: &[Params], rng: &mut ChaCha12Rng) {
        self.client.0.renew_keys(params, &mut self.client.1, rng).unwrap();
        self.server.0.renew_keys(params, &mut self.server.1).unwrap();
    }

    /// A context of the server, for one call.
    pub fn at_server<T>(&mut self, call: impl FnOnce(&mut ServerContext<'_>) -> T) -> T {
        let (link, wire, rng) = &mut self.server;
        let (leaves, tweaks) = (SenderRows::new(&[], link.delta().unwrap()), link.tweaks(0));
        let (masks, kept) = (ReceiverRows::new(&[]), &mut None);
        call(&mut ServerContext { wire, rng, link, kept, leaves, masks, tweaks })
    }

    /// A context of the client, for one call.
    pub fn at_client<T>(&mut self, call: impl FnOnce(&mut ClientContext<'_>) -> T) -> T {
        let (link, wire, rng) = &mut self.client;
        let (masks, tweaks) = (SenderRows::new(&[], link.delta().unwrap()), link.tweaks(0));
        let (leaves, kept) = (ReceiverRows::new(&[]), &mut None);
        call(&mut ClientContext { wire, rng, link, kept, leaves, masks, tweaks })
    }

    /// A prediction of a stage, ahead and with its input: both shares, and the offsets.
    pub fn predict(
        &mut self,
        sides: &Sides,
        read: &(ServerValue, ClientValue),
    ) -> Result<(RingTensor, RingTensor, Vec<i64>), ProtocolError> {
        let (mut server, mut client) = (sides.server.begin(), sides.client.begin());
        let mut left = None;
        for phase in Phase::ALL {
            let up = matches!(phase, Phase::One | Phase::Three);
            if !up {
                self.at_server(|context| server.prepare(phase, context))?;
            }
            let value = self.at_client(|context| client.prepare(phase, context, &[Some(&read.1)]))?;
            left = left.or(value);
            if up {
                self.at_server(|context| server.prepare(phase, context))?;
            }
        }
        let value = self.at_server(|context| server.run(context, &[&read.0]))?;
        assert!(self.at_client(|context| client.run(context, &[&read.1]))?.is_none());
        let Some(ClientValue::Shares(y1)) = left else { panic!("no share: {left:?}") };
        let (y0, offsets) = value.shares().unwrap();
        Ok((y0.clone(), y1, offsets.to_vec()))
    }
}

/// Both sides of a stage.
pub struct Sides {
    pub server: Arc<dyn ServerSide>,
    pub client: Arc<dyn ClientSide>,
}

impl Sides {
    pub fn new(stage: &Stage, program: &Program, tensors: &[Tensor]) -> Result<Self, StageError> {
        Ok(Self { server: Rlwe.server(stage, program, tensors)?, client: Rlwe.client(stage, program)? })
    }
}

/// Shares of t in a ring, and the offsets of its elements.
pub fn share(ring: Ring, t: &[u64], offsets: &[i64], rng: &mut ChaCha12Rng) -> (ServerValue, ClientValue) {
    let y1 = RingTensor::new(ring.bits, t.iter().map(|_| rng.random()).collect()).unwrap();
    let y0 = RingTensor::new(ring.bits, t.to_vec()).unwrap().sub(&y1).unwrap();
    let server = ServerValue::Shares { share: y0, offsets: offsets.to_vec().into() };
    (server, ClientValue::Shares(y1))
}

/// The ring of the stage's result.
pub fn leaves(stage: &Stage) -> Ring {
    let Form::Shares(ring) = stage.leaves else { panic!("{stage:?}") };
    ring
}

/// What shares open to, and that each t is one that the ring says.
pub fn open(ring: Ring, (y0, y1, offsets): &(RingTensor, RingTensor, Vec<i64>)) -> Vec<i64> {
    assert_eq!((y0.bits(), y1.bits()), (ring.bits, ring.bits));
    let sums = y0.add(y1).unwrap();
    let value = |(&y, &offset): (&u64, &i64)| {
        let t = y >> ring.fraction;
        assert!(t <= ring.span, "{t} of {ring:?}");
        ring.step * t as i64 + offset
    };
    sums.values().iter().zip(offsets).map(value).collect()
}
