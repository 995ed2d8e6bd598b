//! How figures and errors are put for people.

use std::time::Duration;

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, presets};
pub use xonn_program::console::{log, say};
pub use xonn_program::text::{grouped, sentence};

use crate::session::Traffic;

/// A table without lines for a terminal of 80 columns, whose first `text` columns are text and the others
/// numbers. Text is broken where a row would be wider, numbers are not.
pub fn table(header: &[&str], text: usize, rows: impl IntoIterator<Item = Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(80);
    table.set_header(header.iter().copied());
    for row in rows {
        table.add_row(row);
    }
    for (i, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if i + 1 < header.len() { 2 } else { 0 }));
        if i >= text {
            column.set_cell_alignment(CellAlignment::Right);
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table
}

/// Bytes in a unit that reads well, decimal prefixes.
pub fn bytes(n: u64) -> String {
    match n {
        0..1_000 => format!("{n} B"),
        1_000..1_000_000 => format!("{:.1} kB", n as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.2} MB", n as f64 / 1e6),
        _ => format!("{:.2} GB", n as f64 / 1e9),
    }
}

/// A time in a unit that reads well.
pub fn time(t: Duration) -> String {
    if t.as_secs() >= 1 {
        format!("{:.2} s", t.as_secs_f64())
    } else {
        format!("{:.1} ms", t.as_secs_f64() * 1e3)
    }
}

/// Traffic in one line, seen from the host that counted it.
pub fn traffic(t: Traffic) -> String {
    format!("{} sent, {} received, {} round trips", bytes(t.sent), bytes(t.received), t.round_trips)
}

/// The most memory that this process ever had in use, in bytes, where the system tells it.
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// What `--stats` adds to a log line: the figures of a run, in one line.
pub fn stats(traffic: Traffic, elapsed: Duration) -> String {
    let memory = peak_memory().map_or_else(|| "unknown".to_owned(), bytes);
    let rate = (traffic.sent + traffic.received) as f64 / elapsed.as_secs_f64().max(1e-9);
    let first_layer = match traffic.first_layer_sent + traffic.first_layer_received {
        // Stages of a plan send their messages in turns, which are not counted apart.
        0 => String::new(),
        _ => format!(
            " (first layer {} sent, {} received; rest {} sent, {} received)",
            bytes(traffic.first_layer_sent),
            bytes(traffic.first_layer_received),
            bytes(traffic.sent - traffic.first_layer_sent),
            bytes(traffic.received - traffic.first_layer_received)
        ),
    };
    format!(
        "stats: peak memory {memory}, {}{first_layer} in {}, {} a second",
        self::traffic(traffic),
        time(elapsed),
        bytes(rate as u64)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn peak_memory_grows_with_what_is_used() {
        let before = peak_memory().expect("Linux tells it");
        std::hint::black_box(vec![1u8; 64 << 20]);
        let after = peak_memory().expect("Linux tells it");
        assert!(before > 0 && after >= 64 << 20, "{before}, then {after}");
    }

    #[test]
    fn tables_fit_80_columns() {
        let row = |n: usize| {
            let long = "a layer of a long and telling name, times two".to_owned();
            vec![long.clone(), long, "1,234,567,890".repeat(n)]
        };
        let shown = table(&["layer", "what", "number"], 2, [row(1), row(2)]).to_string();
        assert!(shown.lines().all(|line| line.trim_end().chars().count() <= 80), "{shown}");
        assert!(shown.contains(&"1,234,567,890".repeat(2)), "{shown}");
    }

    #[test]
    fn figures_read_well() {
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(26_251_000), "26.25 MB");
        assert_eq!(time(Duration::from_micros(1500)), "1.5 ms");
        assert_eq!(time(Duration::from_millis(2350)), "2.35 s");
    }
}
