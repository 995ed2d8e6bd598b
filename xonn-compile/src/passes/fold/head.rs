//! The end of a network: a class, labels or scores.

use petgraph::stable_graph::NodeIndex;
use xonn_program::{Kind, Layer, LayerId, Op, OutputEncoding, Range};

use super::{Fold, Value, affine_head};
use crate::graph::{self, Line, Quantizer};
use crate::network::Made;
use crate::passes::{Options, OutputMode};

/// Most bits of a score before its lowest ones are dropped.
const SCORE_BITS: u32 = 57;

/// Most bits of a sum whose class is asked for.
const HEAD_WIDTH: u32 = 34;

/// Most bits of a sum that becomes a score.
const SCORE_WIDTH: u32 = 30;

impl Fold<'_> {
    /// What the network gives: the largest of its last tensor, with the pending float steps in fixed point;
    /// of a single unit, or of each unit where labels are asked for, whether it is above 0.
    pub(super) fn head(
        &mut self,
        options: &Options,
        layer: &graph::Layer,
        output: NodeIndex,
    ) -> Result<OutputEncoding, String> {
        let mut value =
            self.values.get(&output).cloned().ok_or("the model's output is none of its layers")?;
        if matches!(self.nodes[value.node].op, Op::Input) {
            return Err("the model has no layer that computes anything".into());
        }
        let shape = value.shape.clone();
        let elements: usize = shape.iter().product();
        let labels = options.output == OutputMode::Labels;
        if (labels || elements == 1 && options.output != OutputMode::Scores)
            && let Some(before) = value.f.before_sigmoid()
        {
            // The pass dropped one at the very end; this one has moves or a maximum behind it.
            value.f = before;
        }
        if shape.last() != Some(&elements) {
            return Err(format!(
                "the model's output has shape {shape:?}, expected a vector of scores: of a sequence those \
                 of its last \
                 step, as without return_sequences in the last recurrent layer"
            ));
        }
        if value.f.period() > 1 && self.lines(&value).is_ok() {
            value = self.narrow(layer, &value, HEAD_WIDTH)?;
        }
        self.may_be_predicted()?;
        if options.output != OutputMode::Scores {
            match labels || elements == 1 {
                true => self.may_be_compared(&value, Quantizer::Heaviside)?,
                false => self.may_be_ranked(&value, elements)?,
            }
        }
        let kind = self.kind(&value);
        value.node = self.shaped(layer, &value);
        if options.output == OutputMode::Scores {
            return self.scores(layer, &value);
        }
        if labels || elements == 1 {
            // -1 and +1 give the class as they are if what is computed of them lies on both sides of 0.
            let is_class = |Line { scale, offset }| scale + offset > 0.0 && offset - scale <= 0.0;
            let last = if kind == Kind::Bit && value.f.common_line().is_some_and(is_class) {
                value.node
            } else {
                // tanh(x) > 0 exactly where x > 0; sigmoids are dropped.
                let cuts = self.cuts(&value, kind.range(), &shape, Quantizer::Heaviside)?;
                self.push(layer, Made::threshold(cuts), &[value.node], shape, Kind::Bit)
            };
            self.must_be_last(layer, last);
            return Ok(if labels {
                OutputEncoding::Labels { units: elements as u32 }
            } else {
                OutputEncoding::Sign
            });
        }
        // A common rising line keeps the order.
        let biased = value.f.period() > 1 && value.f.common_slope().is_some_and(|slope| slope > 0.0);
        if biased {
            let Range { lo, hi } = kind.range();
            let digits = affine_head::bias_digits(kind.range().magnitude());
            let range = Range { lo: lo << digits, hi: hi << digits };
            let head = affine_head::fold_biases(&value.f, elements, range, digits, value.parity, self.notes)?;
            let op = Op::Recode { step: 1 << digits, offset: 0 };
            let shifted = self.push(layer, op, &[value.node], shape.clone(), Kind::Int(range));
            self.push(layer, head.made, &[shifted], shape, Kind::Int(head.range));
            return Ok(OutputEncoding::Argmax { classes: elements as u32 });
        }
        let same_order = value.f.common_line().is_some_and(|line| line.scale > 0.0 && value.f.rises());
        if same_order {
            self.must_be_last(layer, value.node);
        } else {
            match affine_head::fold(
                &value.f,
                elements,
                kind.range(),
                value.parity,
                options.head_bits,
                self.notes,
            )? {
                Some(head) => {
                    self.push(layer, head.made, &[value.node], shape, Kind::Int(head.range));
                }
                None => self.must_be_last(layer, value.node),
            }
        }
        Ok(OutputEncoding::Argmax { classes: elements as u32 })
    }

    /// The scores themselves: integers if nothing is left to compute, else multiples of `2^-score_bits`, a
    /// unit that does not depend on the weights.
    fn scores(&mut self, layer: &graph::Layer, value: &Value) -> Result<OutputEncoding, String> {
        let shape = value.shape.clone();
        if let Some(Line { scale: unit, offset: 0.0 }) = value.f.public_line()
            && unit > 0.0
        {
            self.notes.push(format!("scores: exact, in units of {unit}"));
            self.must_be_last(layer, value.node);
            return Ok(self.scores_in(unit));
        }
        let (bits, fraction) = (self.options.head_bits, self.options.score_bits);
        if !(8..=32).contains(&bits) || !(0..=30).contains(&fraction) {
            return Err(format!(
                "--head-bits {bits} and --score-bits {fraction}, expected 8 to 32 and 0 to 30"
            ));
        }
        let unit = (-f64::from(fraction)).exp2();
        // Digits of a scale that keep its rounding, times the largest sum, below a unit; dropped again behind
        // the product.
        let mut value = value.clone();
        value.node = self.shaped(layer, &value);
        let value =
            &if self.lines(&value).is_ok() { self.narrow(layer, &value, SCORE_WIDTH)? } else { value };
        let range = self.kind(value).range();
        let width = 64 - range.magnitude().max(1).leading_zeros();
        // As many as leave scores of 2^16; scales up to 2^11, a BatchNorm that divides by little, where sums
        // are narrow.
        let digits = width.min((SCORE_BITS - 17).saturating_sub(fraction));
        let scale_bits = (bits + 8 + digits).min(SCORE_BITS.saturating_sub(width)).max(8);
        let fine = unit * (-f64::from(digits)).exp2();
        let most = (1i64 << (scale_bits - 1)) - 1;
        let span = most.checked_mul(range.magnitude().max(1)).filter(|&span| span < 1 << (SCORE_BITS + 1));
        let span = span.ok_or_else(|| format!("scores of up to {} are too wide", range.magnitude()))?;
        let lines = self.lines(value)?;
        let count = shape.iter().product::<usize>();
        let line = |i: usize| lines[i % lines.len()];
        let scale: Vec<i64> = (0..count).map(|i| (line(i).scale / fine).round() as i64).collect();
        let half = (1i64 << digits) / 2;
        let offset: Vec<i64> =
            (0..count).map(|i| ((line(i).offset / fine).round() as i64).saturating_add(half)).collect();
        if scale.iter().any(|scale| scale.abs() > most) || offset.iter().any(|offset| offset.abs() > span) {
            return Err(format!(
                "scores in units of 2^-{fraction} do not fit {bits} bits of scale, lower --score-bits"
            ));
        }
        let error = (fine * range.magnitude() as f64 + unit) / 2.0;
        let moved = (0..count).map(|i| value.accuracy.at(i).error).fold(0.0, f64::max);
        let before = match moved > 0.0 {
            true => format!(", and by about {moved:.1e} for the roundings of weights and sums before"),
            false => String::new(),
        };
        self.notes.push(format!(
            "scores: multiples of 2^-{fraction}, each off by at most {error:.1e}{before}; more --score-bits \
             bring them closer"
        ));
        let op = Made::scale(&scale, &offset, scale_bits);
        let kind = |bits: u32| Kind::Int(Range { lo: (-2 * span) >> bits, hi: (2 * span) >> bits });
        let node = self.push(layer, op, &[value.node], shape.clone(), kind(0));
        if digits > 0 {
            self.push(layer, Op::Truncate { bits: digits }, &[node], shape, kind(digits));
        }
        Ok(self.scores_in(unit))
    }

    /// The last layer's numbers as scores in these units.
    fn scores_in(&self, scale: f64) -> OutputEncoding {
        let last = self.nodes.last().map_or(Kind::Bit, |layer| layer.kind);
        let count = self.nodes.last().map_or(0, Layer::elements) as u32;
        OutputEncoding::Scores { count, bits: last.range().signed_bits(), scale }
    }

    /// The output is the last node; where other branches came later, it is repeated there.
    fn must_be_last(&mut self, layer: &graph::Layer, node: LayerId) {
        if node + 1 != self.nodes.len() {
            let (shape, kind) = (self.nodes[node].shape.clone(), self.nodes[node].kind);
            let source = (0..shape.iter().product()).collect();
            self.push(layer, Op::Permute { source }, &[node], shape, kind);
        }
    }
}
