//! XOR-AND graphs: AND and XOR nodes of two operands each, negation on the edges.
//!
//! **Signatures.** Every source (input or AND node) has a pseudorandom 128-bit signature, and an XOR node has the XOR of
//! its operands' signatures. So a signature names a linear form over the sources, whatever the shape of the XOR tree:
//! equal signatures mean equal functions but for a negation that the edges hold, and signature 0 is a constant.
//! Signatures are SHA-256 of a key and a counter, and the key is the netlist's own digest: whoever writes a netlist
//! cannot choose its forms to collide, and among `n` forms two collide by chance with probability `n^2 / 2^129`.
//!
//! **Products.** Two forms `u`, `v` span `{u, v, u ^ v}`, and all products of two of the three differ by linear terms only:
//! `u (u ^ v) = u ^ uv`. AND nodes are therefore looked up by that span, negations aside, and a second product over one
//! span costs XORs alone.

mod node;
mod signature;
#[cfg(test)]
mod tests;

pub(super) use node::{Lit, Node};
pub(super) use signature::BySignature;
use signature::{Signatures, span_key};

use crate::netlist::{Gate, Netlist};

/// Low bits of a node's order: room for nodes between two levels.
const LEVEL_BITS: u32 = 32;

/// Nodes that a graph can number.
pub(super) const MOST_NODES: u64 = 1 << 30;

/// What is simplified while nodes are made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Simplify {
    /// Nothing: one node a gate.
    Nothing,
    /// Constants and operations of a node with itself.
    Constants,
    /// Also what a signature or a span finds.
    Forms,
}

/// What is added to an AND node to make it another product over the same span.
pub(super) struct Terms {
    pub first: Option<Lit>,
    pub second: Option<Lit>,
    pub negated: bool,
}

/// A graph. In one fresh from [`Xag::rebuild`] operands have smaller numbers than the node that reads them.
#[derive(Clone)]
pub(super) struct Xag {
    pub nodes: Vec<Node>,
    pub signature: Vec<u128>,
    /// Set by [`Xag::set_levels`]: larger than that of any operand.
    order: Vec<u64>,
    pub outputs: Vec<Lit>,
    inputs: u32,
    simplify: Simplify,
    /// The node in whose place something is built.
    instead_of: Option<u32>,
    forms: BySignature<u128, u32>,
    products: BySignature<(u128, u128), u32>,
    signatures: Signatures,
}

impl Xag {
    /// A graph of inputs only.
    pub fn new(inputs: u32, key: [u8; 32], simplify: Simplify) -> Self {
        let mut graph = Self {
            nodes: vec![Node::False],
            signature: vec![0],
            order: vec![0],
            outputs: Vec::new(),
            inputs,
            simplify,
            instead_of: None,
            forms: BySignature::default(),
            products: BySignature::default(),
            signatures: Signatures::new(key),
        };
        graph.forms.insert(0, 0);
        for _ in 0..inputs {
            let signature = graph.signatures.next();
            graph.push(Node::Input, signature);
        }
        graph
    }

    /// The graph of a netlist, one node for each AND and XOR; INV, EQ and EQW become edges.
    pub fn of(netlist: &Netlist) -> Self {
        let inputs = netlist.input_bits() as u32;
        let mut graph = Self::new(inputs, netlist.digest(), Simplify::Nothing);
        let mut lit = vec![Lit::FALSE; netlist.wires() as usize];
        (0..inputs).for_each(|i| lit[i as usize] = Lit::new(i + 1, false));
        for gate in netlist.gates().iter() {
            lit[gate.out().index()] = match gate {
                Gate::And { a, b, .. } => graph.and(lit[a.index()], lit[b.index()]),
                Gate::Xor { a, b, .. } => graph.xor(lit[a.index()], lit[b.index()]),
                Gate::Inv { a, .. } => lit[a.index()].negate_if(true),
                Gate::Const { value, .. } => Lit::FALSE.negate_if(value),
                Gate::Copy { a, .. } => lit[a.index()],
            };
        }
        graph.outputs = netlist.output_wires().map(|w| lit[w.index()]).collect();
        graph
    }

    pub fn inputs(&self) -> u32 {
        self.inputs
    }

    /// An empty graph with the same inputs.
    pub fn emptied(&self, simplify: Simplify) -> Self {
        Self::new(self.inputs, self.signatures.key(), simplify)
    }

    fn push(&mut self, node: Node, signature: u128) -> u32 {
        let number = self.nodes.len() as u32;
        let order = match self.instead_of {
            None => 0,
            Some(_) => 1 + node.operands().map(|l| self.order[l.index()]).max().unwrap_or(0),
        };
        self.nodes.push(node);
        self.signature.push(signature);
        self.order.push(order);
        if self.simplify == Simplify::Forms {
            self.forms.entry(signature).or_insert(number);
        }
        number
    }

    /// Orders the nodes by their level, with gaps for those to come.
    pub fn set_levels(&mut self) {
        for number in 0..self.nodes.len() {
            let below = self.nodes[number].operands().map(|l| self.order[l.index()] >> LEVEL_BITS).max();
            self.order[number] = below.map_or(0, |level| level + 1) << LEVEL_BITS;
        }
    }

    /// What is built from now on is to stand in for `node`: only nodes that cannot depend on it are found again.
    ///
    /// Whatever stands in for a node gets an order between the node's level and the next one. So the nodes that were there
    /// when levels were set depend on lower levels alone, even if their operands have been replaced since, and those of
    /// the node's own level may be found too; newer ones of that level may not.
    pub fn build_instead_of(&mut self, node: Option<u32>) {
        self.instead_of = node;
    }

    /// `node` is replaced by `by`, which was built in its place. Where that is of the node's own level, the node is not
    /// found any more from that level: the node that looks for it may be what `by` depends on.
    pub fn replaced(&mut self, node: u32, by: u32) {
        let (node, by) = (node as usize, by as usize);
        if self.order[by] >= self.order[node] {
            self.order[node] = self.order[by] + 1;
        }
    }

    fn is_usable(&self, found: u32) -> bool {
        self.instead_of
            .is_none_or(|node| found != node && self.order[found as usize] <= self.order[node as usize])
    }

    /// Forgets the nodes from number `from` on, which nothing may read.
    pub fn truncate(&mut self, from: usize) {
        for number in from..self.nodes.len() {
            let number_u32 = number as u32;
            if self.forms.get(&self.signature[number]) == Some(&number_u32) {
                self.forms.remove(&self.signature[number]);
            }
            if let Node::And(a, b) = self.nodes[number] {
                let key = span_key(self.signature[a.index()], self.signature[b.index()]);
                if self.products.get(&key) == Some(&number_u32) {
                    self.products.remove(&key);
                }
            }
        }
        self.nodes.truncate(from);
        self.signature.truncate(from);
        self.order.truncate(from);
    }

    /// A node with this linear form.
    pub fn find_form(&self, signature: u128) -> Option<u32> {
        self.forms.get(&signature).copied().filter(|&n| self.is_usable(n))
    }

    /// An AND node over the span of two forms.
    pub fn find_product(&self, u: u128, v: u128) -> Option<u32> {
        self.products.get(&span_key(u, v)).copied().filter(|&n| self.is_usable(n))
    }

    /// `a ^ b`.
    pub fn xor(&mut self, a: Lit, b: Lit) -> Lit {
        let negated = a.is_negated() ^ b.is_negated();
        let signature = self.signature[a.index()] ^ self.signature[b.index()];
        if self.simplify >= Simplify::Constants {
            if a.node() == b.node() {
                return Lit::FALSE.negate_if(negated);
            }
            if a.node() == 0 || b.node() == 0 {
                return Lit::new(a.node() + b.node(), negated);
            }
        }
        if self.simplify == Simplify::Forms
            && let Some(node) = self.find_form(signature)
        {
            return Lit::new(node, negated);
        }
        let (a, b) = (a.plain().min(b.plain()), a.plain().max(b.plain()));
        Lit::new(self.push(Node::Xor(a, b), signature), negated)
    }

    /// `a & b`.
    pub fn and(&mut self, a: Lit, b: Lit) -> Lit {
        let (u, v) = (self.signature[a.index()], self.signature[b.index()]);
        let same = match self.simplify {
            Simplify::Nothing => false,
            Simplify::Constants => a.node() == b.node(),
            Simplify::Forms => u == v,
        };
        if same {
            return if a.is_negated() == b.is_negated() { a } else { Lit::FALSE };
        }
        if self.simplify >= Simplify::Constants {
            for (constant, other) in [(a, b), (b, a)] {
                if constant.node() == 0 {
                    return if constant.is_negated() { other } else { Lit::FALSE };
                }
            }
        }
        if self.simplify == Simplify::Forms
            && let Some(node) = self.find_product(u, v)
        {
            return self.same_span(node, a, b);
        }
        let (a, b) = (a.min(b), a.max(b));
        let signature = self.signatures.next();
        let number = self.push(Node::And(a, b), signature);
        if self.simplify == Simplify::Forms {
            self.products.entry(span_key(u, v)).or_insert(number);
        }
        Lit::new(number, false)
    }

    /// `a & b` from the AND node `found` over the same span.
    fn same_span(&mut self, found: u32, a: Lit, b: Lit) -> Lit {
        let form = |l: Lit| (self.signature[l.index()], l.is_negated());
        let terms = self.terms(found, form(a), form(b));
        let mut result = Lit::new(found, terms.negated);
        for operand in [terms.first, terms.second].into_iter().flatten() {
            result = self.xor(result, operand);
        }
        result
    }

    /// How the product of two forms, each a signature and a negation, follows from the AND node `found` over their span.
    ///
    /// Let `found = (u ^ p)(v ^ q)`, `a = αu ^ βv ^ c`, `b = γu ^ δv ^ d`; since a and b span the same, `αδ ^ βγ = 1` and
    /// `ab = uv ^ (αγ ^ αd ^ γc) u ^ (βδ ^ βd ^ δc) v ^ cd`, while `uv = found ^ qu ^ pv ^ pq`.
    pub fn terms(&self, found: u32, a: (u128, bool), b: (u128, bool)) -> Terms {
        let Node::And(x, y) = self.nodes[found as usize] else {
            unreachable!("only AND nodes are listed by span");
        };
        let (u, v) = (self.signature[x.index()], self.signature[y.index()]);
        let coordinates = |signature: u128| match signature {
            s if s == u => (true, false),
            s if s == v => (false, true),
            _ => (true, true),
        };
        let ((alpha, beta), (gamma, delta)) = (coordinates(a.0), coordinates(b.0));
        let (p, q, c, d) = (x.is_negated(), y.is_negated(), a.1, b.1);
        let with_u = alpha & gamma ^ alpha & d ^ gamma & c ^ q;
        let with_v = beta & delta ^ beta & d ^ delta & c ^ p;
        Terms { first: with_u.then(|| x.plain()), second: with_v.then(|| y.plain()), negated: c & d ^ p & q }
    }

    /// The nodes that the outputs depend on, operands first.
    pub fn live_in_order(&self, forward: impl Fn(Lit) -> Lit) -> Vec<u32> {
        let mut seen = vec![false; self.nodes.len()];
        let mut order = Vec::new();
        let mut stack: Vec<(u32, bool)> = Vec::new();
        for output in &self.outputs {
            stack.push((forward(*output).node(), false));
            while let Some((node, done)) = stack.pop() {
                if done {
                    order.push(node);
                } else if !std::mem::replace(&mut seen[node as usize], true) {
                    stack.push((node, true));
                    // The first operand on top, so that gates keep the order of the file where they can.
                    let operands = self.nodes[node as usize].operands();
                    stack.extend(operands.rev().map(|l| (forward(l).node(), false)));
                }
            }
        }
        order
    }

    /// A copy without dead nodes, simplified as told.
    pub fn rebuild(&self, simplify: Simplify) -> Self {
        self.rebuild_with(simplify, |l| l)
    }

    /// [`Xag::rebuild`] where `forward` says what stands for a literal.
    pub fn rebuild_with(&self, simplify: Simplify, forward: impl Fn(Lit) -> Lit) -> Self {
        let mut graph = self.emptied(simplify);
        let mut copy = vec![Lit::FALSE; self.nodes.len()];
        (1..=self.inputs).for_each(|i| copy[i as usize] = Lit::new(i, false));
        let get = |copy: &[Lit], l: Lit| {
            let l = forward(l);
            copy[l.index()].negate_if(l.is_negated())
        };
        for node in self.live_in_order(&forward) {
            copy[node as usize] = match self.nodes[node as usize] {
                Node::And(a, b) => graph.and(get(&copy, a), get(&copy, b)),
                Node::Xor(a, b) => graph.xor(get(&copy, a), get(&copy, b)),
                Node::False | Node::Input => continue,
            };
        }
        graph.outputs = self.outputs.iter().map(|&l| get(&copy, l)).collect();
        graph
    }

    /// How often each node is read, outputs included, by the nodes there are.
    pub fn references(&self) -> Vec<u32> {
        let mut references = vec![0u32; self.nodes.len()];
        for lit in self.nodes.iter().flat_map(|n| n.operands()).chain(self.outputs.iter().copied()) {
            references[lit.index()] += 1;
        }
        references
    }

    /// `(AND, XOR)` nodes, dead ones included.
    pub fn counts(&self) -> (u64, u64) {
        self.nodes.iter().fold((0, 0), |(ands, xors), node| match node {
            Node::And(..) => (ands + 1, xors),
            Node::Xor(..) => (ands, xors + 1),
            Node::False | Node::Input => (ands, xors),
        })
    }
}
