//! Cuts: small sets of leaves that determine a node, with the node's function of them.
//!
//! Bottom-up enumeration with a bound on the cuts kept for a node (priority cuts, Mishchenko, Cho, Chatterjee, Brayton,
//! ICCAD 2007). Leaves that are the XOR of two other leaves are expressed by these: they cost nothing.

use super::function::{VARIABLE, VARIABLES, depends_on, swap_variables};
use super::xag::{Node, Xag};

/// Leaves and function of a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    leaves: [u32; VARIABLES],
    len: u8,
    /// ANDs between node and leaves, counted as often as they are met.
    volume: u16,
    /// The node as a function of the leaves, in their order.
    pub table: u64,
}

impl Cut {
    /// A node is its own leaf.
    fn trivial(node: u32) -> Self {
        let mut leaves = [0; VARIABLES];
        leaves[0] = node;
        Self { leaves, len: 1, volume: 0, table: VARIABLE[0] }
    }

    /// The leaves, in rising order.
    pub fn leaves(&self) -> &[u32] {
        &self.leaves[..usize::from(self.len)]
    }
}

/// The cuts of every node.
pub(super) struct Cuts {
    all: Vec<Cut>,
    /// Where each node's cuts end.
    end: Vec<usize>,
}

impl Cuts {
    /// Enumerates the cuts of a graph whose nodes stand in topological order: up to `most` a node, of up to `size` leaves.
    pub fn enumerate(graph: &Xag, size: usize, most: usize) -> Self {
        let mut cuts = Self { all: Vec::new(), end: Vec::with_capacity(graph.nodes.len()) };
        let mut found: Vec<Cut> = Vec::new();
        for (number, &node) in graph.nodes.iter().enumerate() {
            found.clear();
            if let Node::And(a, b) | Node::Xor(a, b) = node {
                for left in cuts.of(a.node()) {
                    for right in cuts.of(b.node()) {
                        let Some((mut cut, l, r)) = merge(graph, left, right, size) else { continue };
                        let (l, r) = (negated(l, a.is_negated()), negated(r, b.is_negated()));
                        cut.table = if node.is_and() { l & r } else { l ^ r };
                        cut.volume =
                            left.volume.saturating_add(right.volume).saturating_add(node.is_and().into());
                        drop_idle_leaves(&mut cut);
                        if !found.iter().any(|c| c.leaves() == cut.leaves()) {
                            found.push(cut);
                        }
                    }
                }
                // Few leaves, and many ANDs above them: what a shorter chain could replace.
                found.sort_by_key(|c| (2 * i32::from(c.len) - i32::from(c.volume), c.len));
                found.truncate(most - 1);
            }
            found.push(Cut::trivial(number as u32));
            cuts.all.extend_from_slice(&found);
            cuts.end.push(cuts.all.len());
        }
        cuts
    }

    /// The cuts of a node; the last one is the node itself.
    pub fn of(&self, node: u32) -> &[Cut] {
        let start = if node == 0 { 0 } else { self.end[node as usize - 1] };
        &self.all[start..self.end[node as usize]]
    }
}

fn negated(table: u64, negate: bool) -> u64 {
    if negate { !table } else { table }
}

/// The union of two cuts and both tables over it, if it has at most `size` leaves once dependent ones are expressed.
fn merge(graph: &Xag, left: &Cut, right: &Cut, size: usize) -> Option<(Cut, u64, u64)> {
    let mut union = [0u32; 2 * VARIABLES];
    let mut len = 0;
    let (mut a, mut b) = (left.leaves(), right.leaves());
    while let Some(next) = match (a.first(), b.first()) {
        (Some(x), Some(y)) => Some(*x.min(y)),
        (x, y) => x.or(y).copied(),
    } {
        if len == size + 1 {
            return None;
        }
        union[len] = next;
        len += 1;
        a = &a[usize::from(a.first() == Some(&next))..];
        b = &b[usize::from(b.first() == Some(&next))..];
    }
    let union = &union[..len];
    if let Some((sum, x, y)) = dependent(graph, union) {
        let mut cut = Cut { leaves: [0; VARIABLES], len: len as u8 - 1, volume: 0, table: 0 };
        let rest = union.iter().copied().filter(|&l| l != sum);
        cut.leaves.iter_mut().zip(rest).for_each(|(slot, leaf)| *slot = leaf);
        let place = |leaf: u32| cut.leaves().iter().position(|&l| l == leaf).map_or(0, |p| VARIABLE[p]);
        let value = |leaf: u32| if leaf == sum { place(x) ^ place(y) } else { place(leaf) };
        let compose = |of: &Cut| {
            let mut values = [0; VARIABLES];
            values.iter_mut().zip(of.leaves()).for_each(|(v, &leaf)| *v = value(leaf));
            composed(of.table, &values, of.leaves().len())
        };
        let (l, r) = (compose(left), compose(right));
        return Some((cut, l, r));
    }
    if len > size {
        return None;
    }
    let mut cut = Cut { leaves: [0; VARIABLES], len: len as u8, volume: 0, table: 0 };
    cut.leaves[..len].copy_from_slice(union);
    let (l, r) = (stretched(left, union), stretched(right, union));
    Some((cut, l, r))
}

/// A leaf that is the XOR of two others: itself and these.
fn dependent(graph: &Xag, leaves: &[u32]) -> Option<(u32, u32, u32)> {
    // Leaves are in topological order; where three depend on each other, the last one goes if it is an XOR.
    let mut signature = [0u128; 2 * VARIABLES];
    signature.iter_mut().zip(leaves).for_each(|(s, &leaf)| *s = graph.signature[leaf as usize]);
    for sum in (0..leaves.len()).rev().filter(|&i| graph.nodes[leaves[i] as usize].is_xor()) {
        for x in 0..leaves.len() {
            let other = signature[sum] ^ signature[x];
            for y in x + 1..leaves.len() {
                if signature[y] == other && x != sum && y != sum {
                    return Some((leaves[sum], leaves[x], leaves[y]));
                }
            }
        }
    }
    None
}

/// The table of a cut over a larger set of leaves.
fn stretched(cut: &Cut, leaves: &[u32]) -> u64 {
    let mut table = cut.table;
    let mut place = leaves.len();
    for (i, leaf) in cut.leaves().iter().enumerate().rev() {
        while leaves[place - 1] != *leaf {
            place -= 1;
        }
        place -= 1;
        if place != i {
            table = swap_variables(table, i, place);
        }
    }
    table
}

/// The table of `f(values[0], ..)`, by Shannon expansion.
fn composed(table: u64, values: &[u64; VARIABLES], variables: usize) -> u64 {
    let mut part: [u64; 1 << VARIABLES] = std::array::from_fn(|m| (table >> m & 1).wrapping_neg());
    for (i, value) in values.iter().enumerate().take(variables) {
        for m in 0..1usize << (variables - 1 - i) {
            part[m] = part[2 * m] & !value | part[2 * m + 1] & value;
        }
    }
    part[0]
}

/// Removes leaves that the function does not depend on.
fn drop_idle_leaves(cut: &mut Cut) {
    let mut kept = 0;
    for i in 0..usize::from(cut.len) {
        if !depends_on(cut.table, i) {
            continue;
        }
        if kept != i {
            cut.leaves[kept] = cut.leaves[i];
            cut.table = swap_variables(cut.table, kept, i);
        }
        kept += 1;
    }
    cut.leaves[kept..].fill(0);
    cut.len = kept as u8;
}

#[cfg(test)]
mod tests {
    use super::super::function::normal_form;
    use super::super::xag::{Lit, Simplify};
    use super::*;

    #[test]
    fn a_naive_full_adder_has_a_cut_at_its_inputs() {
        let mut g = Xag::new(3, [0; 32], Simplify::Forms);
        let [a, b, c] = [1, 2, 3].map(|i| Lit::new(i, false));
        let (ab, differ) = (g.and(a, b), g.xor(a, b));
        let cd = g.and(differ, c);
        let none = g.and(ab.negate_if(true), cd.negate_if(true));
        let cuts = Cuts::enumerate(&g, 4, 8);
        let carry = cuts.of(none.node()).iter().find(|c| c.leaves() == [1, 2, 3]).expect("three inputs");
        let [a, b, c, ..] = VARIABLE;
        assert_eq!(carry.table, !(a & b | b & c | a & c));
        // differ = a ^ b is no leaf beside a and b.
        assert!(cuts.of(none.node()).iter().all(|c| !c.leaves().starts_with(&[1, 2, differ.node()])));
    }

    #[test]
    fn leaves_that_do_not_matter_are_dropped() {
        let mut cut = Cut { leaves: [5, 7, 9, 0, 0, 0], len: 3, volume: 0, table: VARIABLE[0] & VARIABLE[2] };
        drop_idle_leaves(&mut cut);
        assert_eq!((cut.leaves(), cut.table), (&[5, 9][..], VARIABLE[0] & VARIABLE[1]));
        assert_eq!(normal_form(composed(0b1000, &[VARIABLE[3], VARIABLE[4], 0, 0, 0, 0], 2)), 1 << 0b1_1000);
    }
}
