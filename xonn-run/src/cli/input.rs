//! The client's samples, from files to input bits; predictions to a file.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use xonn_program::InputEncoding;
use xonn_program::Prediction;
use xonn_program::data::{self, Tensor, write_npy};
use zeroize::Zeroizing;

use super::failure::{Failure, Kind};
use crate::session::client::run::Question;

/// Samples to predict for.
#[derive(Args)]
pub struct InputFiles {
    /// Samples: .npy, .npz (array x), .png, .jpg or .csv; several files are taken one after the other. With -
    /// the names of files are read from standard input, one a line
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    input: Vec<PathBuf>,
    /// Use only the first N samples
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Write the predictions to this .npy file
    #[arg(long, value_name = "P.npy")]
    output: Option<PathBuf>,
}

/// One sample as the program takes it.
pub struct Sample {
    /// Where it came from: the file, with an index if the file holds several.
    pub name: String,
    /// Its number in the file.
    pub index: usize,
    /// The input bits, those of a number without a code being zeros. Wiped on drop.
    pub bits: Zeroizing<Vec<bool>>,
    /// Whether each number has a code under the package's encoding; if not, [`Loaded::unfit`] says which has
    /// none.
    pub fits: bool,
}

/// A file of samples as it was read; nothing of a package was needed for that.
pub struct Loaded {
    path: PathBuf,
    x: Tensor,
}

impl Loaded {
    /// Reads a file.
    pub fn read(path: PathBuf) -> Result<Self, Box<dyn Error>> {
        let x = data::load(&path)?.x;
        Ok(Self { path, x })
    }

    /// The samples, at most `limit`.
    ///
    /// Every number of each is encoded, also behind one that has no code: the encoding may be the server's,
    /// who can measure how long it takes.
    ///
    /// # Errors
    /// If the file's shape is not that of the package's samples. A number that has no code is none, see
    /// [`Sample::fits`].
    pub fn samples(&self, encoding: &InputEncoding, limit: usize) -> Result<Vec<Sample>, Failure> {
        let shape = encoding.sample_shape();
        let samples = self
            .x
            .samples_of(&shape)
            .map_err(|e| Failure::data(format_args!("{}: {e}", self.path.display())))?;
        let several = samples.count() > 1;
        let encoded = samples.iter().enumerate().take(limit).map(|(index, sample)| {
            let question = Question::of_numbers(encoding, sample.values());
            let (fits, bits) = (question.fits(), question.into_bits());
            Sample { name: self.name(index, several), index, bits, fits }
        });
        Ok(encoded.collect())
    }

    fn name(&self, index: usize, several: bool) -> String {
        let file = self.path.display();
        if several { format!("{file}[{index}]") } else { file.to_string() }
    }

    /// Which number of a sample has no code, and why; to be asked when no server is left that could see how
    /// long it takes.
    pub fn unfit(&self, encoding: &InputEncoding, sample: &Sample) -> String {
        let shape = encoding.sample_shape();
        let samples = self.x.samples_of(&shape).ok();
        let wrong = samples.and_then(|all| {
            let sample = all.get(sample.index)?;
            encoding.codes_of(sample.values()).err()
        });
        wrong.map_or_else(|| sample.name.clone(), |wrong| format!("{}, {wrong}", sample.name))
    }
}

impl InputFiles {
    /// Reads and encodes all samples.
    ///
    /// # Errors
    /// If a file cannot be read, does not have the package's shape, or has a number without a code.
    pub fn samples(&self, encoding: &InputEncoding) -> Result<Vec<Sample>, Box<dyn Error>> {
        let files = self.load()?;
        let samples = self.encoded(&files, encoding)?;
        match samples.iter().find(|(_, sample)| !sample.fits) {
            Some((file, sample)) => Err(Failure::data(files[*file].unfit(encoding, sample)).into()),
            None => Ok(samples.into_iter().map(|(_, sample)| sample).collect()),
        }
    }

    /// Reads all files.
    pub fn load(&self) -> Result<Vec<Loaded>, Box<dyn Error>> {
        self.come_late()?;
        self.input.iter().cloned().map(Loaded::read).collect()
    }

    /// Encodes files that were read; with each sample the number of its file.
    ///
    /// # Errors
    /// As [`Loaded::samples`].
    pub fn encoded(
        &self,
        files: &[Loaded],
        encoding: &InputEncoding,
    ) -> Result<Vec<(usize, Sample)>, Failure> {
        let limit = self.limit();
        let mut all = Vec::new();
        for (number, file) in files.iter().enumerate() {
            let samples = file.samples(encoding, limit - all.len())?;
            all.extend(samples.into_iter().map(|sample| (number, sample)));
        }
        Ok(all)
    }

    /// Whether the names of files come from standard input, and so may come late.
    ///
    /// # Errors
    /// If other files are named beside that.
    pub fn come_late(&self) -> Result<bool, Failure> {
        match &self.input[..] {
            [path] => Ok(path == Path::new("-")),
            several if several.iter().any(|path| path == Path::new("-")) => {
                let told = "--input - reads names of files from standard input, it goes with no other file";
                Err(Failure::new(Kind::Usage, told))
            }
            _ => Ok(false),
        }
    }

    /// The names of files that come on standard input, waiting for each.
    pub fn late_names(&self) -> impl Iterator<Item = io::Result<String>> + use<> {
        let lines = io::stdin().lines();
        let named = lines.filter(|line| line.as_ref().map_or(true, |line| !line.trim().is_empty()));
        named.map(|line| line.map(|line| line.trim_end_matches('\r').to_owned()))
    }

    /// The most samples that are wanted.
    pub fn limit(&self) -> usize {
        self.limit.map_or(usize::MAX, |n| n as usize)
    }

    /// Writes the predictions if a file was asked for: classes as int64 `[n]`, scores as float64 `[n,
    /// count]`, bits and labels as uint8 `[n, bits]`.
    pub fn write(&self, predictions: &[Prediction]) -> Result<(), Box<dyn Error>> {
        match &self.output {
            Some(path) => write_predictions(path, predictions),
            None => Ok(()),
        }
    }
}

fn write_predictions(path: &Path, predictions: &[Prediction]) -> Result<(), Box<dyn Error>> {
    let (mut classes, mut scores, mut bits) = (Vec::new(), Vec::<f64>::new(), Vec::<u8>::new());
    for prediction in predictions {
        match prediction {
            Prediction::Class(class) => classes.push(i64::from(*class)),
            Prediction::Scores(values) => scores.extend(values),
            Prediction::Bits(values) | Prediction::Labels(values) => bits.extend(values),
        }
    }
    let n = predictions.len();
    if !scores.is_empty() {
        write_npy(path, &scores, &[n, scores.len() / n])?;
    } else if !bits.is_empty() {
        write_npy(path, &bits, &[n, bits.len() / n])?;
    } else {
        write_npy(path, &classes, &[classes.len()])?;
    }
    Ok(())
}

/// A progress bar over samples, shown on a terminal only.
pub fn progress(count: usize) -> indicatif::ProgressBar {
    use std::io::IsTerminal;
    if count < 2 || !std::io::stderr().is_terminal() {
        return indicatif::ProgressBar::hidden();
    }
    let style = indicatif::ProgressStyle::with_template("{bar:40} {pos}/{len} predictions, {eta} left")
        .expect("the template is well formed");
    indicatif::ProgressBar::new(count as u64).with_style(style)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sample is encoded to its end whatever is in it, and is told of only when asked.
    #[test]
    fn numbers_behind_one_without_a_code_are_encoded_all_the_same() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("x.npy");
        write_npy(&path, &[3.0f32, 99.0, 5.0, 1.0, 2.0, 3.0], &[2, 3]).expect("written");
        let encoding = InputEncoding {
            shape: vec![3],
            bits: 4,
            signed: false,
            scale: 1.0,
            zero: 0,
            features: Vec::new(),
            tokens: false,
        };
        let file = Loaded::read(path).expect("it was just written");
        let samples = file.samples(&encoding, 7).expect("the shape fits");
        let bits = |codes: [i64; 3]| codes.iter().flat_map(|&q| encoding.bits_of(q)).collect::<Vec<_>>();
        assert_eq!((samples[0].fits, samples[0].bits.to_vec()), (false, bits([3, 0, 5])));
        assert_eq!((samples[1].fits, samples[1].bits.to_vec()), (true, bits([1, 2, 3])));
        let told = file.unfit(&encoding, &samples[0]);
        assert!(told.contains("x.npy[0], column 2 of 3") && told.contains("99"), "{told}");
    }

    /// Tokens are bits of which one is set; of what is none all are 0, as many as of any other.
    #[test]
    fn tokens_are_encoded_and_wrong_ones_told_of_when_asked() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("x.npy");
        write_npy(&path, &[2.0f32, 3.0, 0.0, 1.0], &[2, 2]).expect("written");
        let encoding = InputEncoding {
            shape: vec![2, 3],
            bits: 1,
            signed: false,
            scale: 1.0,
            zero: 0,
            features: Vec::new(),
            tokens: true,
        };
        let file = Loaded::read(path).expect("it was just written");
        let samples = file.samples(&encoding, 7).expect("the shape fits");
        let bits = |codes: [u8; 6]| codes.map(|bit| bit == 1).to_vec();
        assert_eq!((samples[0].fits, samples[0].bits.to_vec()), (false, bits([0, 0, 1, 0, 0, 0])));
        assert_eq!((samples[1].fits, samples[1].bits.to_vec()), (true, bits([1, 0, 0, 0, 1, 0])));
        let told = file.unfit(&encoding, &samples[0]);
        assert!(told.contains("x.npy[0], column 2 of 2") && told.contains("from 0 to 2"), "{told}");
    }
}
