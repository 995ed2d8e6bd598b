//! What a run of `xonn-run infer` took, for people and for programs.

use std::time::Duration;

use serde_json::json;
use xonn_circuits::knowledge::AndCosts;
use xonn_program::package::Package;

use super::super::failure::Failure;
use super::super::report;
use super::asked::Done;
use crate::session::{Clients, FirstLayer, Traffic};
use xonn_crypto::garble::Scheme;

/// The figures of a run.
pub struct Report<'a> {
    pub package: &'a Package,
    pub scheme: Scheme,
    pub first_layer: FirstLayer,
    pub clients: Clients,
    pub ahead: usize,
    /// What is garbled; none where a plan on shares is run.
    pub ands: Option<AndCosts>,
    pub set_up: Duration,
    pub total: Duration,
    pub traffic: Traffic,
    pub online: Traffic,
}

impl Report<'_> {
    /// All of it, and what came of each sample. Where samples come late each has a line of its own already,
    /// so there are no predictions in here then.
    pub fn json(&self, done: &Done, late: bool) -> serde_json::Value {
        let rows: Vec<_> = done
            .names
            .iter()
            .zip(&done.predictions)
            .map(|(name, p)| json!({ "input": name, "prediction": p }))
            .collect();
        let (traffic, offline) = (self.traffic, self.traffic - self.online);
        // Stages of a plan send their messages in turns, which are not counted apart.
        let of_first_layer = |bytes: u64| (self.first_layer == FirstLayer::Gc).then_some(bytes);
        let errors: Vec<_> = done.errors.iter().map(Failure::json).collect();
        let mut report = json!({
            "predictions": rows,
            "errors": errors,
            "error": done.failed.as_ref().map(Failure::json),
            "digest": self.package.digest(),
            "and": self.ands,
            "scheme": self.scheme.to_string(),
            "first_layer": self.first_layer.to_string(),
            "clients": self.clients.to_string(),
            "first_layer_sent_bytes": of_first_layer(traffic.first_layer_sent),
            "first_layer_received_bytes": of_first_layer(traffic.first_layer_received),
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
        });
        if late && let Some(report) = report.as_object_mut() {
            report.remove("predictions");
        }
        report
    }

    /// In a line or some.
    pub fn text(&self, done: &Done) -> String {
        let count = done.predictions.len();
        let how = match self.ands {
            Some(ands) => format!(
                "first layer by {} (the server takes its clients for {}), {} ANDs each",
                self.first_layer,
                self.clients,
                report::grouped(ands.total())
            ),
            None => {
                let way = match self.first_layer {
                    FirstLayer::Shares => "on shares".to_owned(),
                    form => format!("first layer by {form}"),
                };
                format!("{way} (the server takes its clients for {})", self.clients)
            }
        };
        let what = format!("{count} predictions, {how}");
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
