//! What names a plain netlist that two hosts share: its gates, and whose its input groups are.
//!
//! A digest's first [`GATES`] bytes are a hash of the netlist, its last ones say which groups the garbler
//! holds: as a set of bits if there are at most 64 groups, otherwise hashed. So two hosts that have one file
//! and share its inputs differently can be told that, and not that their files differ.

use std::collections::BTreeSet;

use xonn_circuits::netlist::Netlist;
use xonn_program::package::Digest;

use super::Circuit;

/// Bytes of a digest that name the netlist: 2^96 netlists before two of them have one name by chance.
const GATES: usize = 24;

/// Groups that a digest names one by one.
const NAMED: usize = 64;

/// The digest of a netlist of which the garbler holds these groups, in any order.
pub(super) fn digest(netlist: &Netlist, garbler_groups: &[usize]) -> Digest {
    let groups: BTreeSet<usize> = garbler_groups.iter().copied().collect();
    let mut name = b"xonn netlist".to_vec();
    name.extend(netlist.digest());
    let mut digest = Digest::of(&name);
    let held = if netlist.inputs().len() <= NAMED {
        // One that does not exist is refused, whatever the digest is.
        let bit = |&group: &usize| 1u64.checked_shl(group as u32).unwrap_or(0);
        groups.iter().map(bit).fold(0, |set, bit| set | bit).to_le_bytes()
    } else {
        let groups: Vec<u8> = groups.iter().flat_map(|&g| (g as u64).to_le_bytes()).collect();
        std::array::from_fn(|i| Digest::of(&groups).0[i])
    };
    digest.0[GATES..].copy_from_slice(&held);
    digest
}

/// What to say to a client that has the circuit named `theirs`, if that is this netlist with other groups.
pub(super) fn other_groups(circuit: &Circuit, theirs: Digest) -> Option<String> {
    let is_same = theirs.0[..GATES] == circuit.digest.0[..GATES] && theirs != circuit.digest;
    let groups = circuit.program.templates().first()?.inputs().len();
    if circuit.package.is_some() || !is_same {
        return None;
    }
    let held = if groups <= NAMED {
        format!("holds {} for the client and {} here", named(theirs), named(circuit.digest))
    } else {
        "does not hold the same input groups for the client and here".to_owned()
    };
    Some(format!(
        "both hosts have the same netlist, but the garbler {held}; give both the same --garbler-groups"
    ))
}

/// The groups that a digest says the garbler holds.
fn named(digest: Digest) -> String {
    let held = u64::from_le_bytes(std::array::from_fn(|i| digest.0[GATES + i]));
    let groups: Vec<String> = (0..NAMED).filter(|g| held >> g & 1 == 1).map(|g| g.to_string()).collect();
    match &groups[..] {
        [] => "no input group".to_owned(),
        [one] => format!("input group {one}"),
        several => format!("input groups {}", several.join(",")),
    }
}

#[cfg(test)]
mod tests {
    use xonn_circuits::builder::Builder;

    use super::*;

    fn netlist(groups: usize, negated: bool) -> Netlist {
        let mut b = Builder::new();
        let inputs: Vec<_> = (0..groups).flat_map(|_| b.input(1)).collect();
        let sum = inputs.iter().skip(1).fold(inputs[0], |sum, &w| b.and(sum, w));
        let out = if negated { b.inv(sum) } else { sum };
        b.finish(&[vec![out]])
    }

    fn told(ours: (usize, &[usize]), theirs: (usize, bool, &[usize])) -> Option<String> {
        let circuit = Circuit::of_netlist(netlist(ours.0, false), ours.1).expect("valid");
        other_groups(&circuit, digest(&netlist(theirs.0, theirs.1), theirs.2))
    }

    #[test]
    fn groups_are_told_from_gates() {
        let text = told((3, &[2, 0]), (3, false, &[1])).expect("the same netlist");
        assert!(text.contains("holds input group 1 for the client and input groups 0,2 here"), "{text}");
        let text = told((3, &[0]), (3, false, &[])).expect("the same netlist");
        assert!(text.contains("holds no input group for the client and input group 0 here"), "{text}");
        assert_eq!(told((3, &[0]), (3, true, &[1])), None, "another netlist");
        assert_eq!(told((3, &[2, 0]), (3, false, &[0, 2])), None, "the same in all");
    }

    #[test]
    fn of_many_groups_it_is_known_that_they_differ() {
        let text = told((65, &[64]), (65, false, &[63])).expect("the same netlist");
        assert!(text.contains("does not hold the same input groups"), "{text}");
        assert_eq!(told((65, &[64, 1]), (65, false, &[1, 64])), None);
        let text = told((64, &[63]), (64, false, &[])).expect("the same netlist");
        assert!(text.contains("input group 63 here"), "{text}");
    }
}
