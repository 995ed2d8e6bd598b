//! Network trimming (XONN section 3.1): a smaller Keras model whose predictions are as good as asked for.
//!
//! A neuron costs gates whether or not it matters. Whole channels are removed, through poolings and
//! flattening, with their weights in the layers behind; the result is a Keras file again, to be compiled,
//! checked or trained further.
//!
//! 1. [`exact`]: channels that provably never matter go, and no prediction changes: channels that nothing
//!    weighs, that are constant for every input (the constant moves into a bias or a BatchNorm's mean), and
//!    pairs that cancel.
//! 2. `ranked`: the channels whose removal hurts least on one half of the data go, in batches, from the layer
//!    where a batch saves most for what it costs, `(ANDs before - after) / e^(accuracy before - after)`, as
//!    long as the accuracy on both halves stays at the floor or above it.
//!
//! XONN ranks by a first-order Taylor estimate from gradients. There are none here, so a channel's effect is
//! measured: the loss with the channel replaced by its mean, everything behind it computed anew (`effect`).

mod edit;
mod effect;
pub mod exact;
mod model;
pub mod plot;
mod ranked;
pub(crate) mod report;
pub mod space;

use crate::keras::KerasError;
use crate::keras_write::{Document, WriteError};
use crate::network::NetworkError;
use crate::passes::{OutputMode, PassError};
pub use model::{How, Model, Samples};
pub use report::{Change, Report, Step};
use xonn_program::evaluate::InputError;

/// What a user may choose.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The least accuracy on either half of the data, 0 to 1; `None` removes only what provably never
    /// matters.
    pub floor: Option<f64>,
    /// Seed of the split of the data.
    pub seed: u64,
    /// Most samples that a channel's effect is measured on.
    pub samples: usize,
}

/// Fewest samples that are split: with fewer a half says little.
const LEAST_SAMPLES: usize = 20;

/// Trims a model.
///
/// * `samples`: labelled data that is *not* the test data, since it decides what stays.
/// * `on_step`: called with every step of the ranked phase.
///
/// # Errors
/// [`TrimError`].
pub fn run(
    document: Document,
    how: &How,
    samples: Samples,
    settings: &Settings,
    on_step: &mut dyn FnMut(&Step),
) -> Result<(Document, Report), TrimError> {
    if how.passes.output != OutputMode::Argmax {
        return Err(TrimError::NoClass);
    }
    let before = Model::new(document, how)?;
    let (spaces, kept) = space::find(&before);
    if spaces.is_empty() {
        return Err(TrimError::Nothing { kept });
    }
    if samples.q.len() < LEAST_SAMPLES {
        return Err(TrimError::FewSamples { samples: samples.q.len(), least: LEAST_SAMPLES });
    }
    let halves = samples.split(settings.seed);
    let accuracies = [halves[0].accuracy(&before)?, halves[1].accuracy(&before)?];
    if let Some(floor) = settings.floor {
        for (half, accuracy) in ["ranking", "verification"].into_iter().zip(accuracies) {
            if accuracy < floor {
                return Err(TrimError::BelowFloor { half, accuracy, floor });
            }
        }
    }
    let mut report = Report::new(&before, settings, accuracies, &halves);
    let (model, exact) = exact::run(before, how, &[&halves[0].q, &halves[1].q])?;
    report.exact_phase(&model, exact);
    let (model, steps) = match settings.floor {
        Some(floor) => {
            let search = ranked::Search { how, halves: &halves, floor, samples: settings.samples };
            search.run(model, on_step)?
        }
        None => (model, Vec::new()),
    };
    let accuracies = [halves[0].accuracy(&model)?, halves[1].accuracy(&model)?];
    report.finish(&model, steps, accuracies, kept);
    Ok((model.document, report))
}

/// Why a model could not be trimmed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrimError {
    /// The file cannot be read or written.
    #[error(transparent)]
    File(Box<WriteError>),
    /// The model cannot be read.
    #[error(transparent)]
    Keras(#[from] KerasError),
    /// The model has no integer network.
    #[error(transparent)]
    Passes(#[from] PassError),
    /// The model has no circuit.
    #[error(transparent)]
    Lower(#[from] NetworkError),
    /// The data does not fit the model.
    #[error(transparent)]
    Input(#[from] InputError),
    /// No layer has channels that can be removed.
    #[error("no layer can be trimmed: {}", list(.kept))]
    Nothing {
        /// Every layer that makes channels, and why its channels are kept.
        kept: Vec<space::Kept>,
    },
    /// The model is below the floor before anything is removed.
    #[error(
        "the model itself is right on {accuracy:.4} of the {half} half of the data, below the floor \
         {floor:.4}; ask for less"
    )]
    BelowFloor {
        /// `ranking` or `verification`.
        half: &'static str,
        /// Its accuracy there, 0 to 1.
        accuracy: f64,
        /// The accuracy asked for.
        floor: f64,
    },
    /// Scores or labels are asked for, of which accuracy says nothing.
    #[error(
        "the output is scores or labels, expected the class, which is what accuracy counts; trim without \
         --reveal, the model file is the same"
    )]
    NoClass,
    /// There is too little data to split.
    #[error("{samples} samples, expected at least {least}: one half ranks, the other verifies")]
    FewSamples {
        /// How many there are.
        samples: usize,
        /// How many are needed.
        least: usize,
    },
}

impl From<WriteError> for TrimError {
    fn from(error: WriteError) -> Self {
        Self::File(Box::new(error))
    }
}

fn list(kept: &[space::Kept]) -> String {
    let all: Vec<String> = kept.iter().map(|k| format!("layer {:?}: {}", k.layer, k.reason)).collect();
    if all.is_empty() { "it has no dense layers or convolutions".into() } else { all.join("; ") }
}
