//! `xonn-compile optimize`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, ValueEnum};
use comfy_table::{CellAlignment, Table};
use indicatif::ProgressBar;
use serde::Serialize;
use xonn_circuits::bristol::{self, Dialect, Parsed};
use xonn_circuits::optimize::equivalence::Compared;
use xonn_circuits::optimize::{self, Counts, Optimized, Options, Pass, Step};
use xonn_program::console;
use xonn_program::text::grouped;

use super::Outcome;
use super::model::progress;

#[derive(Args)]
pub struct Optimize {
    /// The netlist, in Bristol Fashion or the classic format
    #[arg(value_name = "IN.txt")]
    input: PathBuf,
    /// The netlist to write, in the format of the one read; same inputs, outputs and function, checked before
    /// it is written
    #[arg(short, long, value_name = "OUT.txt")]
    output: PathBuf,
    /// The passes to run, all by default
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PASS,..")]
    passes: Vec<PassName>,
    /// Most rounds of factor and rewrite; they stop when a round gains nothing
    #[arg(long, default_value_t = Options::default().rounds)]
    rounds: u32,
    /// Most leaves of the cones that are rewritten: larger finds more and takes longer
    #[arg(long, default_value_t = Options::default().leaves as u8)]
    #[arg(value_parser = clap::value_parser!(u8).range(2..=6))]
    leaves: u8,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum PassName {
    /// Constants, copies and inverters
    Fold,
    /// Gates that compute the same
    Share,
    /// Carries, comparisons and the like, one pair of inputs after another
    Chain,
    /// Products under one XOR that share a factor
    Factor,
    /// Small cones, as circuits of the fewest ANDs
    Rewrite,
    /// Pairs of terms that XORs have in common
    Xor,
}

impl From<PassName> for Pass {
    fn from(name: PassName) -> Self {
        match name {
            PassName::Fold => Pass::Fold,
            PassName::Share => Pass::Share,
            PassName::Chain => Pass::Chain,
            PassName::Factor => Pass::Factor,
            PassName::Rewrite => Pass::Rewrite,
            PassName::Xor => Pass::Xor,
        }
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'r> {
    before: Counts,
    after: Counts,
    /// AND depth.
    depth_before: u32,
    depth_after: u32,
    improved: bool,
    passes: &'r [Step],
    compared: Compared,
    seconds: f64,
}

impl Optimize {
    pub fn run(self) -> Outcome {
        let start = Instant::now();
        let Parsed { netlist, dialect } = bristol::read_path(&self.input)?;
        let mut options = Options { rounds: self.rounds, leaves: self.leaves.into(), ..Options::default() };
        if !self.passes.is_empty() {
            options.passes = self.passes.iter().map(|&name| name.into()).collect();
        }
        let mut bar: Option<(Pass, ProgressBar)> = None;
        let done = optimize::optimize(&netlist, &options, &mut |pass, done, of| {
            if bar.as_ref().is_none_or(|(shown, _)| *shown != pass) {
                bar = Some((pass, progress(of, pass.name())));
            }
            if let Some((_, bar)) = &bar {
                bar.set_length(of);
                bar.set_position(done);
            }
        })
        .map_err(|e| format!("{}: {e}", self.input.display()))?;
        if let Some((_, bar)) = bar {
            bar.finish_and_clear();
        }
        // Without an input there is nothing to make a constant of but EQ.
        let extended = netlist.input_bits() == 0 && dialect == Dialect::Fashion;
        write(&done, &bristol::Options { dialect, extended }, &self.output)?;
        let (before, after) = (netlist.stats(), done.netlist.stats());
        let report = Report {
            before: before.into(),
            after: after.into(),
            depth_before: before.and_depth,
            depth_after: after.and_depth,
            improved: done.improved,
            passes: &done.steps,
            compared: done.compared,
            seconds: start.elapsed().as_secs_f64(),
        };
        if self.json {
            console::say(serde_json::to_string_pretty(&report)?)?;
        } else {
            console::say(format_args!("{}\n{}", report.table(), report.summary(&self.output)))?;
        }
        Ok(())
    }
}

/// Writes the whole file or nothing: a netlist that the format has no room for leaves what was at `path`
/// alone.
fn write(done: &Optimized, options: &bristol::Options, path: &Path) -> Outcome {
    let mut text = Vec::new();
    bristol::write(&done.netlist, &mut text, options).map_err(|e| format!("{}: {e}", path.display()))?;
    std::fs::write(path, text).map_err(|e| format!("{}: cannot be written: {e}", path.display()))?;
    Ok(())
}

impl Report<'_> {
    fn table(&self) -> Table {
        let mut table = Table::new();
        table.set_header(["pass", "AND", "XOR", "INV", "all gates", "seconds"]);
        let total = Row { name: "all", before: self.before, after: self.after, seconds: self.seconds };
        let passes = self.passes.iter().map(|step| Row {
            name: step.pass.name(),
            before: step.before,
            after: step.after,
            seconds: step.seconds,
        });
        for row in passes.chain([total]) {
            let change = |of: fn(&Counts) -> u64| match (of(&row.before), of(&row.after)) {
                (before, after) if before == after => grouped(after),
                (before, after) => format!("{} -> {}", grouped(before), grouped(after)),
            };
            table.add_row([
                row.name.to_string(),
                change(|c| c.and),
                change(|c| c.xor),
                change(|c| c.inv),
                change(Counts::total),
                format!("{:.2}", row.seconds),
            ]);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }

    fn summary(&self, path: &Path) -> String {
        let inputs = grouped(self.compared.inputs);
        let compared = if self.compared.exhaustive {
            format!("equal to the original on all {inputs} inputs")
        } else {
            format!("equal to the original on {inputs} random inputs")
        };
        let kept = if self.improved { "" } else { "nothing was gained: the original is written\n" };
        format!(
            "{kept}AND-depth {} -> {}\n{}: {} AND gates of {} before, {compared}",
            self.depth_before,
            self.depth_after,
            path.display(),
            grouped(self.after.and),
            grouped(self.before.and),
        )
    }
}

struct Row {
    name: &'static str,
    before: Counts,
    after: Counts,
    seconds: f64,
}
