//! What every command needs that takes a Keras model.

use std::error::Error;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use xonn_program::console;

use crate::keras::ReadOptions;
use crate::notes;
use crate::{Calibration, Compiled, InputOptions, NetworkOptions, NumberBits, Options, OutputMode, compile};

/// What the client learns.
#[derive(Clone, Copy, ValueEnum)]
pub enum Reveal {
    /// The class; of a single unit whether it is on
    #[value(alias = "argmax")]
    Class,
    /// Of each unit of a multi-label head whether its sigmoid is above 0.5
    Labels,
    /// All scores, as they are before a final softmax or sigmoid
    Scores,
}

/// A file to write. The names of what `--reveal` takes are refused: `--output` took them before it named a
/// file.
pub fn output_file(text: &str) -> Result<PathBuf, String> {
    match <Reveal as ValueEnum>::from_str(text, true) {
        Ok(_) => Err(format!(
            "--output names a file; what the client learns is --reveal {text}; for a file of that name write \
             ./{text}"
        )),
        Err(_) => Ok(text.into()),
    }
}

/// A share of samples: 99.9%, or 0.999.
fn share(text: &str) -> Result<f64, String> {
    let (number, unit) = match text.strip_suffix('%') {
        Some(percent) => (percent.trim(), 100.0),
        None => (text, 1.0),
    };
    let share = number.parse::<f64>().ok().map(|share| share / unit);
    share.filter(|share| (0.5..=1.0).contains(share)).ok_or_else(|| format!("{text}, expected 50% to 100%"))
}

/// What tells the ranges of hidden numbers.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RangeOf {
    /// The samples of --calibrate: for networks of any depth; numbers beyond them may overflow
    Calibrated,
    /// The weights, for every input that a client can send: nothing overflows; for a few layers
    Proven,
}

/// How a model is to be understood.
#[derive(Args)]
pub struct ModelOptions {
    /// Bits of each input number (default 8)
    #[arg(long, value_name = "B")]
    input_bits: Option<u32>,
    /// Input numbers are signed
    #[arg(long)]
    input_signed: bool,
    /// Value of one unit of an input number: x = scale * (q - zero) (default 1)
    #[arg(long, value_name = "S")]
    input_scale: Option<f64>,
    /// The input number that stands for 0 (default 0); between two numbers for inputs such as q / 127.5 - 1:
    /// 127.5
    #[arg(long, value_name = "Z", allow_negative_numbers = true)]
    input_zero: Option<f64>,
    /// The client standardises its numbers as the Normalization that reads the input does; that layer's means
    /// and deviations become public, and scale is in deviations (default: 20 bits for 32 deviations either
    /// way)
    #[arg(long, conflicts_with_all = ["input_signed", "input_zero"])]
    input_standardised: bool,
    /// Take the input's encoding (unless the client standardises), and the bits of real weights, from the
    /// samples x of this file
    #[arg(long, value_name = "D.npz", conflicts_with_all = ["input_signed", "input_scale", "input_zero"])]
    calibrate: Option<PathBuf>,
    /// Bits of each weight of layers whose weights are real numbers (default 16 to 22, more where
    /// more signs follow; or what --calibrate finds enough)
    #[arg(long, value_name = "B")]
    weight_bits: Option<u32>,
    /// What tells how large hidden numbers get
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = RangeOf::Calibrated)]
    range: RangeOf,
    /// Bits of hidden numbers: of the largest one of a layer on the samples of --calibrate, or of a usual one
    /// with --range proven (default 12)
    #[arg(long, value_name = "B")]
    activation_bits: Option<u32>,
    /// Look for the fewest bits of hidden numbers and weights with which this share of the samples of
    /// --calibrate gets the class of the float network, such as 99.9%
    #[arg(long, value_name = "SHARE", requires = "calibrate", value_parser = share,
        conflicts_with_all = ["activation_bits", "weight_bits"])]
    agreement: Option<f64>,
    /// Bits of the fixed point where real numbers are added up or compared, as in residual networks
    #[arg(long, value_name = "B", default_value_t = 34)]
    scale_bits: u32,
    /// Build the circuit even if fixed point is so coarse that many signs or classes come out otherwise than
    /// in Keras
    #[arg(long)]
    allow_error: bool,
    /// What the client learns
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = Reveal::Class)]
    reveal: Reveal,
    /// Binary digits of a score behind the point
    #[arg(long, value_name = "B", default_value_t = 20)]
    score_bits: u32,
    /// Bits of the fixed-point scales where scores are real numbers
    #[arg(long, value_name = "B", default_value_t = 24)]
    head_bits: u32,
    /// JSON file that says what custom quantizers and activations are, such as {"my_sign": "ste_sign"}
    #[arg(long, value_name = "MAP.json")]
    custom: Option<PathBuf>,
    /// The weights, where the model file holds the configuration only (.json): .h5, or the .weights.json of
    /// several files
    #[arg(long, value_name = "W.h5")]
    weights: Option<PathBuf>,
    /// The layer whose output is the prediction, for models with several outputs
    #[arg(long, value_name = "LAYER")]
    output_layer: Option<String>,
    /// How many steps a sample has, for models whose input leaves the first axis open
    #[arg(long, value_name = "N")]
    steps: Option<usize>,
    /// No notes
    #[arg(short, long)]
    quiet: bool,
}

impl ModelOptions {
    /// Prints the notes of a compilation on standard error, unless they are not wanted.
    pub fn print_notes(&self, notes: &[String]) {
        if !self.quiet && !notes.is_empty() {
            console::log(notes::text(notes).trim_end());
        }
    }

    /// The share of equal classes that is asked for.
    pub fn agreement(&self) -> Option<f64> {
        self.agreement
    }

    /// Whether notes are not wanted.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Compiles a model.
    pub fn compile(&self, path: &Path) -> Result<Compiled, Box<dyn Error>> {
        Ok(compile(path, &self.options()?)?)
    }

    /// Whether the weights are in a file of their own.
    pub fn has_weights_file(&self) -> bool {
        self.weights.is_some()
    }

    /// The options as the library takes them.
    pub fn options(&self) -> Result<Options, Box<dyn Error>> {
        let custom = match &self.custom {
            None => Default::default(),
            Some(map) => {
                let text = std::fs::read_to_string(map)
                    .map_err(|e| format!("{}: cannot be read: {e}", map.display()))?;
                serde_json::from_str(&text).map_err(|e| {
                    format!("{}: expected an object of names and their meanings: {e}", map.display())
                })?
            }
        };
        let proven = self.range == RangeOf::Proven;
        if self.activation_bits.is_some() && self.calibrate.is_none() && !proven {
            return Err(
                "--activation-bits is for hidden numbers, whose ranges have to be told: with --calibrate \
                        D.npz, or --range proven"
                    .into(),
            );
        }
        Ok(Options {
            reading: ReadOptions {
                custom,
                weights: self.weights.clone(),
                output: self.output_layer.clone(),
                steps: self.steps,
            },
            network: self.network(),
            calibration: self.calibrate.clone().map(Calibration::File),
            numbers: NumberBits { activations: self.activation_bits, agreement: self.agreement, proven },
        })
    }

    fn network(&self) -> NetworkOptions {
        NetworkOptions {
            input: InputOptions {
                bits: self.input_bits,
                signed: self.input_signed,
                scale: self.input_scale,
                zero: self.input_zero,
                standardised: self.input_standardised,
                features: Vec::new(),
            },
            head_bits: self.head_bits,
            weight_bits: self.weight_bits,
            scale_bits: self.scale_bits,
            allow_error: self.allow_error,
            output: match self.reveal {
                Reveal::Class => OutputMode::Argmax,
                Reveal::Labels => OutputMode::Labels,
                Reveal::Scores => OutputMode::Scores,
            },
            score_bits: self.score_bits,
            numbers: None,
        }
    }
}

/// A progress bar, shown on a terminal only.
pub fn progress(length: u64, what: &'static str) -> indicatif::ProgressBar {
    use std::io::IsTerminal;
    if !std::io::stderr().is_terminal() {
        return indicatif::ProgressBar::hidden();
    }
    let style = indicatif::ProgressStyle::with_template("{msg} {bar:40} {percent} %, {eta} left")
        .expect("the template is well formed");
    indicatif::ProgressBar::new(length).with_style(style).with_message(what)
}
