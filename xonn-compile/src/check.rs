//! Compares a compiled model with Keras's own outputs on real data.

pub mod errors;
pub mod labels;
pub mod numbers;
pub mod scores;

use serde::Serialize;
use xonn_program::OutputEncoding;
use xonn_program::data::Dataset;

use crate::graph::Function;
use crate::network::Network;
use xonn_program::evaluate::Evaluated;

/// What a check found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Samples checked.
    pub samples: usize,
    /// How many of them, from the first, were also computed by the circuit.
    pub through_circuit: usize,
    /// Correct predictions, if true labels are known.
    pub correct: Option<usize>,
    /// Predictions equal to Keras's, if Keras's outputs are known.
    pub equal_to_keras: Option<usize>,
    /// Every prediction that is not Keras's.
    pub disagreements: Vec<Disagreement>,
    /// How many samples are as near to another answer as those that differ, if any do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub near_ties: Option<NearTies>,
    /// Of scores how far they are from Keras's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scores: Option<scores::Scores>,
    /// The largest difference of a score to Keras's output, if the model gives scores and Keras's outputs are
    /// scores.
    pub largest_score_error: Option<f64>,
    /// Single labels of a multi-label head, which are counted as samples otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<labels::Counts>,
    /// Of a network of hidden numbers what rounding does to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub numbers: Option<numbers::Numbers>,
    /// Of a network of hidden numbers how far each layer's are from the float network's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<errors::LayerError>,
    /// How close sums came to their thresholds.
    pub margins: Vec<Margin>,
}

/// A prediction that is not Keras's.
#[derive(Clone, Debug, Serialize)]
pub struct Disagreement {
    /// Index of the sample.
    pub sample: usize,
    /// The class of the compiled model, or its labels.
    pub ours: Answer,
    /// Keras's.
    pub keras: Answer,
    /// By how much Keras's largest output exceeds its second largest, or the least distance of a label that
    /// differs from where it would be another, if Keras's outputs were given.
    pub keras_margin: Option<f64>,
}

/// Samples that Keras itself hardly decides.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct NearTies {
    /// The largest of Keras's margins of a prediction that differs.
    pub within: f64,
    /// Samples with a margin of that or less.
    pub samples: usize,
}

impl NearTies {
    /// * `margins`: Keras's, of all samples.
    fn of(disagreements: &[Disagreement], margins: &[f64]) -> Option<Self> {
        let within = disagreements.iter().filter_map(|d| d.keras_margin).reduce(f64::max)?;
        Some(Self { within, samples: margins.iter().filter(|&&margin| margin <= within).count() })
    }
}

/// A class, or labels.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// A class.
    Class(usize),
    /// Of each label whether it is on, 1 or 0.
    Labels(Vec<u8>),
}

impl Answer {
    /// What the client learns of a prediction, without its scores.
    #[must_use]
    pub fn of(evaluated: &Evaluated, output: &OutputEncoding) -> Self {
        match output {
            OutputEncoding::Labels { .. } => Self::Labels(evaluated.labels()),
            _ => Self::Class(evaluated.class),
        }
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Class(class) => write!(f, "{class}"),
            Self::Labels(labels) => {
                f.write_str(&labels.iter().map(u8::to_string).collect::<Vec<_>>().join(" "))
            }
        }
    }
}

/// The smallest distance of a sum from flipping its threshold.
#[derive(Clone, Debug, Serialize)]
pub struct Margin {
    /// The layer whose sign it is.
    pub layer: String,
    /// Distance in units of the integer sum: 0 where the sum is the last that fires.
    pub smallest: i64,
}

/// Why data cannot be checked with.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct DataMismatch(String);

/// Keras's side of the data: labels, or outputs a class.
enum Keras {
    Labels(Vec<usize>),
    Outputs {
        classes: usize,
        values: Vec<f64>,
    },
    /// The outputs of a single unit, and above which number they mean class 1.
    Unit {
        values: Vec<f64>,
        above: f64,
    },
}

/// Compares predictions with what the data holds.
///
/// # Errors
/// [`DataMismatch`] if `y` or `keras` does not fit the samples.
pub fn compare(data: &Dataset, predictions: &[Evaluated]) -> Result<Report, DataMismatch> {
    let samples = predictions.len();
    let correct = match &data.y {
        None => None,
        Some(y) => {
            let labels = labels(y, samples, "y")?;
            Some(predictions.iter().zip(&labels).filter(|(p, label)| p.class == **label).count())
        }
    };
    let keras = data.keras.as_ref().map(|keras| keras_side(keras, samples)).transpose()?;
    let (mut disagreements, mut margins) = (Vec::new(), Vec::new());
    for (sample, prediction) in predictions.iter().enumerate() {
        let Some(keras) = &keras else { break };
        let (class, keras_margin) = keras.of(sample);
        margins.extend(keras_margin);
        if class != prediction.class {
            let [ours, keras] = [prediction.class, class].map(Answer::Class);
            disagreements.push(Disagreement { sample, ours, keras, keras_margin });
        }
    }
    let equal_to_keras = keras.map(|_| samples - disagreements.len());
    Ok(Report {
        samples,
        correct,
        equal_to_keras,
        near_ties: NearTies::of(&disagreements, &margins),
        disagreements,
        ..Report::default()
    })
}

fn labels(
    tensor: &xonn_program::data::Tensor,
    samples: usize,
    name: &str,
) -> Result<Vec<usize>, DataMismatch> {
    let values = tensor.values();
    if values.len() != samples {
        return Err(DataMismatch(format!("array {name} has {} labels for {samples} samples", values.len())));
    }
    let label = |i| values.integer(i).and_then(|v| usize::try_from(v).ok());
    (0..samples)
        .map(|i| {
            label(i).ok_or_else(|| {
                DataMismatch(format!(
                    "array {name}: element {i} is {}, expected a class index",
                    values.get(i)
                ))
            })
        })
        .collect()
}

fn keras_side(tensor: &xonn_program::data::Tensor, samples: usize) -> Result<Keras, DataMismatch> {
    match *tensor.shape() {
        [_] => Ok(Keras::Labels(labels(tensor, samples, "keras")?)),
        [n, 1] if n == samples => {
            let values: Vec<f64> = (0..n).map(|i| tensor.values().get(i)).collect();
            // A sigmoid's outputs are probabilities; any other unit decides by its sign.
            let above = if values.iter().all(|p| (0.0..=1.0).contains(p)) { 0.5 } else { 0.0 };
            Ok(Keras::Unit { values, above })
        }
        [n, classes] if n == samples && classes > 0 => {
            let values = (0..n * classes).map(|i| tensor.values().get(i)).collect();
            Ok(Keras::Outputs { classes, values })
        }
        _ => Err(DataMismatch(format!(
            "array keras has shape {:?}, expected [{samples}, classes] or [{samples}]",
            tensor.shape()
        ))),
    }
}

impl Keras {
    /// Keras's class of a sample, and its margin.
    fn of(&self, sample: usize) -> (usize, Option<f64>) {
        match self {
            Self::Labels(labels) => (labels[sample], None),
            Self::Unit { values, above } => {
                let distance = values[sample] - above;
                (usize::from(distance > 0.0), Some(distance.abs()))
            }
            Self::Outputs { classes, values } => {
                let row = &values[sample * classes..][..*classes];
                // np.argmax: the first of the largest.
                let best =
                    (0..*classes).reduce(|best, i| if row[i] > row[best] { i } else { best }).unwrap_or(0);
                let second =
                    (0..*classes).filter(|&i| i != best).map(|i| row[i]).fold(f64::NEG_INFINITY, f64::max);
                (best, Some(row[best] - second))
            }
        }
    }
}

/// The largest difference of a score, an integer in units of `unit`, to Keras's output; `left_out`: what
/// Keras does with the scores at the end ([`crate::passes::Compiled::left_out`]). `None` without Keras's
/// outputs.
#[must_use]
pub fn score_error(
    data: &Dataset,
    predictions: &[Evaluated],
    unit: f64,
    left_out: &[Function],
) -> Option<f64> {
    let keras = data.keras.as_ref()?;
    let classes = predictions.first()?.scores.len();
    if *keras.shape() != [predictions.len(), classes] {
        return None;
    }
    let error = |(sample, prediction): (usize, &Evaluated)| {
        let mut row: Vec<f64> = prediction.scores.iter().map(|&score| score as f64 * unit).collect();
        for &function in left_out.iter().rev() {
            apply(function, &mut row);
        }
        let keras = (0..classes).map(|class| keras.values().get(sample * classes + class));
        row.iter().zip(keras).map(|(ours, keras)| (ours - keras).abs()).fold(0.0, f64::max)
    };
    predictions.iter().enumerate().map(error).reduce(f64::max)
}

/// A function of the scores of one sample.
fn apply(function: Function, row: &mut [f64]) {
    let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = row.iter().map(|x| (x - most).exp()).sum();
    for x in row {
        *x = match function {
            Function::Softmax => (*x - most).exp() / sum,
            Function::LogSoftmax => *x - most - sum.ln(),
            other => f64::from(other.apply(*x as f32)),
        }
    }
}

/// The smallest margins before each threshold over `samples`.
#[must_use]
pub fn margins(network: &Network, samples: &[Vec<i64>]) -> Vec<Margin> {
    use rayon::prelude::*;
    let thresholds: Vec<usize> =
        (0..network.layers().len()).filter(|&id| network.cuts(id).is_some()).collect();
    let smallest = samples
        .par_iter()
        .map(|q| {
            let tensors = network.trace(q);
            thresholds.iter().map(|&node| margin(network, node, &tensors)).collect::<Vec<i64>>()
        })
        .reduce(
            || vec![i64::MAX; thresholds.len()],
            |a, b| a.iter().zip(&b).map(|(a, b)| *a.min(b)).collect(),
        );
    thresholds
        .iter()
        .zip(smallest)
        .map(|(&node, smallest)| Margin { layer: network.name(node).to_owned(), smallest })
        .collect()
}

fn margin(network: &Network, node: usize, tensors: &[Vec<i64>]) -> i64 {
    let Some(cuts) = network.cuts(node) else { return i64::MAX };
    let read = &tensors[network.layers()[node].reads[0]];
    let distance = |(i, &y): (usize, &i64)| {
        let cut = cuts[i % cuts.len()];
        // Steps to the nearest sum that decides otherwise, less one.
        let beyond = if cut.rising { y - cut.at } else { cut.at - y };
        if beyond >= 0 { beyond } else { -beyond - 1 }
    };
    read.iter().enumerate().map(distance).min().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use xonn_program::data::{Tensor, Values};

    #[test]
    fn scores_are_compared_behind_what_was_left_out() {
        let predictions = [Evaluated { class: 1, scores: vec![0, 4] }];
        let keras = Tensor::new(vec![1, 2], Values::Reals(vec![0.1192, 0.8808])).expect("fits");
        let x = Tensor::new(vec![1], Values::Reals(vec![0.0])).expect("fits");
        let data = Dataset { x, y: None, keras: Some(keras) };
        let error = |left_out: &[Function]| score_error(&data, &predictions, 0.5, left_out).expect("it has");
        assert!(error(&[Function::Softmax]) < 1e-4);
        assert!((error(&[]) - 1.1192).abs() < 1e-9);
    }

    #[test]
    fn disagreements_are_listed_with_keras_margin() {
        let predictions: Vec<Evaluated> =
            [2, 0, 1].iter().map(|&class| Evaluated { class, scores: vec![] }).collect();
        let reals = |shape: Vec<usize>, v: Vec<f64>| Tensor::new(shape, Values::Reals(v)).expect("fits");
        let data = Dataset {
            x: reals(vec![3], vec![0.0; 3]),
            y: Some(Tensor::new(vec![3], Values::Integers(vec![2, 1, 1])).expect("fits")),
            keras: Some(reals(vec![3, 3], vec![0.1, 0.2, 0.7, 0.4, 0.4, 0.2, 0.5, 0.25, 0.25])),
        };
        let report = compare(&data, &predictions).expect("fits");
        assert_eq!((report.correct, report.equal_to_keras), (Some(2), Some(2)));
        let [one] = report.disagreements.as_slice() else { panic!("one disagreement") };
        assert_eq!((one.sample, &one.ours, &one.keras), (2, &Answer::Class(1), &Answer::Class(0)));
        assert_eq!(one.keras_margin, Some(0.25));
        let wrong = Dataset { keras: Some(reals(vec![2, 3], vec![0.0; 6])), ..data };
        assert!(compare(&wrong, &predictions).is_err());
    }

    /// A sigmoid decides at 0.5, a unit without one at 0; 0.5 itself is class 0, as `p > 0.5` says.
    #[test]
    fn a_single_unit_is_no_argmax() {
        for (outputs, classes) in [([0.2, 0.5, 0.9], [0, 0, 1]), ([-3.0, 0.4, 2.0], [0, 1, 1])] {
            let tensor = Tensor::new(vec![3, 1], Values::Reals(outputs.to_vec())).expect("fits");
            let keras = keras_side(&tensor, 3).expect("fits");
            assert_eq!([0, 1, 2].map(|sample| keras.of(sample).0), classes);
        }
    }
}
