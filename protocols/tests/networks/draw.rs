//! Random programs of every operation that shares let through, with weights, and cuts on the edges of what
//! samples give.

use chacha20::ChaCha12Rng;
use rand::{RngExt as _, SeedableRng as _};
use xonn_program::op::{Cut, Line, Linear, Pad, Planes, Window2d};
use xonn_program::{InputEncoding, Kind, Layer, LayerId, Op, OutputEncoding, Program, Range, Tensor};

pub mod numbers;

/// A program, one model's numbers, and inputs.
pub struct Drawn {
    pub program: Program,
    pub tensors: Vec<Tensor>,
    pub samples: Vec<Vec<i64>>,
}

/// A program under construction.
pub struct Net {
    rng: ChaCha12Rng,
    input: InputEncoding,
    pub layers: Vec<Layer>,
    tensors: Vec<Tensor>,
    samples: Vec<Vec<i64>>,
    /// Of each sample the tensor of each layer.
    values: Vec<Vec<Vec<i64>>>,
    last: LayerId,
}

/// A network from a seed.
pub fn network(seed: u64) -> Drawn {
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    let (bits, signed) = ([1, 1, 3, 8, 8, 8, 16, 20][rng.random_range(0..8)], rng.random_bool(0.3));
    let shape = [rng.random_range(1..=6), rng.random_range(1..=6), [1, 2, 3, 4, 6][rng.random_range(0..5)]];
    let mut net = Net::new(rng, shape, bits, signed);
    if net.one_in(3) {
        net.recode();
    }
    for _ in 0..net.below(3) + 1 {
        net.block();
    }
    let output = net.head();
    net.finish(output)
}

fn pixels(window: &Window2d) -> [usize; 2] {
    let counts = || window.positions().map(|position| window.taps(position).flatten().count());
    [counts().min().unwrap_or(0), counts().max().unwrap_or(0)]
}

impl Net {
    /// An input, and samples of it: all lowest, all highest, both by turns, and random ones.
    pub fn new(mut rng: ChaCha12Rng, shape: [usize; 3], bits: u32, signed: bool) -> Self {
        let axes = shape.map(|n| n as u32).to_vec();
        let input = InputEncoding {
            shape: axes,
            bits,
            signed,
            scale: 1.0,
            zero: 0,
            features: Vec::new(),
            tokens: false,
        };
        let (lo, hi) = (*input.codes().start(), *input.codes().end());
        let count = shape.iter().product::<usize>();
        let mut samples = vec![vec![lo; count], vec![hi; count]];
        samples.push((0..count).map(|i| if i % 2 == 0 { lo } else { hi }).collect());
        for _ in 0..2 {
            samples.push((0..count).map(|_| rng.random_range(lo..=hi)).collect());
        }
        let values = samples.iter().map(|sample| vec![sample.clone()]).collect();
        let kind = Kind::Int(Range { lo, hi });
        let layers = vec![Layer { op: Op::Input, reads: vec![], shape: shape.to_vec(), kind, secret: None }];
        Self { rng, input, layers, tensors: Vec::new(), samples, values, last: 0 }
    }

    pub fn finish(self, output: OutputEncoding) -> Drawn {
        let Self { input, layers, tensors, samples, .. } = self;
        let program = Program::new(input, layers, output).expect("it obeys every rule");
        Drawn { program, tensors, samples }
    }

    fn below(&mut self, n: usize) -> usize {
        self.rng.random_range(0..n)
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn layer(&self) -> &Layer {
        &self.layers[self.last]
    }

    fn is_bits(&self) -> bool {
        self.layer().kind == Kind::Bit
    }

    fn image(&self) -> [usize; 3] {
        let shape = &self.layer().shape;
        [shape[0], shape[1], shape[2]]
    }

    pub fn push(&mut self, op: Op, reads: &[LayerId], shape: &[usize], kind: Kind) -> LayerId {
        let range = reads.first().map_or(Range { lo: 0, hi: 0 }, |&read| self.layers[read].kind.range());
        let secret = op.tensor(range).is_some().then_some(self.tensors.len());
        let tensor = secret.map(|_| self.tensor(&op, reads[0]));
        for values in &mut self.values {
            let of: Vec<(&[i64], usize)> =
                reads.iter().map(|&read| (&values[read][..], self.layers[read].channels())).collect();
            let value = op.evaluate(tensor.as_ref(), &of);
            values.push(value);
        }
        self.tensors.extend(tensor);
        self.layers.push(Layer { op, reads: reads.to_vec(), shape: shape.to_vec(), kind, secret });
        self.last = self.layers.len() - 1;
        self.last
    }

    /// Secret numbers: of all sizes, and cuts where values of samples lie, or beside all of them.
    fn tensor(&mut self, op: &Op, read: LayerId) -> Tensor {
        match *op {
            Op::Linear(linear) => {
                let largest = linear.weights.largest() as i32;
                let extreme = self.below(4);
                let weight = |net: &mut Self| match (linear.weights, extreme) {
                    (_, 0) => largest,
                    (_, 1) => -largest,
                    (_, 2) => net.pick(&[-largest, largest]),
                    (Planes::Ternary, _) => net.pick(&[-2, 0, 2]),
                    _ => largest - 2 * net.below(largest as usize + 1) as i32,
                };
                Tensor::Weights((0..linear.weight_count()).map(|_| weight(self)).collect())
            }
            Op::Threshold { cuts } => {
                let range = self.layers[read].kind.range();
                let cut = |net: &mut Self, channel: usize| {
                    let (sample, rising) = (net.below(net.values.len()), net.one_in(2));
                    let values = &net.values[sample][read];
                    let element = channel + cuts * net.rng.random_range(0..values.len() / cuts);
                    let near = values[element];
                    let at = match net.below(8) {
                        0 => range.lo - 1,
                        1 => range.lo,
                        2 => range.hi,
                        3 => range.hi + 1,
                        _ => near + net.rng.random_range(-1..=1),
                    };
                    Cut { rising, at }.within(range)
                };
                Tensor::Cuts((0..cuts).map(|channel| cut(self, channel)).collect())
            }
            Op::Scale { lines, bits } => {
                let most = (1i64 << (bits - 1)) - 1;
                let line = |net: &mut Self| Line {
                    scale: net.rng.random_range(-most..=most),
                    offset: net.rng.random_range(-100..=100),
                };
                Tensor::Lines((0..lines).map(|_| line(self)).collect())
            }
            Op::Offset { offsets, bits } => {
                let most = (1i64 << (bits - 1)) - 1;
                let offset = |net: &mut Self| net.rng.random_range(-most..=most) >> net.below(3);
                Tensor::Offsets((0..offsets).map(|_| offset(self)).collect())
            }
            _ => panic!("it takes no numbers"),
        }
    }

    /// A range of integers, now and then a wider one than there need be.
    fn int(&mut self, lo: i64, hi: i64) -> Kind {
        let more = if self.one_in(5) { self.rng.random_range(0..20) } else { 0 };
        Kind::Int(Range { lo: lo - more, hi: hi + more / 2 })
    }

    fn recode(&mut self) {
        let (last, shape, Range { lo, hi }) =
            (self.last, self.layer().shape.clone(), self.layer().kind.range());
        let (step, offset) = (self.pick(&[1, 1, 2, 2, 4, 3, 6, 8]), self.rng.random_range(-300..=300));
        let kind = self.int(step * lo + offset, step * hi + offset);
        self.push(Op::Recode { step, offset }, &[last], &shape, kind);
    }

    /// A window over what is there. `whole`: none of its positions lies outside of the image.
    fn window(&mut self, whole: bool, most: usize) -> Window2d {
        let input = self.image();
        loop {
            let mut axis = |size: usize| {
                let kernel = 1 + self.below(most.min(size + 1));
                let (stride, dilation) = (self.pick(&[1, 1, 2, 3]), self.pick(&[1, 1, 1, 2, 3]));
                let low = if self.one_in(2) { 0 } else { self.below((kernel - 1) * dilation + 1) };
                let high = if self.one_in(2) { 0 } else { self.below((kernel - 1) * dilation + 1) };
                let room = (size + low + high).checked_sub((kernel - 1) * dilation + 1);
                room.map(|room| (kernel, stride, dilation, low, room / stride + 1))
            };
            let (Some(rows), Some(columns)) = (axis(input[0]), axis(input[1])) else { continue };
            let window = Window2d {
                input,
                kernel: [rows.0, columns.0],
                stride: [rows.1, columns.1],
                dilation: [rows.2, columns.2],
                pad_low: [rows.3, columns.3],
                output: [rows.4, columns.4],
            };
            if !whole || pixels(&window)[0] > 0 {
                return window;
            }
        }
    }

    fn planes(&mut self) -> Planes {
        match self.below(6) {
            0 | 1 => Planes::Ternary,
            2 => Planes::Odd { bits: 1 + self.below(4) as u32 },
            _ => Planes::Sign,
        }
    }

    /// Sums of what layer `last` holds, with a window or a dense layer.
    pub fn linear(&mut self, linear: Linear) {
        let (last, range) = (self.last, self.layer().kind.range());
        let most =
            linear.fan_in() as i64 * linear.weights.largest() * range.magnitude().max(-range.hi).max(1);
        let kind = self.int(-most, most);
        let [height, width] = linear.window.output;
        self.push(Op::Linear(linear), &[last], &[height, width, linear.filters], kind);
    }

    fn conv(&mut self, filters: Option<usize>) {
        let window = match filters {
            None => self.window(false, 3),
            // A window that leaves the size as it is.
            Some(_) => {
                let (input, kernel) = (self.image(), [1 + 2 * self.below(2), 1 + 2 * self.below(2)]);
                let pad_low = kernel.map(|kernel| kernel / 2);
                let output = [input[0], input[1]];
                Window2d { input, kernel, stride: [1; 2], dilation: [1; 2], pad_low, output }
            }
        };
        let channels = window.input[2];
        let divisors: Vec<usize> = (1..=channels).filter(|&n| channels.is_multiple_of(n)).collect();
        let groups = match filters {
            Some(filters) => *divisors.iter().rfind(|&&n| filters.is_multiple_of(n)).expect("1 is one"),
            None if self.one_in(2) => self.pick(&divisors),
            None => 1,
        };
        let filters = filters.unwrap_or(groups * (1 + self.below(3)));
        let pad = if self.is_bits() && self.one_in(2) { Pad::Bit(self.one_in(2)) } else { Pad::Drop };
        let weights = self.planes();
        self.linear(Linear { weights, window, filters, groups, pad });
    }

    fn pool(&mut self, sum: bool) {
        let window = self.window(!sum, 3);
        let (last, kind, [height, width]) = (self.last, self.layer().kind, window.output);
        let shape = [height, width, window.input[2]];
        if !sum {
            self.push(Op::MaxPool { window }, &[last], &shape, kind);
            return;
        }
        let (Range { lo, hi }, most) = (kind.range(), pixels(&window)[1] as i64);
        let kind = self.int(lo.min(0) * most, hi.max(0) * most);
        self.push(Op::SumPool { window }, &[last], &shape, kind);
    }

    fn permute(&mut self) {
        let (last, layer) = (self.last, self.layer());
        let (count, shape, kind) = (layer.elements(), layer.shape.clone(), layer.kind);
        let some = self.one_in(3);
        let source =
            if some { (0..count).map(|_| self.below(count)).collect() } else { (0..count).rev().collect() };
        self.push(Op::Permute { source }, &[last], &shape, kind);
    }

    /// The tensors that could be added to the last one, and those that could stand beside it.
    fn like(&mut self, channels: bool) -> Vec<LayerId> {
        let [height, width, all] = self.image();
        let fits =
            |layer: &Layer| layer.shape[..2] == [height, width] && (!channels || layer.shape[2] == all);
        let fit: Vec<LayerId> = (0..self.layers.len()).filter(|&id| fits(&self.layers[id])).collect();
        (0..1 + self.below(2)).map(|_| self.pick(&fit)).collect()
    }

    fn add(&mut self) {
        let (mut reads, shape) = (vec![self.last], self.layer().shape.clone());
        reads.extend(self.like(true));
        let ranges = reads.iter().map(|&read| self.layers[read].kind.range());
        let (lo, hi) = ranges.fold((0, 0), |(lo, hi), range| (lo + range.lo, hi + range.hi));
        let kind = self.int(lo, hi);
        self.push(Op::Add, &reads, &shape, kind);
    }

    fn concatenate(&mut self) {
        let mut reads = self.like(false);
        let at = self.below(reads.len() + 1);
        reads.insert(at, self.last);
        let layers = || reads.iter().map(|&read| &self.layers[read]);
        let bits = layers().all(|layer| layer.kind == Kind::Bit);
        let lo = layers().map(|layer| layer.kind.range().lo).min().expect("it reads some");
        let hi = layers().map(|layer| layer.kind.range().hi).max().expect("it reads some");
        let [height, width, _] = self.image();
        let channels = layers().map(Layer::channels).sum();
        let kind = if bits { Kind::Bit } else { self.int(lo, hi) };
        self.push(Op::Concatenate, &reads, &[height, width, channels], kind);
    }

    pub fn threshold(&mut self) {
        let (last, shape) = (self.last, self.layer().shape.clone());
        let cuts = self.pick(&[shape[2], shape[2], 1, self.layer().elements()]);
        self.push(Op::Threshold { cuts }, &[last], &shape, Kind::Bit);
    }

    /// Sums, something in front of the signs, signs, and something behind them.
    fn block(&mut self) {
        match self.below(4) {
            // Sums of the same size, so that something fits them.
            0 => {
                let filters = self.image()[2];
                self.conv(Some(filters));
            }
            1 if self.layer().elements() <= 200 => {
                let inputs = self.layer().elements();
                let (units, weights) = (1 + self.below(8), self.planes());
                self.linear(Linear::dense(inputs, units, weights));
            }
            _ => self.conv(None),
        }
        for _ in 0..self.below(3) {
            match self.below(8) {
                0 | 1 => self.add(),
                2 | 3 => self.concatenate(),
                4 => self.pool(true),
                5 => self.permute(),
                6 => self.recode(),
                _ => self.pool(false),
            }
        }
        self.threshold();
        match self.below(8) {
            0 | 1 => self.pool(false),
            2 => {
                self.pool(true);
                self.threshold();
            }
            3 => self.permute(),
            4 => self.concatenate(),
            _ => {}
        }
    }

    fn head(&mut self) -> OutputEncoding {
        if !self.one_in(4) {
            let (inputs, weights) = (self.layer().elements(), self.planes());
            let units = self.pick(&[1, 2, 3, 5]);
            self.linear(Linear::dense(inputs, units, weights));
        }
        match self.below(5) {
            0 => {
                let range = self.layer().kind.range();
                let (last, shape, most) =
                    (self.last, self.layer().shape.clone(), range.magnitude().max(1) * 16 + 200);
                let lines = shape[2];
                self.push(
                    Op::Scale { lines, bits: 5 },
                    &[last],
                    &shape,
                    Kind::Int(Range { lo: -most, hi: most }),
                );
            }
            1 => self.add(),
            2 => {
                self.threshold();
                let units = self.layer().elements() as u32;
                return if units == 1 && self.one_in(2) {
                    OutputEncoding::Sign
                } else {
                    OutputEncoding::Labels { units }
                };
            }
            _ => {}
        }
        let (count, range, bits) =
            (self.layer().elements() as u32, self.layer().kind.range(), self.is_bits());
        match count {
            2.. if self.one_in(2) => OutputEncoding::Argmax { classes: count },
            _ if bits => OutputEncoding::Labels { units: count },
            _ => OutputEncoding::Scores { count, bits: range.signed_bits(), scale: 1.0 },
        }
    }
}
