//! `xonn-run eval`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use xonn_circuits::tiled::evaluate::evaluate;
use xonn_program::circuit::{self, Lowered};
use xonn_program::package::Package;
use xonn_program::secret::Secret;

use super::input::{InputFiles, progress};
use super::{Outcome, report};

#[derive(Args)]
pub struct Eval {
    /// The package made by `xonn-compile build`
    #[arg(value_name = "PACKAGE")]
    package: PathBuf,
    /// The secret made with it
    #[arg(long, value_name = "SECRET")]
    secret: PathBuf,
    #[command(flatten)]
    files: InputFiles,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

impl Eval {
    pub fn run(self) -> Outcome {
        let package = Package::read(&self.package)?;
        let program = package.program();
        let secret = Secret::read(&self.secret, &package)?;
        let Lowered { circuit, secret } = circuit::lower_with(program, secret.tensors())?;
        let samples = self.files.samples(program.input())?;
        let bar = progress(samples.len());
        let mut predictions = Vec::with_capacity(samples.len());
        for batch in samples.chunks(256) {
            let inputs: Vec<_> = batch.iter().map(|s| s.bits.to_vec()).collect();
            let outputs = evaluate(&circuit, &secret, &inputs)?;
            predictions.extend(outputs.iter().map(|bits| program.output().decode(bits)));
            bar.inc(batch.len() as u64);
        }
        bar.finish_and_clear();
        self.files.write(&predictions)?;
        let named = samples.iter().map(|s| &s.name).zip(&predictions);
        if self.json {
            let rows: Vec<_> = named.map(|(name, p)| json!({ "input": name, "prediction": p })).collect();
            report::say(serde_json::to_string_pretty(&json!({ "predictions": rows }))?)?;
        } else {
            for (name, prediction) in named {
                report::say(format_args!("{name}: {prediction}"))?;
            }
        }
        Ok(())
    }
}
