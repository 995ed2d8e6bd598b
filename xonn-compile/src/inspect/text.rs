//! Reports as text for a terminal.

use std::fmt::Write;

use comfy_table::{CellAlignment, Table};
use xonn_circuits::program::traffic::Traffic;
use xonn_circuits::text::grouped;

use super::{Costs, Estimate, NetlistCosts, Problem, Report};

/// The whole report.
#[must_use]
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    if let Some(digest) = &report.digest {
        line(format!("digest {digest}"));
    }
    report.notes.iter().for_each(|note| line(format!("note: {note}")));
    if !report.problems.is_empty() {
        line(problems(&report.problems));
    }
    if let Some(costs) = &report.costs {
        line(format!(
            "input {} bits, secret {} bits, output {} bits",
            costs.input_bits, costs.secret_bits, costs.output_bits
        ));
        line(table(costs, report.networks.first()).to_string());
        if costs.total.lower_bound.is_some() {
            line(BOUND.into());
        }
    }
    if !report.traffic.is_empty() {
        line(traffic(&report.traffic).to_string());
    }
    if let Some(netlist) = &report.netlist {
        line(netlist_summary(netlist));
    }
    report.networks.iter().for_each(|estimate| line(estimate_summary(estimate)));
    out
}

/// What the column `least` means.
pub const BOUND: &str = "least: ANDs that counting the ones takes at least, n - H(n) a neuron of fan-in n [Boyar, Peralta 2008]; \
                         the comparison behind it is not in it, and layers over integers have none";

/// A number with three digits behind the point, or nothing.
pub(super) fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or(String::new(), |ratio| format!("{ratio:.3}"))
}

/// A shape as `8x7x2`.
pub(super) fn shape(shape: &[u32]) -> String {
    shape.iter().map(u32::to_string).collect::<Vec<_>>().join("x")
}

/// Milliseconds for people: `0.85 ms`, `12 ms`, `3.4 s`, `2 min 5 s`.
#[must_use]
pub fn duration(ms: f64) -> String {
    match ms {
        ms if ms < 10.0 => format!("{ms:.2} ms"),
        ms if ms < 1_000.0 => format!("{ms:.0} ms"),
        ms if ms < 60_000.0 => format!("{:.1} s", ms / 1e3),
        ms if ms < 1e12 => format!("{} min {:.0} s", (ms / 60_000.0) as u64, ms % 60_000.0 / 1e3),
        ms => format!("{:.1e} s", ms / 1e3),
    }
}

/// The table of layers; with a column of times if there is a network.
fn table(costs: &Costs, estimate: Option<&Estimate>) -> Table {
    let mut table = Table::new();
    let mut header = vec![
        "layer",
        "type",
        "shape",
        "fan-in",
        "instances",
        "AND",
        "least",
        "AND/least",
        "free gates",
        "AND-depth",
        "bytes",
    ];
    header.extend(estimate.map(|_| "time"));
    table.set_header(header);
    for (i, row) in costs.layers.iter().chain(std::iter::once(&costs.total)).enumerate() {
        let mut cells = vec![
            row.name.clone(),
            row.kind.clone(),
            shape(&row.shape),
            if row.fan_in > 0 { row.fan_in.to_string() } else { String::new() },
            grouped(row.instances),
            grouped(row.and.total()),
            row.lower_bound.map_or(String::new(), grouped),
            ratio(row.bound_ratio),
            grouped(row.free),
            row.and_depth.to_string(),
            grouped(row.bytes),
        ];
        if let Some(estimate) = estimate {
            let total = estimate.layers_ms.iter().sum();
            cells.push(duration(estimate.layers_ms.get(i).copied().unwrap_or(total)));
        }
        table.add_row(cells);
    }
    for column in table.column_iter_mut().skip(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// Headers of the table of bytes.
pub(super) const TRAFFIC: [&str; 8] = [
    "first layer",
    "scheme",
    "tables",
    "labels",
    "corrections",
    "output",
    "bytes a prediction",
    "bytes a connection",
];

/// The cells of one way to compute a prediction.
pub(super) fn traffic_cells(way: &Traffic) -> [String; 8] {
    let numbers = [way.tables, way.labels, way.corrections, way.decoding, way.inference, way.connection];
    let [tables, labels, corrections, decoding, inference, connection] = numbers.map(grouped);
    let [first_layer, scheme] = [way.first_layer, way.scheme].map(str::to_owned);
    [first_layer, scheme, tables, labels, corrections, decoding, inference, connection]
}

/// Bytes of a prediction, one row a way to compute it.
fn traffic(ways: &[Traffic]) -> Table {
    let mut table = Table::new();
    table.set_header(TRAFFIC);
    for way in ways {
        table.add_row(traffic_cells(way));
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn netlist_summary(netlist: &NetlistCosts) -> String {
    let s = netlist.stats;
    let mut text = format!(
        "inputs {}, outputs {}, {} wires\nAND {}, XOR {}, INV {}, EQ/EQW {}, AND-depth {}\n",
        groups(&netlist.inputs),
        groups(&netlist.outputs),
        grouped(s.wires),
        grouped(s.and),
        grouped(s.xor),
        grouped(s.inv),
        grouped(s.eq),
        s.and_depth,
    );
    let bytes = grouped(netlist.bytes);
    // Writing to a String cannot fail.
    let _ = match netlist.inputs.len() {
        0 | 1 => write!(text, "half gates: {bytes} bytes, all inputs being the evaluator's"),
        _ => write!(
            text,
            "half gates: {bytes} bytes if group 0 is the garbler's ({} full, {} half, {} free ANDs)",
            grouped(netlist.and.full),
            grouped(netlist.and.half),
            grouped(netlist.and.free)
        ),
    };
    text
}

/// The groups of one side of a netlist, such as `8 + 8 bits`.
pub(super) fn groups(bits: &[u32]) -> String {
    match bits {
        [] => "none".into(),
        _ => format!("{} bits", bits.iter().map(u32::to_string).collect::<Vec<_>>().join(" + ")),
    }
}

/// One inference over one network, in one sentence.
pub(super) fn estimate_summary(estimate: &Estimate) -> String {
    let network = estimate.network;
    format!(
        "{} ms and {} Mbit/s: {} an inference ({} for {} bytes, {} round trip, {} of gates at {} ANDs a second), \
         {} more to connect",
        network.rtt_ms,
        network.mbps,
        duration(estimate.total_ms),
        duration(estimate.transfer_ms),
        grouped(estimate.bytes),
        estimate.round_trips,
        duration(estimate.compute_ms),
        grouped(network.and_rate as u64),
        duration(estimate.connect_ms)
    )
}

/// Problems, one a line.
#[must_use]
pub fn problems(problems: &[Problem]) -> String {
    let mut text = match problems.len() {
        1 => "1 problem:".to_owned(),
        n => format!("{n} problems:"),
    };
    for problem in problems {
        text.push_str("\n  ");
        text.push_str(&sentence(problem));
    }
    text
}

/// A problem as one sentence.
fn sentence(problem: &Problem) -> String {
    let class = if problem.class.is_empty() { String::new() } else { format!(" ({})", problem.class) };
    let place =
        if problem.layer.is_empty() { String::new() } else { format!("layer {:?}{class}: ", problem.layer) };
    let advice = if problem.advice.is_empty() { String::new() } else { format!("; {}", problem.advice) };
    format!("{place}{}{advice}", problem.reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_the_unit_that_fits() {
        for (ms, text) in [
            (0.85, "0.85 ms"),
            (12.3, "12 ms"),
            (3_400.0, "3.4 s"),
            (125_000.0, "2 min 5 s"),
            (1e300, "1.0e297 s"),
        ] {
            assert_eq!(duration(ms), text);
        }
    }
}
