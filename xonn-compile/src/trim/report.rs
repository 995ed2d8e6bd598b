//! What trimming did: for a program as JSON, for people as tables.

use serde::Serialize;
use xonn_program::text::grouped;

use super::Settings;
use super::model::{Model, Samples};
use super::space::{self, Kept};
use crate::inspect::Costs;
use crate::table::table;

/// A removal of the exact phase.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Change {
    /// The layer.
    pub layer: String,
    /// `unread`, `constant` or `cancelling`.
    pub reason: &'static str,
    /// How many of its channels went.
    pub channels: usize,
}

/// A step of the ranked phase.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Step {
    /// The layer.
    pub layer: String,
    /// How many of its channels went.
    pub channels: usize,
    /// AND gates of the whole network afterwards.
    pub ands: u64,
    /// Accuracy on the ranking half afterwards, 0 to 1.
    pub ranking: f64,
    /// Accuracy on the verification half afterwards, 0 to 1.
    pub verification: f64,
}

/// A network's size and accuracy.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub struct State {
    /// AND gates.
    pub ands: u64,
    /// Bytes of garbled tables as half gates.
    pub bytes: u64,
    /// Accuracy on the ranking half, 0 to 1.
    pub ranking: f64,
    /// Accuracy on the verification half, 0 to 1.
    pub verification: f64,
}

/// A Keras layer's channels.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct LayerChannels {
    /// The layer.
    pub layer: String,
    /// Channels at the start.
    pub before: usize,
    /// Removed because they provably never mattered.
    pub exact: usize,
    /// Removed because they mattered least.
    pub ranked: usize,
    /// Channels at the end.
    pub after: usize,
}

/// A circuit layer's AND gates.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct LayerAnds {
    /// The layer of the compiled program.
    pub layer: String,
    /// What it computes.
    pub kind: String,
    /// AND gates at the start.
    pub before: u64,
    /// AND gates at the end.
    pub after: u64,
}

/// All of it.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Report {
    /// The least accuracy asked for, 0 to 1.
    pub floor: Option<f64>,
    /// Seed of the split.
    pub seed: u64,
    /// Samples that ranked.
    pub ranking_samples: usize,
    /// Samples that verified.
    pub verification_samples: usize,
    /// The model as it came.
    pub before: State,
    /// Behind the exact phase; its predictions are those of the model as it came.
    pub exact: State,
    /// The result.
    pub after: State,
    /// Channels by Keras layer.
    pub layers: Vec<LayerChannels>,
    /// Gates by layer of the compiled program.
    pub circuit: Vec<LayerAnds>,
    /// What the exact phase removed.
    pub changes: Vec<Change>,
    /// What the ranked phase removed, in order: the curve.
    pub steps: Vec<Step>,
    /// Layers whose channels were kept, and why.
    pub kept: Vec<Kept>,
    /// What a user should know.
    pub warnings: Vec<String>,
}

impl Report {
    /// A report on a model of which nothing is removed yet.
    #[must_use]
    pub(super) fn new(
        model: &Model,
        settings: &Settings,
        accuracies: [f64; 2],
        halves: &[Samples; 2],
    ) -> Self {
        let state = state(model, accuracies);
        let layers = space::find(model).0.into_iter().map(|space| LayerChannels {
            layer: space.name,
            before: space.channels,
            exact: 0,
            ranked: 0,
            after: space.channels,
        });
        let circuit = rows(&model.costs).map(|(layer, kind, ands)| LayerAnds {
            layer,
            kind,
            before: ands,
            after: ands,
        });
        Self {
            floor: settings.floor,
            seed: settings.seed,
            ranking_samples: halves[0].labels.len(),
            verification_samples: halves[1].labels.len(),
            before: state,
            exact: state,
            after: state,
            layers: layers.collect(),
            circuit: circuit.collect(),
            changes: Vec::new(),
            steps: Vec::new(),
            kept: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Notes what the exact phase did; it changes no prediction, so accuracies are those from before.
    pub(super) fn exact_phase(&mut self, model: &Model, changes: Vec<Change>) {
        self.exact = state(model, [self.before.ranking, self.before.verification]);
        for row in &mut self.layers {
            let own = changes.iter().filter(|change| change.layer == row.layer);
            row.exact = own.map(|change| change.channels).sum();
            row.after = row.before - row.exact;
        }
        self.changes = changes;
    }

    /// Notes the ranked phase and the result.
    pub(super) fn finish(&mut self, model: &Model, steps: Vec<Step>, accuracies: [f64; 2], kept: Vec<Kept>) {
        self.after = state(model, accuracies);
        for row in &mut self.layers {
            row.ranked = steps.iter().filter(|step| step.layer == row.layer).map(|step| step.channels).sum();
            row.after = row.before - row.exact - row.ranked;
        }
        // A smaller network has the same layers, unless one became trivial; then its row says 0.
        let after: Vec<(String, String, u64)> = rows(&model.costs).collect();
        for row in &mut self.circuit {
            let same = after.iter().find(|(layer, kind, _)| (layer, kind) == (&row.layer, &row.kind));
            row.after = same.map_or(0, |(_, _, ands)| *ands);
        }
        if self.after.ands < self.before.ands {
            self.warnings.push(
                "the number of channels of each layer is public in the compiled package, and here it follows \
                 from the data and the weights: trim with data whose influence may be seen"
                    .into(),
            );
        }
        if !steps.is_empty() {
            self.warnings.push(
                "the verification half decided when to stop, so its accuracy is slightly flattering; measure \
                 the result once on test data that took no part"
                    .into(),
            );
        }
        self.steps = steps;
        self.kept = kept;
    }

    /// The tables for people.
    #[must_use]
    pub fn text(&self) -> String {
        let channels = self.layers.iter().map(|row| {
            let minus = |n: usize| if n == 0 { String::new() } else { format!("-{n}") };
            vec![
                row.layer.clone(),
                row.before.to_string(),
                minus(row.exact),
                minus(row.ranked),
                row.after.to_string(),
            ]
        });
        let channels = table(&["layer", "channels", "exact", "ranked", "left"], 1, channels);
        let circuit = self.circuit.iter().map(|row| {
            let saved = share(row.before, row.after);
            vec![row.layer.clone(), row.kind.clone(), grouped(row.before), grouped(row.after), saved]
        });
        let circuit = table(&["circuit layer", "computes", "ANDs before", "ANDs after", "saved"], 2, circuit);
        let states = [("before", self.before), ("exact phase", self.exact), ("result", self.after)];
        let states = states.map(|(name, state)| {
            vec![
                name.into(),
                grouped(state.ands),
                grouped(state.bytes),
                per_cent(state.ranking),
                per_cent(state.verification),
            ]
        });
        let states = table(&["", "ANDs", "bytes", "ranking half", "verification half"], 1, states);
        let mut text = format!("{channels}\n\n{circuit}\n\n{states}\n\n");
        for kept in &self.kept {
            text.push_str(&format!("kept: layer {:?}: {}\n", kept.layer, kept.reason));
        }
        text.push_str(&format!(
            "accuracies on {} samples that ranked and {} that verified, split by seed {}",
            self.ranking_samples, self.verification_samples, self.seed
        ));
        text
    }
}

fn state(model: &Model, [ranking, verification]: [f64; 2]) -> State {
    State { ands: model.ands(), bytes: model.costs.total.bytes, ranking, verification }
}

fn rows(costs: &Costs) -> impl Iterator<Item = (String, String, u64)> {
    costs.layers.iter().map(|row| (row.name.clone(), row.kind.clone(), row.and.total()))
}

/// `0.9765` as `97.65 %`.
#[must_use]
pub fn per_cent(accuracy: f64) -> String {
    format!("{:.2} %", 100.0 * accuracy)
}

fn share(before: u64, after: u64) -> String {
    match before {
        0 => String::new(),
        before => format!("{:.1} %", 100.0 * (1.0 - after as f64 / before as f64)),
    }
}
