//! What is public of a stage: the function, rings and windows, checked against the program.

use std::sync::Arc;

use xonn_program::op::{Leak, Round, Spline, Window2d};
use xonn_program::{LayerId, Op, Program, Range};

use super::bits_for;
use crate::compare_ot::numbers::{Curve, Function, Plan, Shape};
use crate::compare_ot::windows;
use crate::cost::StageCost;
use crate::plan::{How, Stage};
use crate::protocol::{Rows, StageError};
use crate::value::{Form, Ring};

/// A stage. Public.
#[derive(Debug)]
pub(super) struct Layer {
    pub plan: Arc<Plan>,
    /// How each tensor is held that is read, and in how many bits it is computed.
    pub reads: Vec<(Ring, u32)>,
    pub leaves: Ring,
    /// The least number that is left.
    pub lo: i64,
}

/// What is computed of each number, and the window of a pool in front.
pub(super) type What<'p> = (Function, Option<&'p Window2d>);

/// What layers compute together.
///
/// # Errors
/// Why they are no stage.
pub(super) fn function<'p>(program: &'p Program, layers: &[LayerId]) -> Result<What<'p>, String> {
    let layer = |&id: &LayerId| program.layers().get(id).ok_or("there is no such layer");
    let ops = layers.iter().map(|id| Ok(&layer(id)?.op)).collect::<Result<Vec<&Op>, &str>>()?;
    for pair in layers.windows(2) {
        if layer(&pair[1])?.reads != [pair[0]] {
            return Err(format!("layer {} does not read layer {} alone", pair[1], pair[0]));
        }
    }
    let gate = |op: &Op| match *op {
        Op::Relu => Some(Function::Relu),
        Op::LeakyRelu(Leak { slope, bits }) => Some(Function::LeakyRelu { slope, bits, drop: bits }),
        Op::Clamp(Range { lo, hi }) => Some(Function::Clamp { lo, hi }),
        Op::Spline(ref spline) => curve(program, layers, spline).map(|curve| Function::Curve(curve.into())),
        _ => None,
    };
    let rounded = |op: &Op| if let &Op::Round(Round { drop, .. }) = op { Some(drop) } else { None };
    let found = match ops[..] {
        [Op::Square, op] => rounded(op).map(|drop| (Function::Square { drop }, None)),
        [Op::Product, op] => {
            let ranges = layer(&layers[0])?.reads.iter().map(|read| Ok(layer(read)?.kind.range()));
            let ranges = ranges.collect::<Result<Vec<Range>, &str>>()?;
            let &[_, second] = &ranges[..] else {
                return Err("a product that is none of two tensors".into());
            };
            rounded(op).map(|drop| (Function::Product { second: bits_for(second), drop }, None))
        }
        // The same numbers in a larger ring.
        [Op::Round(Round { drop: 0, .. })] => Some((Function::Same, None)),
        [Op::MaxPool { window }] => Some((Function::Same, Some(window))),
        [Op::MaxPool { window }, op] => gate(op).map(|function| (function, Some(window))),
        [op] => gate(op).map(|function| (function, None)),
        _ => None,
    };
    found.ok_or_else(|| {
        let names: Vec<&str> = ops.iter().map(|op| op.name()).collect();
        format!("{} of numbers on shares", names.join(" and "))
    })
}

/// A curve whose layer, the last one of these, has room for what its results may be off by.
fn curve(program: &Program, layers: &[LayerId], spline: &Spline) -> Option<Curve> {
    let last = &program.layers()[*layers.last()?];
    let [least, most] = spline.range(program.layers()[*last.reads.first()?].kind.range()).ok()?;
    let (range, spare) = (last.kind.range(), Spline::SPARE);
    let has_room = range.lo <= least.saturating_sub(spare) && range.hi >= most.saturating_add(spare);
    let read = program.layers()[*last.reads.first()?].kind.range();
    Curve::of(&met(spline, read), bits_for(range)).filter(|_| has_room)
}

/// The table without pieces that no number is on: of the first state of a recurrent layer, say, which is
/// smaller than others that take the same table.
fn met(spline: &Spline, read: Range) -> Spline {
    let mut table = spline.clone();
    while table.lines.len() >= 8 {
        let quarter = table.lines.len() / 4;
        let from = table.from + ((quarter as i64) << table.piece);
        let end = from + ((2 * quarter as i64) << table.piece);
        if read.lo < from || read.hi >= end {
            break;
        }
        table.from = from;
        table.lines = table.lines[quarter..3 * quarter].to_vec();
    }
    table
}

impl Layer {
    pub fn of(stage: &Stage, program: &Program) -> Result<Self, StageError> {
        Self::check(stage, program).map_err(|reason| stage.error(reason))
    }

    fn check(stage: &Stage, program: &Program) -> Result<Self, String> {
        if stage.how != How::Numbers {
            return Err("a stage of another protocol".into());
        }
        let (function, window) = function(program, &stage.layers)?;
        let layers = program.layers();
        let Form::Shares(leaves) = stage.leaves else {
            return Err("shares of numbers become shares".into());
        };
        if stage.reads.iter().map(|&(read, _)| read).ne(layers[stage.layers[0]].reads.iter().copied()) {
            return Err("it reads other layers than its first layer does".into());
        }
        let mut reads = Vec::new();
        for &(read, form) in &stage.reads {
            let Form::Shares(ring) = form else { return Err("shares of numbers become shares".into()) };
            let bits = bits_for(layers[read].kind.range());
            let held = ring.is_exact() && ring.fraction == 0 && ring.step >= 1;
            if !held || ring.bits > Ring::MOST_BITS || bits > ring.bits {
                return Err(format!(
                    "numbers held as {ring:?}, expected exact shares of {bits} bits or more"
                ));
            }
            reads.push((ring, bits));
        }
        let (Some(&(_, from)), Some(&(read, _))) = (reads.first(), stage.reads.first()) else {
            return Err("it reads nothing".into());
        };
        let range = layers[stage.last()].kind.range();
        let expected = ring(range, leaves.bits);
        if leaves != expected || leaves.bits > Ring::MOST_BITS || expected.span >> leaves.bits.min(63) != 0 {
            return Err(format!(
                "it leaves {leaves:?}, expected {expected:?} with bits for all of its range"
            ));
        }
        let largest = window.map(windows).transpose()?;
        let shape = Shape { largest, ..Shape::of(layers[read].elements(), [from, leaves.bits], function) };
        let plan = Plan::new(shape).map_err(|error| error.to_string())?;
        if plan.results() != layers[stage.last()].elements() {
            let (found, expected) = (plan.results(), layers[stage.last()].elements());
            return Err(format!("{found} results, expected {expected}"));
        }
        Ok(Self { plan: Arc::new(plan), reads, leaves, lo: range.lo })
    }

    /// What it costs.
    pub fn cost(&self) -> StageCost {
        let cost = self.plan.cost();
        let sum =
            |fields: &[&crate::steps::frame::Fields]| fields.iter().map(|f| f.bytes() as u64).sum::<u64>();
        let [one, two, three] = cost.ahead.each_ref();
        let turns = |first: usize| sum(&cost.online.iter().skip(first).step_by(2).collect::<Vec<_>>());
        let rows = Rows { leaves: cost.leaf_rows, masks: cost.mask_rows, tweaks: cost.tweaks };
        let (offline, online) = ([sum(&[one, three]), sum(&[two])], [turns(1), turns(0)]);
        StageCost::of_rows(offline, online, cost.round_trips(), rows)
    }
}

/// How numbers of a range are held in so many bits.
pub(crate) fn ring(range: Range, bits: u32) -> Ring {
    Ring { bits, fraction: 0, terms: 0, step: 1, span: range.hi.abs_diff(range.lo) }
}
