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

/// For each XOR node: the operand, 0 or 1, that is read negated so that the node comes out negated.
///
/// Negations wander from an XOR to one of its operands, where several of them often meet and one INV gate serves all:
/// an operand that is negated anyway, one that most other negated XORs have too, or an XOR that nothing else reads.
fn negations(graph: &Xag, live: &[u32]) -> Vec<Option<u8>> {
    let mut needed = vec![[false; 2]; graph.nodes.len()];
    let need = |needed: &mut Vec<[bool; 2]>, l: Lit| needed[l.index()][usize::from(l.is_negated())] = true;
    let products = live.iter().map(|&n| graph.nodes[n as usize]).filter(|n| n.is_and());
    products
        .flat_map(|n| n.operands())
        .chain(graph.outputs.iter().copied())
        .for_each(|l| need(&mut needed, l));

    // How many XORs that are read negated only have a node as their operand.
    let mut wanted = vec![0u32; graph.nodes.len()];
    for &node in live.iter().filter(|&&n| needed[n as usize] == [false, true]) {
        if let Node::Xor(x, y) = graph.nodes[node as usize] {
            wanted[x.index()] += 1;
            wanted[y.index()] += 1;
        }
    }
    let references = graph.references();
    let mut via = vec![None; graph.nodes.len()];
    for &node in live.iter().rev() {
        let Node::Xor(x, y) = graph.nodes[node as usize] else { continue };
        if needed[node as usize] == [false, true] {
            let score = |l: Lit| {
                let alone = references[l.index()] == 1 && graph.nodes[l.index()].is_xor();
                (needed[l.index()][1], wanted[l.index()], alone)
            };
            let (of_x, of_y) = (score(x), score(y));
            let ((anyway, met, alone), operand) = if of_x >= of_y { (of_x, 0) } else { (of_y, 1) };
            if anyway || met > 1 || alone {
                via[node as usize] = Some(operand);
            }
        }
        need(&mut needed, x.negate_if(via[node as usize] == Some(0)));
        need(&mut needed, y.negate_if(via[node as usize] == Some(1)));
    }
    via
}
