//! The rules that every [`Program`](super::Program) obeys, checked once when it is made, so that nothing
//! later can go out of bounds or overflow.

use super::{Kind, Layer, Range};
use crate::encoding::{InputEncoding, OutputEncoding};
use crate::op::{Op, pool, ties_to_even};
use crate::tensor::TensorSpec;

/// Most layers.
const MAX_LAYERS: usize = 1 << 14;

/// Most elements of a tensor.
const MAX_ELEMENTS: usize = 1 << 24;

/// Most elements of all tensors together, and most secret numbers.
const MAX_ALL: usize = 1 << 28;

/// Most axes of a tensor, and most tensors that a layer reads.
const MAX_AXES: usize = 1 << 10;

/// Largest number.
const LARGEST: i64 = 1 << 60;

/// Largest number below 0 of which a leaky ReLU is taken.
const MOST_LEAKED: i64 = 1 << 46;

/// Largest class of an argmax.
const MAX_CLASSES: usize = 1 << 20;

/// A broken rule. Layers are counted from 0, the input.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// There is nothing to compute.
    #[error("the program has {found} layers, expected 2 (an input and what reads it) to {MAX_LAYERS}")]
    Layers {
        /// How many there are.
        found: usize,
    },
    /// The input encoding is not usable.
    #[error("input encoding: {reason}")]
    Input {
        /// What is wrong with it.
        reason: String,
    },
    /// The output encoding is not usable, or does not fit the last layer.
    #[error("output encoding: {reason}")]
    Output {
        /// What is wrong with it.
        reason: String,
    },
    /// A layer is malformed.
    #[error("layer {layer}: {reason}")]
    Layer {
        /// Index of the layer.
        layer: usize,
        /// What was found, what was expected.
        reason: String,
    },
    /// A small file would ask for much work or memory.
    #[error("the program has {found} {what}, at most {max} are supported")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// How much there is.
        found: usize,
        /// The most supported.
        max: usize,
    },
}

/// Checks all rules; gives the specification of each tensor.
pub(super) fn verify(
    input: &InputEncoding,
    layers: &[Layer],
    output: &OutputEncoding,
) -> Result<Vec<TensorSpec>, ProgramError> {
    input.check().map_err(|e| ProgramError::Input { reason: e.to_string() })?;
    if !(2..=MAX_LAYERS).contains(&layers.len()) {
        return Err(ProgramError::Layers { found: layers.len() });
    }
    let within = |what, found: usize, max: usize| {
        if found <= max { Ok(()) } else { Err(ProgramError::TooMuch { what, found, max }) }
    };
    let mut tensors = Vec::new();
    let (mut all, mut secret) = (0usize, 0usize);
    for (index, layer) in layers.iter().enumerate() {
        let wrong = |reason| ProgramError::Layer { layer: index, reason };
        all = all.saturating_add(elements(&layer.shape).map_err(wrong)?);
        within("elements of all tensors", all, MAX_ALL)?;
        let spec = Rules { layers, index, layer, input }.check().map_err(wrong)?;
        secret = secret.saturating_add(take(&mut tensors, layer.secret, spec).map_err(wrong)?);
        within("secret numbers", secret, MAX_ALL)?;
    }
    let last = &layers[layers.len() - 1];
    fits_output(output, last).map_err(|reason| ProgramError::Output { reason })?;
    Ok(tensors)
}

/// Notes the tensor that a layer takes; gives how many numbers are new.
fn take(tensors: &mut Vec<TensorSpec>, id: Option<usize>, spec: Option<TensorSpec>) -> Result<usize, String> {
    match (id, spec) {
        (None, None) => Ok(0),
        (Some(_), None) => Err("it names secret numbers and takes none".into()),
        (None, Some(_)) => Err("it takes secret numbers and names none".into()),
        (Some(id), Some(spec)) if id == tensors.len() => {
            tensors.push(spec);
            Ok(spec.count())
        }
        (Some(id), Some(spec)) => match tensors.get(id) {
            Some(&known) if known == spec => Ok(0),
            Some(_) => Err(format!("it shares tensor {id} with a layer that takes other numbers")),
            None => Err(format!("it names tensor {id}, expected {} or one before", tensors.len())),
        },
    }
}

fn elements(shape: &[usize]) -> Result<usize, String> {
    let count = shape.iter().try_fold(1usize, |n, &size| n.checked_mul(size));
    match count {
        Some(count @ 1..=MAX_ELEMENTS) if shape.len() <= MAX_AXES => Ok(count),
        _ => Err(format!(
            "a tensor of {} axes from {:?}, expected 1 to {MAX_ELEMENTS} elements",
            shape.len(),
            &shape[..shape.len().min(4)]
        )),
    }
}

/// The rules of one layer.
struct Rules<'p> {
    layers: &'p [Layer],
    index: usize,
    layer: &'p Layer,
    input: &'p InputEncoding,
}

impl Rules<'_> {
    /// Whether the layer obeys them; the tensor that it takes.
    fn check(&self) -> Result<Option<TensorSpec>, String> {
        let Layer { op, reads, kind, .. } = self.layer;
        if let Some(read) = reads.iter().find(|&&read| read >= self.index) {
            return Err(format!("it reads layer {read}, expected an earlier one than {}", self.index));
        }
        let (least, most) = match op {
            Op::Input => (0, 0),
            Op::Product => (2, 2),
            Op::Add | Op::Concatenate => (1, MAX_AXES),
            _ => (1, 1),
        };
        if !(least..=most).contains(&reads.len()) || (*op == Op::Input) != (self.index == 0) {
            return Err(format!("it reads {} tensors, expected {least} to {most}", reads.len()));
        }
        let Range { lo, hi } = kind.range();
        if lo > hi || lo < -LARGEST || hi > LARGEST {
            return Err(format!("numbers from {lo} to {hi}, expected a range within 2^60 of 0"));
        }
        let expected = self.elements()?;
        if self.layer.elements() != expected {
            let found = self.layer.elements();
            return Err(format!("its tensor has {found} elements, its operation gives {expected}"));
        }
        self.kind_fits()?;
        Ok(op.tensor(self.read(0).map_or(Range { lo: 0, hi: 0 }, |layer| layer.kind.range())))
    }

    fn read(&self, i: usize) -> Option<&Layer> {
        self.layer.reads.get(i).map(|&read| &self.layers[read])
    }

    fn reads(&self) -> impl Iterator<Item = &Layer> {
        self.layer.reads.iter().map(|&read| &self.layers[read])
    }

    /// How many elements the operation gives.
    fn elements(&self) -> Result<usize, String> {
        let read = self.read(0).map_or(0, Layer::elements);
        let image = |window: &crate::op::Window2d| {
            window.check()?;
            let [height, width, channels] = window.input;
            let pixels = height.checked_mul(width).and_then(|n| n.checked_mul(channels));
            if pixels != Some(read) {
                return Err(format!("a window over {:?} reads {read} elements", window.input));
            }
            window.output[0]
                .checked_mul(window.output[1])
                .ok_or_else(|| format!("a window of {:?} positions", window.output))
        };
        let repeats = |what: &str, count: usize| {
            if count > 0 && read.is_multiple_of(count) {
                Ok(read)
            } else {
                Err(format!("{count} {what} on {read} elements, expected a whole part of them"))
            }
        };
        let channels = self.layer.channels();
        match &self.layer.op {
            Op::Input => Ok(self.input.elements()),
            Op::Linear(linear) => {
                linear.check(self.read(0).map_or(Kind::Bit, |layer| layer.kind))?;
                let weights = [linear.filters, linear.window.kernel[0], linear.window.kernel[1]];
                let weights = weights.iter().try_fold(linear.channels(), |n, &m| n.checked_mul(m));
                if weights.is_none_or(|n| n > MAX_ALL) {
                    return Err(format!("more than {MAX_ALL} weights"));
                }
                image(&linear.window)?.checked_mul(linear.filters).ok_or_else(|| "too many sums".into())
            }
            Op::MaxPool { window } | Op::SumPool { window } => {
                image(window)?.checked_mul(window.input[2]).ok_or_else(|| "too many windows".into())
            }
            &Op::Threshold { cuts } => repeats("cuts", cuts),
            &Op::Scale { lines, bits } => {
                if !(1..=60).contains(&bits) {
                    return Err(format!("scales of {bits} bits, expected 1 to 60"));
                }
                repeats("lines", lines)
            }
            &Op::Truncate { bits } if !(1..=62).contains(&bits) => {
                Err(format!("it drops {bits} bits, expected 1 to 62"))
            }
            &Op::TiesToEven { bits } if !(1..=60).contains(&bits) => {
                Err(format!("it drops {bits} bits, expected 1 to 60"))
            }
            &Op::Offset { offsets, bits } => {
                if !(2..=60).contains(&bits) {
                    return Err(format!("offsets of {bits} bits, expected 2 to 60"));
                }
                repeats("offsets", offsets)
            }
            Op::Round(round) => round.check().map(|()| read),
            Op::LeakyRelu(leak) => leak.check().map(|()| read),
            Op::Spline(spline) => spline.check().map(|()| read),
            Op::Clamp(Range { lo, hi }) if lo > hi => Err(format!("it clamps to {lo} up to {hi}")),
            Op::Recode { .. }
            | Op::Truncate { .. }
            | Op::TiesToEven { .. }
            | Op::Relu
            | Op::Clamp(_)
            | Op::Square => Ok(read),
            Op::Add | Op::Product => match self.reads().all(|layer| layer.elements() == read) {
                true => Ok(read),
                false => Err("it reads tensors of several sizes".into()),
            },
            Op::Concatenate => {
                let rows = |layer: &Layer| layer.elements() / layer.channels().max(1);
                let whole = self.reads().all(|layer| rows(layer) == self.layer.elements() / channels.max(1));
                let sum: usize = self.reads().map(Layer::channels).sum();
                match whole && sum == channels {
                    true => Ok(self.reads().map(Layer::elements).sum()),
                    false => Err(format!("it joins {sum} channels to {channels}")),
                }
            }
            Op::Permute { source } => match source.iter().find(|&&s| s >= read) {
                Some(s) => Err(format!("it takes element {s} of {read}")),
                None => Ok(source.len()),
            },
        }
    }

    /// Whether the declared values hold all that the operation can give.
    fn kind_fits(&self) -> Result<(), String> {
        let kind = self.layer.kind;
        let (is_bit, [least, most]) = match &self.layer.op {
            Op::Input => {
                let codes = self.input.codes();
                (false, [i128::from(*codes.start()), i128::from(*codes.end())])
            }
            Op::Scale { .. } => (false, wide(kind.range())),
            op => values(op, &self.reads().map(|layer| layer.kind).collect::<Vec<_>>())?,
        };
        let [low, high] = wide(kind.range());
        if is_bit != (kind == Kind::Bit) || least < low || most > high {
            return Err(format!(
                "{} from {least} to {most} do not fit the declared {kind:?}",
                if is_bit { "bits" } else { "numbers" }
            ));
        }
        Ok(())
    }
}

fn wide(range: Range) -> [i128; 2] {
    [i128::from(range.lo), i128::from(range.hi)]
}

/// What an operation other than an input or a scale can give of tensors of these kinds: whether bits, from
/// where to where.
fn values(op: &Op, reads: &[Kind]) -> Result<(bool, [i128; 2]), String> {
    let read = reads.first().copied().unwrap_or(Kind::Bit);
    let Range { lo, hi } = read.range();
    let of_bits = || reads.iter().all(|&kind| kind == Kind::Bit);
    Ok(match op {
        Op::Input | Op::Scale { .. } => return Err("its values are declared".into()),
        &Op::Recode { step, offset } => {
            if step < 1 {
                return Err(format!("a step of {step}, expected 1 or more"));
            }
            let at = |x: i64| i128::from(step) * i128::from(x) + i128::from(offset);
            (false, [at(lo), at(hi)])
        }
        Op::Linear(linear) => (false, linear.range(read.range())),
        Op::MaxPool { .. } | Op::Permute { .. } => (read == Kind::Bit, wide(read.range())),
        Op::SumPool { window } => {
            let [_, n] = pool::counts(window);
            (false, [i128::from(lo.min(0)) * n as i128, i128::from(hi.max(0)) * n as i128])
        }
        Op::Threshold { .. } => (true, [-1, 1]),
        &Op::Truncate { bits } => (false, [i128::from(lo >> bits), i128::from(hi >> bits)]),
        &Op::TiesToEven { bits } if !(1..=60).contains(&bits) => {
            return Err(format!("it drops {bits} bits, expected 1 to 60"));
        }
        &Op::TiesToEven { bits } => (false, [lo, hi].map(|x| i128::from(ties_to_even(x, bits)))),
        &Op::Offset { bits, .. } => {
            let most = (1i128 << (bits - 1)) - 1;
            (false, [i128::from(lo) - most, i128::from(hi) + most])
        }
        Op::Round(round) => (false, round.range(lo, hi).map(i128::from)),
        Op::Relu => (false, [lo.max(0), hi.max(0)].map(i128::from)),
        Op::LeakyRelu(_) if lo < -MOST_LEAKED => {
            return Err(format!("a leaky ReLU of numbers from {lo}, expected from -{MOST_LEAKED}"));
        }
        Op::LeakyRelu(leak) => (false, [leak.of(lo), leak.of(hi)].map(i128::from)),
        &Op::Clamp(ends) => (false, [lo.clamp(ends.lo, ends.hi), hi.clamp(ends.lo, ends.hi)].map(i128::from)),
        Op::Spline(spline) => {
            spline.check()?;
            (false, spline.range(read.range())?.map(i128::from))
        }
        Op::Square => {
            let [low, high] = [lo, hi].map(|x| i128::from(x) * i128::from(x));
            (false, [if lo <= 0 && hi >= 0 { 0 } else { low.min(high) }, low.max(high)])
        }
        Op::Add => {
            let sum = |of: fn(Range) -> i64| reads.iter().map(|kind| i128::from(of(kind.range()))).sum();
            (false, [sum(|range| range.lo), sum(|range| range.hi)])
        }
        Op::Product if of_bits() => (true, [-1, 1]),
        Op::Product if reads.contains(&Kind::Bit) => {
            return Err("a product of a bit and a number, expected two of a kind".into());
        }
        Op::Product => {
            let other = wide(reads.get(1).map_or(Range { lo: 0, hi: 0 }, |kind| kind.range()));
            let ends = || wide(read.range()).into_iter().flat_map(|x| other.map(|y| x * y));
            (false, [ends().min().unwrap_or(0), ends().max().unwrap_or(0)])
        }
        Op::Concatenate => {
            let lo = reads.iter().map(|kind| kind.range().lo).min();
            let hi = reads.iter().map(|kind| kind.range().hi).max();
            (of_bits(), [i128::from(lo.unwrap_or(0)), i128::from(hi.unwrap_or(0))])
        }
    })
}

/// The least kind that holds all that an operation can give; for [`Op::kind`].
pub(crate) fn kind(op: &Op, reads: &[Kind]) -> Result<Kind, String> {
    let (is_bit, [least, most]) = values(op, reads)?;
    if is_bit {
        return Ok(Kind::Bit);
    }
    match (i64::try_from(least), i64::try_from(most)) {
        (Ok(lo), Ok(hi)) if lo >= -LARGEST && hi <= LARGEST => Ok(Kind::Int(Range { lo, hi })),
        _ => Err(format!("numbers from {least} to {most}, expected a range within 2^60 of 0")),
    }
}

fn fits_output(output: &OutputEncoding, last: &Layer) -> Result<(), String> {
    output.check()?;
    let elements = last.elements();
    let count = |what: &str, expected: usize, bits: bool| {
        if elements != expected {
            Err(format!("{what} of {expected} numbers, the last layer has {elements}"))
        } else if bits && last.kind != Kind::Bit {
            Err(format!("{what} of bits, the last layer has numbers"))
        } else {
            Ok(())
        }
    };
    match *output {
        OutputEncoding::Bits => Err("plain bits, expected what a network gives".into()),
        OutputEncoding::Argmax { classes } if !(2..=MAX_CLASSES).contains(&(classes as usize)) => {
            Err(format!("{classes} classes, expected 2 to {MAX_CLASSES}"))
        }
        OutputEncoding::Argmax { classes } => count("an argmax", classes as usize, false),
        OutputEncoding::Sign => count("a sign", 1, true),
        OutputEncoding::Labels { units } => count("labels", units as usize, true),
        OutputEncoding::Scores { count: scores, bits, .. } => {
            count("scores", scores as usize, false)?;
            let expected = last.kind.range().signed_bits();
            match bits == expected {
                true => Ok(()),
                false => Err(format!("scores of {bits} bits, expected {expected} for their range")),
            }
        }
    }
}
