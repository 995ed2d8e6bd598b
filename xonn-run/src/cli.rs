//! The commands of `xonn-run`.

mod bench;
mod certificate;
mod eval;
mod failure;
mod infer;
mod input;
mod manual;
mod netlist;
mod report;
mod serve;
mod tls;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use self::failure::Failure;
use crate::session::FirstLayer;
use crate::session::first_layer::Allowed;
use crate::session::{Limits, Traffic};
use xonn_crypto::garble::Scheme;

/// What is below the list of commands.
const AFTER: &str = "`xonn-run completions SHELL` prints completions for a shell, `xonn-run man DIR` writes \
    manual pages.\n\nExit code: 0 done, 2 wrong usage, 3 a file or sample cannot be read or does not fit, \
    4 the peer does not follow the protocol or runs another thing, or an evaluation failed, 5 another try may \
    help (full, refused, reset, timed out), 141 nobody reads its output, 1 anything else.";

/// Private predictions between two hosts: the server keeps its weights, the client keeps its input.
#[derive(Parser)]
#[command(name = "xonn-run", version, arg_required_else_help = true, max_term_width = 80)]
#[command(after_help = AFTER)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Evaluate a package in the clear: the same answers as a private run
    Eval(eval::Eval),
    /// Serve private predictions of a model
    Serve(serve::Serve),
    /// Ask a server for private predictions
    Infer(infer::Infer),
    /// Garble a Bristol netlist for one evaluator
    Garble(netlist::Garble),
    /// Evaluate a Bristol netlist with a garbler
    Evaluate(netlist::Evaluate),
    /// Make a certificate and its key, for TLS between hosts that have no certificate authority
    Certificate(certificate::Certificate),
    /// Measure garbling, evaluation and hashing on this machine
    Bench(bench::Bench),
    /// Print completions for a shell
    #[command(hide = true)]
    Completions(manual::Completions),
    /// Write manual pages
    #[command(hide = true)]
    Man(manual::Man),
}

impl Command {
    /// Whether programs read its standard output.
    fn json(&self) -> bool {
        match self {
            Self::Eval(command) => command.json,
            Self::Infer(command) => command.json,
            Self::Bench(command) => command.json,
            _ => false,
        }
    }
}

/// Limits that every networked command shares.
#[derive(Args, Clone, Copy)]
struct Timeouts {
    /// Longest time for one message, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
}

impl Timeouts {
    fn limits(self) -> Limits {
        Limits { message: Duration::from_secs(self.timeout), ..Limits::default() }
    }
}

/// How ANDs are garbled.
#[derive(Args, Clone)]
struct Schemes {
    /// Garbling schemes allowed. The host that garbles takes its first one that the other allows: half-gates
    /// is less work, three-halves sends a quarter less
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_values_t = Scheme::ALL)]
    scheme: Vec<Scheme>,
}

/// How first layers over numbers are computed.
#[derive(Args, Clone, Copy)]
struct FirstLayers {
    /// Protocol for first layers: gc garbles them like all others; oca (oblivious conditional addition) sends
    /// far less, and a client that cheats can then bring another input to each weight; shares computes hidden
    /// layers on shares too, with lattice encryption and oblivious transfer, sends the least and takes a
    /// round trip a layer, and a client that cheats can learn weights; auto allows all, and the one that
    /// takes the least time on the server's link is run
    #[arg(long, value_name = "shares|oca|gc|auto", default_value_t = Allowed(&FirstLayer::ALL))]
    first_layer: Allowed,
}

/// What every command that runs a protocol may tell about it.
#[derive(Args, Clone, Copy)]
struct Figures {
    /// Print peak memory, bytes and time to standard error
    #[arg(long)]
    stats: bool,
}

impl Figures {
    /// Prints the figures if they are wanted.
    fn log(self, traffic: Traffic, elapsed: Duration) {
        if self.stats {
            report::log(report::stats(traffic, elapsed));
        }
    }
}

type Outcome = Result<(), Box<dyn Error>>;

/// Runs the command line; the exit code tells kinds of failures apart.
#[must_use]
pub fn main() -> ExitCode {
    let command = Cli::parse().command;
    let json = command.json();
    let outcome = match command {
        Command::Eval(command) => command.run(),
        Command::Serve(command) => command.run(),
        Command::Infer(command) => command.run(),
        Command::Garble(command) => command.run(),
        Command::Evaluate(command) => command.run(),
        Command::Certificate(command) => command.run(),
        Command::Bench(command) => command.run(),
        Command::Completions(command) => command.run(),
        Command::Man(command) => command.run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => Failure::of(error.as_ref()).tell(json).into(),
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

    /// A server has many options, and each has its place in the help.
    #[test]
    fn options_of_a_server_are_in_groups() {
        let mut all = Cli::command();
        all.build();
        let serve = all.find_subcommand("serve").expect("it is there");
        let mut groups = std::collections::BTreeMap::<&str, usize>::new();
        for option in serve.get_opts().filter(|option| option.get_id() != "help") {
            let group = option.get_help_heading();
            *groups.entry(group.unwrap_or_else(|| panic!("{} has none", option.get_id()))).or_default() += 1;
        }
        assert!(groups.len() >= 5 && groups.values().all(|&options| options <= 8), "{groups:?}");
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
