//! What a server says of its plan on shares before it listens.

use xonn_program::Program;
use xonn_protocols::describe::{self, Row};
use xonn_protocols::rlwe::FAILURE_BITS;
use xonn_protocols::run::Server;

use super::report;

/// The plan, a row a stage, and what a prediction costs.
pub(super) fn described(server: &Server, program: &Program) -> String {
    let header = ["on shares:", "protocol", "bits", "fraction", "trips", "offline", "online"];
    let sum = |[up, down]: [u64; 2]| match up + down {
        0 => String::new(),
        all => report::bytes(all),
    };
    let trips = |trips: f64| if trips > 0.0 { trips.to_string() } else { String::new() };
    let row = |row: &Row| {
        let protocol = format!("{} {}", row.protocol, row.parameters).trim_end().to_owned();
        let [bits, fraction] = row.share_bits.unwrap_or_default().map(|bits| match bits {
            0 => String::new(),
            bits => bits.to_string(),
        });
        let [offline, online] = [row.offline_bytes, row.online_bytes].map(sum);
        vec![row.layers.clone(), protocol, bits, fraction, trips(row.round_trips), offline, online]
    };
    let cost = server.cost();
    let rows = describe::rows(server.plan(), program, cost);
    let [first, further, online] = [cost.first(), cost.further(), cost.online()];
    format!(
        "{}\na prediction on shares: {} at first, then {}, {} of it with the input in {} round trips;\n\
         {}",
        report::table(&header, 2, rows.iter().map(row)),
        report::bytes(first.bytes()),
        report::bytes(further.bytes()),
        report::bytes(online.bytes()),
        online.rounds,
        match describe::is_rounded(server.plan()) {
            true =>
                "its numbers are rounded by chance, so that ties of last bits come out either way".to_owned(),
            false => format!("wrong with a probability below 2^-{FAILURE_BITS}"),
        },
    )
}
