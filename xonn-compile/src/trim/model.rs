//! A model that is being trimmed: its file, what the file says, and what it compiles to.

use std::collections::HashMap;

use petgraph::stable_graph::NodeIndex;
use rayon::prelude::*;

use super::TrimError;
use crate::compile::{CompileError, Options};
use crate::graph::{LayerGraph, LayerOp};
use crate::inspect::Costs;
use crate::keras::config::ModelConfig;
use crate::keras::{self, ReadOptions};
use crate::keras_write::Document;
use crate::keras_write::document::Places;
use crate::network::Network;
use crate::passes;
use xonn_program::evaluate::InputError;
use xonn_program::{LayerId, Op};

/// How the model is understood, the same before and after.
#[derive(Clone, Default, Debug)]
pub struct How {
    /// Names and output layer.
    pub read: ReadOptions,
    /// Input encoding and head.
    pub passes: passes::Options,
}

impl How {
    /// As the options say, with the input's encoding as the calibration samples tell it.
    ///
    /// # Errors
    /// [`CompileError`] if the calibration samples cannot be used.
    pub fn of(options: &Options) -> Result<Self, CompileError> {
        Ok(Self { read: options.reading.clone(), passes: options.of_any_model()? })
    }
}

/// A Keras file with all that follows from it.
#[derive(Debug)]
pub struct Model {
    /// The file.
    pub document: Document,
    /// Its configuration.
    pub config: ModelConfig,
    /// Where its weights are.
    pub places: Places,
    /// Its operations.
    pub graph: LayerGraph,
    /// Its integers.
    pub network: Network,
    /// What a private prediction costs.
    pub costs: Costs,
    /// The compiler's notes.
    pub notes: Vec<String>,
    by_name: HashMap<String, Vec<NodeIndex>>,
}

impl Model {
    /// Compiles the bytes that would be written, so that what is measured is what Keras will load.
    ///
    /// # Errors
    /// [`TrimError`] if the file cannot be read back or has no circuit.
    pub fn new(document: Document, how: &How) -> Result<Self, TrimError> {
        let graph = keras::read_bytes(document.to_bytes()?, document.file(), None, &how.read)?;
        let config = document.model(&how.read.custom)?;
        let places = document.places(&config)?;
        let compiled = passes::run(&graph, &how.passes)?;
        let costs = Costs::of(&compiled.network.lower()?.circuit);
        let mut by_name: HashMap<String, Vec<NodeIndex>> = HashMap::new();
        for node in graph.graph.node_indices() {
            by_name.entry(graph.graph[node].name.clone()).or_default().push(node);
        }
        let (network, notes) = (compiled.network, compiled.notes);
        Ok(Self { document, config, places, graph, network, costs, notes, by_name })
    }

    /// AND gates of a private prediction.
    #[must_use]
    pub fn ands(&self) -> u64 {
        self.costs.total.and.total()
    }

    /// The operations of a layer, in the order in which they are computed.
    #[must_use]
    pub fn ops(&self, layer: &str) -> Vec<&LayerOp> {
        let nodes = self.by_name.get(layer).map(Vec::as_slice).unwrap_or_default();
        nodes.iter().map(|&node| &self.graph.graph[node].op).collect()
    }

    /// The shape of what a layer gives, without the batch axis; `None` if it has no operation of its own.
    #[must_use]
    pub fn shape(&self, layer: &str) -> Option<&[usize]> {
        let last = self.by_name.get(layer)?.last()?;
        Some(self.graph.graph[*last].shape.as_slice())
    }

    /// The integer operation in which a linear layer adds up: the last of its name that is no bookkeeping.
    #[must_use]
    pub fn sums_of(&self, layer: &str) -> Option<LayerId> {
        let is_sum = |id: &LayerId| matches!(self.network.layers()[*id].op, Op::Linear(_));
        (0..self.network.layers().len()).rev().find(|id| self.network.name(*id) == layer && is_sum(id))
    }

    /// The only node that reads `id`.
    #[must_use]
    pub fn only_reader(&self, id: LayerId) -> Option<LayerId> {
        let layers = self.network.layers().iter().enumerate();
        let mut readers = layers.filter(|(_, layer)| layer.reads.contains(&id));
        let (reader, _) = readers.next()?;
        readers.next().is_none().then_some(reader)
    }

    /// The predicted classes.
    ///
    /// # Errors
    /// [`InputError`].
    pub fn classes(&self, samples: &[Vec<i64>]) -> Result<Vec<usize>, InputError> {
        Ok(self.network.evaluate(samples)?.into_iter().map(|e| e.class).collect())
    }
}

/// Samples as the client sends them, with their true labels.
#[derive(Clone, Default, Debug)]
pub struct Samples {
    /// Integers of each sample, row-major.
    pub q: Vec<Vec<i64>>,
    /// True classes.
    pub labels: Vec<usize>,
}

impl Samples {
    /// The share of right predictions, 0 to 1.
    ///
    /// # Errors
    /// [`InputError`].
    pub fn accuracy(&self, model: &Model) -> Result<f64, InputError> {
        let classes = model.classes(&self.q)?;
        let right = classes.par_iter().zip(&self.labels).filter(|(class, label)| class == label).count();
        Ok(right as f64 / self.labels.len().max(1) as f64)
    }

    /// Two halves, drawn by `seed`: one to rank with, one to verify with.
    #[must_use]
    pub fn split(mut self, seed: u64) -> [Self; 2] {
        let mut random = SplitMix(seed);
        for i in (1..self.q.len()).rev() {
            let j = (random.next() % (i as u64 + 1)) as usize;
            self.q.swap(i, j);
            self.labels.swap(i, j);
        }
        let half = self.q.len() / 2;
        let verify = Self { q: self.q.split_off(half), labels: self.labels.split_off(half) };
        [self, verify]
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same split on every machine; nothing secret depends on it.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
