//! How long both hosts take for a linear layer under lattice encryption.
//!
//!     cargo run --release -p xonn-protocols --example sums

use std::time::Instant;

use rand::RngExt;
use xonn_crypto::rlwe::Params;
use xonn_crypto::share::RingTensor;
use xonn_program::op::{Linear, Pad, Planes, Window2d};
use xonn_program::{InputEncoding, Kind, Layer, Op, OutputEncoding, Program, Range, Tensor};
use xonn_protocols::link::{ClientLink, ServerLink};
use xonn_protocols::plan::{How, Stage};
use xonn_protocols::protocol::{ClientContext, Phase, Protocol as _, Rows, ServerContext};
use xonn_protocols::rlwe::{self, Rlwe};
use xonn_protocols::steps::rows::{ReceiverRows, SenderRows};
use xonn_protocols::value::{ClientValue, Form, Ring, ServerValue};
use xonn_protocols::wire::Memory;

/// A 3x3 convolution with padding, of numbers of so many bits.
fn same(side: usize, channels: usize, filters: usize) -> Linear {
    let window = Window2d {
        input: [side, side, channels],
        kernel: [3; 2],
        stride: [1; 2],
        dilation: [1; 2],
        pad_low: [1; 2],
        output: [side; 2],
    };
    Linear { weights: Planes::Sign, window, filters, groups: 1, pad: Pad::Drop }
}

fn program(linear: Linear, bits: u32) -> Program {
    let shape = linear.window.input;
    let codes = Range { lo: 0, hi: (1 << bits) - 1 };
    let most = linear.fan_in() as i64 * codes.hi;
    let range = Range { lo: -most, hi: most };
    let [height, width] = linear.window.output;
    let layer = |op, reads, shape, range, secret| Layer { op, reads, shape, kind: Kind::Int(range), secret };
    let layers = vec![
        layer(Op::Input, vec![], shape.to_vec(), codes, None),
        layer(Op::Linear(linear), vec![0], vec![height, width, linear.filters], range, Some(0)),
    ];
    let count = linear.elements() as u32;
    let output = OutputEncoding::Scores { count, bits: range.signed_bits(), scale: 1.0 };
    let shape = shape.map(|size| size as u32).to_vec();
    let input =
        InputEncoding { shape, bits, signed: false, scale: 1.0, zero: 0, features: vec![], tokens: false };
    Program::new(input, layers, output).expect("a valid program")
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    const NEURONS: usize = 173_066;
    let sigmas = rlwe::sigmas_for(NEURONS);
    println!("layer | parameters | kB up, down | search, load, C one, S one, S two, C two, S online: ms");
    for (name, linear, bits) in [
        ("3 -> 64, 3x3, 32x32, 8 bits", same(32, 3, 64), 8),
        ("64 -> 64, 3x3, 32x32", same(32, 64, 64), 1),
        ("64 -> 64, 3x3, 16x16", same(16, 64, 64), 1),
        ("256 -> 256, 3x3, 4x4", same(4, 256, 256), 1),
        ("dense 1960 x 200", Linear::dense(1960, 200, Planes::Sign), 1),
        ("dense 784 x 128, 8 bits", Linear::dense(784, 128, Planes::Sign), 8),
    ] {
        let rng = &mut rand::rng();
        let mut times = Vec::new();
        let mut clock = Instant::now();
        let mut lap = |times: &mut Vec<f64>| {
            times.push(clock.elapsed().as_secs_f64() * 1e3);
            clock = Instant::now();
        };
        let span = (1 << bits) - 1;
        let choice = rlwe::search(&linear, span, 1, sigmas, 1).ok_or("no ring holds it")?;
        lap(&mut times);
        let program = program(linear, bits);
        let reads = Ring { bits: choice.bits, fraction: 0, terms: 0, step: 1, span };
        let stage = Stage {
            layers: vec![1],
            reads: vec![(0, Form::Shares(reads))],
            leaves: Form::Shares(rlwe::leaves(&linear, reads, &choice).ok_or("it was found")?),
            how: How::Rlwe(choice),
        };
        let signs: Vec<bool> = (0..linear.weight_count()).map(|_| rng.random()).collect();
        let secret = [Tensor::signs(&signs)];
        let client = Rlwe.client(&stage, &program)?;
        let [mut one, mut two] = Memory::pair();
        let set_up = std::thread::scope(|scope| {
            let server =
                scope.spawn(|| ServerLink::set_up([7; 32], Rows::default(), &mut one, &mut rand::rng()));
            let client = ClientLink::set_up([7; 32], Rows::default(), &mut two, rng);
            (server.join().expect("it does not panic"), client)
        });
        let (mut server_link, mut client_link) = (set_up.0?, set_up.1?);
        client_link.renew_keys(&Params::ALL, &mut two, rng)?;
        server_link.renew_keys(&Params::ALL, &mut one)?;

        let t = (0..linear.window.input.iter().product::<usize>()).map(|_| rng.random_range(0..=span));
        let t = RingTensor::new(reads.bits, t.collect())?;
        let r = RingTensor::new(reads.bits, (0..t.len()).map(|_| rng.random()).collect())?;
        let read = ServerValue::Shares { share: t.sub(&r)?, offsets: vec![0; t.len()].into() };
        let r = ClientValue::Shares(r);
        lap(&mut Vec::new());
        let server = Rlwe.server(&stage, &program, &secret)?;
        lap(&mut times);
        let (mut server, mut client) = (server.begin(), client.begin());
        let mut rng = rand::rng();
        macro_rules! at_server {
            ($wire:expr) => {
                ServerContext {
                    wire: &mut $wire,
                    rng: &mut rng,
                    link: &server_link,
                    kept: &mut None,
                    leaves: SenderRows::new(&[], server_link.delta()?),
                    masks: ReceiverRows::new(&[]),
                    tweaks: server_link.tweaks(0),
                }
            };
        }
        macro_rules! at_client {
            ($wire:expr) => {
                ClientContext {
                    wire: &mut $wire,
                    rng: &mut rng,
                    link: &client_link,
                    kept: &mut None,
                    leaves: ReceiverRows::new(&[]),
                    masks: SenderRows::new(&[], client_link.delta()?),
                    tweaks: client_link.tweaks(0),
                }
            };
        }
        client.prepare(Phase::One, &mut at_client!(two), &[Some(&r)])?;
        lap(&mut times);
        server.prepare(Phase::One, &mut at_server!(one))?;
        lap(&mut times);
        server.prepare(Phase::Two, &mut at_server!(one))?;
        lap(&mut times);
        client.prepare(Phase::Two, &mut at_client!(two), &[Some(&r)])?;
        lap(&mut times);
        server.run(&mut at_server!(one), &[&read])?;
        lap(&mut times);
        let [up, down] = rlwe::cost(&stage, &program)?.map(|bytes| bytes as f64 / 1e3);
        let times: Vec<String> = times.iter().map(|ms| format!("{ms:.1}")).collect();
        println!("{name} | {choice:?} | {up:.1}, {down:.1} | {}", times.join(", "));
    }
    Ok(())
}
