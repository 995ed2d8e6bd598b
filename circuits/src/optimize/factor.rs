//! Products under one XOR that share a factor become one product.
//!
//! Before: ab ^ cd ^ .. where {a, b, a ^ b} and {c, d, c ^ d} have an element s in common, constants aside.
//! After:  s (x ^ y) ^ linear terms ^ ..
//! Why:    every product over a span with s is s x plus linear terms, and s x ^ s y = s (x ^ y). This is the bilinear part of
//!         what [`super::rewrite`] does, for XOR trees of any shape and size, where cuts of few leaves do not reach.
//! Needs:  nothing.   Leaves: never more ANDs; XORs may rise.
//!
//! Only products that nothing else reads are joined; one that is read elsewhere stays whatever is done here.

use super::xag::{BySignature, Lit, Node, Simplify, Xag};

/// One pass over the graph.
pub(super) fn factor(graph: &Xag) -> Xag {
    let graph = graph.rebuild(Simplify::Forms);
    let references = graph.references();
    let is_inner = inner_xors(&graph, &references);
    let mut result = graph.emptied(Simplify::Forms);
    let mut copy = vec![Lit::FALSE; graph.nodes.len()];
    (1..=graph.inputs()).for_each(|i| copy[i as usize] = Lit::new(i, false));
    let get = |copy: &[Lit], l: Lit| copy[l.index()].negate_if(l.is_negated());
    // Products that only an XOR reads are made when that XOR is.
    let is_joined = joined_products(&graph, &references);
    for (number, &node) in graph.nodes.iter().enumerate() {
        match node {
            Node::And(a, b) if !is_joined[number] => {
                copy[number] = result.and(get(&copy, a), get(&copy, b));
            }
            Node::Xor(..) if !is_inner[number] => {
                let mut sum = Lit::FALSE;
                let mut products = Products::default();
                for term in terms(&graph, &is_inner, number as u32) {
                    match graph.nodes[term as usize] {
                        Node::And(a, b) if is_joined[term as usize] => {
                            products.add(&mut result, get(&copy, a), get(&copy, b), &mut sum);
                        }
                        _ => sum = result.xor(sum, copy[term as usize]),
                    }
                }
                copy[number] = products.finish(&mut result, sum);
            }
            _ => {}
        }
    }
    result.outputs = graph.outputs.iter().map(|&l| get(&copy, l)).collect();
    result.rebuild(Simplify::Forms)
}

/// XOR nodes that only one XOR reads: parts of its tree.
pub(super) fn inner_xors(graph: &Xag, references: &[u32]) -> Vec<bool> {
    let mut is_inner = vec![false; graph.nodes.len()];
    for node in &graph.nodes {
        if let Node::Xor(a, b) = node {
            for l in [a, b] {
                let once = references[l.index()] == 1;
                is_inner[l.index()] = once && graph.nodes[l.index()].is_xor();
            }
        }
    }
    is_inner
}

/// AND nodes that only one XOR reads.
fn joined_products(graph: &Xag, references: &[u32]) -> Vec<bool> {
    let mut is_joined = vec![false; graph.nodes.len()];
    for node in &graph.nodes {
        if let Node::Xor(a, b) = node {
            for l in [a, b] {
                is_joined[l.index()] = references[l.index()] == 1 && graph.nodes[l.index()].is_and();
            }
        }
    }
    is_joined
}

/// The leaves of the XOR tree with this root.
pub(super) fn terms(graph: &Xag, is_inner: &[bool], root: u32) -> Vec<u32> {
    let mut terms = Vec::new();
    let mut stack = vec![root];
    while let Some(number) = stack.pop() {
        match graph.nodes[number as usize] {
            Node::Xor(a, b) if number == root || is_inner[number as usize] => {
                stack.extend([b.node(), a.node()]); // the first operand on top
            }
            _ => terms.push(number),
        }
    }
    terms
}

/// Products with no factor in common, each listed under the three elements of its span.
#[derive(Default)]
struct Products {
    all: Vec<Option<[Lit; 2]>>,
    by_factor: BySignature<u128, usize>,
}

impl Products {
    /// Adds `a & b`; linear terms that come off it are added to `sum`.
    fn add(&mut self, graph: &mut Xag, mut a: Lit, mut b: Lit, sum: &mut Lit) {
        loop {
            let (u, v) = (graph.signature[a.index()], graph.signature[b.index()]);
            if u == 0 || v == 0 || u == v || graph.find_product(u, v).is_some() {
                // No product at all, or one that is there anyway.
                let product = graph.and(a, b);
                *sum = graph.xor(*sum, product);
                return;
            }
            let span = [u, v, u ^ v];
            let Some((&factor, number)) = span.iter().find_map(|s| Some((s, *self.by_factor.get(s)?))) else {
                span.into_iter().for_each(|s| {
                    self.by_factor.insert(s, self.all.len());
                });
                self.all.push(Some([a, b]));
                return;
            };
            let [c, d] = self.all[number].take().expect("listed products are there");
            let (w, x) = (graph.signature[c.index()], graph.signature[d.index()]);
            [w, x, w ^ x].iter().for_each(|s| {
                self.by_factor.remove(s);
            });
            let (s, x) = by_factor(graph, [a, b], factor, sum);
            let (_, y) = by_factor(graph, [c, d], factor, sum);
            (a, b) = (s, graph.xor(x, y));
        }
    }

    fn finish(self, graph: &mut Xag, mut sum: Lit) -> Lit {
        for [a, b] in self.all.into_iter().flatten() {
            let product = graph.and(a, b);
            sum = graph.xor(sum, product);
        }
        sum
    }
}

/// A product as `s x` where `s`, not negated, has the signature `factor`, of its span; the rest is added to `sum`.
///
/// With `A`, `B` the operands without their negations `c`, `d`: `(A ^ c) b = A b ^ c b`, and
/// `(A ^ c)(B ^ d) = (A ^ B) A ^ (1 ^ d) A ^ c B ^ c d`.
fn by_factor(graph: &mut Xag, [a, b]: [Lit; 2], factor: u128, sum: &mut Lit) -> (Lit, Lit) {
    let mut add = |graph: &mut Xag, l: Lit, condition: bool| {
        if condition {
            *sum = graph.xor(*sum, l);
        }
    };
    for (a, b) in [(a, b), (b, a)] {
        if graph.signature[a.index()] == factor {
            add(graph, b, a.is_negated());
            return (a.plain(), b);
        }
    }
    let (c, d) = (a.is_negated(), b.is_negated());
    add(graph, a.plain(), !d);
    add(graph, b.plain(), c);
    add(graph, Lit::FALSE.negate_if(true), c & d);
    (graph.xor(a.plain(), b.plain()), a.plain())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_with_a_common_factor_are_joined_through_any_tree() {
        let mut g = Xag::new(6, [1; 32], Simplify::Forms);
        let x: Vec<Lit> = (1..=6).map(|i| Lit::new(i, false)).collect();
        // ab ^ c ^ (a ^ b) d ^ e ^ !a f: the factor a ^ b, then a.
        let ab = g.and(x[0], x[1]);
        let a_xor_b = g.xor(x[0], x[1]);
        let second = g.and(a_xor_b, x[3]);
        let third = g.and(x[0].negate_if(true), x[5]);
        let outputs = [ab, x[2], second, x[4], third].into_iter().fold(Lit::FALSE, |sum, t| g.xor(sum, t));
        g.outputs = vec![outputs];
        let factored = factor(&g);
        assert_eq!((g.counts().0, factored.counts().0), (3, 2));
        // A product that is read elsewhere is left alone.
        g.outputs.push(second);
        assert_eq!(factor(&g).counts().0, 2);
        g.outputs.extend([ab, third]);
        assert_eq!(factor(&g).counts().0, 3);
    }
}
