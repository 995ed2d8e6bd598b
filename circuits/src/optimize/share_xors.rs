//! XOR trees that have pairs of terms in common compute these once.
//!
//! Before: each XOR that something other than one XOR reads, as the set of its terms.
//! After:  the pair of terms that stands in most sets is one node, again and again until no pair stands in two sets.
//! Source: Paar, *Optimized arithmetic for Reed-Solomon encoders* (ISIT 1997).
//! Leaves: ANDs as they were, never more XORs: a set of n terms costs n - 1, and each pair found in k sets saves k - 1.

use std::collections::{BTreeSet, BinaryHeap, HashMap, HashSet};

use super::factor::{inner_xors, terms};
use super::xag::{Lit, Node, Simplify, Xag};

/// Pairs are not looked for in sets larger than this: there are n^2 / 2 of them.
const LARGEST: usize = 64;

/// A set's terms: nodes, and from the number of nodes on, pairs.
type Pair = (u32, u32);

/// One pass over the graph.
pub(super) fn share_xors(graph: &Xag) -> Xag {
    let graph = graph.rebuild(Simplify::Forms);
    let is_inner = inner_xors(&graph, &graph.references());
    let roots: Vec<u32> = (0..graph.nodes.len() as u32)
        .filter(|&n| graph.nodes[n as usize].is_xor() && !is_inner[n as usize])
        .collect();
    let mut sets: Vec<BTreeSet<u32>> = Vec::with_capacity(roots.len());
    for &root in &roots {
        let mut set = BTreeSet::new();
        for term in terms(&graph, &is_inner, root) {
            if !set.remove(&term) {
                set.insert(term); // an even number of times is not at all
            }
        }
        sets.push(set);
    }
    let pairs = Sharing::new(&mut sets, graph.nodes.len() as u32).run();
    rebuild(&graph, &roots, &sets, &pairs)
}

struct Sharing<'s> {
    sets: &'s mut [BTreeSet<u32>],
    first_pair: u32,
    pairs: Vec<Pair>,
    count: HashMap<Pair, u32>,
    /// Sets that hold a term, or held it.
    places: HashMap<u32, Vec<u32>>,
    /// Counts that pairs had at some time; stale ones are skipped. Ties go to the smallest numbers.
    queue: BinaryHeap<(u32, std::cmp::Reverse<Pair>)>,
}

impl<'s> Sharing<'s> {
    fn new(sets: &'s mut [BTreeSet<u32>], first_pair: u32) -> Self {
        let mut places: HashMap<u32, Vec<u32>> = HashMap::new();
        let mut count: HashMap<Pair, u32> = HashMap::new();
        for (number, set) in sets.iter().enumerate().filter(|(_, s)| s.len() <= LARGEST) {
            for (i, &a) in set.iter().enumerate() {
                places.entry(a).or_default().push(number as u32);
                set.iter().skip(i + 1).for_each(|&b| *count.entry((a, b)).or_default() += 1);
            }
        }
        let queue =
            count.iter().filter(|&(_, &n)| n > 1).map(|(&pair, &n)| (n, std::cmp::Reverse(pair))).collect();
        Self { sets, first_pair, pairs: Vec::new(), count, places, queue }
    }

    fn run(mut self) -> Vec<Pair> {
        while let Some((n, std::cmp::Reverse(pair))) = self.queue.pop() {
            let now = self.count.get(&pair).copied().unwrap_or(0);
            if now == n {
                self.extract(pair);
            } else if now > 1 {
                self.queue.push((now, std::cmp::Reverse(pair)));
            }
        }
        self.pairs
    }

    fn extract(&mut self, (a, b): Pair) {
        let new = self.first_pair + self.pairs.len() as u32;
        self.pairs.push((a, b));
        let of = |term: u32| self.places.get(&term).map_or(&[][..], |v| v);
        let rarer = if of(a).len() <= of(b).len() { a } else { b };
        let seen: Vec<u32> = of(rarer).to_vec();
        let mut raised: HashSet<Pair> = HashSet::new();
        let mut holds_new = Vec::new();
        for number in seen {
            let set = &mut self.sets[number as usize];
            if !(set.contains(&a) && set.contains(&b)) {
                continue;
            }
            set.remove(&a);
            set.remove(&b);
            for &other in set.iter() {
                for gone in [a, b] {
                    if let Some(n) = self.count.get_mut(&(gone.min(other), gone.max(other))) {
                        *n -= 1;
                    }
                }
                *self.count.entry((other, new)).or_default() += 1;
                raised.insert((other, new));
            }
            set.insert(new);
            holds_new.push(number);
        }
        self.count.remove(&(a, b));
        self.places.insert(new, holds_new);
        for pair in raised {
            let n = self.count[&pair];
            if n > 1 {
                self.queue.push((n, std::cmp::Reverse(pair)));
            }
        }
    }
}

fn rebuild(graph: &Xag, roots: &[u32], sets: &[BTreeSet<u32>], pairs: &[Pair]) -> Xag {
    let nodes = graph.nodes.len() as u32;
    let mut result = graph.emptied(Simplify::Forms);
    let mut copy = vec![Lit::FALSE; graph.nodes.len()];
    (1..=graph.inputs()).for_each(|i| copy[i as usize] = Lit::new(i, false));
    let mut pair_copy: Vec<Option<Lit>> = vec![None; pairs.len()];
    let mut root_sets = roots.iter().zip(sets).peekable();
    for (number, &node) in graph.nodes.iter().enumerate() {
        if let Node::And(a, b) = node {
            let get = |l: Lit| copy[l.index()].negate_if(l.is_negated());
            copy[number] = result.and(get(a), get(b));
        }
        let Some((_, set)) = root_sets.next_if(|&(&root, _)| root as usize == number) else { continue };
        let mut sum = Lit::FALSE;
        for &term in set {
            let lit = if term < nodes {
                copy[term as usize]
            } else {
                made(&mut result, term - nodes, nodes, pairs, &copy, &mut pair_copy)
            };
            sum = result.xor(sum, lit);
        }
        copy[number] = sum;
    }
    result.outputs = graph.outputs.iter().map(|&l| copy[l.index()].negate_if(l.is_negated())).collect();
    result.rebuild(Simplify::Forms)
}

/// The node of a pair, made with the pairs below it when it is first needed.
fn made(
    graph: &mut Xag,
    pair: u32,
    nodes: u32,
    pairs: &[Pair],
    copy: &[Lit],
    pair_copy: &mut [Option<Lit>],
) -> Lit {
    let mut stack = vec![pair];
    while let Some(&top) = stack.last() {
        let (a, b) = pairs[top as usize];
        let value = |term: u32, pair_copy: &[Option<Lit>]| {
            if term < nodes { Some(copy[term as usize]) } else { pair_copy[(term - nodes) as usize] }
        };
        match (value(a, pair_copy), value(b, pair_copy)) {
            (Some(x), Some(y)) => {
                pair_copy[top as usize] = Some(graph.xor(x, y));
                stack.pop();
            }
            (x, y) => {
                let missing = [(a, x), (b, y)].into_iter().filter(|(_, v)| v.is_none());
                stack.extend(missing.map(|(term, _)| term - nodes));
            }
        }
    }
    pair_copy[pair as usize].expect("the stack ends with the pair itself")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_pairs_are_made_once() {
        let mut g = Xag::new(5, [2; 32], Simplify::Forms);
        let x: Vec<Lit> = (1..=5).map(|i| Lit::new(i, false)).collect();
        // (a ^ c) ^ b, (a ^ d) ^ b, (a ^ e) ^ b: a ^ b is common to all, but no node is it.
        for i in 2..5 {
            let left = g.xor(x[0], x[i]);
            let all = g.xor(left, x[1]);
            g.outputs.push(all);
        }
        let shared = share_xors(&g);
        assert_eq!((g.counts().1, shared.counts().1), (6, 4));
        assert_eq!(share_xors(&shared).counts().1, 4);
    }
}
