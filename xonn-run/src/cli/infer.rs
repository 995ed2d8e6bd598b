//! `xonn-run infer`.

mod asked;
mod summary;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use chacha20::ChaCha20Rng;
use clap::Args;
use rand::Rng;
use xonn_circuits::tiled::TiledCircuit;
use xonn_program::package::{Digest, Package};

use self::asked::Asked;
use self::summary::Report;
use super::failure::{Failure, Kind};
use super::input::{InputFiles, progress};
use super::tls::ClientFlags;
use super::{Figures, FirstLayers, Outcome, Schemes, Timeouts, report};
use crate::net;
use crate::net::tls::{ClientTls, Connection};
use crate::session::client::{self, Greeted};
use crate::session::{Offer, SessionError};

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
    /// Have up to N predictions prepared ahead of the inputs, if the server's --pool allows it: circuits are
    /// garbled and sent, so that an input is answered in one round trip; on shares sums are made, and what is
    /// left is a round trip a hidden layer. With --input - they wait for names of files
    #[arg(long, value_name = "N", default_value_t = 0)]
    ahead: u16,
    /// Most memory for predictions ahead, in megabytes: tables, labels and shares of all of them are kept
    #[arg(long, value_name = "MB", default_value_t = 4096)]
    ahead_memory: u64,
    /// Accept one delta for all inferences of the connection, if the server has it too (`serve
    /// --shared-delta`): an input bit then costs 4 bytes in place of 20. Nothing of this side's depends on it
    #[arg(long)]
    shared_delta: bool,
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
    /// Print JSON: one object with predictions, figures and errors. With --input - JSON Lines: one for each
    /// sample, at once, and one with all the rest. The last has what made the command fail as `error`
    #[arg(long)]
    pub(super) json: bool,
}

impl Infer {
    pub fn run(self) -> Outcome {
        let (schemes, first_layers) = (self.schemes.scheme.clone(), self.first_layers.first_layer.0.to_vec());
        let (ahead, shared_delta) = (self.ahead, self.shared_delta);
        let offer = &Offer { schemes, first_layers, ahead, shared_delta, ..Offer::default() };
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
            return Err(Failure::data(files[*file].unfit(encoding, sample)).into());
        }

        let server = net::with_port(&self.server);
        let tls = self.tls.tls(&server)?;
        let begin = Instant::now();
        let mut tries = 0;
        let (greeted, fetched) = loop {
            match self.greet(&server, tls.as_ref(), at_hand.as_ref(), offer, &mut rng) {
                Ok(greeted) => break greeted,
                Err(failure) if failure.kind() == Kind::Transient && tries < self.retry => {
                    let wait = backoff(tries, &mut rng);
                    tries += 1;
                    report::log(format_args!(
                        "{failure}; try {tries} of {} in {}",
                        self.retry,
                        report::time(wait)
                    ));
                    std::thread::sleep(wait);
                }
                Err(failure) => return Err(failure.into()),
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
                "the server prepares {ahead} predictions ahead, --ahead asks for {}",
                self.ahead
            ));
        }
        let scheme = greeted.scheme();
        let session = greeted.start_program(program, &mut rng)?;
        let ands = session.garbled().map(TiledCircuit::costs);
        let set_up = begin.elapsed();
        let most = self.room(session.bytes_ahead(), ahead)?;
        let mut asked = Asked::new(&self.files, program, self.json);
        let finished = match samples {
            Some(samples) => {
                let bar = progress(samples.len());
                let questions = asked.all(samples);
                let finished = session.ask_all(questions, most, &mut rng, || bar.inc(1));
                bar.finish_and_clear();
                asked.files = files;
                finished
            }
            None => session.ask_as_they_come(&mut asked, (self.files.limit(), most), &mut rng),
        };
        // Only now, when the server has seen the last of this client, is anything made of the answers.
        let mut done = asked.done(finished, late)?;
        let written = if late { &done.predictions[..] } else { &done.predictions[..done.first] };
        if let Err(error) = self.files.write(written) {
            done.failed.get_or_insert(Failure::of(error.as_ref()));
        }
        let report = Report {
            package: &package,
            scheme,
            first_layer,
            clients,
            ahead,
            ands,
            set_up,
            total: begin.elapsed(),
            traffic: done.traffic,
            online: done.online,
        };
        if self.json {
            let json = report.json(&done, late);
            // JSON Lines where each sample has a line already.
            report::say(if late { json.to_string() } else { serde_json::to_string_pretty(&json)? })?;
        } else if done.failed.is_none() {
            report::log(report.text(&done));
        }
        if let Some(failed) = done.failed {
            return Err(failed.reported().into());
        }
        self.figures.log(done.traffic, report.total);
        Ok(())
    }
}

impl Infer {
    /// Connects and says hello; with the package if it came from the server.
    fn greet(
        &self,
        server: &str,
        tls: Option<&ClientTls>,
        at_hand: Option<&Package>,
        offer: &Offer,
        rng: &mut ChaCha20Rng,
    ) -> Result<(Greeted<Connection>, Option<Package>), Failure> {
        let limits = self.timeouts.limits();
        let stream = net::connect(server, tls, limits.message).map_err(|e| {
            let kind = if net::is_transient(&e) { Kind::Transient } else { Kind::Other };
            Failure::new(kind, format_args!("cannot connect to {server}: {e}"))
        })?;
        let mut waiting = |before, seconds| report::log(waits(before, seconds));
        Ok(match at_hand {
            Some(package) => {
                let circuit = (package.digest(), package.program().input().bit_count());
                let greeted = client::greet_in_turn(stream, circuit, offer, &limits, &mut waiting, rng);
                (greeted.map_err(|e| Failure::of(&e))?, None)
            }
            None => {
                let wanted = self.digest;
                let greeted =
                    client::greet_and_fetch_in_turn(stream, wanted, offer, &limits, &mut waiting, rng);
                let (greeted, package) = greeted.map_err(|e| Failure::of(&e))?;
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
