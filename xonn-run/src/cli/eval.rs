//! `xonn-run eval`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use xonn_circuits::tiled::evaluate::evaluate;
use xonn_program::OutputEncoding;
use xonn_program::circuit::{self, Lowered};
use xonn_program::package::Package;
use xonn_program::secret::Secret;

use super::input::{InputFiles, progress};
use super::{Outcome, report};

/// Gates of all samples together that are evaluated one by one.
const CIRCUIT_ANDS: u64 = 4_000_000_000;

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
        let tensors = secret.tensors();
        let Lowered { circuit, secret } = circuit::lower_with(program, tensors)?;
        let samples = self.files.samples(program.input())?;
        let bar = progress(samples.len());
        let mut predictions = Vec::with_capacity(samples.len());
        // Circuits of hidden numbers take seconds a sample; the layers' integers are the same and take
        // milliseconds.
        let gates = circuit.costs().total().saturating_mul(samples.len() as u64);
        let by_layers = gates > CIRCUIT_ANDS && *program.output() != OutputEncoding::Bits;
        for batch in samples.chunks(256) {
            if by_layers {
                let codes: Vec<_> = batch.iter().map(|s| program.input().codes_of_bits(&s.bits)).collect();
                let found = program.evaluate(tensors, &codes)?;
                predictions.extend(found.iter().map(|found| found.prediction(program.output())));
                bar.inc(batch.len() as u64);
                continue;
            }
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
