//! Random programs of hidden numbers: sums with real weights, biases and rounding, and the functions and
//! moves behind them.

use chacha20::ChaCha12Rng;
use rand::{RngExt as _, SeedableRng as _};
use xonn_program::op::{Leak, Linear, Pad, Planes, Round, Spline, Window2d};
use xonn_program::{Kind, LayerId, Op, OutputEncoding, Range};

use super::{Drawn, Net};

/// What a network shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shown {
    Class,
    Scores,
    Signs,
}

/// A network of numbers from a seed.
pub fn network(seed: u64) -> (Drawn, Shown) {
    let mut rng = ChaCha12Rng::seed_from_u64(seed ^ 0x5eed);
    let (bits, signed) = ([1, 4, 8, 8, 12][rng.random_range(0..5)], rng.random_bool(0.3));
    let shape = [rng.random_range(1..=6), rng.random_range(1..=6), rng.random_range(1..=3)];
    let mut net = Net::new(rng, shape, bits, signed);
    let bits = 8 + net.below(7) as u32;
    for _ in 0..1 + net.below(2) {
        net.rounded(bits);
        net.functions(bits);
    }
    net.flat();
    let shown = net.pick(&[Shown::Class, Shown::Class, Shown::Scores, Shown::Signs]);
    let units = 2 + net.below(4);
    net.dense_rounded(units, bits);
    let output = match shown {
        Shown::Class => OutputEncoding::Argmax { classes: units as u32 },
        Shown::Scores => {
            let bits = net.layer().kind.range().signed_bits();
            OutputEncoding::Scores { count: units as u32, bits, scale: 1.0 }
        }
        Shown::Signs => {
            net.threshold();
            OutputEncoding::Labels { units: units as u32 }
        }
    };
    (net.finish(output), shown)
}

/// A small network of numbers with many classes.
pub fn many(seed: u64, classes: usize) -> Drawn {
    let mut net = Net::new(ChaCha12Rng::seed_from_u64(seed), [1, 1, 16], 8, false);
    net.dense_rounded(24, 12);
    net.gate(Op::Relu);
    net.dense_rounded(classes, 12);
    net.finish(OutputEncoding::Argmax { classes: classes as u32 })
}

impl Net {
    /// Sums, offsets, and rounding that brings the samples' sums to `bits` bits with some to spare.
    fn rounded(&mut self, bits: u32) {
        let weights = Planes::Odd { bits: 2 + self.below(10) as u32 };
        if self.layer().elements() <= 80 && self.one_in(3) {
            let (inputs, units) = (self.layer().elements(), 1 + self.below(8));
            self.linear(Linear::dense(inputs, units, weights));
        } else {
            let window = self.window(false, 3);
            let filters = 1 + self.below(4);
            self.linear(Linear { weights, window, filters, groups: 1, pad: Pad::Drop });
        }
        self.round(bits);
    }

    fn dense_rounded(&mut self, units: usize, bits: u32) {
        let weights = Planes::Odd { bits: 2 + self.below(10) as u32 };
        let inputs = self.layer().elements();
        self.linear(Linear::dense(inputs, units, weights));
        self.round(bits);
    }

    fn round(&mut self, bits: u32) {
        if !self.one_in(5) {
            let (last, shape, range) = (self.last, self.layer().shape.clone(), self.layer().kind.range());
            let of = range.signed_bits().clamp(2, 40) - 1;
            let most = (1i64 << (of - 1)) - 1;
            let kind = self.int(range.lo - most, range.hi + most);
            let offsets = self.pick(&[shape[2], 1, self.layers[last].elements()]);
            self.push(Op::Offset { offsets, bits: of }, &[last], &shape, kind);
        }
        self.drop(bits);
    }

    /// Bits are dropped until the samples' numbers fit, with some to spare.
    fn drop(&mut self, bits: u32) {
        let (last, shape) = (self.last, self.layer().shape.clone());
        let largest = self.values.iter().flat_map(|all| &all[last]).map(|x| x.unsigned_abs()).max();
        let found = u64::BITS - largest.unwrap_or(0).leading_zeros();
        // A factor of two is left at least.
        let round = Round { drop: (found + 2).saturating_sub(bits), bits };
        let kind = Op::Round(round).kind(&[self.layers[last].kind]).expect("a kind");
        self.push(Op::Round(round), &[last], &shape, kind);
    }

    fn gate(&mut self, op: Op) {
        let (last, shape) = (self.last, self.layer().shape.clone());
        let kind = op.kind(&[self.layer().kind]).expect("a kind");
        self.push(op, &[last], &shape, kind);
    }

    fn largest(&mut self) {
        let window = self.window(true, 3);
        let (last, [height, width], kind) = (self.last, window.output, self.layer().kind);
        self.push(Op::MaxPool { window }, &[last], &[height, width, window.input[2]], kind);
    }

    /// A function, something that shares let through, or both.
    fn functions(&mut self, bits: u32) {
        if self.one_in(3) {
            self.moved();
        }
        if self.one_in(3) {
            self.largest();
        }
        match self.below(10) {
            7 | 8 => self.curve(),
            9 => self.p_relu(bits),
            5 => self.squares(bits, None),
            6 => {
                let other = self.like(true)[0];
                self.squares(bits, Some(other).filter(|&other| self.layers[other].kind != Kind::Bit));
            }
            0 | 1 => self.gate(Op::Relu),
            2 => {
                let slope = self.rng.random_range(0..256);
                self.gate(Op::LeakyRelu(Leak { slope, bits: 8 }));
            }
            3 => {
                let range = self.layer().kind.range();
                let hi = self.rng.random_range(0..=range.hi.max(0));
                let lo = if self.one_in(2) { 0 } else { -hi };
                self.gate(Op::Clamp(Range { lo, hi }));
            }
            _ => self.largest(),
        }
        if self.one_in(3) {
            self.moved();
        }
    }

    /// `max(x, 0)` and a secret multiple of `min(x, 0)`, added up: a scale, and sums behind sums.
    fn p_relu(&mut self, bits: u32) {
        let (read, range, shape) = (self.last, self.layer().kind.range(), self.layer().shape.clone());
        self.gate(Op::Relu);
        let positive = self.last;
        self.last = read;
        self.gate(Op::Clamp(Range { lo: range.lo.min(0), hi: 0 }));
        let (negative, largest) = (self.last, (range.magnitude().max(1) << 7) + 100);
        let kind = self.int(-largest, largest);
        self.push(Op::Scale { lines: shape[2], bits: 8 }, &[negative], &shape, kind);
        self.gate(Op::Round(Round { drop: 7, bits: bits + 2 }));
        let below = self.last;
        let kinds = [positive, below].map(|read| self.layers[read].kind);
        let kind = Op::Add.kind(&kinds).expect("a kind");
        self.push(Op::Add, &[positive, below], &shape, kind);
        self.gate(Op::Round(Round { drop: 0, bits: bits + 3 }));
    }

    /// A smooth curve, a kink or a jump, as a compiler has them: a table over some of the middle, and room
    /// for what shares are off by.
    fn curve(&mut self) {
        let read = self.layer().kind.range();
        let bits = read.signed_bits();
        let spline = match self.below(4) {
            0 => Spline { from: -8, piece: 3, lines: vec![[8 * 4 + 2, -3], [50, 5]], drop: 2 },
            kind => {
                let index = (2 + self.below(4) as u32).min(bits - 1);
                let piece = bits - index - self.below((bits - index) as usize) as u32;
                let (drop, half) = (piece + 2, 1i64 << (piece + index - 1));
                let [length, fine] = [piece, drop].map(|bits| f64::from(bits).exp2());
                let unit = 5.0 / half as f64;
                let most = (50 + self.below(100)) as f64;
                let f = |x: f64| match kind {
                    1 => most / (1.0 + (-x * unit).exp()),
                    2 => most * (x * unit).tanh(),
                    _ => most * (x * unit).exp().ln_1p() / 5.0,
                };
                let line = |i: i64| {
                    let x = (i << piece) as f64 - half as f64;
                    let [first, last] = [x, x + length].map(f);
                    [((first + 0.5) * fine).round() as i64, ((last - first) / length * fine).round() as i64]
                };
                Spline { from: -half, piece, lines: (0..1 << index).map(line).collect(), drop }
            }
        };
        let [least, most] = spline.range(read).expect("it is not steep");
        let kind = self.int(least - Spline::SPARE, most + Spline::SPARE);
        let (last, shape) = (self.last, self.layer().shape.clone());
        self.push(Op::Spline(spline), &[last], &shape, kind);
    }

    /// Squares, or products with another tensor, rounded.
    fn squares(&mut self, bits: u32, other: Option<LayerId>) {
        let last = self.last;
        match other {
            None => self.gate(Op::Square),
            Some(other) => {
                let shape = self.layer().shape.clone();
                let kinds = [last, other].map(|read| self.layers[read].kind);
                let kind = Op::Product.kind(&kinds).expect("a kind");
                self.push(Op::Product, &[last, other], &shape, kind);
            }
        }
        self.drop(bits);
    }

    fn moved(&mut self) {
        match self.below(4) {
            0 => {
                self.add();
                let (Kind::Int(range), bits) = (self.layer().kind, 20) else { return };
                if self.one_in(2) && range.signed_bits() < bits {
                    self.gate(Op::Round(Round { drop: 0, bits }));
                }
            }
            1 => self.concatenate(),
            2 => self.pool(true),
            _ => self.permute(),
        }
    }

    fn flat(&mut self) {
        let (last, kind, count) = (self.last, self.layer().kind, self.layer().elements());
        self.push(Op::Permute { source: (0..count).collect() }, &[last], &[1, 1, count], kind);
    }
}

/// One layer of sums whose lowest bits are dropped, of random inputs: dense or a convolution.
pub fn one_layer(seed: u64, dense: bool, bits: u32) -> Drawn {
    let mut net = Net::new(ChaCha12Rng::seed_from_u64(seed), [8, 8, 4], 8, false);
    let weights = Planes::Odd { bits: 10 };
    match dense {
        true => net.linear(Linear::dense(256, 500, weights)),
        false => {
            let input = [8, 8, 4];
            let window = Window2d {
                input,
                kernel: [3, 3],
                stride: [1, 1],
                dilation: [1, 1],
                pad_low: [1, 1],
                output: [8, 8],
            };
            net.linear(Linear { weights, window, filters: 8, groups: 1, pad: Pad::Drop });
        }
    }
    net.round(bits);
    let units = net.layer().elements();
    net.finish(OutputEncoding::Argmax { classes: units as u32 })
}

/// Two layers of numbers between which nothing is computed: the second one stays in the circuit.
pub fn without_function() -> (Drawn, LayerId) {
    let mut net = Net::new(ChaCha12Rng::seed_from_u64(3), [1, 1, 6], 8, false);
    net.dense_rounded(4, 10);
    let second = net.layers.len();
    net.dense_rounded(3, 10);
    (net.finish(OutputEncoding::Argmax { classes: 3 }), second)
}

/// Numbers of which so many are shown.
pub fn shown(scores: usize, bits: u32) -> Drawn {
    let mut net = Net::new(ChaCha12Rng::seed_from_u64(4), [1, 1, 6], 8, false);
    net.dense_rounded(6, bits);
    net.gate(Op::Relu);
    net.dense_rounded(scores, bits);
    let Kind::Int(range) = net.layer().kind else { panic!("numbers") };
    net.finish(OutputEncoding::Scores { count: scores as u32, bits: range.signed_bits(), scale: 1.0 })
}
