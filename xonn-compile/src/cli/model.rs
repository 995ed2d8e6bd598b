//! What every command needs that takes a Keras model.

use std::error::Error;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::keras::{self, ReadOptions};
use crate::passes::{self, Compiled, InputOptions};

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
    /// The input number that stands for 0 (default 0)
    #[arg(long, value_name = "Z", allow_negative_numbers = true)]
    input_zero: Option<i64>,
    /// Bits of the fixed-point scales where scores are real numbers
    #[arg(long, value_name = "B", default_value_t = 24)]
    head_bits: u32,
    /// JSON file that says what custom quantizers and activations are, such as {"my_sign": "ste_sign"}
    #[arg(long, value_name = "MAP.json")]
    custom: Option<PathBuf>,
    /// The weights, where the model file holds the configuration only (.json)
    #[arg(long, value_name = "W.h5")]
    weights: Option<PathBuf>,
    /// The layer whose output is the prediction, for models with several outputs
    #[arg(long, value_name = "LAYER")]
    output_layer: Option<String>,
}

impl ModelOptions {
    /// Reads and compiles a model.
    pub fn compile(&self, path: &Path) -> Result<Compiled, Box<dyn Error>> {
        let graph = keras::read(path, &self.read_options()?)?;
        passes::run(&graph, &self.pass_options()).map_err(|e| format!("{}: {e}", path.display()).into())
    }

    /// How the file is read.
    pub fn read_options(&self) -> Result<ReadOptions, Box<dyn Error>> {
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
        Ok(ReadOptions { custom, weights: self.weights.clone(), output: self.output_layer.clone() })
    }

    /// Whether the weights are in a file of their own.
    pub fn has_weights_file(&self) -> bool {
        self.weights.is_some()
    }

    /// How its layers become integers.
    pub fn pass_options(&self) -> passes::Options {
        passes::Options {
            input: InputOptions {
                bits: self.input_bits,
                signed: self.input_signed,
                scale: self.input_scale,
                zero: self.input_zero,
            },
            head_bits: self.head_bits,
        }
    }
}

/// Prints the notes of a compilation on standard error.
pub fn print_notes(notes: &[String]) {
    notes.iter().for_each(|note| eprintln!("note: {note}"));
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
