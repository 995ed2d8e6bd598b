//! What a plain netlist costs.

use serde::Serialize;
use xonn_circuits::knowledge::{self, AndCosts, Class};
use xonn_circuits::netlist::{Netlist, Stats};

/// A netlist's gates and what they cost if the first input group is the garbler's, as in every netlist that
/// we write.
#[derive(Clone, Debug, Serialize)]
pub struct NetlistCosts {
    /// Gates by kind, depth, wires.
    #[serde(flatten)]
    pub stats: Stats,
    /// Bits of each input group.
    pub inputs: Vec<u32>,
    /// Bits of each output group.
    pub outputs: Vec<u32>,
    /// AND gates by what they cost if group 0 is the garbler's; of a netlist with one group, nobody's.
    #[serde(rename = "and_costs")]
    pub and: AndCosts,
    /// Bytes of garbled tables as half gates, under that assumption.
    pub bytes: u64,
}

impl NetlistCosts {
    /// The costs of `netlist`.
    #[must_use]
    pub fn of(netlist: &Netlist) -> Self {
        let mut classes = vec![Class::Hidden; netlist.input_bits()];
        if let [first, _, ..] = netlist.inputs() {
            classes[..*first as usize].fill(Class::Garbler);
        }
        let and = knowledge::and_costs(netlist, &classes);
        Self {
            stats: netlist.stats(),
            inputs: netlist.inputs().to_vec(),
            outputs: netlist.outputs().to_vec(),
            and,
            bytes: and.half_gate_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xonn_circuits::bristol;

    #[test]
    fn the_first_group_is_the_garblers() {
        let text = "2 4\n2 1 1\n1 2\n\n2 1 0 1 2 AND\n2 1 0 0 3 AND\n";
        let netlist = bristol::read(text.as_bytes(), "two").expect("it obeys the format").netlist;
        let costs = NetlistCosts::of(&netlist);
        assert_eq!((costs.and.half, costs.and.free, costs.and.full), (1, 1, 0));
        assert_eq!((costs.stats.and, costs.bytes), (2, 16));
        let one = bristol::read("1 3\n1 2\n1 1\n\n2 1 0 1 2 AND\n".as_bytes(), "one").expect("ok").netlist;
        assert_eq!(NetlistCosts::of(&one).and.full, 1, "one group belongs to the evaluator");
    }
}
