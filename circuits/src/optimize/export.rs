//! A graph back as a netlist.

use super::xag::{Lit, Node, Xag};
use crate::builder::Builder;
use crate::netlist::{Netlist, WireId};

/// The graph as a netlist with these groups. A negated node is one INV gate at most, wherever it is read; an XOR that is
/// only read negated takes its negation from an operand that is negated anyway.
pub(super) fn netlist(graph: &Xag, inputs: &[u32], outputs: &[u32]) -> Netlist {
    let live = graph.live_in_order(|l| l);
    let via = negations(graph, &live);
    let mut b = Builder::new();
    let mut wire: Vec<[Option<WireId>; 2]> = vec![[None; 2]; graph.nodes.len()];
    let mut node = 1;
    for &bits in inputs {
        for input in b.input(bits as usize) {
            wire[node][0] = Some(input);
            node += 1;
        }
    }
    for &node in &live {
        let made = match graph.nodes[node as usize] {
            Node::Input => continue,
            Node::False => [Some(b.constant(false)), None],
            Node::And(x, y) => {
                let (x, y) = (read(&mut b, &mut wire, x), read(&mut b, &mut wire, y));
                [Some(b.and(x, y)), None]
            }
            Node::Xor(x, y) => {
                let negated = via[node as usize];
                let x = read(&mut b, &mut wire, x.negate_if(negated == Some(0)));
                let y = read(&mut b, &mut wire, y.negate_if(negated == Some(1)));
                let out = Some(b.xor(x, y));
                if negated.is_some() { [None, out] } else { [out, None] }
            }
        };
        wire[node as usize] = made;
    }
    let mut listed = graph.outputs.iter();
    let groups: Vec<Vec<WireId>> = outputs
        .iter()
        .map(|&bits| listed.by_ref().take(bits as usize).map(|&l| read(&mut b, &mut wire, l)).collect())
        .collect();
    b.finish(&groups)
}

fn read(b: &mut Builder, wire: &mut [[Option<WireId>; 2]], lit: Lit) -> WireId {
    let sides = wire[lit.index()];
    let side = usize::from(lit.is_negated());
    if let Some(wire) = sides[side] {
        return wire;
    }
    let other = sides[1 - side].expect("operands come first, in one of the two polarities");
    let inverted = b.inv(other);
    wire[lit.index()][side] = Some(inverted);
    inverted
}

/// For each node: the operand, 0 or 1, whose negation makes the node negated at no INV gate of its own.
fn negations(graph: &Xag, live: &[u32]) -> Vec<Option<u8>> {
    let mut needed = vec![[false; 2]; graph.nodes.len()];
    let mut via = vec![None; graph.nodes.len()];
    let need = |needed: &mut Vec<[bool; 2]>, l: Lit| needed[l.index()][usize::from(l.is_negated())] = true;
    graph.outputs.iter().for_each(|&l| need(&mut needed, l));
    for &node in live.iter().rev() {
        match graph.nodes[node as usize] {
            Node::And(x, y) => [x, y].into_iter().for_each(|l| need(&mut needed, l)),
            Node::Xor(x, y) => {
                let only_negated = needed[node as usize] == [false, true];
                let free = |l: Lit| needed[l.index()][1];
                via[node as usize] = match (only_negated, free(x), free(y)) {
                    (true, true, _) => Some(0),
                    (true, false, true) => Some(1),
                    _ => None,
                };
                let negated = via[node as usize];
                need(&mut needed, x.negate_if(negated == Some(0)));
                need(&mut needed, y.negate_if(negated == Some(1)));
            }
            Node::False | Node::Input => {}
        }
    }
    via
}
