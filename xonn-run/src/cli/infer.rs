//! `xonn-run infer`.

use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use chacha20::ChaCha20Rng;
use clap::Args;
use indicatif::ProgressBar;
use serde_json::json;
use xonn_circuits::knowledge::AndCosts;
use xonn_circuits::program::package::{Digest, Package};
use xonn_circuits::program::{Prediction, Program};

use super::input::{InputFiles, Loaded, Sample, progress};
use super::tls::ClientFlags;
use super::{Figures, FirstLayers, Outcome, Schemes, Timeouts, report};
use crate::garble::Scheme;
use crate::garble::plan::{Plan, Role};
use crate::net;
use crate::oca::{FirstLayer, Oca};
use crate::session::channel::Transport;
use crate::session::client::{self, Session};
use crate::session::{Offer, SessionError, Traffic};

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
    /// Have up to N circuits garbled and sent ahead of the inputs, if the server's --pool allows it, so that an input is answered in
    /// one round trip. With --input - they wait for names of files
    #[arg(long, value_name = "N", default_value_t = 0)]
    ahead: u16,
    /// Most memory for circuits ahead, in megabytes: tables and labels of all of them are kept
    #[arg(long, value_name = "MB", default_value_t = 4096)]
    ahead_memory: u64,
    #[command(flatten)]
    schemes: Schemes,
    #[command(flatten)]
    first_layers: FirstLayers,
    #[command(flatten)]
    tls: ClientFlags,
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
        let (schemes, first_layers) = (&self.schemes.scheme[..], self.first_layers.first_layer.0);
        let offer = Offer { schemes, first_layers, ahead: self.ahead };
        let mut rng = net::fresh_rng();
        // What is at hand is checked before the server is bothered.
        let late = self.files.come_late()?;
        let at_hand = self.package.as_deref().map(Package::read).transpose()?;
        let known = at_hand.as_ref().map(|package| package.program().input());
        let (samples, files) = match known {
            _ if late => (None, Vec::new()),
            Some(encoding) => (Some(self.files.samples(encoding)?), Vec::new()),
            None => (None, self.files.load()?),
        };

        let tls = self.tls.tls(&self.server)?;
        let begin = Instant::now();
        let stream = net::connect(&self.server, tls.as_ref(), limits.message)
            .map_err(|e| format!("cannot connect to {}: {e}", self.server))?;
        let (mut greeted, package) = match at_hand {
            Some(package) => {
                let bits = package.program().input_bits();
                (client::greet(stream, package.digest(), bits, offer, &limits, &mut rng)?, package)
            }
            None => client::greet_and_fetch(stream, self.digest, offer, &limits, &mut rng)?,
        };
        let program = package.program();
        let samples = match samples {
            None if !late => match self.files.encoded(&files, program.input()) {
                Ok(samples) => Some(samples),
                Err(error) => {
                    // A matter of shapes. Whether numbers have codes is not said: the encoding is the server's, and would ask it.
                    let reason = "the shape of the client's input does not fit the package".to_owned();
                    let _ = greeted.end(SessionError::Mismatch(reason));
                    return Err(error.into());
                }
            },
            samples => samples,
        };
        drop(files);
        let (first_layer, ahead) = (greeted.first_layer(), usize::from(greeted.ahead()));
        if ahead < usize::from(self.ahead) {
            report::log(format_args!(
                "the server garbles {ahead} circuits ahead, --ahead asks for {}",
                self.ahead
            ));
        }
        let oca = Some(program).filter(|_| first_layer == FirstLayer::Oca).and_then(Oca::of);
        let plan = Plan::new(greeted.program(program, oca.as_ref())?, Role::Evaluator);
        let session = greeted.start(oca.as_ref(), &mut rng)?;
        let (set_up, scheme) = (begin.elapsed(), session.scheme());
        let most = self.room(session.bytes_ahead(&plan), ahead)?;
        let bar = progress(samples.as_ref().map_or(0, Vec::len));
        let (quiet, done) = (self.json, Done::default());
        let mut run = Run { session, plan: &plan, rng, program, bar, most, quiet, done, failed: None };
        let outcome = match &samples {
            Some(samples) => run.all(samples),
            None => run.as_they_come(&self.files),
        };
        run.bar.finish_and_clear();
        let (done, online) = (run.done, run.session.online());
        // What is there is not lost by what comes after it.
        if outcome.is_ok() || !done.predictions.is_empty() {
            self.files.write(&done.predictions)?;
        }
        outcome?;
        let traffic = run.session.finish()?;
        if let Some(failed) = run.failed {
            return Err(failed);
        }

        let report = Report {
            package: &package,
            scheme,
            first_layer,
            ahead,
            ands: plan.program().costs(),
            set_up,
            total: begin.elapsed(),
            traffic,
            online,
        };
        if self.json {
            report::say(serde_json::to_string_pretty(&report.json(&done))?)?;
        } else {
            report::log(report.text(&done));
        }
        self.figures.log(traffic, report.total);
        Ok(())
    }
}

impl Infer {
    /// Circuits ahead that fit into `--ahead-memory`, of `granted`; each takes so many bytes.
    fn room(&self, each: u64, granted: usize) -> Result<usize, String> {
        let most = self.ahead_memory;
        let fits = usize::try_from(most.saturating_mul(1_000_000) / each.max(1)).unwrap_or(usize::MAX);
        if granted > 0 && fits == 0 {
            let found = report::bytes(each);
            return Err(format!(
                "a circuit ahead takes {found} of memory, --ahead-memory allows {most} MB; allow more, or ask without --ahead"
            ));
        }
        if fits < granted {
            report::log(format_args!("{fits} circuits ahead fit into --ahead-memory {most}"));
        }
        Ok(fits.min(granted))
    }
}

/// A connection, and what came of it so far.
struct Run<'a, T: Transport> {
    session: Session<'a, T>,
    plan: &'a Plan<'a>,
    rng: ChaCha20Rng,
    program: &'a Program,
    bar: ProgressBar,
    /// Most circuits ahead.
    most: usize,
    quiet: bool,
    done: Done,
    /// What went wrong without the server being told. It must not see it either, so what was to come comes, with zeros for inputs.
    failed: Option<Box<dyn Error>>,
}

/// Answers, and what they took.
#[derive(Default)]
struct Done {
    names: Vec<String>,
    predictions: Vec<Prediction>,
    /// Of each inference from when its input was there.
    times: Vec<Duration>,
    /// Of each circuit that was prepared.
    preparing: Vec<Duration>,
}

impl<T: Transport> Run<'_, T> {
    /// Predicts for samples that are all there; circuits are prepared as if they were not. Once something has gone wrong the rest
    /// are zeros, which the server cannot see.
    fn all(&mut self, samples: &[Sample]) -> Outcome {
        for (i, sample) in samples.iter().enumerate() {
            self.prepare(samples.len() - i)?;
            if self.failed.is_some() {
                self.run_on_zeros()?;
            } else if let Err(error) = self.predict(sample)? {
                self.failed = Some(error);
                let left = samples.len() - i - 1;
                if left > 0 {
                    report::log(format_args!(
                        "{}: no prediction; so that the server does not see it, {left} more are run on zeros",
                        sample.name
                    ));
                }
            }
        }
        Ok(())
    }

    /// Predicts for files whose names come on standard input; circuits are prepared while nobody waits.
    fn as_they_come(&mut self, files: &InputFiles) -> Outcome {
        self.prepare(files.limit())?;
        self.session.flush()?;
        report::log(format_args!(
            "ready, with {} circuits; reading file names from standard input",
            self.session.ready()
        ));
        for path in files.paths(true) {
            let left = files.limit() - self.done.predictions.len();
            let file = Loaded::read(path?);
            let encoding = self.program.input();
            match file.and_then(|file| Ok(file.samples(encoding, left)?)) {
                Ok(samples) => self.each(&samples)?,
                // Somebody typed it, and can type it again.
                Err(error) => report::log(report::sentence(error.as_ref())),
            }
            let left = files.limit() - self.done.predictions.len();
            if left == 0 {
                break;
            }
            self.prepare(left)?;
            if self.failed.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// Predicts for the samples of a file whose name came. One that has no code is told of, and can be typed again.
    fn each(&mut self, samples: &[Sample]) -> Outcome {
        for sample in samples {
            self.prepare(1)?;
            if self.failed.is_some() {
                self.run_on_zeros()?;
                continue;
            }
            match self.predict(sample)? {
                Ok(()) => {}
                Err(error) if sample.unfit.is_some() => report::log(report::sentence(error.as_ref())),
                Err(error) => self.failed = Some(error),
            }
        }
        Ok(())
    }

    /// Prepares circuits until there is no more room, or `wanted` are there.
    fn prepare(&mut self, wanted: usize) -> Outcome {
        while self.session.ready() < wanted.min(self.most) {
            let begin = Instant::now();
            self.session.prepare(self.plan, &mut self.rng)?;
            self.done.preparing.push(begin.elapsed());
        }
        Ok(())
    }

    /// Predicts. The inner error is one that the server has not seen, for an inference was run all the same.
    fn predict(&mut self, sample: &Sample) -> Result<Result<(), Box<dyn Error>>, Box<dyn Error>> {
        let begin = Instant::now();
        let output = match self.session.infer(self.plan, &sample.bits, &mut self.rng) {
            Ok(_) if sample.unfit.is_some() => {
                return Ok(Err(sample.unfit.clone().unwrap_or_default().into()));
            }
            Ok(output) => output,
            Err(error @ SessionError::Evaluate(_)) => return Ok(Err(error.into())),
            Err(error) => return Err(error.into()),
        };
        self.done.times.push(begin.elapsed());
        let prediction = self.program.output().decode(&output);
        if !self.quiet {
            self.bar.suspend(|| report::say(format_args!("{}: {prediction}", sample.name)))?;
        }
        self.done.names.push(sample.name.clone());
        self.done.predictions.push(prediction);
        self.bar.inc(1);
        Ok(Ok(()))
    }

    /// An inference whose answer nobody wants.
    fn run_on_zeros(&mut self) -> Outcome {
        let zeros = vec![false; self.program.input_bits()];
        match self.session.infer(self.plan, &zeros, &mut self.rng) {
            Ok(_) | Err(SessionError::Evaluate(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// The figures of a run.
struct Report<'a> {
    package: &'a Package,
    scheme: Scheme,
    first_layer: FirstLayer,
    ahead: usize,
    ands: AndCosts,
    set_up: Duration,
    total: Duration,
    traffic: Traffic,
    online: Traffic,
}

impl Report<'_> {
    fn json(&self, done: &Done) -> serde_json::Value {
        let rows: Vec<_> = done
            .names
            .iter()
            .zip(&done.predictions)
            .map(|(name, p)| json!({ "input": name, "prediction": p }))
            .collect();
        let (traffic, offline) = (self.traffic, self.traffic - self.online);
        json!({
            "predictions": rows,
            "digest": self.package.digest(),
            "and": self.ands,
            "scheme": self.scheme.to_string(),
            "first_layer": self.first_layer.to_string(),
            "first_layer_sent_bytes": traffic.first_layer_sent,
            "first_layer_received_bytes": traffic.first_layer_received,
            "sent_bytes": traffic.sent,
            "received_bytes": traffic.received,
            "round_trips": traffic.round_trips,
            "set_up_ms": ms(self.set_up),
            "inference_ms_median": ms(median(&done.times)),
            "circuits_ahead": self.ahead,
            "offline": {
                "circuits": done.preparing.len(),
                "circuit_ms_median": ms(median(&done.preparing)),
                "sent_bytes": offline.sent,
                "received_bytes": offline.received,
                "round_trips": offline.round_trips,
            },
            "online": {
                "inference_ms_median": ms(median(&done.times)),
                "sent_bytes": self.online.sent,
                "received_bytes": self.online.received,
                "round_trips": self.online.round_trips,
            },
            "peak_memory_bytes": report::peak_memory(),
            "total_ms": ms(self.total),
        })
    }

    fn text(&self, done: &Done) -> String {
        let count = done.predictions.len();
        let what = format!(
            "{count} predictions, first layer by {}, {} ANDs each",
            self.first_layer,
            report::grouped(self.ands.total())
        );
        let (set_up, each) = (report::time(self.set_up), report::time(median(&done.times)));
        if self.ahead == 0 {
            let traffic = report::traffic(self.traffic);
            return format!("{what}; {traffic}; set-up {set_up}, each prediction {each} (median)");
        }
        format!(
            "{what}\n  ahead of the inputs: {}; set-up {set_up}, each of {} circuits {} (median)\n  with the inputs: {}; each prediction {each} (median)",
            report::traffic(self.traffic - self.online),
            done.preparing.len(),
            report::time(median(&done.preparing)),
            report::traffic(self.online),
        )
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
