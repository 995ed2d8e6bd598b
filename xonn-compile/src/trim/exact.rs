//! Phase one: channels that provably never matter. No prediction changes, for any input.
//!
//! * *Unread*: every weight that multiplies the channel is 0.
//! * *Constant*: no sum that the layer can reach crosses the channel's cut. Its contribution
//!   `weight * constant` is the same for every input and moves into a bias or a mean. Where a convolution
//!   reads outside of its image the contribution depends on the position, unless what it reads there is the
//!   constant itself; then the channel stays.
//! * *Cancelling*: two channels with equal weights and cuts are always equal; they go together if their
//!   weights add up to 0 in all that read them. Two channels that are always opposite go if their weights
//!   there are equal. (Two equal channels with equal weights would have to become one of weight 2, which a
//!   binary layer does not have.)
//!
//! That a channel is constant *on the data* proves nothing; such channels are the first to go in the ranked
//! phase. The new mean is a rounded float32, so every edit is proved again on the compiled result: each cut
//! behind it must decide as before on all sums in reach, and all predictions on the data must be the same.

mod proof;

use super::edit::{self, Means};
use super::model::{How, Model};
use super::space::{self, Axis, Consumer, Space};
use super::{TrimError, report::Change};
use proof::Sums;
use xonn_program::op::Planes;

/// Channels that go together.
#[derive(Clone, PartialEq, Debug)]
struct Removal {
    /// Ascending.
    channels: Vec<usize>,
    /// What each stands for, always.
    values: Vec<f64>,
    /// Why.
    reason: Reason,
}

/// Why a channel does not matter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reason {
    Unread,
    Constant,
    Cancelling,
}

/// Removes what provably never matters, until nothing is left to remove.
///
/// * `samples`: sets of samples, predictions on which are compared after every step.
///
/// # Errors
/// [`TrimError`] if the model or what it becomes cannot be compiled.
pub fn run(mut model: Model, how: &How, samples: &[&[Vec<i64>]]) -> Result<(Model, Vec<Change>), TrimError> {
    let mut changes: Vec<Change> = Vec::new();
    let classes = classes(&model, samples)?;
    loop {
        let mut changed = false;
        let names: Vec<String> = space::find(&model).0.into_iter().map(|space| space.name).collect();
        for name in names {
            // Each edit changes the others' places in the arrays, so they are looked for again.
            let Some(space) = space::find(&model).0.into_iter().find(|space| space.name == name) else {
                continue;
            };
            let found = removals(&model, &space);
            // All at once, or where that fails one by one.
            let mut tries: Vec<Vec<Removal>> = vec![found.clone()];
            if found.len() > 1 {
                tries.extend(found.into_iter().map(|removal| vec![removal]));
            }
            for removals in tries.into_iter().filter(|removals| !removals.is_empty()) {
                let Some(next) = attempt(&model, &space, &removals, how, samples, &classes)? else {
                    continue;
                };
                for removal in &removals {
                    let (reason, count) = (removal.reason.name(), removal.channels.len());
                    match changes.iter_mut().find(|c| c.layer == name && c.reason == reason) {
                        Some(change) => change.channels += count,
                        None => changes.push(Change { layer: name.clone(), reason, channels: count }),
                    }
                }
                model = next;
                changed = true;
                break;
            }
        }
        if !changed {
            return Ok((model, changes));
        }
    }
}

impl Reason {
    fn name(self) -> &'static str {
        match self {
            Self::Unread => "unread",
            Self::Constant => "constant",
            Self::Cancelling => "cancelling",
        }
    }
}

/// The model without `removals`, if that is the same function.
fn attempt(
    model: &Model,
    space: &Space,
    removals: &[Removal],
    how: &How,
    samples: &[&[Vec<i64>]],
    expected: &[Vec<usize>],
) -> Result<Option<Model>, TrimError> {
    let mut removed: Vec<usize> = removals.iter().flat_map(|r| r.channels.iter().copied()).collect();
    removed.sort_unstable();
    if removed.len() >= space.channels {
        return Ok(None); // a layer without channels is none
    }
    let means: Vec<Means> = space
        .consumers
        .iter()
        .map(|consumer| {
            let mut means = vec![0.0; consumer.axis.len()];
            for removal in removals {
                for (&channel, &value) in removal.channels.iter().zip(&removal.values) {
                    consumer.axis.elements(channel).for_each(|element| means[element] = value);
                }
            }
            means
        })
        .collect();
    let next = Model::new(edit::remove(model, space, &removed, &means), how)?;
    let same =
        space.consumers.iter().zip(&means).all(|(c, means)| same_cuts(model, &next, c, &removed, means));
    Ok((same && classes(&next, samples)? == expected).then_some(next))
}

fn classes(model: &Model, samples: &[&[Vec<i64>]]) -> Result<Vec<Vec<usize>>, TrimError> {
    samples.iter().map(|samples| Ok(model.classes(samples)?)).collect()
}

/// What may be removed from a space.
fn removals(model: &Model, space: &Space) -> Vec<Removal> {
    let mut free: Vec<bool> = vec![true; space.channels];
    let mut removals = Vec::new();
    let [low, high] = match space.consumers.first() {
        // All consumers must agree on what a bit stands for.
        Some(first) if space.consumers.iter().all(|c| c.values == first.values) => {
            first.values.map(f64::from)
        }
        _ => return removals,
    };
    let rows: Vec<Vec<Vec<f32>>> = space.consumers.iter().map(|consumer| rows(model, consumer)).collect();
    let every = |f: &dyn Fn(&Vec<Vec<f32>>) -> bool| rows.iter().all(f);
    for (channel, free) in free.iter_mut().enumerate() {
        if every(&|rows| rows.get(channel).is_some_and(|row| row.iter().all(|&w| w == 0.0))) {
            *free = false;
            removals.push(Removal { channels: vec![channel], values: vec![0.0], reason: Reason::Unread });
        }
    }
    let Some(sums) = Sums::of(model, space) else { return removals };
    for (channel, free) in free.iter_mut().enumerate() {
        let Some(bit) = sums.constant(channel) else { continue };
        let value = if bit { high } else { low };
        let folds = space.consumers.iter().all(|consumer| {
            let anywhere = consumer.border.is_none_or(|border| f64::from(border) == value);
            consumer.is_direct && anywhere && (value == 0.0 || consumer.absorber.is_some())
        });
        if *free && folds {
            *free = false;
            removals.push(Removal { channels: vec![channel], values: vec![value], reason: Reason::Constant });
        }
    }
    for (a, b, opposite) in sums.twins(!space.is_max_pooled) {
        if !free[a] || !free[b] {
            continue;
        }
        let sign = if opposite { 1.0 } else { -1.0 };
        let cancel = every(&|rows| match (rows.get(a), rows.get(b)) {
            (Some(a), Some(b)) => a.iter().zip(b).all(|(&a, &b)| a == sign * b),
            _ => false,
        });
        // Opposite channels add up to low + high everywhere, but at a border to twice what is read there.
        let folds = !opposite
            || space
                .consumers
                .iter()
                .all(|c| c.border.is_none() && (low + high == 0.0 || c.absorber.is_some()));
        if cancel && folds {
            (free[a], free[b]) = (false, false);
            // Only the sum of both matters to the fold, and it is low + high where they are opposite.
            let values = if opposite { vec![low, high] } else { vec![low, low] };
            removals.push(Removal { channels: vec![a.min(b), a.max(b)], values, reason: Reason::Cancelling });
        }
    }
    removals
}

/// The weights that multiply each channel in a consumer, in one order; empty if it is not known.
fn rows(model: &Model, consumer: &Consumer) -> Vec<Vec<f32>> {
    let Some(kernel) = edit::kernel(model, consumer) else { return Vec::new() };
    let (inputs, outputs) = (consumer.axis.len(), kernel.last_axis());
    let mut rows = vec![Vec::new(); consumer.axis.channels];
    for (i, row) in kernel.data.chunks(outputs).enumerate() {
        rows[consumer.axis.channel(i % inputs)].extend_from_slice(row);
    }
    rows
}

/// Whether every cut behind a consumer decides as before, on all sums that the smaller layer can reach.
///
/// A consumer in front of the scores, with no cut anywhere behind it, is left to the comparison of
/// predictions. One whose cut stands behind more than its own sums (a sum of tensors, fixed point, weights
/// that are rounded) is not proved.
fn same_cuts(before: &Model, after: &Model, consumer: &Consumer, removed: &[usize], means: &[f64]) -> bool {
    if [before, after].iter().any(|model| proof::is_rounded(model, &consumer.name)) {
        return false;
    }
    let (Some(old), Some(new)) =
        (Sums::of_layer(before, &consumer.name), Sums::of_layer(after, &consumer.name))
    else {
        return [before, after].iter().all(|model| !proof::is_cut(model, &consumer.name));
    };
    let Some(lost) = lost_bits(before, consumer, removed, means) else { return false };
    if old.cuts.len() != new.cuts.len() || new.channels != lost.len() {
        return false;
    }
    // A ternary kernel that has lost its last zero is one of signs, whose sums are half of what they were.
    let step = if new.signs && !old.signs { Planes::Ternary.largest() } else { 1 };
    old.cuts.iter().zip(new.cuts).enumerate().all(|(i, (old_cut, new_cut))| {
        let channel = i % lost.len();
        let (lost, [lo, hi]) = (lost[channel] * new.pooled, new.reach(channel));
        // Both are monotone, so they differ somewhere only if they differ at an edge of one of them or of the
        // range.
        let edges = [lo, hi, new_cut.at - 1, new_cut.at, new_cut.at + 1];
        let shifted = [-1, 0, 1].map(|beside| (old_cut.at - lost).div_euclid(step) + beside);
        let mut met = edges.iter().chain(&shifted).filter(|&&y| lo <= y && y <= hi);
        met.all(|&y| old_cut.fires(step * y + lost) == new_cut.fires(y))
    })
}

/// What the integer sums lose: weights times the bits that the removed elements always are.
fn lost_bits(model: &Model, consumer: &Consumer, removed: &[usize], means: &[f64]) -> Option<Vec<i64>> {
    let sums = model.sums_of(&consumer.name)?;
    let (linear, weights) = model.network.sums(sums)?;
    let largest = proof::integer_of_bits(model, *model.network.layers()[sums].reads.first()?)?;
    let axis: Axis = consumer.axis;
    let [low, high] = consumer.values.map(f64::from);
    let bit = |element: usize| match means[element] {
        mean if mean == high => Some(largest),
        mean if mean == low => Some(-largest),
        _ => None,
    };
    let per_output = linear.fan_in();
    let lost = weights.chunks(per_output).map(|row| {
        let mut lost = 0;
        for tap in row.chunks(axis.len()) {
            for element in removed.iter().flat_map(|&channel| axis.elements(channel)) {
                // What nothing weighs may be anything.
                if tap[element] != 0 {
                    lost += i64::from(tap[element]) * bit(element)?;
                }
            }
        }
        Some(lost)
    });
    lost.collect()
}
