//! Sums of numbers that lose their lowest bits: a linear layer, its bias and its rounding as one stage.
//!
//! In: exact shares of x, in any step. Out: exact shares of `floor((W x + b) / 2^drop + U)` modulo 2^k, U
//! uniform in [0, 1), and noise of [`MOST_STD`] at most. What is left has no fraction: a unit of the last bit
//! is as exact as numbers are. It is what [`Round`] says, with the dice of the masks.
//!
//! Both hosts bring what they have of x itself: the server its share times the step, and the offset; the
//! client its share times the step.

use xonn_crypto::Wiped;
use xonn_crypto::rlwe::{Params, Rounding, noise};
use xonn_program::op::{Linear, Pad, Planes, Round, Window2d};
use xonn_program::program::TensorId;
use xonn_program::{Layer, LayerId, Op, OutputEncoding, Program, Tensor};

use super::Choice;
use crate::plan::Stage;
use crate::value::Ring;

/// The largest standard deviation of noise, in units of the result's last bit.
pub const MOST_STD: f64 = 0.125;

/// Most bits that may be shown of numbers whose noise is the server's secret: `docs/protocols/rlwe.md`.
pub const MOST_SHOWN: u64 = 1000;

/// What is public of such a stage.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rounded {
    /// Lowest bits that are dropped.
    pub drop: u32,
    /// The least number of the results' range, and their number.
    pub lo: i64,
    span: u64,
    /// The tensor of what is added to the sums.
    offsets: Option<TensorId>,
}

impl Rounded {
    /// Of a stage whose first layer is a linear one.
    pub fn of(stage: &Stage, program: &Program) -> Result<Self, String> {
        let layers = program.layers();
        let Some((linear, drop, offsets)) = pattern(program, &stage.layers) else {
            return Err(
                "sums, perhaps with offsets, are rounded, and nothing else is computed with them".into()
            );
        };
        debug_assert!(matches!(layers[linear].op, Op::Linear(_) | Op::Scale { .. }));
        let range = layers[stage.last()].kind.range();
        Ok(Self { drop, lo: range.lo, span: range.hi.abs_diff(range.lo), offsets })
    }

    /// How results are held, of numbers in the ring `reads`.
    pub fn leaves(&self, reads: Ring, choice: &Choice) -> Option<Ring> {
        let bits = choice.bits.checked_sub(self.drop)?;
        let holds = reads.is_exact()
            && reads.fraction == 0
            && reads.step >= 1
            && (1..=Ring::MOST_BITS).contains(&reads.bits)
            && reads.span >> reads.bits == 0
            && choice.bits <= reads.bits
            && choice.fraction == 0
            && (1..=Ring::MOST_BITS).contains(&bits)
            && self.span >> bits == 0;
        holds.then_some(Ring { bits, fraction: 0, terms: 0, step: 1, span: self.span })
    }

    /// What is added to each sum; one model's.
    pub fn offsets(&self, tensors: &[Tensor]) -> Result<Wiped<i64>, String> {
        let Some(id) = self.offsets else { return Ok(vec![0].into()) };
        match tensors.get(id) {
            Some(Tensor::Lines(lines)) => Ok(lines.iter().map(|line| line.offset).collect()),
            Some(Tensor::Offsets(offsets)) => Ok(offsets.to_vec().into()),
            _ => Err(format!("{} tensors, of which none has its offsets", tensors.len())),
        }
    }
}

/// The linear layer, how many bits are dropped, and the tensor of offsets, if these layers are such a stage.
pub(crate) fn pattern(program: &Program, layers: &[LayerId]) -> Option<(LayerId, u32, Option<TensorId>)> {
    let layer = |id: LayerId| program.layers().get(id);
    let follows = layers.windows(2).all(|pair| layer(pair[1]).is_some_and(|layer| layer.reads == [pair[0]]));
    let (&[linear, .., round], true) = (layers, follows) else { return None };
    let &Op::Round(Round { drop, .. }) = &layer(round)?.op else { return None };
    let scaled = match layer(linear)?.op {
        Op::Linear(_) => false,
        Op::Scale { .. } => true,
        _ => return None,
    };
    match layers[1..layers.len() - 1] {
        [] if scaled => {
            sums_of(layer(linear)?).map(|_| (linear, drop, layer(linear).and_then(|of| of.secret)))
        }
        _ if scaled => None,
        [] => Some((linear, drop, None)),
        [offset] if matches!(layer(offset)?.op, Op::Offset { .. }) => {
            Some((linear, drop, Some(layer(offset)?.secret?)))
        }
        _ => None,
    }
}

/// Most weights of lines that are written out as sums.
const MOST_SCALES: usize = 1 << 22;

/// The sums that a layer is, and how many of the weights of one are not 0 at most. A secret line a channel is
/// a sum of one channel: a kernel of one pixel, all of whose weights but one for each filter are 0.
pub(crate) fn sums_of(layer: &Layer) -> Option<(Linear, usize)> {
    match layer.op {
        Op::Linear(linear) => Some((linear, linear.fan_in())),
        Op::Scale { lines, bits }
            if (2..=25).contains(&bits) && (1..=MOST_SCALES).contains(&(lines * lines)) =>
        {
            let pixels = layer.elements() / lines;
            let window = Window2d {
                input: [1, pixels, lines],
                kernel: [1, 1],
                stride: [1, 1],
                dilation: [1, 1],
                pad_low: [0, 0],
                output: [1, pixels],
            };
            let weights = Planes::Odd { bits: bits - 1 };
            Some((Linear { weights, window, filters: lines, groups: 1, pad: Pad::Drop }, 1))
        }
        _ => None,
    }
}

/// The weights of [`sums_of`] a layer, from its tensor.
pub(super) fn weights_of(tensor: &Tensor) -> Wiped<i32> {
    let Tensor::Lines(lines) = tensor else { return tensor.weights().to_vec().into() };
    let mut weights = Wiped::zeros(lines.len() * lines.len());
    for (channel, line) in lines.iter().enumerate() {
        weights[channel * lines.len() + channel] = line.scale as i32;
    }
    weights
}

/// Bits of the answer that depend on the numbers; none of a class or a sign, which are few.
pub(crate) fn shown(program: &Program) -> u64 {
    match *program.output() {
        OutputEncoding::Argmax { .. } | OutputEncoding::Sign => 0,
        OutputEncoding::Labels { units } => u64::from(units),
        OutputEncoding::Scores { count, bits, .. } => u64::from(count) * u64::from(bits),
        // What else an answer may be, all of it is shown.
        _ => u64::MAX,
    }
}

/// Whether sums may be rounded in this ring, whatever the answer shows of them.
///
/// # Errors
/// Why not.
pub(super) fn may_show(program: &Program, params: Params) -> Result<(), String> {
    match shown(program) {
        0 => Ok(()),
        bits if bits > MOST_SHOWN => Err(format!(
            "the answer shows {bits} bits of noisy numbers, expected {MOST_SHOWN} at most, or a class"
        )),
        bits if params.n() < 2048 => Err(format!(
            "the answer shows {bits} bits of noisy numbers, which takes n 2048, found {}",
            params.n()
        )),
        _ => Ok(()),
    }
}

/// Standard deviation of the noise in units of the last bit, where weights with this sum of squares meet.
pub(super) fn std(params: Params, rounding: &Rounding, squares: f64) -> f64 {
    noise::std(params, rounding, squares) * f64::from(rounding.phi()).exp2()
}

#[cfg(test)]
mod tests {
    use super::*;
    use xonn_program::op::{Linear, Planes};
    use xonn_program::{InputEncoding, Kind, Layer, Range};

    fn program(output: OutputEncoding) -> Program {
        let input = InputEncoding {
            shape: vec![4],
            bits: 8,
            signed: false,
            scale: 1.0,
            zero: 0,
            features: vec![],
            tokens: false,
        };
        let layer = |op, reads: &[LayerId], shape: usize, range: [i64; 2], secret| {
            let kind = Kind::Int(Range::from(range));
            Layer { op, reads: reads.to_vec(), shape: vec![shape], kind, secret }
        };
        let linear = Linear::dense(4, 2, Planes::Odd { bits: 3 });
        let layers = vec![
            layer(Op::Input, &[], 4, [0, 255], None),
            layer(Op::Linear(linear), &[0], 2, [-7140, 7140], Some(0)),
            layer(Op::Round(Round { drop: 4, bits: 8 }), &[1], 2, [-128, 127], None),
        ];
        Program::new(input, layers, output).expect("a program")
    }

    #[test]
    fn answers_that_show_much_take_long_polynomials_or_none() {
        let class = program(OutputEncoding::Argmax { classes: 2 });
        let scores = program(OutputEncoding::Scores { count: 2, bits: 8, scale: 1.0 });
        assert_eq!((shown(&class), shown(&scores)), (0, 16));
        assert!(may_show(&class, Params::N1024Q26).is_ok());
        assert!(may_show(&scores, Params::N1024Q26).is_err_and(|reason| reason.contains("n 2048")));
        assert!(may_show(&scores, Params::N2048Q30).is_ok());
    }
}
