//! `xonn-run`: private predictions between two hosts.

use std::process::ExitCode;

fn main() -> ExitCode {
    xonn_run::cli::main()
}
