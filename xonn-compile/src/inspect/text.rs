//! Reports as text for a terminal.

use std::fmt::Write;

use comfy_table::Table;
use xonn_circuits::tiled::traffic::Traffic;
use xonn_program::text::grouped;
use xonn_protocols::describe::Row;

use super::{Costs, Estimate, NetlistCosts, OnLink, OnShares, PlanRow, Problem, Report};
use crate::{notes, table};

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
    if !report.notes.is_empty() {
        line(notes::text(&report.notes).trim_end().into());
    }
    if !report.problems.is_empty() {
        line(problems(&report.problems));
    }
    if !report.traffic.is_empty() {
        line(headline(&report.traffic, report.on_shares.as_ref()));
    }
    if let Some(costs) = &report.costs {
        line(format!(
            "input {} bits, secret {} bits, output {} bits",
            costs.input_bits, costs.secret_bits, costs.output_bits
        ));
        line(String::new());
        line(layers(costs, report.networks.first()).to_string());
        if costs.total.lower_bound.is_some() {
            line(LEAST.into());
        }
        line(String::new());
    }
    if !report.traffic.is_empty() {
        line(traffic(&report.traffic).to_string());
        line(WAYS.into());
    }
    if !report.plans.is_empty() {
        line(String::new());
        line(plans(&report.plans).to_string());
        line(String::new());
        line(times(&report.plans).to_string());
        line(PLANS.into());
    }
    if let Some(on_shares) = &report.on_shares {
        line(String::new());
        line(self::on_shares(on_shares));
    }
    if let Some(reason) = &report.not_on_shares {
        line(wrapped(&format!("not on shares (serve --first-layer shares): {reason}")));
    }
    if let Some(netlist) = &report.netlist {
        line(netlist_summary(netlist));
    }
    report.networks.iter().for_each(|estimate| line(estimate_summary(estimate)));
    out
}

/// What `/least` means, in a few words.
const LEAST: &str = "/least: ANDs over the least that counting the ones takes, binary layers only.\n\
                     More columns, and exact bytes: --format html or json.";

/// What the first two columns of the table of bytes mean.
const WAYS: &str = "clients: hostile (the default of xonn-run serve --clients) has all layers\n\
                    garbled; with semi-honest the first layers may go by oblivious conditional\n\
                    addition (oca). scheme: infer --scheme; half gates are the default.";

/// What the tables of plans are.
const PLANS: &str = "plan: as xonn-run serve --first-layer names it. The first prediction has the\n\
                     set-up of its connection. time: with the hosts' own work, as far as a\n\
                     model of one machine tells it. serve takes the plan whose first prediction\n\
                     is quickest on its link (--rtt, --mbps), of those that its --clients allow.";

/// What the column `least` means.
pub const BOUND: &str = "least: ANDs that counting the ones takes at least, n - H(n) a neuron of fan-in n \
                         [Boyar, Peralta 2008]; the comparison behind it is not in it, and layers over \
                         integers have none";

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

/// Text in lines of up to 78 columns.
fn wrapped(text: &str) -> String {
    let mut lines = String::new();
    let mut column = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        let gap = match column {
            0 => "",
            column if column + 1 + length > 78 => "\n",
            _ => " ",
        };
        column = if gap == "\n" { length } else { column + gap.len() + length };
        lines.push_str(gap);
        lines.push_str(word);
    }
    lines
}

/// Bytes in a unit that fits.
pub(super) fn bytes(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{} B", grouped(bytes)),
        10_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..10_000_000_000 => format!("{:.2} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

/// What two hosts do by themselves, then what they do if clients are trusted to follow the protocol.
pub(super) fn by_trust(all: &[Traffic]) -> [Option<&Traffic>; 2] {
    let trusting = all.iter().find(|way| way.clients == "semi-honest" && way.scheme == "half-gates");
    [all.iter().find(|way| way.is_default()), trusting]
}

/// What a prediction takes by the default protocol, and in further lines what it takes by each of those for
/// clients that are semi-honest.
#[must_use]
pub fn headline(all: &[Traffic], on_shares: Option<&OnShares>) -> String {
    let [Some(way), trusting] = by_trust(all) else { return String::new() };
    let all_of =
        |way: &Traffic| format!("{} ANDs, {} a prediction", grouped(way.and.total()), bytes(way.inference));
    let mut lines = vec![all_of(way)];
    if trusting.is_some() || on_shares.is_some() {
        lines.push("with serve --clients semi-honest:".into());
    }
    if let Some(way) = trusting {
        lines.push(format!("  first layers by conditional addition: {}", all_of(way)));
    }
    if let Some(plan) = on_shares {
        let [first, further] = [plan.first_bytes, plan.further_bytes].map(bytes);
        lines.push(format!("  on shares: {first} the first prediction, {further} each further one"));
    }
    lines.join("\n")
}

/// The table of layers; with times in place of fan-in and depth if there is a network.
fn layers(costs: &Costs, estimate: Option<&Estimate>) -> Table {
    let header: &[&str] = match estimate {
        None => &["layer", "shape", "fan-in", "AND", "/least", "depth", "tables"],
        Some(_) => &["layer", "shape", "AND", "/least", "tables", "time"],
    };
    let rows = costs.layers.iter().chain(std::iter::once(&costs.total)).enumerate().map(|(i, row)| {
        // Names are the number and the first word of what the layer computes.
        let number = row.name.split_once('_').map_or(row.name.as_str(), |(number, _)| number);
        let fan_in = if row.fan_in > 0 { row.fan_in.to_string() } else { String::new() };
        let mut cells = vec![format!("{number} {}", row.kind).trim_end().to_owned(), shape(&row.shape)];
        let time = estimate.map(|estimate| {
            let total = estimate.layers_ms.iter().sum();
            duration(estimate.layers_ms.get(i).copied().unwrap_or(total))
        });
        let (ands, least, tables) = (grouped(row.and.total()), ratio(row.bound_ratio), bytes(row.bytes));
        match time {
            None => cells.extend([fan_in, ands, least, row.and_depth.to_string(), tables]),
            Some(time) => cells.extend([ands, least, tables, time]),
        }
        cells
    });
    table::table(header, 2, rows)
}

/// Headers of the page's table of bytes.
pub(super) const TRAFFIC: [&str; 9] = [
    "clients",
    "first layer",
    "scheme",
    "tables",
    "labels",
    "corrections",
    "output",
    "bytes a prediction",
    "bytes a connection",
];

/// The cells of one way to compute a prediction, for a page.
pub(super) fn traffic_cells(way: &Traffic) -> [String; 9] {
    let numbers = [way.tables, way.labels, way.corrections, way.decoding, way.inference, way.connection];
    let [tables, labels, corrections, decoding, inference, connection] = numbers.map(grouped);
    let [clients, first_layer, scheme] = [way.clients, way.first_layer, way.scheme].map(str::to_owned);
    [clients, first_layer, scheme, tables, labels, corrections, decoding, inference, connection]
}

/// Bytes of a prediction, one row a way to compute it.
fn traffic(ways: &[Traffic]) -> Table {
    let header = ["clients", "scheme", "ANDs", "a prediction, bytes", "a connection"];
    let row = |way: &Traffic| {
        let numbers = [way.and.total(), way.inference, way.connection].map(grouped);
        [way.clients, way.scheme].map(str::to_owned).into_iter().chain(numbers).collect()
    };
    table::table(&header, 2, ways.iter().map(row))
}

/// Plans beside each other.
fn plans(plans: &[PlanRow]) -> Table {
    let header = ["plan", "clients", "protocols", "first, bytes", "trips", "further, bytes", "trips"];
    let row = |plan: &PlanRow| {
        vec![
            plan.first_layer.to_owned(),
            plan.clients.to_owned(),
            plan.protocols.join(", "),
            grouped(plan.first_bytes),
            plan.first_round_trips.to_string(),
            grouped(plan.further_bytes),
            plan.further_round_trips.to_string(),
        ]
    };
    table::table(&header, 3, plans.iter().map(row))
}

/// Time by plan and link, of a first prediction and of one that follows.
fn times(plans: &[PlanRow]) -> Table {
    let header: Vec<&str> =
        ["time, first / further"].into_iter().chain(plans.iter().map(|p| p.first_layer)).collect();
    let row = |number: usize, name: String| {
        let cells = plans.iter().map(|plan| {
            let [first, further, _] = plan.links[number].first_further_online_ms.map(duration);
            format!("{first} / {further}")
        });
        std::iter::once(name).chain(cells).collect()
    };
    let links = plans.first().map_or(&[][..], |plan| &plan.links);
    let rows = links.iter().enumerate().map(|(number, link)| row(number, link.name()));
    table::table(&header, 1, rows)
}

/// A prediction on shares, a row a stage.
fn on_shares(plan: &OnShares) -> String {
    let header = ["on shares: layers", "protocol", "leaves", "offline", "online"];
    let sum = |[up, down]: [u64; 2]| match up + down {
        0 => String::new(),
        all => bytes(all),
    };
    let row = |row: &Row| {
        let protocol = format!("{} {}", row.protocol, row.parameters).trim_end().to_owned();
        vec![row.layers.clone(), protocol, row.leaves.clone(), sum(row.offline_bytes), sum(row.online_bytes)]
    };
    let stages = table::table(&header, 3, plan.stages.iter().map(row));
    let header = ["a prediction", "the first", "further ones", "with the input"];
    let costs = [plan.first_bytes, plan.further_bytes, plan.online_bytes];
    let sizes = ["bytes".to_owned()].into_iter().chain(costs.map(bytes)).collect();
    let trips = plan.round_trips.map(|trips| trips.to_string());
    let trips = ["round trips".to_owned()].into_iter().chain(trips).collect();
    let on =
        |link: &OnLink| [link.name()].into_iter().chain(link.first_further_online_ms.map(duration)).collect();
    let rows: Vec<Vec<String>> = [sizes, trips].into_iter().chain(plan.links.iter().map(on)).collect();
    let costs = table::table(&header, 1, rows);
    let not_taken = plan.not_taken.as_ref().map_or(String::new(), |layer| wrapped(&layer.sentence()) + "\n");
    format!(
        "{stages}\n{not_taken}\n{costs}\n{}\n\
         Only with serve --clients semi-honest: a client that cheats can learn weights.",
        wrapped(&plan.exactness(|bits| format!("2^-{bits}")))
    )
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
        "{} ms and {} Mbit/s: {} an inference ({} for {} bytes, {} round trip, {} of gates at {} ANDs a \
         second), {} more to connect",
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
