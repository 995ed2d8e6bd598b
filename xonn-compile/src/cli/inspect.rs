//! `xonn-compile inspect`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use xonn_circuits::bristol;
use xonn_circuits::program::Program;
use xonn_circuits::program::package::Package;

use super::Outcome;
use super::model::{ModelOptions, print_notes};
use crate::inspect::{Costs, netlist_summary};
use crate::lower;

#[derive(Args)]
pub struct Inspect {
    /// A Keras model (.h5, .keras), a package (.xonn) or a Bristol netlist (.txt)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    options: ModelOptions,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

impl Inspect {
    pub fn run(self) -> Outcome {
        match self.file.extension().and_then(|e| e.to_str()) {
            Some("xonn") => {
                let package = Package::read(&self.file)?;
                if self.format == Format::Text {
                    println!("digest {}", package.digest());
                }
                self.print(package.program())
            }
            Some("txt") => {
                let netlist = bristol::read_path(&self.file)?.netlist;
                match self.format {
                    Format::Text => println!("{}", netlist_summary(&netlist)),
                    Format::Json => println!("{}", serde_json::to_string_pretty(&netlist.stats())?),
                }
                Ok(())
            }
            _ => {
                let compiled = self.options.compile(&self.file)?;
                print_notes(&compiled.notes);
                let lowered =
                    lower::lower(&compiled.network).map_err(|e| format!("{}: {e}", self.file.display()))?;
                self.print(&lowered.program)
            }
        }
    }

    fn print(&self, program: &Program) -> Outcome {
        let costs = Costs::of(program);
        match self.format {
            Format::Json => println!("{}", serde_json::to_string_pretty(&costs)?),
            Format::Text => {
                println!(
                    "input {} bits, secret {} bits, output {} bits\n{}",
                    costs.input_bits,
                    costs.secret_bits,
                    costs.output_bits,
                    costs.table()
                );
            }
        }
        Ok(())
    }
}
