//! `xonn-run garble` and `xonn-run evaluate`: any Bristol netlist between two hosts.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Instant;

use clap::Args;
use xonn_circuits::bristol;

use super::serve::{describe, listen};
use super::tls::{ClientFlags, ServerFlags};
use super::{Figures, Outcome, Schemes, Timeouts, report};
use crate::garble::plan::{Plan, Role};
use crate::net;
use crate::oca::FirstLayer;
use crate::session::server::Model;
use crate::session::{Circuit, Limits, Offer, client};

/// The netlist and who holds which of its inputs; the same on both hosts.
#[derive(Args)]
struct Netlist {
    /// The circuit, Bristol Fashion or the older Bristol format
    #[arg(value_name = "F.txt")]
    file: PathBuf,
    /// Input groups that the garbler holds, counted from 0; the evaluator holds the others. Without it the garbler
    /// holds group 0 if there are several groups, and nothing if there is one
    #[arg(long, value_name = "GROUPS", value_delimiter = ',')]
    garbler_groups: Option<Vec<usize>>,
    /// This host's input bits in wire order, as 0s and 1s, or as 0x and the hexadecimal digits of a number whose least
    /// significant bit is the first wire, or as @ and the name of a file that holds either: other users see a command line
    #[arg(long, value_name = "BITS", default_value = "")]
    input: Bits,
    #[command(flatten)]
    schemes: Schemes,
    #[command(flatten)]
    timeouts: Timeouts,
    #[command(flatten)]
    figures: Figures,
}

impl Netlist {
    /// A plain netlist says nothing of sums, so all of it is garbled.
    fn offer(&self) -> Offer<'_> {
        Offer { schemes: &self.schemes.scheme, first_layers: &[FirstLayer::Gc], ahead: 0 }
    }
}

/// Bits given on the command line.
#[derive(Clone, Debug, PartialEq)]
enum Bits {
    Binary(Vec<bool>),
    /// Least significant first; whole nibbles, so up to three leading zeros too many or any number too few.
    Hex(Vec<bool>),
}

impl FromStr for Bits {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read;
        let text = match text.strip_prefix('@') {
            None => text,
            Some(path) => {
                read = std::fs::read_to_string(path).map_err(|e| format!("{path} cannot be read: {e}"))?;
                read.trim()
            }
        };
        if let Some(hex) = text.strip_prefix("0x") {
            let mut bits = Vec::with_capacity(4 * hex.len());
            for digit in hex.chars().rev() {
                let value = digit.to_digit(16).ok_or(format!("{digit:?} is not a hexadecimal digit"))?;
                bits.extend((0..4).map(|i| value >> i & 1 == 1));
            }
            return Ok(Self::Hex(bits));
        }
        let bit = |c| match c {
            '0' => Ok(false),
            '1' => Ok(true),
            other => Err(format!("{other:?} is not a bit, expected 0s and 1s, or 0x and hexadecimal digits")),
        };
        text.chars().map(bit).collect::<Result<_, _>>().map(Self::Binary)
    }
}

impl Bits {
    /// Just `count` bits, or an error: a hexadecimal number may leave out leading zeros or have a few too many.
    fn exactly(&self, count: usize) -> Result<Vec<bool>, String> {
        let found = match self {
            Self::Binary(bits) if bits.len() == count => return Ok(bits.clone()),
            Self::Hex(bits) if bits.iter().skip(count).all(|&bit| !bit) => {
                let mut bits = bits.clone();
                bits.resize(count, false);
                return Ok(bits);
            }
            Self::Binary(bits) | Self::Hex(bits) => bits.len(),
        };
        Err(format!("--input has {found} bits, this host holds {count} input bits of the circuit"))
    }
}

impl Netlist {
    fn circuit(&self) -> Result<Circuit, Box<dyn std::error::Error>> {
        let netlist = bristol::read_path(&self.file)?.netlist;
        let groups = match &self.garbler_groups {
            Some(groups) => groups.clone(),
            None if netlist.inputs().len() > 1 => vec![0],
            None => vec![],
        };
        let name = self.file.display();
        Circuit::of_netlist(netlist, &groups).map_err(|e| format!("{name}: {e}").into())
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
        let circuit = self.netlist.circuit()?;
        let secret = self.netlist.input.exactly(circuit.program.secret_bits() as usize)?;
        let plan = Plan::new(&circuit.program, Role::Garbler);
        let tls = self.tls.tls()?;
        let listener = listen(&self.listen)?;
        report::say(format_args!("listening on {}", listener.local_addr()?))?;
        let offer = self.netlist.offer();
        let model = Model { circuit: &circuit, plan: &plan, shared: None, secret: &secret, offer };
        // Each further evaluation would tell the evaluator more about this host's input.
        let limits = Limits { inferences: 1, ..self.netlist.timeouts.limits() };
        let (peer, served, elapsed) = net::serve_first(&listener, tls.as_ref(), &model, &limits, |event| {
            report::log(describe(&event))
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
    /// Print the output as a hexadecimal number whose least significant bit is the first output wire
    #[arg(long)]
    hex: bool,
}

impl Evaluate {
    pub fn run(self) -> Outcome {
        let circuit = self.netlist.circuit()?;
        let input = self.netlist.input.exactly(circuit.program.input_bits())?;
        let plan = Plan::new(&circuit.program, Role::Evaluator);
        let limits = self.netlist.timeouts.limits();
        let mut rng = net::fresh_rng();
        let tls = self.tls.tls(&self.connect)?;
        let stream = net::connect(&self.connect, tls.as_ref(), limits.message)
            .map_err(|e| format!("cannot connect to {}: {e}", self.connect))?;
        let begin = Instant::now();
        let offer = self.netlist.offer();
        let greeted = client::greet(stream, circuit.digest, input.len(), offer, &limits, &mut rng)?;
        let mut session = greeted.start(None, &mut rng)?;
        let output = session.infer(&plan, &input, &mut rng)?;
        let traffic = session.finish()?;
        report::say(if self.hex { hexadecimal(&output) } else { binary(&output) })?;
        let ands = circuit.program.costs().total();
        report::log(format_args!(
            "{} ANDs in {}, {}",
            report::grouped(ands),
            report::time(begin.elapsed()),
            report::traffic(traffic)
        ));
        self.netlist.figures.log(traffic, begin.elapsed());
        Ok(())
    }
}

fn binary(bits: &[bool]) -> String {
    bits.iter().map(|&bit| if bit { '1' } else { '0' }).collect()
}

fn hexadecimal(bits: &[bool]) -> String {
    let nibble = |bits: &[bool]| bits.iter().rev().fold(0, |n, &bit| n << 1 | u32::from(bit));
    let digits = bits.chunks(4).rev().map(|bits| char::from_digit(nibble(bits), 16).expect("below 16"));
    std::iter::once("0x".to_owned()).chain(digits.map(String::from)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_read_in_wire_order() {
        let parse = |text: &str| text.parse::<Bits>();
        assert_eq!(parse("0110").and_then(|b| b.exactly(4)), Ok(vec![false, true, true, false]));
        assert_eq!(parse("0x6").and_then(|b| b.exactly(4)), Ok(vec![false, true, true, false]));
        assert_eq!(parse("0x06").and_then(|b| b.exactly(3)), Ok(vec![false, true, true]));
        assert_eq!(
            parse("0x1").and_then(|b| b.exactly(6)),
            Ok(vec![true, false, false, false, false, false])
        );
        assert_eq!(parse("").and_then(|b| b.exactly(0)), Ok(vec![]));
        assert!(parse("012").is_err() && parse("0xg").is_err());
        assert!(parse("011").and_then(|b| b.exactly(4)).is_err());
        assert!(parse("0xff").and_then(|b| b.exactly(7)).is_err());
    }

    #[test]
    fn bits_are_read_from_a_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("bits");
        let at = format!("@{}", file.display());
        assert!(at.parse::<Bits>().expect_err("no such file").contains("cannot be read"));
        for (content, bits) in
            [("0x6\n", vec![false, true, true, false]), (" 0110\n", vec![false, true, true, false])]
        {
            std::fs::write(&file, content).expect("written");
            assert_eq!(at.parse::<Bits>().and_then(|b| b.exactly(4)), Ok(bits));
        }
        std::fs::write(&file, format!("@{}", file.display())).expect("written");
        assert!(at.parse::<Bits>().is_err(), "a file does not name another");
    }

    #[test]
    fn output_is_printed_in_wire_order_or_as_a_number() {
        let bits = [false, true, true, false, true];
        assert_eq!((binary(&bits).as_str(), hexadecimal(&bits).as_str()), ("01101", "0x16"));
    }
}
