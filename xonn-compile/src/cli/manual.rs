//! `xonn-compile completions` and `xonn-compile man`: what a package of an operating system installs beside
//! the program.

use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use xonn_program::console;

use super::{Cli, Outcome};

/// Completions of the command line for a shell, to standard output.
#[derive(Args)]
pub struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

impl Completions {
    pub fn run(self) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "xonn-compile", &mut script);
        Ok(console::put(String::from_utf8_lossy(&script))?)
    }
}

/// Manual pages, one for the program and one for each command.
#[derive(Args)]
pub struct Man {
    /// The folder to write them to, made if it is not there
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Man {
    pub fn run(self) -> Outcome {
        let written = std::fs::create_dir_all(&self.folder)
            .and_then(|()| clap_mangen::generate_to(Cli::command(), &self.folder));
        Ok(written.map_err(|e| format!("{}: cannot be written: {e}", self.folder.display()))?)
    }
}
