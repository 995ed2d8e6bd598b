//! Multi-label heads beside Keras's outputs: every label of every sample.

use serde::Serialize;
use xonn_program::data::{Dataset, Tensor};

use super::{Answer, DataMismatch, Disagreement, NearTies, Report};
use xonn_program::evaluate::Evaluated;

/// Single labels that are right.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Counts {
    /// Labels of all samples.
    pub labels: usize,
    /// Those that are the true ones, if these are known.
    pub correct: Option<usize>,
    /// Those that are Keras's, if its outputs are known.
    pub equal_to_keras: Option<usize>,
}

impl Counts {
    /// A line for people about each figure that is known.
    pub fn lines(&self) -> Vec<String> {
        let line = |(what, count): (&str, Option<usize>)| {
            let share = 100.0 * count? as f64 / self.labels.max(1) as f64;
            Some(format!("single labels {what}: {} of {} ({share:.2} %)", count?, self.labels))
        };
        [("correct", self.correct), ("equal to Keras", self.equal_to_keras)]
            .into_iter()
            .filter_map(line)
            .collect()
    }
}

/// Compares labels with what the data holds: `y`, 0 or 1 for each label, and `keras`, its outputs. A sample
/// counts as right if all of its labels are.
///
/// # Errors
/// [`DataMismatch`] if `y` or `keras` does not fit the samples.
pub fn compare(data: &Dataset, predictions: &[Evaluated], units: usize) -> Result<Report, DataMismatch> {
    let samples = predictions.len();
    let ours: Vec<Vec<u8>> = predictions.iter().map(Evaluated::labels).collect();
    let y = data.y.as_ref().map(|y| array(y, "y", [samples, units])).transpose()?;
    if let Some(bad) = y.iter().flatten().find(|&&y| y != 0.0 && y != 1.0) {
        return Err(DataMismatch(format!(
            "array y has the label {bad}, expected 0 or 1 for each of {units} labels"
        )));
    }
    let keras = data.keras.as_ref().map(|keras| array(keras, "keras", [samples, units])).transpose()?;
    // A sigmoid's outputs are probabilities; other units are on above 0.
    let above =
        keras.as_ref().map(|keras| if keras.iter().all(|p| (0.0..=1.0).contains(p)) { 0.5 } else { 0.0 });
    let row = |array: &Vec<f64>, sample: usize, above: f64| -> Vec<u8> {
        array[sample * units..][..units].iter().map(|&p| u8::from(p > above)).collect()
    };
    let equal = |a: &[u8], b: &[u8]| a.iter().zip(b).filter(|(a, b)| a == b).count();
    let (mut correct, mut correct_labels, mut equal_labels) = (0, 0, 0);
    let (mut disagreements, mut margins) = (Vec::new(), Vec::new());
    for (sample, ours) in ours.iter().enumerate() {
        if let Some(y) = &y {
            let true_ones = row(y, sample, 0.5);
            correct += usize::from(true_ones == *ours);
            correct_labels += equal(&true_ones, ours);
        }
        let (Some(keras), Some(above)) = (&keras, above) else { continue };
        let theirs = row(keras, sample, above);
        equal_labels += equal(&theirs, ours);
        let distances = keras[sample * units..][..units].iter().map(|p| (p - above).abs());
        margins.extend(distances.reduce(f64::min));
        if theirs != *ours {
            let differ = (0..units).filter(|&unit| theirs[unit] != ours[unit]);
            let margin = differ.map(|unit| (keras[sample * units + unit] - above).abs()).reduce(f64::min);
            let [ours, keras] = [ours.clone(), theirs].map(Answer::Labels);
            disagreements.push(Disagreement { sample, ours, keras, keras_margin: margin });
        }
    }
    Ok(Report {
        samples,
        correct: y.as_ref().map(|_| correct),
        equal_to_keras: keras.as_ref().map(|_| samples - disagreements.len()),
        near_ties: NearTies::of(&disagreements, &margins),
        disagreements,
        scores: None,
        largest_score_error: None,
        labels: Some(Counts {
            labels: samples * units,
            correct: y.map(|_| correct_labels),
            equal_to_keras: keras.map(|_| equal_labels),
        }),
        numbers: None,
        errors: Vec::new(),
        through_circuit: 0,
        margins: Vec::new(),
    })
}

/// The numbers of an array that has one for each label of each sample.
fn array(tensor: &Tensor, name: &str, [samples, units]: [usize; 2]) -> Result<Vec<f64>, DataMismatch> {
    let fits = *tensor.shape() == [samples, units] || (units == 1 && *tensor.shape() == [samples]);
    if !fits {
        return Err(DataMismatch(format!(
            "array {name} has shape {:?}, expected [{samples}, {units}], one number for each label",
            tensor.shape()
        )));
    }
    Ok((0..samples * units).map(|i| tensor.values().get(i)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use xonn_program::data::Values;

    #[test]
    fn labels_are_compared_one_by_one() {
        let bits = [[1, -1], [1, 1], [-1, -1]];
        let predictions = bits.map(|bits| Evaluated { class: 0, scores: bits.to_vec() });
        let tensor =
            |shape: &[usize], v: Vec<f64>| Tensor::new(shape.to_vec(), Values::Reals(v)).expect("fits");
        let data = Dataset {
            x: tensor(&[3], vec![0.0; 3]),
            y: Some(tensor(&[3, 2], vec![1.0, 0.0, 1.0, 0.0, 1.0, 1.0])),
            keras: Some(tensor(&[3, 2], vec![0.9, 0.5, 0.6, 0.1, 0.4, 0.3])),
        };
        let report = compare(&data, &predictions, 2).expect("fits");
        assert_eq!((report.correct, report.equal_to_keras), (Some(1), Some(2)));
        let counts = Counts { labels: 6, correct: Some(3), equal_to_keras: Some(5) };
        assert_eq!(report.labels, Some(counts));
        let [one] = report.disagreements.as_slice() else { panic!("one disagreement") };
        assert_eq!((one.sample, &one.keras), (1, &Answer::Labels(vec![1, 0])));
        assert!(one.keras_margin.is_some_and(|margin| (margin - 0.4).abs() < 1e-12));
        // Numbers in front of a sigmoid are compared with 0, and classes are no labels.
        let logits =
            Dataset { keras: Some(tensor(&[3, 2], vec![2.0, -1.0, 0.1, 0.2, -1.0, 0.0])), ..data.clone() };
        assert_eq!(compare(&logits, &predictions, 2).expect("fits").equal_to_keras, Some(3));
        let classes = Dataset { y: Some(tensor(&[3], vec![0.0; 3])), ..data.clone() };
        assert!(compare(&classes, &predictions, 2).is_err());
        let two = Dataset { y: Some(tensor(&[3, 2], vec![2.0; 6])), ..data };
        assert!(compare(&two, &predictions, 2).is_err());
    }
}
