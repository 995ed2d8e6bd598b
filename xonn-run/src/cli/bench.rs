//! `xonn-run bench`.

use clap::Args;
use comfy_table::{CellAlignment, Table};
use serde_json::json;

use super::{Outcome, report};
use crate::bench::{self, Row};
use crate::block::Backend;

#[derive(Args)]
pub struct Bench {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Fan-ins of the layers measured: BM1's hidden layers, and convolutions of 64 and 128 channels.
const FAN_INS: [u32; 3] = [128, 576, 1152];

impl Bench {
    pub fn run(self) -> Outcome {
        let mut rows = Vec::new();
        for backend in Backend::available() {
            rows.push(bench::measure_hash(backend));
            for fan_in in FAN_INS {
                let what = format!("binary layer, fan-in {fan_in}");
                rows.push(bench::measure(&what, &bench::binary_layer(fan_in), backend));
            }
        }
        let processor = bench::processor();
        if self.json {
            let version = env!("CARGO_PKG_VERSION");
            let report = json!({ "processor": processor, "version": version, "rows": rows });
            report::say(serde_json::to_string_pretty(&report)?)?;
        } else {
            report::say(format_args!("{processor}, in memory, median of 7 runs, million ANDs a second"))?;
            report::say(table(&rows))?;
        }
        Ok(())
    }
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.set_header(["", "AES", "threads", "garble", "evaluate"]);
    for row in rows {
        table.add_row([
            row.what.clone(),
            row.backend.clone(),
            row.threads.to_string(),
            format!("{:.1}", row.garble_m_per_s),
            format!("{:.1}", row.evaluate_m_per_s),
        ]);
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
