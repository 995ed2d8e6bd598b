//! `xonn-run infer`.

mod asked;

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use chacha20::ChaCha20Rng;
use clap::Args;
use rand::Rng;
use serde_json::json;
use xonn_circuits::knowledge::AndCosts;
use xonn_circuits::program::package::{Digest, Package};

use self::asked::{Asked, Done};
use super::input::{InputFiles, progress};
use super::tls::ClientFlags;
use super::{Figures, FirstLayers, Outcome, Schemes, Timeouts, report};
use crate::garble::Scheme;
use crate::garble::plan::{Plan, Role};
use crate::net;
use crate::net::tls::{ClientTls, Connection};
use crate::oca::{FirstLayer, Oca};
use crate::session::client::{self, Greeted};
use crate::session::{Clients, Offer, SessionError, Traffic};

#[derive(Args)]
pub struct Infer {
    /// Address of the server; the port is 7070 if none is named
    #[arg(long, value_name = "HOST[:PORT]", default_value = "127.0.0.1:7070")]
    server: String,
    /// Try again up to N times, after a while that doubles, if the server cannot be reached or is full. Never
    /// once an input has left: the server would see that something went wrong
    #[arg(long, value_name = "N", default_value_t = 0)]
    retry: u32,
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
        let (schemes, first_layers) = (&self.schemes.scheme[..], self.first_layers.first_layer.0);
        let offer = Offer { schemes, first_layers, ahead: self.ahead };
        let mut rng = net::fresh_rng();
        // What is at hand is checked before the server is bothered.
        let late = self.files.come_late()?;
        let at_hand = self.package.as_deref().map(Package::read).transpose()?;
        let known = at_hand.as_ref().map(|package| package.program().input());
        let files = if late { Vec::new() } else { self.files.load()? };
        let mut samples = known.filter(|_| !late).map(|encoding| self.files.encoded(&files, encoding));
        if let (Some(Ok(samples)), Some(encoding)) = (&samples, known)
            && let Some((file, sample)) = samples.iter().find(|(_, sample)| !sample.fits)
        {
            return Err(files[*file].unfit(encoding, sample).into());
        }

        let server = net::with_port(&self.server);
        let tls = self.tls.tls(&server)?;
        let begin = Instant::now();
        let mut tries = 0;
        let (mut greeted, fetched) = loop {
            match self.greet(&server, tls.as_ref(), at_hand.as_ref(), offer, &mut rng) {
                Ok(greeted) => break greeted,
                Err(Failed { error, transient }) if transient && tries < self.retry => {
                    let wait = backoff(tries, &mut rng);
                    tries += 1;
                    report::log(format_args!(
                        "{error}; try {tries} of {} in {}",
                        self.retry,
                        report::time(wait)
                    ));
                    std::thread::sleep(wait);
                }
                Err(Failed { error, .. }) => return Err(error.into()),
            }
        };
        let package = fetched.or(at_hand).expect("it is fetched if it is not at hand");
        let program = package.program();
        if samples.is_none() && !late {
            samples = Some(self.files.encoded(&files, program.input()));
        }
        let samples = match samples.transpose() {
            Ok(samples) => samples,
            Err(error) => {
                // A matter of shapes. Whether numbers have codes is not said: the encoding is the server's,
                // and would ask it.
                let reason = "the shape of the client's input does not fit the package".to_owned();
                let _ = greeted.end(SessionError::Mismatch(reason));
                return Err(error.into());
            }
        };
        let (first_layer, ahead) = (greeted.first_layer(), usize::from(greeted.ahead()));
        let clients = greeted.clients();
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
        let mut asked = Asked::new(&self.files, program, self.json);
        let finished = match samples {
            Some(samples) => {
                let bar = progress(samples.len());
                let questions = asked.all(samples);
                let finished = session.ask_all(&plan, questions, most, &mut rng, || bar.inc(1));
                bar.finish_and_clear();
                asked.files = files;
                finished
            }
            None => session.ask_as_they_come(&plan, &mut asked, (self.files.limit(), most), &mut rng),
        };
        // Only now, when the server has seen the last of this client, is anything made of the answers.
        let done = asked.done(finished, late)?;
        self.files.write(if late { &done.predictions } else { &done.predictions[..done.first] })?;
        let report = Report {
            package: &package,
            scheme,
            first_layer,
            clients,
            ahead,
            ands: plan.program().costs(),
            set_up,
            total: begin.elapsed(),
            traffic: done.traffic,
            online: done.online,
        };
        if self.json {
            report::say(serde_json::to_string_pretty(&report.json(&done))?)?;
        } else if done.failed.is_none() {
            report::log(report.text(&done));
        }
        if let Some(failed) = done.failed {
            return Err(failed);
        }
        self.figures.log(done.traffic, report.total);
        Ok(())
    }
}

/// A try that failed, and whether another one may not.
struct Failed {
    error: String,
    transient: bool,
}

impl From<SessionError> for Failed {
    fn from(error: SessionError) -> Self {
        Self { transient: error.is_transient(), error: report::sentence(&error) }
    }
}

impl Infer {
    /// Connects and says hello; with the package if it came from the server.
    fn greet(
        &self,
        server: &str,
        tls: Option<&ClientTls>,
        at_hand: Option<&Package>,
        offer: Offer<'_>,
        rng: &mut ChaCha20Rng,
    ) -> Result<(Greeted<Connection>, Option<Package>), Failed> {
        let limits = self.timeouts.limits();
        let stream = net::connect(server, tls, limits.message).map_err(|e| {
            let kinds = [ErrorKind::NotFound, ErrorKind::InvalidInput];
            Failed {
                transient: !kinds.contains(&e.kind()),
                error: format!("cannot connect to {server}: {e}"),
            }
        })?;
        let mut waiting = |before, seconds| report::log(waits(before, seconds));
        Ok(match at_hand {
            Some(package) => {
                let circuit = (package.digest(), package.program().input_bits());
                (client::greet_in_turn(stream, circuit, offer, &limits, &mut waiting, rng)?, None)
            }
            None => {
                let wanted = self.digest;
                let (greeted, package) =
                    client::greet_and_fetch_in_turn(stream, wanted, offer, &limits, &mut waiting, rng)?;
                (greeted, Some(package))
            }
        })
    }

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

/// How long to wait after so many tries: half a second, doubled each time up to half a minute, and less by
/// chance, so that clients that were turned away together do not come back together.
fn backoff(tries: u32, rng: &mut ChaCha20Rng) -> Duration {
    let most = Duration::from_millis(500).saturating_mul(1 << tries.min(10)).min(Duration::from_secs(30));
    most.mul_f64(0.5 + 0.5 * f64::from(rng.next_u32()) / f64::from(u32::MAX))
}

/// What a client is told that waits for a place.
fn waits(before: u32, seconds: u32) -> String {
    let clients = match before {
        0 => "this client is the next".to_owned(),
        1 => "1 client is before this one".to_owned(),
        more => format!("{more} clients are before this one"),
    };
    match seconds {
        0 => format!("the server is full, {clients}"),
        seconds => format!("the server is full, {clients}; it is likely to take {seconds} s"),
    }
}

/// The figures of a run.
struct Report<'a> {
    package: &'a Package,
    scheme: Scheme,
    first_layer: FirstLayer,
    clients: Clients,
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
            "errors": done.errors,
            "digest": self.package.digest(),
            "and": self.ands,
            "scheme": self.scheme.to_string(),
            "first_layer": self.first_layer.to_string(),
            "clients": self.clients.to_string(),
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
            "{count} predictions, first layer by {} (the server takes its clients for {}), {} ANDs each",
            self.first_layer,
            self.clients,
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
