//! Replaces parts of a graph by minimal chains.
//!
//! Before: any node and a cut of it.   After: a chain of [`super::minimal`] over the cut's leaves, if that leaves fewer ANDs,
//!         or as many and fewer XORs.
//! Source: Testa, Soeken, Amaru, De Micheli (DAC 2019). The gain is exact: what only this node needs is released, the
//! chain is built with whatever nodes there are already, and the change is undone if the count does not fall.
//! Leaves: no node with more ANDs than before; XORs may rise.

use super::cuts::Cuts;
use super::function::{Chain, FIRST_AND, MOST_ANDS, ONE, Sum, VARIABLES};
use super::minimal::Minimal;
use super::xag::{Lit, Simplify, Xag};

/// How far the search goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    /// Most leaves of a cut.
    pub leaves: usize,
    /// Most cuts of a node.
    pub cuts: usize,
}

/// One pass over all nodes. `progress` is told how many of how many nodes are done.
pub(super) fn rewrite(
    graph: &Xag,
    minimal: &mut Minimal,
    effort: Effort,
    progress: &mut dyn FnMut(u64, u64),
) -> Xag {
    let mut graph = graph.rebuild(Simplify::Forms);
    graph.set_levels();
    let cuts = Cuts::enumerate(&graph, effort.leaves, effort.cuts);
    let references = graph.references();
    let forward = (0..graph.nodes.len() as u32).map(|n| Lit::new(n, false)).collect();
    let mut state = Rewriter { graph, references, forward, stack: Vec::new() };
    let nodes = state.graph.nodes.len();
    for root in 0..nodes as u32 {
        if root % 1024 == 0 {
            progress(root.into(), nodes as u64);
        }
        if state.references[root as usize] > 0 {
            state.improve(root, &cuts, minimal);
        }
    }
    let Rewriter { graph, forward, .. } = state;
    graph.rebuild_with(Simplify::Forms, |l| resolve(&forward, l))
}

struct Rewriter {
    graph: Xag,
    /// How often a node is read by live nodes and outputs.
    references: Vec<u32>,
    /// What a node was replaced by, itself if it was not.
    forward: Vec<Lit>,
    stack: Vec<u32>,
}

fn resolve(forward: &[Lit], mut lit: Lit) -> Lit {
    loop {
        let next = forward[lit.index()];
        if next.node() == lit.node() {
            return lit;
        }
        lit = next.negate_if(lit.is_negated());
    }
}

/// Gates of a cone, ANDs first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
struct Gates {
    ands: u32,
    xors: u32,
}

/// A linear form and a negation: what is known of a literal that need not exist.
type Form = (u128, bool);

impl Rewriter {
    fn improve(&mut self, root: u32, cuts: &Cuts, minimal: &mut Minimal) {
        self.graph.build_instead_of(Some(root));
        let mut best: Option<(i64, usize, usize)> = None;
        let list = cuts.of(root);
        for (number, cut) in list[..list.len() - 1].iter().enumerate() {
            let Some(leaves) = self.live_leaves(cut.leaves()) else { continue };
            self.protect(&leaves[..cut.leaves().len()]);
            let freed = i64::from(self.release(root).ands);
            if freed > 0 {
                for (which, chain) in minimal.chains(cut.table).iter().enumerate() {
                    let gain = freed - self.estimate(chain, &leaves);
                    if gain >= 0 && best.is_none_or(|(most, ..)| gain > most) {
                        best = Some((gain, number, which));
                    }
                }
            }
            self.acquire(root);
            self.unprotect(&leaves[..cut.leaves().len()]);
        }
        if let Some((_, number, which)) = best {
            let cut = &list[number];
            if let Some(leaves) = self.live_leaves(cut.leaves()) {
                self.replace(root, &minimal.chains(cut.table)[which], &leaves, cut.leaves().len());
            }
        }
        self.graph.build_instead_of(None);
    }

    /// What stands for the leaves now; `None` if one of them is not read any more, since it would have to be revived.
    fn live_leaves(&self, leaves: &[u32]) -> Option<[Lit; VARIABLES]> {
        let mut now = [Lit::FALSE; VARIABLES];
        for (slot, &leaf) in now.iter_mut().zip(leaves) {
            *slot = resolve(&self.forward, Lit::new(leaf, false));
            let is_live = self.references[slot.index()] > 0 || slot.node() <= self.graph.inputs();
            if !is_live {
                return None;
            }
        }
        Some(now)
    }

    fn protect(&mut self, leaves: &[Lit]) {
        leaves.iter().for_each(|l| self.references[l.index()] += 1);
    }

    fn unprotect(&mut self, leaves: &[Lit]) {
        for leaf in leaves {
            self.references[leaf.index()] -= 1;
            if self.references[leaf.index()] == 0 {
                self.release(leaf.node());
            }
        }
    }

    /// Takes back the references of a node that is not needed, and of all that only it needs; returns how many gates these are.
    fn release(&mut self, node: u32) -> Gates {
        let mut gates = Gates::default();
        self.stack.push(node);
        while let Some(node) = self.stack.pop() {
            let node = self.graph.nodes[node as usize];
            gates.ands += u32::from(node.is_and());
            gates.xors += u32::from(node.is_xor());
            for operand in node.operands() {
                let operand = resolve(&self.forward, operand);
                self.references[operand.index()] -= 1;
                if self.references[operand.index()] == 0 {
                    self.stack.push(operand.node());
                }
            }
        }
        gates
    }

    /// The reverse of [`Rewriter::release`].
    fn acquire(&mut self, node: u32) -> Gates {
        let mut gates = Gates::default();
        self.stack.push(node);
        while let Some(node) = self.stack.pop() {
            let node = self.graph.nodes[node as usize];
            gates.ands += u32::from(node.is_and());
            gates.xors += u32::from(node.is_xor());
            for operand in node.operands() {
                let operand = resolve(&self.forward, operand);
                if self.references[operand.index()] == 0 {
                    self.stack.push(operand.node());
                }
                self.references[operand.index()] += 1;
            }
        }
        gates
    }

    /// ANDs that a chain would add, by looking for its products only.
    fn estimate(&self, chain: &Chain, leaves: &[Lit; VARIABLES]) -> i64 {
        let mut added = 0;
        let mut known: [Option<Form>; MOST_ANDS] = [None; MOST_ANDS];
        for (number, &[u, v]) in chain.ands.iter().enumerate() {
            let before = &known[..number];
            let operands = self.form(u, leaves, before).zip(self.form(v, leaves, before));
            let product = operands.and_then(|(u, v)| {
                if u.0 == 0 || v.0 == 0 || u.0 == v.0 {
                    return None;
                }
                let found = self.graph.find_product(u.0, v.0)?;
                let live = self.references[resolve(&self.forward, Lit::new(found, false)).index()] > 0;
                added += i64::from(!live);
                let terms = self.graph.terms(found, u, v);
                let linear = [terms.first, terms.second].into_iter().flatten();
                let signature = |s: u128, l: Lit| s ^ self.graph.signature[l.index()];
                Some((linear.fold(self.graph.signature[found as usize], signature), terms.negated))
            });
            added += i64::from(product.is_none());
            known[number] = product;
        }
        added
    }

    fn form(&self, sum: Sum, leaves: &[Lit; VARIABLES], ands: &[Option<Form>]) -> Option<Form> {
        let mut form = (0, sum & ONE != 0);
        let mut add = |(signature, negated): Form| form = (form.0 ^ signature, form.1 ^ negated);
        for (i, leaf) in leaves.iter().enumerate() {
            if sum >> i & 1 == 1 {
                add((self.graph.signature[leaf.index()], leaf.is_negated()));
            }
        }
        for (i, and) in ands.iter().enumerate() {
            if sum >> (FIRST_AND + i as u32) & 1 == 1 {
                add((*and)?);
            }
        }
        Some(form)
    }

    /// Builds a chain in place of `root`, unless that saves neither an AND nor, with as many ANDs, an XOR.
    fn replace(&mut self, root: u32, chain: &Chain, leaves: &[Lit; VARIABLES], used: usize) {
        let before = self.graph.nodes.len();
        self.protect(&leaves[..used]);
        let freed = self.release(root);
        let built = self.build(chain, leaves);
        let is_new = self.references[built.index()] == 0;
        let added = if is_new { self.acquire(built.node()) } else { Gates::default() };
        if added < freed && built.node() != root {
            self.references[built.index()] += self.references[root as usize];
            self.references[root as usize] = 0;
            self.forward[root as usize] = built;
            self.graph.replaced(root, built.node());
            self.unprotect(&leaves[..used]);
            return;
        }
        if is_new {
            self.release(built.node());
        }
        self.acquire(root);
        self.unprotect(&leaves[..used]);
        self.graph.truncate(before);
        self.references.truncate(before);
        self.forward.truncate(before);
    }

    fn build(&mut self, chain: &Chain, leaves: &[Lit; VARIABLES]) -> Lit {
        let mut ands: Vec<Lit> = Vec::with_capacity(chain.ands.len());
        for &[u, v] in &chain.ands {
            let (u, v) = (self.sum(u, leaves, &ands), self.sum(v, leaves, &ands));
            let product = self.graph.and(u, v);
            ands.push(self.settled(product));
        }
        self.sum(chain.out, leaves, &ands)
    }

    fn sum(&mut self, sum: Sum, leaves: &[Lit; VARIABLES], ands: &[Lit]) -> Lit {
        let negated = sum & ONE != 0;
        let variables = leaves.iter().enumerate().filter(|(i, _)| sum >> i & 1 == 1);
        let products = ands.iter().enumerate().filter(|(i, _)| sum >> (FIRST_AND + *i as u32) & 1 == 1);
        let terms: Vec<Lit> = variables.chain(products).map(|(_, &l)| l).collect();
        let signature = terms.iter().fold(0, |s, l| s ^ self.graph.signature[l.index()]);
        let negated = terms.iter().fold(negated, |n, l| n ^ l.is_negated());
        if let Some(node) = self.graph.find_form(signature) {
            return self.settled(Lit::new(node, negated));
        }
        let sum = terms.iter().fold(Lit::FALSE, |sum, l| {
            let sum = self.graph.xor(sum, l.plain());
            self.settled(sum)
        });
        sum.negate_if(negated)
    }

    /// Makes room for new nodes in the arrays beside the graph, and resolves what was found.
    fn settled(&mut self, lit: Lit) -> Lit {
        for node in self.forward.len()..self.graph.nodes.len() {
            self.forward.push(Lit::new(node as u32, false));
            self.references.push(0);
        }
        resolve(&self.forward, lit)
    }
}
