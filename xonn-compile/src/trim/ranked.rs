//! Phase two: channels that matter least go, in batches, down to the floor.
//!
//! In each round every layer proposes its least useful channels; the proposal with the largest gain
//! `(ANDs before - after) / e^(accuracy before - after)`, accuracies in per cent on the ranking half, is
//! tried on the verification half. If either half falls below the floor the layer's batch is halved; a layer
//! of which neither the best channel nor one of the next few can go waits until another layer has lost some.
//! What a removed channel added to the sums behind on average goes into their bias or mean.

use std::collections::HashMap;

use super::effect::{self, Observed};
use super::model::{How, Model, Samples};
use super::report::Step;
use super::space::{self, Space};
use super::{TrimError, edit};

/// The largest first batch is this share of a layer's channels.
const FIRST_BATCH: usize = 32;

/// How many single channels of a layer are tried before it has to wait: the verification half may be content
/// with the second best.
const LAST_TRIES: usize = 4;

/// `e^0.5`: a proposal's gain exceeds the gates that it saves by more than this only if accuracy rises by
/// more than half a per cent where channels go.
const MOST_LUCK: f64 = 1.65;

/// What a layer proposes next.
#[derive(Clone, Copy)]
struct Batch {
    /// How many channels; 0 if the layer waits for a change.
    size: usize,
    /// How many of the best channels are passed over.
    skip: usize,
}

impl Batch {
    /// Which places of a space's ranking it takes; `None` if that are none. One channel at least is left.
    fn window(self, space: &Space) -> Option<std::ops::Range<usize>> {
        let end = (self.skip + self.size).min(space.channels);
        let size = self.size.min(space.channels - 1).min(end.saturating_sub(self.skip));
        (size > 0).then_some(end - size..end)
    }

    /// The next one in a network that has changed: what could not go before may go now.
    fn again(self) -> Self {
        Self { size: self.size.max(1), skip: 0 }
    }

    /// The next one after a failure.
    fn less(self, removed: usize) -> Self {
        match (removed, self.skip + 1) {
            (2.., _) => Self { size: removed / 2, skip: 0 },
            (_, skip) if skip < LAST_TRIES => Self { size: 1, skip },
            _ => Self { size: 0, skip: 0 },
        }
    }
}

/// What the ranked phase works with.
pub struct Search<'a> {
    /// How the model is understood.
    pub how: &'a How,
    /// One half of the data ranks, the other verifies.
    pub halves: &'a [Samples; 2],
    /// The least accuracy on either half, 0 to 1.
    pub floor: f64,
    /// Most samples that an effect is measured on.
    pub samples: usize,
}

/// A layer's next smaller model.
struct Proposal {
    model: Model,
    removed: usize,
    accuracy: f64,
    gain: f64,
}

impl Search<'_> {
    /// Removes channels until no layer can lose one.
    ///
    /// # Errors
    /// [`TrimError`] if a smaller model cannot be compiled.
    pub fn run(
        &self,
        mut model: Model,
        on_step: &mut dyn FnMut(&Step),
    ) -> Result<(Model, Vec<Step>), TrimError> {
        let mut steps = Vec::new();
        let mut batches: HashMap<String, Batch> = space::find(&model)
            .0
            .into_iter()
            .map(|space| (space.name, Batch { size: (space.channels / FIRST_BATCH).max(1), skip: 0 }))
            .collect();
        let mut accuracy = self.halves[0].accuracy(&model)?;
        loop {
            let spaces = space::find(&model).0;
            let observed = Observed::new(&model, &self.halves[0], self.samples);
            let mut orders: HashMap<&str, Vec<usize>> = HashMap::new();
            let mut proposals: HashMap<&str, Proposal> = HashMap::new();
            let mut savings: HashMap<(&str, usize), f64> = HashMap::new();
            // Halves batches until a proposal holds the floor, or no layer has one.
            let accepted = loop {
                // Gates are counted before anything is measured, so that layers with little to save are not
                // measured.
                let mut open = Vec::new();
                for space in &spaces {
                    let Some(window) = batches.get(&space.name).and_then(|batch| batch.window(space)) else {
                        continue;
                    };
                    let saved = match savings.get(&(space.name.as_str(), window.len())) {
                        Some(&saved) => saved,
                        None => self.saving(&model, space, window.len())?,
                    };
                    savings.insert((&space.name, window.len()), saved);
                    open.push((saved, space, window));
                }
                open.sort_by(|a, b| b.0.total_cmp(&a.0));
                for (saved, space, window) in open {
                    let best = proposals.values().map(|p| p.gain).fold(f64::NEG_INFINITY, f64::max);
                    if best >= saved * MOST_LUCK {
                        break;
                    }
                    if proposals.contains_key(space.name.as_str()) {
                        continue;
                    }
                    let order =
                        orders.entry(&space.name).or_insert_with(|| effect::rank(&model, &observed, space));
                    let proposal = self.propose(&model, &observed, space, &order[window], accuracy)?;
                    proposals.insert(&space.name, proposal);
                }
                let best = proposals.iter().max_by(|a, b| {
                    // By name where gains tie, so that a seed gives one result.
                    a.1.gain.total_cmp(&b.1.gain).then_with(|| b.0.cmp(a.0))
                });
                let Some((&name, _)) = best else { break None };
                let Some(best) = proposals.remove(name) else { break None };
                if best.accuracy >= self.floor && best.gain > 0.0 {
                    let verified = self.halves[1].accuracy(&best.model)?;
                    if verified >= self.floor {
                        break Some((name.to_owned(), best, verified));
                    }
                }
                if let Some(batch) = batches.get_mut(name) {
                    *batch = batch.less(best.removed);
                }
            };
            let Some((layer, best, verified)) = accepted else { return Ok((model, steps)) };
            let step = Step {
                layer,
                channels: best.removed,
                ands: best.model.ands(),
                ranking: best.accuracy,
                verification: verified,
            };
            batches.values_mut().for_each(|batch| *batch = batch.again());
            on_step(&step);
            steps.push(step);
            accuracy = best.accuracy;
            model = best.model;
        }
    }

    /// ANDs that go with this many channels, whichever they are.
    fn saving(&self, model: &Model, space: &Space, channels: usize) -> Result<f64, TrimError> {
        let removed: Vec<usize> = (0..channels).collect();
        let next = Model::new(edit::remove(model, space, &removed, &[]), self.how)?;
        Ok(model.ands() as f64 - next.ands() as f64)
    }

    fn propose(
        &self,
        model: &Model,
        observed: &Observed,
        space: &Space,
        channels: &[usize],
        before: f64,
    ) -> Result<Proposal, TrimError> {
        let mut removed = channels.to_vec();
        removed.sort_unstable();
        let means = effect::means(model, observed, space);
        let next = Model::new(edit::remove(model, space, &removed, &means), self.how)?;
        let accuracy = self.halves[0].accuracy(&next)?;
        let saved = model.ands() as f64 - next.ands() as f64;
        let gain = saved / (100.0 * (before - accuracy)).exp();
        Ok(Proposal { model: next, removed: removed.len(), accuracy, gain })
    }
}
