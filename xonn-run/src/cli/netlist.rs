//! `xonn-run garble` and `xonn-run evaluate`: any Bristol netlist between two hosts.

mod input;
mod wait;

use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, Instant};

use clap::Args;
use xonn_circuits::bristol;
use xonn_protocols::cost::Link;

use self::input::{Input, binary, hexadecimal, list};
use super::failure::Failure;
use super::serve::{events::line, listen};
use super::tls::{ClientFlags, ServerFlags};
use super::{Figures, Outcome, Schemes, Timeouts, report};
use crate::net;
use crate::session::client::run::Question;
use crate::session::server::Model;
use crate::session::{Circuit, FirstLayer, Limits, Offer, client};

/// The netlist and who holds which of its inputs; the same on both hosts.
#[derive(Args)]
struct Netlist {
    /// The circuit, Bristol Fashion or the older Bristol format
    #[arg(value_name = "F.txt")]
    file: PathBuf,
    /// Input groups that the garbler holds, counted from 0, such as 0,2, or nothing ('') for none; the
    /// evaluator holds the others. Without it the garbler holds group 0 if there are several groups, and
    /// nothing if there is one. The same on both hosts
    #[arg(long, value_name = "GROUPS")]
    garbler_groups: Option<Groups>,
    /// This host's input bits, a part for each of its groups with commas between them: in wire order as 0s
    /// and 1s, or as 0x and the hexadecimal digits of a number whose least significant bit is the first wire,
    /// or as @ and the name of a file that holds either: other users see a command line
    #[arg(long, value_name = "BITS", default_value = "")]
    input: Input,
    #[command(flatten)]
    schemes: Schemes,
    #[command(flatten)]
    timeouts: Timeouts,
    #[command(flatten)]
    figures: Figures,
}

impl Netlist {
    /// A plain netlist says nothing of sums, so all of it is garbled.
    fn offer(&self) -> Offer {
        Offer {
            schemes: self.schemes.scheme.clone(),
            first_layers: vec![FirstLayer::Gc],
            link: Link::default(),
            ahead: 0,
            shared_delta: false,
        }
    }
}

/// Input groups, such as `0,2`; nothing for none.
#[derive(Clone, Debug)]
struct Groups(Vec<usize>);

impl FromStr for Groups {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let group = |part: &str| {
            part.trim()
                .parse()
                .map_err(|_| format!("{part:?} is not the number of an input group, expected such as 0,2"))
        };
        if text.trim().is_empty() {
            Ok(Self(vec![]))
        } else {
            text.split(',').map(group).collect::<Result<_, _>>().map(Self)
        }
    }
}

/// A circuit, and who brings which of its inputs.
struct Shared {
    circuit: Circuit,
    /// The groups of each host, by number and bits.
    garbler: Vec<(usize, u32)>,
    evaluator: Vec<(usize, u32)>,
    /// Bits of each output group.
    outputs: Vec<u32>,
}

impl Shared {
    /// Who holds what, in half a sentence.
    fn holders(&self) -> String {
        format!("the garbler holds {}, the evaluator {}", list(&self.garbler), list(&self.evaluator))
    }
}

impl Netlist {
    fn shared(&self) -> Result<Shared, Box<dyn std::error::Error>> {
        let netlist = bristol::read_path(&self.file)?.netlist;
        let groups = match &self.garbler_groups {
            Some(Groups(groups)) => groups.clone(),
            None if netlist.inputs().len() > 1 => vec![0],
            None => vec![],
        };
        let held = netlist.inputs().iter().copied().enumerate();
        let (garbler, evaluator) = held.partition(|(group, _)| groups.contains(group));
        let outputs = netlist.outputs().to_vec();
        let name = self.file.display();
        let circuit =
            Circuit::of_netlist(netlist, &groups).map_err(|e| Failure::data(format_args!("{name}: {e}")))?;
        Ok(Shared { circuit, garbler, evaluator, outputs })
    }
}

#[derive(Args)]
pub struct Garble {
    #[command(flatten)]
    netlist: Netlist,
    /// Address to listen on for the evaluator; port 0 picks a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:7071")]
    listen: String,
    #[command(flatten)]
    tls: ServerFlags,
}

impl Garble {
    pub fn run(self) -> Outcome {
        let shared = self.netlist.shared()?;
        let secret = self.netlist.input.bits_of(&shared.garbler).map_err(Failure::data)?;
        let tls = self.tls.tls()?;
        // An evaluator may come while gates are put in order: it waits for an answer, as it would anyway.
        let listener = listen(&self.listen)?;
        report::say(format_args!("{}: {}", self.netlist.file.display(), shared.holders()))?;
        report::say(format_args!("listening on {}", listener.local_addr()?))?;
        let model = Model::new(shared.circuit, secret, self.netlist.offer())?;
        // Each further evaluation would tell the evaluator more about this host's input.
        let limits = Limits { inferences: 1, ..self.netlist.timeouts.limits() };
        let (peer, served, elapsed) = net::serve_first(&listener, tls.as_ref(), &model, &limits, |event| {
            line(&event).into_iter().for_each(report::log);
        })?;
        let served = served?;
        report::log(format_args!(
            "{peer}: {} evaluations in {}, {}",
            served.inferences,
            report::time(elapsed),
            report::traffic(served.traffic)
        ));
        self.netlist.figures.log(served.traffic, elapsed);
        Ok(())
    }
}

#[derive(Args)]
pub struct Evaluate {
    #[command(flatten)]
    netlist: Netlist,
    /// Address of the garbler
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:7071")]
    connect: String,
    #[command(flatten)]
    tls: ClientFlags,
    /// Longest time to wait for the garbler to listen, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=86_400))]
    wait: u64,
    /// Print each output group as a hexadecimal number whose least significant bit is the group's first wire
    #[arg(long)]
    hex: bool,
}

impl Evaluate {
    pub fn run(self) -> Outcome {
        let shared = self.netlist.shared()?;
        let input = self.netlist.input.bits_of(&shared.evaluator).map_err(Failure::data)?;
        let circuit = &shared.circuit;
        let limits = self.netlist.timeouts.limits();
        let mut rng = net::fresh_rng();
        let tls = self.tls.tls(&self.connect)?;
        let wait = Duration::from_secs(self.wait);
        let stream = wait::connect(&self.connect, tls.as_ref(), limits.message, wait)?;
        let begin = Instant::now();
        let offer = self.netlist.offer();
        let greeted = client::greet(stream, circuit.digest, input.len(), &offer, &limits, &mut rng)?;
        let mut session = greeted.start(&circuit.program, &mut rng)?;
        let answer = session.ask(&Question::new(input.into(), true), &mut rng)?;
        let traffic = session.finish()?;
        let output = answer?;
        report::say(printed(&output, &shared.outputs, self.hex))?;
        let ands = circuit.program.costs().total();
        report::log(format_args!(
            "{}: {}; {} ANDs in {}, {}",
            self.netlist.file.display(),
            shared.holders(),
            report::grouped(ands),
            report::time(begin.elapsed()),
            report::traffic(traffic)
        ));
        self.netlist.figures.log(traffic, begin.elapsed());
        Ok(())
    }
}

/// The output in the form that `--input` takes: its groups with commas between them.
fn printed(bits: &[bool], groups: &[u32], hex: bool) -> String {
    let mut rest = bits;
    let group = |&count: &u32| {
        let (group, more) = rest.split_at(count as usize);
        rest = more;
        if hex { hexadecimal(group) } else { binary(group) }
    };
    groups.iter().map(group).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_may_be_none() {
        for (text, groups) in [("", &[][..]), (" ", &[]), ("0", &[0]), ("2,0", &[2, 0]), ("0, 2", &[0, 2])] {
            assert_eq!(text.parse::<Groups>().map(|g| g.0).as_deref(), Ok(groups), "{text:?}");
        }
        for text in [",", "0,", "a", "-1", "0 2"] {
            assert!(text.parse::<Groups>().expect_err("no list").contains("is not the number"), "{text:?}");
        }
    }

    #[test]
    fn output_groups_are_printed_apart() {
        let bits = [false, true, true, false, true];
        assert_eq!(printed(&bits, &[5], false), "01101");
        assert_eq!(printed(&bits, &[2, 0, 3], false), "01,,101");
        assert_eq!(printed(&bits, &[4, 1], true), "0x6,0x1");
    }
}
