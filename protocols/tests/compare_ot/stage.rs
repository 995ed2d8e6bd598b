//! Stages of thresholds: programs, shares, and both sides over a connection in memory with a set-up link.

use chacha20::ChaCha12Rng;
use rand::RngExt;
use xonn_crypto::share::RingTensor;
use xonn_program::op::{Cut, Window2d};
use xonn_program::{InputEncoding, Kind, Layer, Op, OutputEncoding, Program, Range, Tensor};
use xonn_protocols::compare_ot::{Choice, CompareOt, cost};
use xonn_protocols::link::{ClientLink, ServerLink};
use xonn_protocols::plan::{How, Stage};
use xonn_protocols::protocol::{ClientContext, Phase, Protocol as _, Rows, ServerContext};
use xonn_protocols::steps::rows::{ReceiverRows, SenderRows};
use xonn_protocols::value::{ClientValue, Form, Ring, ServerValue};
use xonn_protocols::wire::{Memory, Wire as _};

use crate::common::{numbers, rng};

/// Bits of the numbers that are cut: more than shares have.
const CODE_BITS: u32 = 26;

/// Where a pool stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pool {
    None,
    InFront(Window2d),
    Behind(Window2d),
}

/// A window of `kernel` with these strides over an image, as Keras' `same` (with padding) and `valid` do.
pub fn window(input: [usize; 3], kernel: [usize; 2], stride: [usize; 2], same: bool) -> Window2d {
    let size = |a: usize| {
        if same { input[a].div_ceil(stride[a]) } else { (input[a] - kernel[a]) / stride[a] + 1 }
    };
    let output = [size(0), size(1)];
    let pad = |a: usize| {
        let needed = (output[a] - 1) * stride[a] + kernel[a];
        if same { needed.saturating_sub(input[a]) / 2 } else { 0 }
    };
    Window2d { input, kernel, stride, dilation: [1, 1], pad_low: [pad(0), pad(1)], output }
}

/// A program of an input and a threshold with so many cuts, with a pool or without.
pub fn program(shape: [usize; 3], pool: Pool, cuts: usize) -> Program {
    let most = 1i64 << (CODE_BITS - 1);
    let numbers = Kind::Int(Range { lo: -most, hi: most - 1 });
    let layer = |op, read: Option<usize>, shape: [usize; 3], kind, secret| Layer {
        op,
        reads: read.into_iter().collect(),
        shape: shape.to_vec(),
        kind,
        secret,
    };
    let input = layer(Op::Input, None, shape, numbers, None);
    let pooled = |window: Window2d| [window.output[0], window.output[1], shape[2]];
    let cut = |read, shape| layer(Op::Threshold { cuts }, Some(read), shape, Kind::Bit, Some(0));
    let layers = match pool {
        Pool::None => vec![input, cut(0, shape)],
        Pool::InFront(window) => {
            let shape = pooled(window);
            vec![input, layer(Op::MaxPool { window }, Some(0), shape, numbers, None), cut(1, shape)]
        }
        Pool::Behind(window) => {
            let last = layer(Op::MaxPool { window }, Some(1), pooled(window), Kind::Bit, None);
            vec![input, cut(0, shape), last]
        }
    };
    let units = layers.last().unwrap().elements() as u32;
    let shape = shape.map(|size| size as u32).to_vec();
    let input = InputEncoding {
        shape,
        bits: CODE_BITS,
        signed: true,
        scale: 1.0,
        zero: 0,
        features: Vec::new(),
        tokens: false,
    };
    Program::new(input, layers, OutputEncoding::Labels { units }).unwrap()
}

/// All layers of such a program in one stage.
pub fn stage(program: &Program, choice: Choice, ring: Ring, bits: u32) -> Stage {
    Stage {
        layers: (1..program.layers().len()).collect(),
        reads: vec![(0, Form::Shares(ring))],
        leaves: Form::Shares(Ring::of_bits(bits)),
        how: How::CompareOt(choice),
    }
}

/// A stage with all that goes into it.
pub struct Case {
    pub what: String,
    pub program: Program,
    pub stage: Stage,
    pub cuts: Vec<Cut>,
    pub y0: ServerValue,
    pub y1: RingTensor,
    /// What each element is.
    pub values: Vec<i64>,
}

impl Case {
    /// Each t around its cut's edge or an end of what it can be, with any fraction; offsets of each element.
    pub fn edges(
        (shape, pool, cuts): ([usize; 3], Pool, usize),
        (choice, ring, bits): (Choice, Ring, u32),
        rng: &mut ChaCha12Rng,
    ) -> Self {
        let program = program(shape, pool, cuts);
        let span = ring.span as i64;
        let (least, most) = (-3, ring.step * span + 3);
        let cuts: Vec<Cut> =
            (0..cuts).map(|_| Cut { rising: rng.random(), at: rng.random_range(least..=most) }).collect();
        // Seldom at its edge or above if there is a pool, or each window would fire.
        let seldom = if pool == Pool::None { 2 } else { 8 };
        let (mut y, mut values, mut offsets) = (Vec::new(), Vec::new(), Vec::new());
        for i in 0..shape.iter().product() {
            let (cut, offset) = (cuts[i % cuts.len()], rng.random_range(-3..=3i64));
            let edge = (cut.at + i64::from(!cut.rising) - offset).div_euclid(ring.step);
            let above = i64::from(rng.random_range(0..seldom) == 0);
            let near = edge + above - i64::from(rng.random_range(0..3) == 0);
            let t = match rng.random_range(0..8 * seldom) {
                0 => span,
                1..4 => 0,
                _ => near.clamp(0, span),
            };
            let fraction = match rng.random_range(0..3) {
                0 => 0,
                1 => (1 << ring.fraction) - 1,
                _ => rng.random_range(0..1i64 << ring.fraction),
            };
            y.push((t << ring.fraction) + fraction);
            values.push(ring.step * t + offset);
            offsets.push(offset);
        }
        let y1 = numbers(y.len(), ring.bits, rng);
        let share = RingTensor::from_signed(ring.bits, &y).unwrap().sub(&y1).unwrap();
        let what = format!("{choice:?}, {pool:?}, {ring:?}, to {bits} bits");
        let y0 = ServerValue::Shares { share, offsets: offsets.into() };
        let stage = stage(&program, choice, ring, bits);
        Self { what, program, stage, cuts, y0, y1, values }
    }

    /// The same with each t and each fraction in a channel for each cut, rising and falling, from one below
    /// all values to one above. Of `each` rows the first has them; the others have the least there is.
    pub fn exhaustive(self, ring: Ring, [rows, each]: [usize; 2]) -> Self {
        let channels = self.cuts.len();
        let (mut y, mut values) = (Vec::new(), Vec::new());
        for (row, _) in (0..rows).flat_map(|row| (0..channels).map(move |channel| (row, channel))) {
            let y_here = if row % each == 0 { (row / each) as i64 } else { 0 };
            y.push(y_here);
            values.push(ring.step * (y_here >> ring.fraction));
        }
        assert_eq!(rows / each, (ring.span as usize + 1) << ring.fraction);
        let cut = |c: usize| Cut { rising: c.is_multiple_of(2), at: (c / 2) as i64 - 1 };
        assert_eq!(channels as i64 / 2, ring.step * ring.span as i64 + 3);
        let cuts = (0..channels).map(cut).collect();
        let share = RingTensor::from_signed(ring.bits, &y).unwrap().sub(&self.y1).unwrap();
        let y0 = ServerValue::Shares { share, offsets: vec![0; y.len()].into() };
        Self { cuts, y0, values, ..self }
    }

    pub fn tensors(&self) -> Vec<Tensor> {
        vec![Tensor::Cuts(self.cuts.clone())]
    }

    /// What the layers give in the clear.
    pub fn expected(&self) -> Vec<i64> {
        let layers = self.program.layers();
        self.stage.layers.iter().fold(self.values.clone(), |x, &layer| {
            let tensor = layers[layer].secret.map(|_| Tensor::Cuts(self.cuts.clone()));
            let channels = layers[layers[layer].reads[0]].channels();
            layers[layer].op.evaluate(tensor.as_ref(), &[(&x, channels)])
        })
    }
}

/// What a stage did.
#[derive(Default)]
pub struct Done {
    /// S's share, and what the server says of values.
    pub share: Option<(RingTensor, Vec<i64>)>,
    /// C's share.
    pub rho: Option<RingTensor>,
    /// Bytes ahead up and down, online down and up; a host has its own two.
    pub bytes: [u64; 4],
    /// Round trips online, from the server.
    pub turns: u64,
    /// The messages of one host.
    pub messages: Vec<Vec<u8>>,
}

const SESSION: [u8; 32] = [7; 32];

/// A host's phases and its run, with a context for each.
macro_rules! context {
    ($context:ident, $wire:expr, $rng:expr, $link:expr, $leaves:expr, $masks:expr, $tweak:expr) => {
        $context {
            wire: &mut *$wire,
            rng: &mut *$rng,
            link: $link,
            kept: &mut None,
            leaves: $leaves,
            masks: $masks,
            tweaks: $link.tweaks($tweak),
        }
    };
}

fn serve(cases: &[Case], wire: &mut Memory) -> Vec<Done> {
    let rng = &mut rng(1);
    let mut link = ServerLink::set_up(SESSION, Rows::default(), wire, rng).unwrap();
    let one = |case: &Case| {
        let side = CompareOt.server(&case.stage, &case.program, &case.tensors()).unwrap();
        let rows = link.reserve(side.rows(), 1, wire, rng).unwrap().remove(0).unwrap();
        let delta = link.delta().unwrap();
        let (leaves, masks) = (SenderRows::new(&rows.leaves, delta), ReceiverRows::new(&rows.masks));
        let (mut run, begin) = (side.begin(), wire.sent);
        wire.kept = Some(Vec::new());
        for phase in Phase::ALL {
            let mut context = context!(ServerContext, wire, rng, &link, leaves, masks, rows.first_tweak);
            run.prepare(phase, &mut context).unwrap();
        }
        let (ahead, turns) = (wire.sent, wire.turns);
        let mut context = context!(ServerContext, wire, rng, &link, leaves, masks, rows.first_tweak);
        let left = run.run(&mut context, &[&case.y0]).unwrap();
        let share = left.shares().unwrap();
        Done {
            share: Some((share.0.clone(), share.1.to_vec())),
            bytes: [0, ahead - begin, wire.sent - ahead, 0],
            turns: wire.turns - turns,
            messages: wire.kept.take().unwrap(),
            rho: None,
        }
    };
    cases.iter().map(one).collect()
}

fn ask(cases: &[Case], wire: &mut Memory) -> Vec<Done> {
    let rng = &mut rng(2);
    let mut link = ClientLink::set_up(SESSION, Rows::default(), wire, rng).unwrap();
    let one = |case: &Case| {
        let side = CompareOt.client(&case.stage, &case.program).unwrap();
        let rows = link.reserve(side.rows(), 1, wire, rng).unwrap().remove(0).unwrap();
        let delta = link.delta().unwrap();
        let (leaves, masks) = (ReceiverRows::new(&rows.leaves), SenderRows::new(&rows.masks, delta));
        let (mut run, begin, mut rho) = (side.begin(), wire.sent, None);
        wire.kept = Some(Vec::new());
        let y1 = ClientValue::Shares(case.y1.clone());
        for phase in Phase::ALL {
            let mut context = context!(ClientContext, wire, rng, &link, leaves, masks, rows.first_tweak);
            // The share of what is read is known by the third phase, that of what is left by the first.
            let known = (phase >= Phase::Three).then_some(&y1);
            let left = run.prepare(phase, &mut context, &[known]).unwrap();
            assert_eq!(left.is_some(), phase == Phase::One);
            rho = rho.or(left);
        }
        let ahead = wire.sent;
        let mut context = context!(ClientContext, wire, rng, &link, leaves, masks, rows.first_tweak);
        assert!(run.run(&mut context, &[&y1]).unwrap().is_none());
        Done {
            rho: rho.as_ref().and_then(ClientValue::share).cloned(),
            bytes: [ahead - begin, 0, 0, wire.sent - ahead],
            messages: wire.kept.take().unwrap(),
            ..Done::default()
        }
    };
    let all = cases.iter().map(one).collect();
    wire.flush().unwrap();
    all
}

/// Stages one after the other over one link, each host on its thread: server and client of each.
pub fn run(cases: &[Case]) -> Vec<[Done; 2]> {
    let [mut first, mut second] = Memory::pair();
    std::thread::scope(|scope| {
        let server = scope.spawn(move || serve(cases, &mut first));
        let client = ask(cases, &mut second);
        server.join().unwrap().into_iter().zip(client).map(|(server, client)| [server, client]).collect()
    })
}

/// Both shares open to what the layers give, and the wire counted what the cost says.
pub fn check(cases: &[Case]) {
    for (case, [server, client]) in cases.iter().zip(run(cases)) {
        let (share, offsets) = server.share.unwrap();
        let t = share.add(&client.rho.unwrap()).unwrap();
        let opened: Vec<i64> = t.values().iter().zip(offsets).map(|(&t, at)| 2 * t as i64 + at).collect();
        assert_eq!(opened, case.expected(), "{}", case.what);
        let Form::Shares(leaves) = case.stage.leaves else { panic!("shares are left") };
        assert_eq!(share.bits(), leaves.bits);
        let cost = cost(&case.stage, &case.program).unwrap();
        let bytes = [client.bytes[0], server.bytes[1], server.bytes[2], client.bytes[3]];
        assert_eq!(bytes, cost.bytes().map(|bytes| bytes as u64), "{}", case.what);
        assert_eq!(server.turns, cost.round_trips() as u64, "{}", case.what);
        // What the planner asks for is the same.
        let planned = CompareOt.cost(&case.stage, &case.program).unwrap();
        let [offline, online] = [planned.offline, planned.online].map(|cost| [cost.up, cost.down]);
        assert_eq!([offline, online], [[bytes[0], bytes[1]], [bytes[3], bytes[2]]], "{}", case.what);
        assert_eq!(planned.online.rounds, server.turns as f64, "{}", case.what);
    }
}
