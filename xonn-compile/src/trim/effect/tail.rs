//! The part of a network behind one layer's sums, with the sums in units of 1/[`UNIT`].

use super::UNIT;
use crate::network::Network;
use xonn_program::evaluate;
use xonn_program::evaluate::Evaluated;
use xonn_program::op::Cut;
use xonn_program::{Kind, Layer, LayerId, Op, OutputEncoding, Range, Tensor};

/// No range is looked at here; wide enough for every sum, far from overflow.
const ANY: Kind = Kind::Int(Range { lo: i64::MIN / 4, hi: i64::MAX / 4 });

/// A network that begins with a layer's sums.
pub(super) struct Tail {
    layers: Vec<Layer>,
    tensors: Vec<Tensor>,
    output: OutputEncoding,
    /// Additions for one sample, about.
    pub work: u64,
}

impl Tail {
    /// The network behind layer `sums`; `None` if it reads anything else as well, or does more to the sums
    /// than pooling before they are cut or scaled.
    ///
    /// * `step`: distance of neighbouring sums.
    pub fn new(network: &Network, sums: LayerId, step: i64) -> Option<Self> {
        let first = &network.layers()[sums];
        let mut layers =
            vec![Layer { op: Op::Input, reads: vec![], kind: ANY, secret: None, ..first.clone() }];
        let mut tensors = network.tensors().to_vec();
        // Whether a layer is in units, rather than in integers as before.
        let mut scaled = vec![true];
        let mut work = 0;
        for layer in &network.layers()[sums + 1..] {
            let reads: Vec<LayerId> =
                layer.reads.iter().map(|&i| i.checked_sub(sums)).collect::<Option<_>>()?;
            let in_units = reads.iter().any(|&i| scaled[i]);
            let mut layer = Layer { reads, ..layer.clone() };
            if in_units {
                layer.kind = ANY;
                match (&layer.op, layer.secret.map(|id| &mut tensors[id])) {
                    (Op::MaxPool { .. } | Op::SumPool { .. } | Op::Permute { .. }, _) => {}
                    (Op::Scale { .. }, Some(Tensor::Lines(lines))) => {
                        for line in lines {
                            line.offset = line.offset.checked_mul(UNIT)?;
                        }
                    }
                    (Op::Threshold { .. }, Some(Tensor::Cuts(cuts))) => {
                        layer.kind = Kind::Bit;
                        cuts.iter_mut().for_each(|cut| *cut = between(*cut, step));
                    }
                    _ => return None,
                }
            }
            scaled.push(in_units && layer.kind == ANY);
            work += match &layer.op {
                Op::Linear(linear) => linear.elements() * linear.fan_in(),
                Op::MaxPool { window } | Op::SumPool { window } => {
                    layer.elements() * window.kernel[0] * window.kernel[1]
                }
                _ => layer.elements(),
            } as u64;
            layers.push(layer);
        }
        // Allocating a tensor costs about as much as a few dozen additions.
        work += 32 * layers.len() as u64;
        Some(Self { layers, tensors, output: network.output().clone(), work })
    }

    /// The loss of one sample: the logistic loss of the margin between the true class and the best other one,
    /// in units of the largest score.
    pub fn loss(&self, sums: &[i64], label: usize) -> f64 {
        let scores = evaluate::tensors(&self.layers, &self.tensors, sums).pop().unwrap_or_default();
        match self.output {
            OutputEncoding::Sign => {
                let class = usize::from(scores.first().is_some_and(|&bit| bit > 0));
                f64::from(u8::from(class != label))
            }
            _ => logistic(&Evaluated { class: 0, scores }, label),
        }
    }
}

/// A cut in units, halfway to the next sum that decides otherwise.
fn between(cut: Cut, step: i64) -> Cut {
    let half = UNIT * step / 2;
    Cut { at: if cut.rising { cut.at * UNIT - half } else { cut.at * UNIT + half }, ..cut }
}

/// `ln(1 + e^-m)`, `m` being 8 times the margin over the spread of the scores.
fn logistic(prediction: &Evaluated, label: usize) -> f64 {
    let scores = &prediction.scores;
    let Some(&own) = scores.get(label) else { return 1.0 };
    let others = scores.iter().enumerate().filter(|(class, _)| *class != label).map(|(_, &score)| score);
    let (lowest, highest) = (scores.iter().min().unwrap_or(&0), scores.iter().max().unwrap_or(&0));
    let spread = (highest - lowest).max(1) as f64;
    let margin = (own - others.max().unwrap_or(own)) as f64 / spread;
    (-8.0 * margin).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_lie_between_sums() {
        for step in [1, 2] {
            for rising in [true, false] {
                let cut = Cut { rising, at: 3 };
                for y in (-9..=9).map(|y| 3 + y * step) {
                    assert_eq!(between(cut, step).fires(y * UNIT), cut.fires(y), "{y}");
                }
            }
        }
    }

    #[test]
    fn a_larger_margin_is_a_smaller_loss() {
        let loss = |scores: &[i64]| logistic(&Evaluated { class: 0, scores: scores.to_vec() }, 1);
        assert!(loss(&[0, 10, 5]) < loss(&[0, 10, 9]));
        assert!(loss(&[0, 10, 9]) < loss(&[0, 10, 10]));
        assert!(loss(&[0, 10, 10]) < loss(&[0, 10, 12]));
    }
}
