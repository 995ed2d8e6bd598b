//! `xonn-compile flatten`.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use xonn_circuits::tiled::TiledCircuit;
use xonn_circuits::tiled::flatten::flatten;
use xonn_program::circuit;
use xonn_program::console;
use xonn_program::package::Package;
use xonn_program::text::grouped;
use xonn_program::text::sentence;

use super::Outcome;
use super::model::progress;

#[derive(Args)]
pub struct Flatten {
    /// The package
    #[arg(value_name = "NAME.xonn")]
    package: PathBuf,
    /// The Bristol Fashion file to write: party 0 holds the secret bits, party 1 the input
    #[arg(short, long, value_name = "F.txt")]
    output: PathBuf,
}

impl Flatten {
    pub fn run(self) -> Outcome {
        let package = Package::read(&self.package)?;
        let circuit = circuit::lower(package.program())
            .map_err(|e| format!("{}: {}", self.package.display(), sentence(&e)))?;
        Ok(console::say(write(&circuit, &self.output)?)?)
    }
}

/// Writes `circuit` as a flat netlist; what was written, in one line.
pub fn write(circuit: &TiledCircuit, path: &Path) -> Result<String, String> {
    let cannot = |e: std::io::Error| format!("{}: cannot be written: {e}", path.display());
    let file = File::create(path).map_err(cannot)?;
    let mut out = std::io::BufWriter::with_capacity(1 << 20, file);
    let bar = progress(1, "flattening");
    let flat = flatten(circuit, &mut out, |written, of| {
        bar.set_length(of);
        bar.set_position(written);
    })
    .map_err(|e| format!("{}: {e}", path.display()))?;
    out.flush().map_err(cannot)?;
    bar.finish_and_clear();
    Ok(format!("{}: {} gates, {} of them AND", path.display(), grouped(flat.gates), grouped(flat.and)))
}
