//! Between which numbers those of a network lie where bits are dropped by chance: intervals in place of
//! numbers, layer by layer. On shares `round(v / 2^f)` may be any number less than 2 away from `v / 2^f`, and
//! curves are off by [`Spline::SPARE`] at most; all other layers are exact.

use xonn_program::op::{Linear, Pad, Spline};
use xonn_program::{Op, OutputEncoding, Prediction, Program, Tensor};

/// The smallest and the largest that each number of a tensor may be.
#[derive(Clone, Debug)]
pub struct Bounds {
    pub lo: Vec<i64>,
    pub hi: Vec<i64>,
}

/// Those of the last layer for one sample; none if a number may leave the bits that it is kept in.
pub fn bounds(program: &Program, tensors: &[Tensor], sample: &[i64]) -> Option<Bounds> {
    let mut all: Vec<Bounds> = Vec::new();
    for layer in program.layers() {
        let tensor = layer.secret.map(|id| &tensors[id]);
        let exact = Bounds { lo: sample.to_vec(), hi: sample.to_vec() };
        let reads: Vec<(&Bounds, usize)> = match &layer.reads[..] {
            [] => vec![(&exact, 1)],
            reads => reads.iter().map(|&read| (&all[read], program.layers()[read].channels())).collect(),
        };
        let of = |bounds: &Bounds| match &layer.op {
            Op::Linear(linear) => sums(linear, tensor?, bounds),
            Op::Spline(_) => Some(any(&layer.op, bounds)),
            Op::Square => Some(squares(bounds)),
            Op::Product => Some(products(bounds, reads[1].0)),
            _ => Some(at_the_ends(&layer.op, tensor, &reads)),
        };
        let mut bounds = of(reads[0].0)?;
        if let Op::Round(round) = &layer.op {
            let Bounds { lo, hi } = reads[0].0;
            bounds.lo = lo.iter().map(|lo| (lo >> round.drop) - 1).collect();
            bounds.hi = hi.iter().map(|hi| ((hi + (1 << round.drop) - 1) >> round.drop) + 1).collect();
            let [least, most] = round.ends();
            let fits = |bounds: &Bounds| {
                bounds.lo.iter().all(|&lo| lo >= least) && bounds.hi.iter().all(|&hi| hi <= most)
            };
            fits(&bounds).then_some(())?;
        }
        if let Op::Spline(_) = layer.op {
            // Pieces are moved by the server's share.
            bounds.lo.iter_mut().for_each(|lo| *lo -= Spline::SPARE);
            bounds.hi.iter_mut().for_each(|hi| *hi += Spline::SPARE);
        }
        if let Op::LeakyRelu(_) = layer.op {
            // Exact from 0 upwards.
            bounds.lo.iter_mut().filter(|lo| **lo < 0).for_each(|lo| *lo -= 1);
            bounds.hi.iter_mut().filter(|hi| **hi < 0).for_each(|hi| *hi += 1);
        }
        all.push(bounds);
    }
    all.pop()
}

/// Sums of products: twice the middle, and how far both ends are from each other.
fn sums(linear: &Linear, tensor: &Tensor, Bounds { lo, hi }: &Bounds) -> Option<Bounds> {
    let Tensor::Weights(weights) = tensor else { return None };
    let sizes = Tensor::Weights(weights.iter().map(|weight| weight.abs()).collect());
    let inside = Op::Linear(Linear { pad: Pad::Drop, ..*linear });
    let of = |tensor: &Tensor, x: Vec<i64>| inside.evaluate(Some(tensor), &[(&x, 1)]);
    let middle = of(tensor, lo.iter().zip(hi).map(|(lo, hi)| lo + hi).collect());
    let width = of(&sizes, lo.iter().zip(hi).map(|(lo, hi)| hi - lo).collect());
    // What stands outside of the image.
    let outside = Op::Linear(*linear).evaluate(Some(tensor), &[(&vec![0; lo.len()], 1)]);
    let end = |sign: i64| {
        let ends = middle.iter().zip(&width).zip(&outside);
        ends.map(|((middle, width), outside)| (middle + sign * width) / 2 + outside).collect()
    };
    Some(Bounds { lo: end(-1), hi: end(1) })
}

/// Numbers of which each goes one way only with each that it is made of: what it is at both ends.
fn at_the_ends(op: &Op, tensor: Option<&Tensor>, reads: &[(&Bounds, usize)]) -> Bounds {
    let at = |end: fn(&Bounds) -> &Vec<i64>| {
        let reads: Vec<(&[i64], usize)> = reads.iter().map(|&(read, n)| (&end(read)[..], n)).collect();
        op.evaluate(tensor, &reads)
    };
    hull(&[at(|bounds| &bounds.lo), at(|bounds| &bounds.hi)])
}

/// A function of one number each, at all numbers that there may be.
fn any(op: &Op, Bounds { lo, hi }: &Bounds) -> Bounds {
    let most = lo.iter().zip(hi).map(|(lo, hi)| hi - lo).max().unwrap_or(0);
    let at = |step: i64| {
        let x: Vec<i64> = lo.iter().zip(hi).map(|(lo, hi)| (lo + step).min(*hi)).collect();
        op.evaluate(None, &[(&x, 1)])
    };
    (1..=most).fold(hull(&[at(0)]), |all, step| hull(&[all.lo, all.hi, at(step)]))
}

fn squares(bounds: &Bounds) -> Bounds {
    let mut squares = products(bounds, bounds);
    for (lo, ends) in squares.lo.iter_mut().zip(bounds.lo.iter().zip(&bounds.hi)) {
        *lo = if *ends.0 <= 0 && *ends.1 >= 0 { 0 } else { *lo };
    }
    squares
}

fn products(a: &Bounds, b: &Bounds) -> Bounds {
    let product = |a: &[i64], b: &[i64]| a.iter().zip(b).map(|(a, b)| a * b).collect::<Vec<i64>>();
    hull(&[product(&a.lo, &b.lo), product(&a.lo, &b.hi), product(&a.hi, &b.lo), product(&a.hi, &b.hi)])
}

/// The smallest and the largest of several tensors, number by number.
fn hull(all: &[Vec<i64>]) -> Bounds {
    let end = |pick: fn(i64, i64) -> i64| {
        let of = |i: usize| all.iter().map(|tensor| tensor[i]).reduce(pick).expect("one at least");
        (0..all[0].len()).map(of).collect()
    };
    Bounds { lo: end(i64::min), hi: end(i64::max) }
}

impl Bounds {
    /// Whether an answer may come of such numbers.
    pub fn allow(&self, answer: &Prediction, output: &OutputEncoding) -> bool {
        let within = |i: usize, number: i64| (self.lo[i]..=self.hi[i]).contains(&number);
        match (answer, output) {
            (&Prediction::Class(class), OutputEncoding::Argmax { .. }) => self.classes().contains(&class),
            (&Prediction::Class(sign), OutputEncoding::Sign) => within(0, 2 * i64::from(sign) - 1),
            (Prediction::Scores(scores), OutputEncoding::Scores { scale, .. }) => {
                let found = scores.iter().map(|score| (score / scale).round() as i64);
                scores.len() == self.lo.len() && found.enumerate().all(|(i, score)| within(i, score))
            }
            (Prediction::Labels(labels), OutputEncoding::Labels { .. }) => {
                let bits = labels.iter().map(|&label| 2 * i64::from(label) - 1);
                labels.len() == self.lo.len() && bits.enumerate().all(|(i, bit)| within(i, bit))
            }
            _ => panic!("{answer:?} of {output:?} is new"),
        }
    }

    /// Classes whose number may be the largest.
    pub fn classes(&self) -> Vec<u32> {
        let least = self.lo.iter().max().expect("a class");
        (0..).zip(&self.hi).filter(|(_, hi)| *hi >= least).map(|(class, _)| class).collect()
    }

    /// The largest distance of two ends.
    pub fn width(&self) -> i64 {
        self.lo.iter().zip(&self.hi).map(|(lo, hi)| hi - lo).max().unwrap_or(0)
    }
}
