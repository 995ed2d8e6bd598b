//! Programs of numbers: their circuits give what their layers give, and wrong ones are refused.

use rand::{Rng as _, SeedableRng as _};
use xonn_circuits::tiled::evaluate::evaluate;
use xonn_program::circuit;
use xonn_program::evaluate::{tensors, tensors_rounded};
use xonn_program::op::{Leak, Line, Linear, Planes, Round, Rounding, Spline, Window2d};
use xonn_program::{InputEncoding, Kind, Layer, Op, OutputEncoding, Package, Program, Range, Secret, Tensor};

struct Dice(chacha20::ChaCha12Rng);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0.next_u64() % n
    }

    fn number(&mut self, lo: i64, hi: i64) -> i64 {
        lo + self.below((hi - lo + 1) as u64) as i64
    }
}

/// A network of some random operations on two channels of 2 x 2 images, with its numbers.
struct Drawn {
    layers: Vec<Layer>,
    tensors: Vec<Tensor>,
}

const CHANNELS: usize = 2;

impl Drawn {
    fn kinds(&self, reads: &[usize]) -> Vec<Kind> {
        reads.iter().map(|&read| self.layers[read].kind).collect()
    }

    fn push(
        &mut self,
        op: Op,
        reads: &[usize],
        shape: &[usize],
        tensor: Option<Tensor>,
        kind: Option<Kind>,
    ) -> usize {
        let kind = kind.unwrap_or_else(|| op.kind(&self.kinds(reads)).expect("a kind"));
        let secret = tensor.map(|tensor| {
            self.tensors.push(tensor);
            self.tensors.len() - 1
        });
        self.layers.push(Layer { op, reads: reads.to_vec(), shape: shape.to_vec(), kind, secret });
        self.layers.len() - 1
    }

    /// Numbers of at most 12 bits, so that products stay small: rounded where they are wider.
    fn narrow(&mut self, x: usize, dice: &mut Dice) -> usize {
        let bits = self.layers[x].kind.range().signed_bits();
        if bits <= 12 {
            return x;
        }
        let drop = dice.below(u64::from(bits - 6)) as u32;
        let round = Round { drop, bits: 3 + dice.below(10) as u32 };
        let shape = self.layers[x].shape.clone();
        self.push(Op::Round(round), &[x], &shape, None, None)
    }

    fn step(&mut self, x: usize, earlier: usize, dice: &mut Dice) -> usize {
        let x = self.narrow(x, dice);
        let shape = self.layers[x].shape.clone();
        let range = self.layers[x].kind.range();
        match dice.below(12) {
            0 => {
                let planes = match dice.below(3) {
                    0 => Planes::Even { bits: 3 + dice.below(3) as u32 },
                    _ => Planes::Odd { bits: 1 + dice.below(4) as u32 },
                };
                let window = Window2d::of_dense(8);
                let linear = Linear { window, ..Linear::dense(8, 8, planes) };
                let weight = |_| planes.weight(dice.below(planes.largest() as u64 + 1)).expect("a weight");
                let weights = Tensor::Weights((0..64).map(weight).collect());
                self.push(Op::Linear(linear), &[x], &shape, Some(weights), None)
            }
            1 | 2 => {
                let bits = 3 + dice.below(8) as u32;
                let most = (1i64 << (bits - 1)) - 1;
                let offsets = Tensor::Offsets((0..CHANNELS).map(|_| dice.number(-most, most)).collect());
                let y = self.push(Op::Offset { offsets: CHANNELS, bits }, &[x], &shape, Some(offsets), None);
                match dice.below(3) {
                    0 => y,
                    _ => {
                        let round = Round { drop: dice.below(6) as u32, bits: 4 + dice.below(8) as u32 };
                        self.push(Op::Round(round), &[y], &shape, None, None)
                    }
                }
            }
            3 => self.push(Op::Relu, &[x], &shape, None, None),
            4 => {
                let bits = 1 + dice.below(8) as u32;
                let leak = Leak { slope: dice.below(1 << bits) as u32, bits };
                self.push(Op::LeakyRelu(leak), &[x], &shape, None, None)
            }
            5 => {
                let ends = [dice.number(range.lo - 2, range.hi + 2), dice.number(range.lo - 2, range.hi + 2)];
                let ends = Range { lo: ends[0].min(ends[1]), hi: ends[0].max(ends[1]) };
                self.push(Op::Clamp(ends), &[x], &shape, None, None)
            }
            6 => self.push(Op::Square, &[x], &shape, None, None),
            7 => {
                let other = self.narrow(earlier, dice);
                self.push(Op::Product, &[x, other], &shape, None, None)
            }
            9 => {
                let count = 2 << dice.below(4);
                let line = |_| [dice.number(-900, 900), dice.number(-30, 30)];
                let lines = (0..count).map(line).collect();
                let (piece, drop) = (dice.below(6) as u32, dice.below(5) as u32);
                let from = dice.number(range.lo - 20, range.hi + 20);
                self.push(Op::Spline(Spline { from, piece, lines, drop }), &[x], &shape, None, None)
            }
            8 => self.push(Op::Add, &[x, earlier], &shape, None, None),
            10 => self.push(Op::TiesToEven { bits: 1 + dice.below(7) as u32 }, &[x], &shape, None, None),
            _ => {
                let bits = 3 + dice.below(4) as u32;
                let most = (1i64 << (bits - 1)) - 1;
                let line = |_| Line { scale: dice.number(-most, most), offset: dice.number(-500, 500) };
                let lines = Tensor::Lines((0..CHANNELS).map(line).collect());
                let largest = range.magnitude() * most + 500;
                let kind = Kind::Int(Range { lo: -largest, hi: largest });
                let op = Op::Scale { lines: CHANNELS, bits };
                let y = self.push(op, &[x], &shape, Some(lines), Some(kind));
                let round = Round { drop: 1 + dice.below(8) as u32, bits: 5 + dice.below(8) as u32 };
                self.push(Op::Round(round), &[y], &shape, None, None)
            }
        }
    }
}

fn drawn(seed: u64) -> (Program, Vec<Tensor>, Dice) {
    let mut dice = Dice(chacha20::ChaCha12Rng::seed_from_u64(seed));
    let (bits, signed) = (2 + dice.below(4) as u32, dice.below(2) == 1);
    let input = InputEncoding {
        shape: vec![2, 2, 2],
        bits,
        signed,
        scale: 1.0,
        zero: 0,
        features: Vec::new(),
        tokens: false,
    };
    let codes = input.codes();
    let kind = Kind::Int(Range { lo: *codes.start(), hi: *codes.end() });
    let mut network = Drawn { layers: Vec::new(), tensors: Vec::new() };
    let mut x = network.push(Op::Input, &[], &[2, 2, 2], None, Some(kind));
    let mut before = x;
    for _ in 0..1 + dice.below(6) {
        let y = network.step(x, before, &mut dice);
        (before, x) = (x, y);
    }
    let count = network.layers[x].elements();
    let source = (0..count).collect();
    network.push(Op::Permute { source }, &[x], &[count], None, None);
    let bits = network.layers[network.layers.len() - 1].kind.range().signed_bits();
    let output = OutputEncoding::Scores { count: count as u32, bits, scale: 1.0 };
    let program = Program::new(input, network.layers, output).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
    (program, network.tensors, dice)
}

fn bits_of(number: i64, width: u32) -> impl Iterator<Item = bool> {
    (0..width).map(move |i| number >> i & 1 == 1)
}

/// The circuit of `seed`'s network gives its layers' numbers, on random inputs.
fn circuit_is_the_program(seed: u64) -> Vec<&'static str> {
    let (program, tensors_, mut dice) = drawn(seed);
    let lowered = circuit::lower_with(&program, &tensors_).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
    assert_eq!(lowered.circuit, circuit::lower(&program).expect("the client's"), "seed {seed}");
    let (codes, last) = (program.input().codes(), program.layers().len() - 1);
    for _ in 0..6 {
        let q: Vec<i64> = (0..8).map(|_| dice.number(*codes.start(), *codes.end())).collect();
        let input: Vec<bool> = q.iter().flat_map(|&q| bits_of(q, program.input().bits)).collect();
        let want = &tensors(program.layers(), &tensors_, &q)[last];
        let OutputEncoding::Scores { bits, .. } = *program.output() else { unreachable!() };
        let want: Vec<bool> = want.iter().flat_map(|&y| bits_of(y, bits)).collect();
        let found = evaluate(&lowered.circuit, &lowered.secret, &[input]).expect("as long as it says");
        assert_eq!(found, [want], "seed {seed}: {:?}", program.layers());
    }
    program.layers().iter().map(|layer| layer.op.name()).collect()
}

#[test]
fn circuits_of_numbers_give_what_the_layers_give() {
    let mut seen = std::collections::BTreeMap::new();
    for seed in 0..400 {
        for op in circuit_is_the_program(seed) {
            *seen.entry(op).or_insert(0) += 1;
        }
    }
    for op in [
        "offset",
        "round",
        "relu",
        "leaky_relu",
        "clamp",
        "square",
        "product",
        "scale",
        "add",
        "spline",
        "ties_to_even",
    ] {
        assert!(seen.get(op).is_some_and(|&n| n > 20), "{op}: {seen:?}");
    }
}

/// Of numbers that are 0 or -1 a ReLU gives 0.
#[test]
fn a_relu_of_a_sign_and_nothing_else_has_a_circuit() {
    let shape = vec![1];
    let input = InputEncoding {
        shape,
        bits: 1,
        signed: true,
        scale: 1.0,
        zero: 0,
        features: Vec::new(),
        tokens: false,
    };
    let int = |lo, hi| Kind::Int(Range { lo, hi });
    let layer =
        |op, reads: &[usize], kind| Layer { op, reads: reads.to_vec(), shape: vec![1], kind, secret: None };
    let layers = vec![layer(Op::Input, &[], int(-1, 0)), layer(Op::Relu, &[0], int(0, 0))];
    let output = OutputEncoding::Scores { count: 1, bits: int(0, 0).range().signed_bits(), scale: 1.0 };
    let program = Program::new(input, layers, output).expect("a program");
    let circuit = circuit::lower(&program).expect("it has a circuit");
    let inputs = [vec![false], vec![true]];
    assert_eq!(evaluate(&circuit, &[], &inputs).expect("lengths fit"), [[false], [false]]);
}

#[test]
fn files_keep_programs_of_numbers() {
    for seed in 0..40 {
        let (program, tensors, _) = drawn(seed);
        let package = Package::new(&program);
        let read = Package::from_bytes(package.bytes().to_vec(), "numbers.xonn").expect("our own");
        assert_eq!(*read.program(), program);
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("numbers.secret");
        let secret = Secret::new(&package, tensors.clone()).expect("its own");
        secret.stage(&program, &path).expect("written").create().expect("placed");
        assert_eq!(Secret::read(&path, &package).expect("read").tensors(), tensors);
    }
}

/// Where nothing is lost, chance moves each number by less than one.
#[test]
fn chance_moves_a_rounded_number_by_less_than_one() {
    let kind = Kind::Int(Range { lo: -128, hi: 127 });
    let layer = |op: Op, reads: &[usize], kind: Kind| Layer {
        op,
        reads: reads.to_vec(),
        shape: vec![1],
        kind,
        secret: None,
    };
    let round = Op::Round(Round { drop: 3, bits: 4 });
    let rounded = round.kind(&[kind]).expect("a kind");
    let layers = vec![layer(Op::Input, &[], kind), layer(round, &[0], rounded)];
    for x in -128..128i64 {
        let (found, lost) = tensors_rounded(&layers, &[], &[x], &mut Rounding::seeded(x as u64));
        let fits = (-64..=56).contains(&x);
        if fits {
            assert!((found[1][0] as f64 - x as f64 / 8.0).abs() < 1.0, "{x}: {found:?}");
            assert_eq!(lost, [0, 0]);
        }
        if !(-72..=64).contains(&x) {
            assert_eq!(lost, [0, 1], "{x}");
        }
    }
}

#[test]
fn what_is_no_operation_is_refused() {
    let program = |op: Op, secret: bool| {
        let input = InputEncoding {
            shape: vec![4],
            bits: 4,
            signed: true,
            scale: 1.0,
            zero: 0,
            features: Vec::new(),
            tokens: false,
        };
        let any = Kind::Int(Range { lo: -(1 << 40), hi: 1 << 40 });
        let layer = |op, reads: &[usize], kind, secret| Layer {
            op,
            reads: reads.to_vec(),
            shape: vec![4],
            kind,
            secret,
        };
        let layers = vec![
            layer(Op::Input, &[], Kind::Int(Range { lo: -8, hi: 7 }), None),
            layer(op, &[0], any, secret.then_some(0)),
        ];
        let output = OutputEncoding::Argmax { classes: 4 };
        Program::new(input, layers, output).map(|_| ()).map_err(|e| e.to_string())
    };
    assert_eq!(program(Op::Relu, false), Ok(()));
    for (op, secret, reason) in [
        (Op::Round(Round { drop: 61, bits: 4 }), false, "it drops 61 bits, expected at most 60"),
        (Op::Round(Round { drop: 1, bits: 1 }), false, "it keeps 1 bits, expected 2 to 60"),
        (Op::LeakyRelu(Leak { slope: 4, bits: 2 }), false, "a slope of 4 / 2^2"),
        (Op::LeakyRelu(Leak { slope: 0, bits: 40 }), false, "a slope of 0 / 2^40"),
        (Op::Clamp(Range { lo: 2, hi: 1 }), false, "it clamps to 2 up to 1"),
        (Op::Offset { offsets: 3, bits: 4 }, true, "3 offsets on 4 elements"),
        (Op::Offset { offsets: 0, bits: 4 }, true, "0 offsets on 4 elements"),
        (Op::Offset { offsets: 4, bits: 61 }, true, "offsets of 61 bits"),
        (Op::Offset { offsets: 4, bits: 4 }, false, "it takes secret numbers and names none"),
        (Op::Product, false, "it reads 1 tensors"),
    ] {
        let error = program(op.clone(), secret).expect_err("it is wrong");
        assert!(error.contains(reason), "{op:?}: {error}");
    }
}

/// The table of readers says of each layer what a look at all others does, whatever of them is computed.
#[test]
fn only_readers_are_those_that_no_other_reads_beside() {
    let (mut some, mut none) = (0, 0);
    for seed in 0..40 {
        let (program, ..) = drawn(seed);
        let layers = program.layers();
        for every in [1, 2, 3] {
            let computed = |id: usize| id.is_multiple_of(every);
            let table = circuit::only_readers(&program, computed);
            for (id, &found) in table.iter().enumerate() {
                let readers: Vec<usize> = (0..layers.len())
                    .filter(|&reader| computed(reader) && layers[reader].reads.contains(&id))
                    .collect();
                let want = if readers.len() == 1 { Some(readers[0]) } else { None };
                assert_eq!(found, want, "seed {seed}, layer {id}: {readers:?}");
                *(if readers.len() > 1 { &mut none } else { &mut some }) += 1;
            }
        }
    }
    assert!(some > 100 && none > 5, "{some} {none}");
}
