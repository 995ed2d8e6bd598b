//! OR gates as ANDs and XORs: `a | b = a & b ^ (a ^ b)`, one AND as for any two-input gate.
//!
//! The reader takes an OR for an AND of the same wires until all rules are checked in the file's own numbers,
//! then makes both XORs here. That takes two more wires an OR. They are numbered just before the outputs,
//! which have to stay the last wires; outputs that are inputs cannot stay both, and are copied.

use crate::netlist::{Gate, Gates, Netlist, WireId};

/// The netlist where gates number `ors`, ANDs so far, are ORs. None if a wire's number would leave 32 bits.
pub(super) fn expanded(netlist: Netlist, ors: &[usize]) -> Option<Netlist> {
    if ors.is_empty() {
        return Some(netlist);
    }
    let (wires, inputs) = (netlist.wires(), netlist.input_bits() as u32);
    let first_output = wires - netlist.output_bits() as u32;
    let shared = inputs.saturating_sub(first_output);
    let more = u32::try_from(ors.len()).ok()?.checked_mul(2)?;
    let moved_by = more.checked_add(shared)?;
    let total = wires.checked_add(moved_by)?;
    let new = |w: WireId| {
        let is_moved = w.0 >= first_output && w.0 >= inputs;
        if is_moved { WireId(w.0 + moved_by) } else { w }
    };
    let mut spare = (first_output.max(inputs)..).map(WireId);
    let mut next = || spare.next().expect("there are as many as were counted");
    let mut gates = Gates::default();
    let mut ors = ors.iter().copied().peekable();
    for (index, gate) in netlist.gates().iter().enumerate() {
        match gate {
            Gate::And { a, b, out } if ors.next_if_eq(&index).is_some() => {
                let (a, b, out, both, one) = (new(a), new(b), new(out), next(), next());
                gates.push(Gate::And { a, b, out: both });
                gates.push(Gate::Xor { a, b, out: one });
                gates.push(Gate::Xor { a: both, b: one, out });
            }
            Gate::And { a, b, out } => gates.push(Gate::And { a: new(a), b: new(b), out: new(out) }),
            Gate::Xor { a, b, out } => gates.push(Gate::Xor { a: new(a), b: new(b), out: new(out) }),
            Gate::Inv { a, out } => gates.push(Gate::Inv { a: new(a), out: new(out) }),
            Gate::Const { value, out } => gates.push(Gate::Const { value, out: new(out) }),
            Gate::Copy { a, out } => gates.push(Gate::Copy { a: new(a), out: new(out) }),
        }
    }
    for i in 0..shared {
        gates.push(Gate::Copy { a: WireId(first_output + i), out: WireId(first_output + moved_by + i) });
    }
    let (inputs, outputs) = (netlist.inputs().to_vec(), netlist.outputs().to_vec());
    let expanded = Netlist::from_parts(total, inputs, outputs, gates);
    Some(expanded.expect("every rule held before, and the new wires are defined once, before they are read"))
}

#[cfg(test)]
mod tests {
    use crate::bristol::{Dialect, read};
    use crate::eval::evaluate_bits;

    /// All outputs for all inputs, as the bits of a number each.
    fn table(text: &str, dialect: Dialect) -> Vec<u32> {
        let parsed = read(text.as_bytes(), "test").expect("it obeys the format");
        assert_eq!(parsed.dialect, dialect);
        let n = parsed.netlist.input_bits();
        let output = |x: u32| {
            let bits: Vec<bool> = (0..n).map(|i| x >> i & 1 == 1).collect();
            evaluate_bits(&parsed.netlist, &bits).iter().rev().fold(0, |v, &bit| v << 1 | u32::from(bit))
        };
        (0..1 << n).map(output).collect()
    }

    #[test]
    fn an_or_is_one_and_in_both_dialects() {
        assert_eq!(table("1 3\n2 1 1\n1 1\n\n2 1 0 1 2 OR\n", Dialect::Fashion), [0, 1, 1, 1]);
        assert_eq!(table("1 3\n1 1 1\n\n2 1 0 1 2 OR\n", Dialect::Classic), [0, 1, 1, 1]);
        assert_eq!(table("1 2\n1 1\n1 1\n\n2 1 0 0 1 OR\n", Dialect::Fashion), [0, 1]);
        let parsed = read("1 3\n2 1 1\n1 1\n\n2 1 0 1 2 OR\n".as_bytes(), "or").expect("it obeys the format");
        let stats = parsed.netlist.stats();
        assert_eq!((stats.and, stats.xor, stats.wires), (1, 2, 5));
    }

    #[test]
    fn ors_stand_anywhere_between_other_gates() {
        // o0 = (a | b) & (b | c), o1 = a | b: an OR that is an output and is read.
        let text = "4 7\n1 3\n1 2\n\n2 1 0 1 6 OR\n1 1 6 3 INV\n2 1 1 2 4 OR\n2 1 6 4 5 AND\n";
        let want: Vec<u32> = (0..8u32)
            .map(|x| {
                let (ab, bc) = (u32::from(x & 3 != 0), u32::from(x & 6 != 0));
                ab & bc | ab << 1
            })
            .collect();
        assert_eq!(table(text, Dialect::Fashion), want);
    }

    #[test]
    fn outputs_that_are_inputs_are_copied() {
        // Outputs are wires 1, 2 (inputs) and 3 = a | c.
        let text = "1 4\n1 3\n1 3\n\n2 1 0 2 3 OR\n";
        let want: Vec<u32> = (0..8u32).map(|x| x >> 1 | u32::from(x & 5 != 0) << 2).collect();
        assert_eq!(table(text, Dialect::Fashion), want);
        // No output of its own at all: the OR is read by nobody.
        let text = "1 3\n1 2\n1 1\n\n2 1 0 1 2 OR\n";
        assert_eq!(table(text, Dialect::Fashion), [0, 1, 1, 1]);
    }
}
