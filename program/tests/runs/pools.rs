//! Numbers in shares whose maxima are cut: each is compared, and bits are pooled.

use rand::SeedableRng as _;
use xonn_circuits::tiled::evaluate::evaluate;
use xonn_program::circuit::{self, Held, RunOfModel, Sharing};
use xonn_program::op::{Cut, Linear, Pad, Planes, Window2d};
use xonn_program::{InputEncoding, Kind, Layer, LayerId, Op, OutputEncoding, Program, Range, Tensor};

use crate::common::{Dice, all_runs_are_right};

fn layer(op: Op, reads: &[LayerId], shape: &[usize], kind: Kind, secret: Option<usize>) -> Layer {
    Layer { op, reads: reads.to_vec(), shape: shape.to_vec(), kind, secret }
}

fn int(lo: i64, hi: i64) -> Kind {
    Kind::Int(Range { lo, hi })
}

fn input(shape: &[u32], bits: u32, signed: bool) -> InputEncoding {
    InputEncoding {
        shape: shape.to_vec(),
        bits,
        signed,
        scale: 1.0,
        zero: 0,
        features: Vec::new(),
        tokens: false,
    }
}

/// What is behind the sums of an image.
#[derive(Clone, Copy, Debug)]
enum Behind {
    /// A pool and a threshold.
    Pool,
    /// A pool, and a threshold of one cut for all channels.
    OneCut,
    /// Two pools, each with a threshold behind.
    TwoPools,
    /// A pool with two thresholds behind.
    TwoThresholds,
}

/// Sums of 4 x 3 pixels of 3 channels, and maxima of 3 x 4 of 3, in windows over all edges.
fn program(behind: Behind) -> Program {
    let of = |input, stride, pad_low, output| Window2d {
        input,
        kernel: [2, 2],
        stride,
        dilation: [1, 1],
        pad_low,
        output,
    };
    let window = of([5, 4, 2], [1, 1], [0, 0], [4, 3]);
    let sums = Linear { weights: Planes::Ternary, window, filters: 3, groups: 1, pad: Pad::Drop };
    let window = of([4, 3, 3], [2, 1], [1, 1], [3, 4]);
    let pooled = |read| layer(Op::MaxPool { window }, &[read], &[3, 4, 3], int(-64, 64), None);
    let cut =
        |read, cuts, secret| layer(Op::Threshold { cuts }, &[read], &[3, 4, 3], Kind::Bit, Some(secret));
    let both = |reads: [LayerId; 2]| layer(Op::Concatenate, &reads, &[3, 4, 6], Kind::Bit, None);
    let mut layers = vec![
        layer(Op::Input, &[], &[5, 4, 2], int(-4, 3), None),
        layer(Op::Linear(sums), &[0], &[4, 3, 3], int(-64, 64), Some(0)),
        pooled(1),
    ];
    layers.extend(match behind {
        Behind::Pool => vec![cut(2, 3, 1)],
        Behind::OneCut => vec![cut(2, 1, 1)],
        Behind::TwoPools => vec![cut(2, 3, 1), pooled(1), cut(4, 3, 2), both([3, 5])],
        Behind::TwoThresholds => vec![cut(2, 3, 1), cut(2, 3, 2), both([3, 4])],
    });
    let units = layers.last().expect("a layer").elements() as u32;
    Program::new(input(&[5, 4, 2], 3, true), layers, OutputEncoding::Labels { units }).expect("a program")
}

#[test]
fn maxima_of_sums_in_shares_are_cut_as_the_layers_do() {
    let dice = &mut Dice::seed_from_u64(3);
    for behind in [Behind::Pool, Behind::OneCut, Behind::TwoPools, Behind::TwoThresholds] {
        let tried = all_runs_are_right(&program(behind), dice);
        assert!(tried > 70, "{behind:?}: {tried}");
    }
}

/// A comparison costs one AND a bit of the shares but one, a maximum of bits one for each but one. Numbers
/// are made where something else is made of them too.
#[test]
fn sums_in_shares_are_compared_before_their_maxima() {
    let ands = |behind, bits| {
        let (program, sharing) = (program(behind), Sharing { bits, fraction: 0, step: 2, span: 64 });
        let layers: Vec<LayerId> = (2..program.layers().len()).collect();
        let run = circuit::run(&program, &layers, &[(1, Held::Shares(sharing))]).expect("a run");
        (run.circuit().costs().total(), run.server_bits())
    };
    // In each of 3 channels. 3 windows read 4 rows, and 4 read 6 columns, as far as they lie in the image.
    let (comparisons, maxima) = (4 * 3 * 7, 4 * 6 - 3 * 4);
    for bits in [8, 9, 30] {
        assert_eq!(ands(Behind::Pool, bits), (3 * (comparisons + maxima), 3 * 4 * 3 * 8));
    }
    // A number has 7 bits and one beside them.
    let numbers = ands(Behind::Pool, 7);
    assert!(numbers.0 > 2 * 3 * (comparisons + maxima) && numbers.1 == 3 * 4 * 3 * 8, "{numbers:?}");
    for behind in [Behind::OneCut, Behind::TwoPools, Behind::TwoThresholds] {
        assert_eq!(ands(behind, 8), ands(behind, 7), "{behind:?}");
    }
    assert_eq!(ands(Behind::OneCut, 8), numbers);
}

/// Every pair of elements of a window, in every way of sharing them, at every cut.
#[test]
fn all_shares_of_a_window_are_right_at_all_cuts() {
    // -1 and 0, 1 and 2 of three pixels.
    let window = Window2d {
        input: [1, 3, 2],
        kernel: [1, 2],
        stride: [1, 2],
        dilation: [1, 1],
        pad_low: [0, 1],
        output: [1, 2],
    };
    let layers = vec![
        layer(Op::Input, &[], &[1, 3, 2], int(0, 3), None),
        layer(Op::MaxPool { window }, &[0], &[1, 2, 2], int(0, 3), None),
        layer(Op::Threshold { cuts: 2 }, &[1], &[1, 2, 2], Kind::Bit, Some(0)),
    ];
    let program = Program::new(input(&[1, 3, 2], 2, false), layers, OutputEncoding::Labels { units: 4 });
    let program = program.expect("a program");
    let cuts: Vec<Cut> =
        [true, false].into_iter().flat_map(|rising| (-1..=4).map(move |at| Cut { rising, at })).collect();
    for (bits, fraction, step, span) in [(3, 0, 1, 3), (2, 0, 2, 1), (3, 1, 2, 1)] {
        let sharing = Sharing { bits, fraction, step, span };
        let shares = all_shares(sharing);
        let pairs = || shares.iter().flat_map(|a| shares.iter().map(move |b| [a, b]));
        for (&rising, &falling) in cuts.iter().zip(cuts.iter().rev()) {
            let tensors = [Tensor::Cuts(vec![rising, falling])];
            let reads = [(0, Held::Shares(sharing))];
            let RunOfModel { run, secret } =
                circuit::run_with(&program, &tensors, &[1, 2], &reads).expect("a run");
            assert_eq!(run.server_bits(), 6 * bits as usize, "they are compared");
            let (mut inputs, mut expected) = (Vec::new(), Vec::new());
            for [a, b] in pairs() {
                let elements = [a, b, a, b, b, a];
                let mut bits = Vec::new();
                run.bits_of_client(&[&elements.map(|shared| shared.client)], &mut bits).expect("as many");
                let server = (elements.map(|shared| shared.server), elements.map(|shared| shared.offset));
                run.bits_of_server(&[(&server.0, &server.1)], &mut bits).expect("as many");
                inputs.push(bits);
                let values = elements.map(|shared| shared.value);
                let tensors = xonn_program::evaluate::tensors(program.layers(), &tensors, &values);
                expected.push(tensors[2].iter().map(|&bit| bit > 0).collect::<Vec<bool>>());
            }
            let found = evaluate(run.circuit(), &secret, &inputs).expect("as many bits");
            assert!(found == expected, "{rising:?}, {falling:?}, {sharing:?}");
        }
    }
}

/// A value in shares.
struct Shared {
    value: i64,
    client: u64,
    server: u64,
    offset: i64,
}

/// Every way of sharing 0 to 3.
fn all_shares(sharing: Sharing) -> Vec<Shared> {
    let Sharing { bits, fraction, step, span } = sharing;
    let mut all = Vec::new();
    for value in 0..=3 {
        for sum in 0..(span + 1) << fraction {
            for client in 0..1 << bits {
                let (server, offset) = (sum.wrapping_sub(client), value - step * (sum >> fraction) as i64);
                all.push(Shared { value, client, server: server % (1 << bits), offset });
            }
        }
    }
    all
}
