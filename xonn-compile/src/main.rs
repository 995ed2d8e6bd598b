//! `xonn-compile`: Keras networks into Boolean programs.

use std::process::ExitCode;

fn main() -> ExitCode {
    xonn_compile::cli::main()
}
