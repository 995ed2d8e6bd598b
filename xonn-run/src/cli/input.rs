//! The client's samples, from files to input bits; predictions to a file.

use std::error::Error;
use std::path::{Path, PathBuf};

use clap::Args;
use xonn_circuits::data::{self, InputEncoding, Tensor, write_npy};
use xonn_circuits::program::Prediction;

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
    /// The input bits; zeros if a number has no code.
    pub bits: Vec<bool>,
    /// Which number has no code under the package's encoding, and why.
    pub unfit: Option<String>,
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
    /// # Errors
    /// If the file's shape is not that of the package's samples. A number that has no code is [`Sample::unfit`].
    pub fn samples(&self, encoding: &InputEncoding, limit: usize) -> Result<Vec<Sample>, String> {
        let shape: Vec<usize> = encoding.shape.iter().map(|&n| n as usize).collect();
        let file = self.path.display();
        let samples = self.x.samples_of(&shape).map_err(|e| format!("{file}: {e}"))?;
        let several = samples.count() > 1;
        let encoded = samples.iter().enumerate().take(limit).map(|(i, sample)| {
            let name = if several { format!("{file}[{i}]") } else { file.to_string() };
            match encoding.codes_of(sample.values()) {
                Ok(codes) => {
                    let bits = codes.iter().flat_map(|&code| encoding.bits_of(code)).collect();
                    Sample { name, bits, unfit: None }
                }
                Err(error) => {
                    let unfit = Some(format!("{name}, {error}"));
                    Sample { name, bits: vec![false; encoding.bit_count()], unfit }
                }
            }
        });
        Ok(encoded.collect())
    }
}

impl InputFiles {
    /// Reads and encodes all samples.
    ///
    /// # Errors
    /// If a file cannot be read, does not have the package's shape, or has a number without a code.
    pub fn samples(&self, encoding: &InputEncoding) -> Result<Vec<Sample>, Box<dyn Error>> {
        let samples = self.encoded(&self.load()?, encoding)?;
        match samples.iter().find_map(|sample| sample.unfit.clone()) {
            Some(unfit) => Err(unfit.into()),
            None => Ok(samples),
        }
    }

    /// Reads all files.
    pub fn load(&self) -> Result<Vec<Loaded>, Box<dyn Error>> {
        self.paths(self.come_late()?).map(|path| Loaded::read(path?)).collect()
    }

    /// Encodes files that were read.
    ///
    /// # Errors
    /// As [`Loaded::samples`].
    pub fn encoded(&self, files: &[Loaded], encoding: &InputEncoding) -> Result<Vec<Sample>, String> {
        let limit = self.limit();
        let mut all = Vec::new();
        for file in files {
            all.extend(file.samples(encoding, limit - all.len())?);
        }
        Ok(all)
    }

    /// Whether the names of files come from standard input, and so may come late.
    ///
    /// # Errors
    /// If other files are named beside that.
    pub fn come_late(&self) -> Result<bool, String> {
        match &self.input[..] {
            [path] => Ok(path == Path::new("-")),
            several if several.iter().any(|path| path == Path::new("-")) => {
                Err("--input - reads names of files from standard input, it goes with no other file".into())
            }
            _ => Ok(false),
        }
    }

    /// The files, as far as their names are there; `late` waits for the next one on standard input.
    pub fn paths(&self, late: bool) -> Box<dyn Iterator<Item = Result<PathBuf, String>> + '_> {
        if !late {
            return Box::new(self.input.iter().cloned().map(Ok));
        }
        let lines = std::io::stdin().lines().map(|line| line.map_err(|e| format!("standard input: {e}")));
        let named = lines.filter(|line| line.as_ref().map_or(true, |line| !line.trim().is_empty()));
        Box::new(named.map(|line| line.map(|line| PathBuf::from(line.trim_end_matches('\r')))))
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
