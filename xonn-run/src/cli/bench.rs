//! `xonn-run bench`.

use std::path::PathBuf;

use clap::Args;
use comfy_table::Table;
use serde_json::json;
use xonn_circuits::bristol;
use xonn_circuits::tiled::sample;

use super::{Outcome, report};
use crate::bench::{self, Rate, Roles, Row};
use xonn_crypto::block::Backend;
use xonn_crypto::garble::Scheme;

/// Of OTs, the sizes of seed trees that are measured: bits of the server's secret a tree.
const FIELD_BITS: [usize; 3] = [2, 4, 8];

/// Neurons of a layer.
const NEURONS: u32 = 1024;

/// The longest name in a table, so that its lines fit in 80 columns.
const NAME: usize = 26;

#[derive(Args)]
pub struct Bench {
    /// Fan-ins of the binary layers measured, 1024 neurons each
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [128, 576, 1152], value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    fan_in: Vec<u32>,
    /// A Bristol netlist to measure too, such as AES-128 or SHA-256; may be given several times
    #[arg(long, value_name = "F.txt")]
    netlist: Vec<PathBuf>,
    /// Copies of each netlist side by side; one copy alone is always measured
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(2..=1 << 16))]
    copies: u32,
    /// Thread counts; without it 1 and as many as there are cores
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Vec<u16>,
    /// AES backends; without it all that this processor has
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    backend: Vec<Backend>,
    /// Garbling schemes
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_values_t = Scheme::ALL)]
    scheme: Vec<Scheme>,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

impl Bench {
    pub fn run(self) -> Outcome {
        let mut programs = Vec::new();
        for &fan_in in &self.fan_in {
            programs.push((format!("binary layer, fan-in {fan_in}"), sample::binary_layer(fan_in, NEURONS)));
        }
        for path in &self.netlist {
            let netlist = bristol::read_path(path)?.netlist;
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            for copies in [1, self.copies] {
                let program = sample::copies(netlist.clone(), copies)
                    .map_err(|e| format!("{}: {copies} copies: {e}", path.display()))?;
                programs.push((format!("{name}, copies: {copies}"), program));
            }
        }
        let mut rows = Vec::from(bench::measure_memory());
        for k in FIELD_BITS {
            rows.extend(bench::measure_ot(k)?);
        }
        rows.extend(bench::measure_first_layer(&self.scheme)?);
        for backend in self.backends()? {
            rows.extend(bench::measure_aes(backend));
            for threads in self.threads() {
                for (what, program) in &programs {
                    let measure = |&scheme| bench::measure(what, program, scheme, backend, threads);
                    rows.extend(self.scheme.iter().map(measure));
                }
            }
        }
        rows.extend(bench::measure_correlated()?);
        rows.extend(bench::measure_signs()?);
        rows.extend(bench::measure_lattice()?);
        let processor = bench::processor();
        if self.json {
            let version = env!("CARGO_PKG_VERSION");
            let report =
                json!({ "processor": processor, "version": version, "runs": bench::RUNS, "rows": rows });
            report::say(serde_json::to_string_pretty(&report)?)?;
        } else {
            let runs = bench::RUNS;
            report::say(format_args!(
                "{processor}, in memory, millions a second: median of {runs} runs (best)"
            ))?;
            for (group, rows) in groups(&rows) {
                report::say(format_args!("\n{group}"))?;
                report::say(table(&rows))?;
            }
        }
        Ok(())
    }

    fn backends(&self) -> Result<Vec<Backend>, String> {
        let available = Backend::available();
        if let Some(missing) = self.backend.iter().find(|backend| !available.contains(backend)) {
            return Err(format!("--backend {missing}: this processor lacks its instructions"));
        }
        Ok(if self.backend.is_empty() { available } else { self.backend.clone() })
    }

    fn threads(&self) -> Vec<usize> {
        if !self.threads.is_empty() {
            return self.threads.iter().map(|&n| n.into()).collect();
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        if cores == 1 { vec![1] } else { vec![1, cores] }
    }
}

/// Rows with backend, scheme and threads in common, under what these are, in the order of each first one.
fn groups(rows: &[Row]) -> Vec<(String, Vec<&Row>)> {
    let mut groups: Vec<(String, Vec<&Row>)> = Vec::new();
    for row in rows {
        let scheme =
            row.scheme.as_ref().map_or_else(String::new, |scheme| format!(", {}", scheme.replace('-', " ")));
        let threads = if row.threads == 1 { "1 thread".into() } else { format!("{} threads", row.threads) };
        let shares = if row.roles == Roles::Shares { "on shares: " } else { "" };
        let group = format!("{shares}{}{scheme}, {threads}", row.backend);
        match groups.iter_mut().find(|(known, _)| *known == group) {
            Some((_, rows)) => rows.push(row),
            None => groups.push((group, vec![row])),
        }
    }
    groups
}

fn table(rows: &[&Row]) -> Table {
    let number = |n: f64| match n {
        ..1.0 => format!("{n:.4}"),
        1.0..1000.0 => format!("{n:.1}"),
        _ => format!("{n:.0}"),
    };
    let put = |rate: Option<Rate>| {
        rate.map_or_else(String::new, |rate| format!("{} ({})", number(rate.median), number(rate.best)))
    };
    let row = |row: &&Row| {
        vec![
            row.what.chars().take(NAME).collect(),
            row.unit.to_owned(),
            put(row.garble),
            put(row.evaluate),
            row.bytes.map_or_else(String::new, |bytes| format!("{bytes:.2}")),
        ]
    };
    let [first, second] = match rows.first().map(|row| row.roles) {
        Some(Roles::Shares) => ["server", "client"],
        _ => ["garble or send", "evaluate"],
    };
    let header = ["", "of", first, second, "bytes"];
    report::table(&header, 2, rows.iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_is_one_line_of_at_most_80_columns() {
        let rate = Some(Rate { median: 1234.56, best: 12345.6 });
        let row = |backend: &str, scheme: Option<&str>, threads| Row {
            what: "a netlist with a long and telling name, copies: 65536".into(),
            backend: backend.into(),
            scheme: scheme.map(Into::into),
            roles: Roles::Garbling,
            threads,
            unit: "addition",
            garble: rate,
            evaluate: rate,
            both_ns: None,
            bytes: Some(256.1),
        };
        let rows = [
            row("vaes-512", None, 1),
            row("vaes-512", Some("three-halves"), 16),
            row("aes-ni", None, 1),
            row("vaes-512", None, 1),
        ];
        let groups = groups(&rows);
        let names: Vec<&str> = groups.iter().map(|(name, _)| &name[..]).collect();
        assert_eq!(names, ["vaes-512, 1 thread", "vaes-512, three halves, 16 threads", "aes-ni, 1 thread"]);
        assert_eq!(groups[0].1.len(), 2);
        for (_, rows) in groups {
            let shown = table(&rows).to_string();
            assert_eq!(shown.lines().count(), 1 + rows.len(), "{shown}");
            assert!(shown.lines().all(|line| line.trim_end().chars().count() <= 80), "{shown}");
        }
    }
}
