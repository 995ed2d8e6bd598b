//! `xonn-run infer`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;
use xonn_circuits::program::package::{Digest, Package};

use super::input::{InputFiles, progress};
use super::{Figures, FirstLayers, Outcome, Schemes, Timeouts, report};
use crate::garble::plan::{Plan, Role};
use crate::net;
use crate::oca::{FirstLayer, Oca};
use crate::session::{Offer, SessionError, client};

#[derive(Args)]
pub struct Infer {
    /// Address of the server
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:7070")]
    server: String,
    /// The package, if this host has it; else the server sends it
    #[arg(long, value_name = "NAME.xonn", conflicts_with = "digest")]
    package: Option<PathBuf>,
    /// Accept the server's package only if it has this digest
    #[arg(long, value_name = "HEX")]
    digest: Option<Digest>,
    #[command(flatten)]
    files: InputFiles,
    #[command(flatten)]
    schemes: Schemes,
    #[command(flatten)]
    first_layers: FirstLayers,
    #[command(flatten)]
    timeouts: Timeouts,
    #[command(flatten)]
    figures: Figures,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Infer {
    pub fn run(self) -> Outcome {
        let limits = self.timeouts.limits();
        let offer = Offer { schemes: &self.schemes.scheme, first_layers: self.first_layers.first_layer.0 };
        let mut rng = net::fresh_rng();
        // What is at hand is checked before the server is bothered.
        let at_hand = self.package.as_deref().map(Package::read).transpose()?;
        let samples =
            at_hand.as_ref().map(|package| self.files.samples(package.program().input())).transpose()?;

        let begin = Instant::now();
        let stream = net::connect(&self.server, limits.message)
            .map_err(|e| format!("cannot connect to {}: {e}", self.server))?;
        let (greeted, package) = match at_hand {
            Some(package) => {
                let bits = package.program().input_bits();
                (client::greet(stream, package.digest(), bits, offer, &limits, &mut rng)?, package)
            }
            None => client::greet_and_fetch(stream, offer, &limits, &mut rng)?,
        };
        if let Some(expected) = self.digest.filter(|&expected| expected != greeted.digest()) {
            let found = greeted.digest();
            let reason = format!("the server's package has digest {found}, --digest says {expected}");
            return Err(greeted.end(SessionError::Mismatch(reason)).into());
        }
        let program = package.program();
        let samples = match samples.map_or_else(|| self.files.samples(program.input()), Ok) {
            Ok(samples) => samples,
            Err(error) => {
                // The server learns that this client leaves, not what it has.
                let reason = "the client's input does not fit the package".to_owned();
                let _ = greeted.end(SessionError::Mismatch(reason));
                return Err(error);
            }
        };
        let first_layer = greeted.first_layer();
        let oca = Some(program).filter(|_| first_layer == FirstLayer::Oca).and_then(Oca::of);
        let plan = Plan::new(oca.as_ref().map_or(program, Oca::program), Role::Evaluator);
        let mut session = greeted.start(oca.as_ref(), &mut rng)?;
        let (set_up, scheme) = (begin.elapsed(), session.scheme());

        let bar = progress(samples.len());
        let mut predictions = Vec::with_capacity(samples.len());
        let mut times = Vec::with_capacity(samples.len());
        for sample in &samples {
            let begin = Instant::now();
            let output = session.infer(&plan, &sample.bits, &mut rng)?;
            times.push(begin.elapsed());
            let prediction = program.output().decode(&output);
            if !self.json {
                bar.suspend(|| report::say(format_args!("{}: {prediction}", sample.name)))?;
            }
            predictions.push(prediction);
            bar.inc(1);
        }
        bar.finish_and_clear();
        let traffic = session.finish()?;
        self.files.write(&predictions)?;

        let costs = plan.program().costs();
        let (total, each) = (begin.elapsed(), median(times));
        if self.json {
            let rows: Vec<_> = samples
                .iter()
                .zip(&predictions)
                .map(|(s, p)| json!({ "input": s.name, "prediction": p }))
                .collect();
            let report = json!({
                "predictions": rows,
                "digest": package.digest(),
                "and": costs,
                "scheme": scheme.to_string(),
                "first_layer": first_layer.to_string(),
                "first_layer_sent_bytes": traffic.first_layer_sent,
                "first_layer_received_bytes": traffic.first_layer_received,
                "sent_bytes": traffic.sent,
                "received_bytes": traffic.received,
                "round_trips": traffic.round_trips,
                "set_up_ms": set_up.as_secs_f64() * 1e3,
                "inference_ms_median": each.as_secs_f64() * 1e3,
                "peak_memory_bytes": report::peak_memory(),
                "total_ms": total.as_secs_f64() * 1e3,
            });
            report::say(serde_json::to_string_pretty(&report)?)?;
        } else {
            report::log(format_args!(
                "{} predictions, first layer by {first_layer}, {} ANDs each; {}; set-up {}, each prediction {} (median)",
                predictions.len(),
                report::grouped(costs.total()),
                report::traffic(traffic),
                report::time(set_up),
                report::time(each),
            ));
        }
        self.figures.log(traffic, total);
        Ok(())
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
