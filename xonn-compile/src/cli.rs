//! The commands of `xonn-compile`.

mod build;
mod check;
mod flatten;
mod inspect;
mod manual;
mod model;
mod optimize;
mod trim;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use xonn_program::console;
use xonn_program::text::sentence;

/// What is below the list of commands.
const AFTER: &str = "`xonn-compile completions SHELL` prints completions for a shell, `xonn-compile man DIR` \
    writes manual pages.";

/// Compiles trained Keras networks into Boolean circuits for private prediction.
#[derive(Parser)]
#[command(name = "xonn-compile", version, arg_required_else_help = true, max_term_width = 80)]
#[command(after_help = AFTER)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Compile a Keras model into a package and its secret
    Build(build::Build),
    /// Show what a model, a package or a netlist costs, layer by layer
    Inspect(inspect::Inspect),
    /// Compare the compiled model with Keras's own outputs
    Check(check::Check),
    /// Write a package as one flat Bristol Fashion netlist
    Flatten(flatten::Flatten),
    /// Write a netlist with fewer AND gates that computes the same
    Optimize(optimize::Optimize),
    /// Remove channels that matter least and write a smaller Keras model
    Trim(trim::Trim),
    /// Print completions for a shell
    #[command(hide = true)]
    Completions(manual::Completions),
    /// Write manual pages
    #[command(hide = true)]
    Man(manual::Man),
}

type Outcome = Result<(), Box<dyn Error>>;

/// Runs the command line; exit code 1 if the command fails, 2 for wrong usage, 141 without a word if nobody
/// reads on.
#[must_use]
pub fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Build(command) => command.run(),
        Command::Inspect(command) => command.run(),
        Command::Check(command) => command.run(),
        Command::Flatten(command) => command.run(),
        Command::Optimize(command) => command.run(),
        Command::Trim(command) => command.run(),
        Command::Completions(command) => command.run(),
        Command::Man(command) => command.run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if console::reader_left(error.as_ref()) => console::READER_LEFT.into(),
        Err(error) => {
            console::log(format_args!("xonn-compile: {}", sentence(error.as_ref())));
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    /// What clap itself finds wrong only when a debug build is run: names given twice, flags without help,
    /// and so on.
    #[test]
    fn clap_finds_the_options_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_fits_80_columns() {
        let mut all = Cli::command();
        all.build();
        for command in all.get_subcommands_mut() {
            let help = command.render_long_help().to_string();
            let wide = help.lines().find(|line| line.chars().count() > 80);
            assert_eq!(wide, None, "{}", command.get_name());
        }
    }
}
