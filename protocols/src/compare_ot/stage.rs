//! What is public of a stage of thresholds: which layers, windows and rings, checked against the program.

use std::sync::Arc;

use xonn_program::op::Window2d;
use xonn_program::{LayerId, Op, Program};

use super::{Choice, Cost, narrow, sign, wide};
use crate::cost::StageCost;
use crate::plan::{How, Stage};
use crate::protocol::{ProtocolError, Rows, StageError};
use crate::steps::StepError;
use crate::steps::digits::MOST_BITS;
use crate::steps::frame::Fields;
use crate::steps::windows::{MOST_MEMBERS, MOST_PLACES, Windows};
use crate::value::{Form, Ring};
use crate::wire::Wire;

/// Most bits of a ring that results are left in.
const MOST_RESULT_BITS: u32 = Ring::MOST_BITS;

/// Where the pool stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pool {
    /// There is none.
    None,
    /// In front of the cuts, which are the same for all elements of a window.
    InFront,
    /// Behind the cuts, of bits.
    Behind,
}

/// The plan of the messages.
#[derive(Debug)]
pub(super) enum Way {
    Sign(Arc<sign::Plan>),
    Narrow(Arc<narrow::Plan>),
    Wide(Arc<wide::Plan>),
}

/// A stage of thresholds. Public.
#[derive(Debug)]
pub(super) struct Layer {
    pub way: Way,
    pub pool: Pool,
    /// The shares that are read.
    pub reads: Ring,
    /// Bits of the shares that are left, and how many they are.
    pub leaves: u32,
    pub results: usize,
    /// The number of the tensor of cuts.
    pub tensor: usize,
}

/// Whether shares in this ring can be compared.
///
/// # Errors
/// Why not.
pub fn comparable(ring: Ring) -> Result<(), String> {
    let Ring { bits, fraction, terms, step, span } = ring;
    let most = MOST_BITS + 1;
    if !(2..=most).contains(&bits) {
        return Err(format!("shares of {bits} bits to compare, expected 2 to {most}"));
    }
    // A difference of two numbers up to span + 1 has a sign in so many bits.
    if (bits - 1).checked_sub(fraction).is_none_or(|half| span >= 1 << half) {
        let held = format!("numbers up to {span} in {bits} bits with {fraction} of fraction");
        return Err(format!("{held}, expected less than half of what they hold"));
    }
    if step < 1 || step.count_ones() != 1 {
        return Err(format!("shares with a step of {step} to compare, expected a power of two"));
    }
    if terms > 0 && 2 * u64::from(terms) > 1 << fraction {
        return Err(format!("{terms} noisy sums in {fraction} bits of fraction, which leaves no margin"));
    }
    Ok(())
}

/// What a stage costs.
///
/// # Errors
/// [`StageError`] if it is none of this protocol and program.
pub fn cost(stage: &Stage, program: &Program) -> Result<Cost, StageError> {
    Ok(Layer::of(stage, program)?.way.cost())
}

/// The members of each pooled element. Where a window has fewer members in the image than the largest one it
/// names some of them again, which an OR does not mind.
pub(crate) fn windows(window: &Window2d) -> Result<Windows, String> {
    let channels = window.input[2];
    let taps = |position| window.taps(position).flatten().collect::<Vec<usize>>();
    let counts = || window.positions().map(|position| window.taps(position).flatten().count());
    let members = counts().max().unwrap_or(0);
    if counts().any(|count| count == 0) {
        return Err("a window of a pool that is outside of the image".into());
    }
    let places = counts().count().checked_mul(channels).and_then(|n| n.checked_mul(members));
    let Some(places) = places.filter(|&places| places <= MOST_PLACES) else {
        return Err(format!("more than {MOST_PLACES} elements in all windows of a pool"));
    };
    let mut indices = Vec::with_capacity(places);
    for taps in window.positions().map(taps) {
        for channel in 0..channels {
            let all = taps.iter().cycle().take(members);
            indices.extend(all.map(|&tap| (tap * channels + channel) as u32));
        }
    }
    let elements = window.input.iter().product();
    Windows::new(elements, members, indices).map_err(|error| error.to_string())
}

impl Layer {
    pub fn of(stage: &Stage, program: &Program) -> Result<Self, StageError> {
        Self::check(stage, program).map_err(|reason| stage.error(reason))
    }

    fn check(stage: &Stage, program: &Program) -> Result<Self, String> {
        let How::CompareOt(choice) = stage.how else {
            return Err("a stage of another protocol".into());
        };
        let layer = |id: LayerId| program.layers().get(id).ok_or("there is no such layer");
        let (cut, pool, window) = match stage.layers[..] {
            [cut] => (cut, Pool::None, None),
            [first, last] if layer(last)?.reads == [first] => match (&layer(first)?.op, &layer(last)?.op) {
                (Op::MaxPool { window }, _) => (last, Pool::InFront, Some(window)),
                (_, Op::MaxPool { window }) => (first, Pool::Behind, Some(window)),
                _ => return Err("two layers, of which none is a pool".into()),
            },
            _ => return Err("one threshold, or a threshold and a pool in a row".into()),
        };
        let (&Op::Threshold { cuts }, Some(tensor)) = (&layer(cut)?.op, layer(cut)?.secret) else {
            return Err(format!("a layer {}, expected a threshold", layer(cut)?.op.name()));
        };
        let (Form::Shares(leaves), [(read, Form::Shares(reads))]) = (stage.leaves, &stage.reads[..]) else {
            return Err("shares of one tensor become shares".into());
        };
        if layer(stage.layers[0])?.reads != [*read] {
            return Err(format!("it reads layer {read}, which its first layer does not"));
        }
        comparable(*reads)?;
        if !(1..=MOST_RESULT_BITS).contains(&leaves.bits) || leaves != Ring::of_bits(leaves.bits) {
            return Err(format!("bits left as {leaves:?}, expected shares of bits"));
        }
        if let (Pool::InFront, Some(window)) = (pool, window)
            && !window.input[2].is_multiple_of(cuts.max(1))
        {
            return Err(format!("{cuts} cuts behind a pool, expected a whole part of its channels"));
        }
        let elements = layer(*read)?.elements();
        let windows = match window {
            Some(window) => windows(window)?,
            None => Windows::single(elements).map_err(|error| error.to_string())?,
        };
        if windows.elements() != elements {
            return Err(format!("a pool of {} elements that reads {elements}", windows.elements()));
        }
        let results = windows.len();
        let way = Way::new(choice, pool, reads.bits - 1, windows, leaves.bits)?;
        Ok(Self { way, pool, reads: *reads, leaves: leaves.bits, results, tensor })
    }

    /// What it costs.
    pub fn cost(&self) -> StageCost {
        let cost = self.way.cost();
        let [ahead_up, ahead_down, down, up] = cost.bytes().map(|bytes| bytes as u64);
        let rows = Rows { leaves: cost.leaf_rows, masks: cost.mask_rows, tweaks: cost.tweaks };
        StageCost::of_rows([ahead_up, ahead_down], [up, down], cost.round_trips(), rows)
    }
}

impl Way {
    fn new(choice: Choice, pool: Pool, w: u32, windows: Windows, ring: u32) -> Result<Self, String> {
        let small = windows.members() <= MOST_MEMBERS;
        let wrong = |error: StepError| error.to_string();
        match choice {
            Choice::Sign if pool == Pool::None || small => {
                let plan = sign::Plan::new(w, windows, ring).map_err(wrong)?;
                // A pool in front of falling cuts is flipped behind its OR.
                let plan = if pool == Pool::InFront { plan.flipped().map_err(wrong)? } else { plan };
                Ok(Self::Sign(Arc::new(plan)))
            }
            Choice::Narrow if pool != Pool::None && small => {
                Ok(Self::Narrow(Arc::new(narrow::Plan::new(w, windows, ring).map_err(wrong)?)))
            }
            Choice::Wide if pool != Pool::None => {
                Ok(Self::Wide(Arc::new(wide::Plan::new(w, windows, ring).map_err(wrong)?)))
            }
            _ => Err(format!("{choice:?} for windows of {} elements", windows.members())),
        }
    }

    pub fn cost(&self) -> Cost {
        match self {
            Self::Sign(plan) => plan.cost(),
            Self::Narrow(plan) => plan.cost(),
            Self::Wide(plan) => plan.cost(),
        }
    }
}

/// Sends a message, if it has fields: with few digits some have none.
pub(crate) fn send(wire: &mut dyn Wire, message: &[u8]) -> Result<(), ProtocolError> {
    if !message.is_empty() {
        wire.send(message)?;
    }
    Ok(())
}

/// The other host's message of these fields, if there are any.
pub(crate) fn receive(wire: &mut dyn Wire, fields: &Fields) -> Result<Vec<u8>, ProtocolError> {
    match fields.bytes() {
        0 => Ok(Vec::new()),
        length => Ok(wire.receive(length)?),
    }
}
