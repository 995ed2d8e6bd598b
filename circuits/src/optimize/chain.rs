//! Functions that take one pair of inputs after another, in place of whatever computes them: carries,
//! borrows, comparisons.
//!
//! Before: any circuit of a function f such that, for two inputs x and y, f = h(x, y, g), g does not depend
//!         on them and is of the same kind, and h has one AND at most. A carry is one: majority(x, y, carry
//!         below). An adder's network of prefixes has several ANDs a bit, and no cut of a few leaves shows
//!         what it computes.
//! After:  the chain of all h, one AND a pair; functions that share a rest share its chain.
//! Why:    networks of little depth hide from [`super::rewrite`] what it finds where carries ripple.
//! Needs:  nothing.   Leaves: never more ANDs, since the change is dropped otherwise; AND-depth rises.
//!
//! Functions are decision diagrams over the netlist's inputs ([`bdd`]), which prove what is replaced. Where
//! they grow too large, nothing is done.

mod bdd;

use std::collections::HashMap;
use std::rc::Rc;

use self::bdd::{Bdd, Edge, FALSE, TRUE};
use super::function::{Chain, FIRST_AND, ONE, Sum, VARIABLE};
use super::minimal::Minimal;
use super::xag::{Lit, Node, Simplify, Xag};

/// Nodes of all diagrams together: some 20 MB with their tables.
const MOST_NODES: usize = 1 << 18;

/// Nodes of the diagram of a function that is looked at: a carry has 3 for each pair.
const MOST_OF_ONE: usize = 1 << 12;

/// Inputs of a netlist that is looked at: recursion goes as deep.
const MOST_INPUTS: u32 = 1 << 11;

/// Pairs that are tried to take a function apart, those nearest to its diagram's root first.
const MOST_TRIED: usize = 256;

/// Nodes that are gone through in all to take functions apart: some seconds.
const MOST_WORK: u64 = 1 << 25;

/// One pass over the graph, by the pairs that it shows and by those of `first`, the graph that the netlist
/// came with: other passes hide pairs. The better one of both results.
pub(super) fn chain(graph: &Xag, minimal: &mut Minimal, first: &Order) -> Xag {
    let graph = graph.rebuild(Simplify::Forms);
    if graph.inputs() > MOST_INPUTS {
        return graph;
    }
    let order = Order::of(&graph);
    let by_first = (order != *first).then(|| by_order(&graph, minimal, first));
    let by_own = by_order(&graph, minimal, &order);
    [Some(by_own), by_first].into_iter().flatten().min_by_key(Xag::counts).expect("one is there")
}

fn by_order(graph: &Xag, minimal: &mut Minimal, order: &Order) -> Xag {
    let mut bdd = Bdd::new(MOST_NODES);
    let functions = functions(graph, order, &mut bdd);
    let mut apart = Apart { bdd, order, minimal, steps: HashMap::new(), work: 0 };
    let result = graph.emptied(Simplify::Forms);
    let mut builder = Builder { copy: vec![None; graph.nodes.len()], made: HashMap::new(), result };
    for i in 0..=graph.inputs() {
        builder.copy[i as usize] = Some(Lit::new(i, false));
    }
    let mut stack = Vec::new();
    for output in &graph.outputs {
        stack.push(output.node());
        while let Some(&node) = stack.last() {
            if builder.copy[node as usize].is_some() {
                stack.pop();
                continue;
            }
            let chained = functions[node as usize].filter(|&f| apart.is_chain(f));
            if let Some(f) = chained {
                builder.copy[node as usize] = Some(builder.chain(&apart, f));
                continue;
            }
            let copy = |l: Lit| builder.copy[l.index()].map(|c: Lit| c.negate_if(l.is_negated()));
            let (Node::And(a, b) | Node::Xor(a, b)) = graph.nodes[node as usize] else {
                unreachable!("inputs and the constant are copied before")
            };
            match (copy(a), copy(b)) {
                (Some(x), Some(y)) => {
                    let is_and = graph.nodes[node as usize].is_and();
                    let made = if is_and { builder.result.and(x, y) } else { builder.result.xor(x, y) };
                    builder.copy[node as usize] = Some(made);
                }
                (x, y) => {
                    stack.extend(y.is_none().then_some(b.node()));
                    stack.extend(x.is_none().then_some(a.node()));
                }
            }
        }
    }
    let of = |l: &Lit| builder.copy[l.index()].expect("outputs were copied").negate_if(l.is_negated());
    let outputs = graph.outputs.iter().map(of).collect();
    builder.result.outputs = outputs;
    builder.result.rebuild(Simplify::Forms)
}

/// The order of inputs in diagrams, and which of them belong together.
#[derive(PartialEq, Eq)]
pub(super) struct Order {
    /// The variable of each input, counted from 0.
    variable: Vec<u32>,
    /// The input of each variable.
    input: Vec<u32>,
    /// The other variable of its pair, itself if it is alone.
    partner: Vec<u32>,
}

impl Order {
    /// Two inputs are a pair if a node has just these as operands. Those that the outputs need last stand
    /// nearest to the root: of a sum that is the top bit, whose carry then has the others below it.
    pub fn of(graph: &Xag) -> Self {
        let inputs = graph.inputs() as usize;
        let is_input = |l: Lit| (1..=inputs).contains(&l.index());
        let mut partner: Vec<Option<u32>> = vec![None; inputs];
        for node in &graph.nodes {
            if let Node::And(a, b) | Node::Xor(a, b) = *node
                && is_input(a)
                && is_input(b)
            {
                let (x, y) = (a.index() - 1, b.index() - 1);
                if partner[x].is_none() && partner[y].is_none() {
                    (partner[x], partner[y]) = (Some(y as u32), Some(x as u32));
                }
            }
        }
        let mut met = vec![false; inputs];
        let mut order = Vec::with_capacity(inputs);
        let live = graph.live_in_order(|l| l).into_iter().filter(|n| (1..=inputs).contains(&(*n as usize)));
        for x in live.map(|node| node as usize - 1).chain(0..inputs) {
            for input in [Some(x), partner[x].map(|y| y as usize)].into_iter().flatten() {
                if !std::mem::replace(&mut met[input], true) {
                    order.push(input as u32);
                }
            }
        }
        order.reverse();
        let mut variable = vec![0; inputs];
        order.iter().enumerate().for_each(|(v, &input)| variable[input as usize] = v as u32);
        let partner = order.iter().map(|&x| variable[partner[x as usize].unwrap_or(x) as usize]).collect();
        Self { variable, input: order, partner }
    }
}

/// The function of each node, where its diagram is small.
fn functions(graph: &Xag, order: &Order, bdd: &mut Bdd) -> Vec<Option<Edge>> {
    let mut functions: Vec<Option<Edge>> = Vec::with_capacity(graph.nodes.len());
    for (number, node) in graph.nodes.iter().enumerate() {
        let of = |l: Lit| functions[l.index()].map(|f| f ^ u32::from(l.is_negated()));
        let function = match *node {
            Node::False => Some(FALSE),
            Node::Input => bdd.node(order.variable[number - 1], FALSE, TRUE),
            Node::And(a, b) => of(a).zip(of(b)).and_then(|(f, g)| bdd.and(f, g)),
            Node::Xor(a, b) => of(a).zip(of(b)).and_then(|(f, g)| bdd.xor(f, g)),
        };
        functions.push(function);
    }
    functions
}

/// How a function follows from a pair and what is left of it.
struct Step {
    /// The pair's variables; one twice if it is alone.
    pair: [u32; 2],
    /// The function that is left, the chain's third variable.
    rest: Edge,
    /// At most one AND.
    chain: Rc<[Chain]>,
}

/// Takes functions apart, each once. Functions are listed without their negation.
struct Apart<'a> {
    bdd: Bdd,
    order: &'a Order,
    minimal: &'a mut Minimal,
    /// The step of a function, none if it has no chain to the end.
    steps: HashMap<Edge, Option<Step>>,
    /// Nodes gone through so far.
    work: u64,
}

impl Apart<'_> {
    /// Whether `f` is a chain down to a constant.
    fn is_chain(&mut self, f: Edge) -> bool {
        let mut path = Vec::new();
        let mut f = f & !1;
        let is_chain = loop {
            if f == FALSE {
                break true;
            }
            if let Some(known) = self.steps.get(&f) {
                break known.is_some();
            }
            match self.step(f) {
                Some(step) => {
                    let rest = step.rest;
                    path.push((f, step));
                    f = rest;
                }
                None => {
                    self.steps.insert(f, None);
                    break false;
                }
            }
        };
        for (f, step) in path {
            self.steps.insert(f, is_chain.then_some(step));
        }
        is_chain
    }

    fn step(&mut self, f: Edge) -> Option<Step> {
        let (support, nodes) = self.bdd.support(f, MOST_OF_ONE)?;
        let upper = support.into_iter().filter(|&v| self.order.partner[v as usize] >= v);
        for v in upper.take(MOST_TRIED) {
            self.work += nodes as u64;
            if self.work > MOST_WORK {
                return None;
            }
            if let Some(step) = self.step_by(f, v) {
                return Some(step);
            }
        }
        None
    }

    /// `f` as a function of one AND at most of the pair of `x` and one function of the others.
    fn step_by(&mut self, f: Edge, x: u32) -> Option<Step> {
        let y = self.order.partner[x as usize];
        let (mut rest, mut table) = (FALSE, 0u64);
        for value_x in [false, true] {
            let half = self.bdd.restricted(f, x, value_x, &mut HashMap::new())?;
            for value_y in [false, true] {
                let quarter = match x == y {
                    true => half,
                    false => self.bdd.restricted(half, y, value_y, &mut HashMap::new())?,
                };
                if quarter > TRUE {
                    if rest != FALSE && rest != quarter & !1 {
                        return None;
                    }
                    rest = quarter & !1;
                }
                let of_rest = if quarter > TRUE { VARIABLE[2] } else { 0 };
                let negated = u64::from(quarter & 1).wrapping_neg();
                let side = |variable: u64, value: bool| if value { variable } else { !variable };
                table |= (of_rest ^ negated) & side(VARIABLE[0], value_x) & side(VARIABLE[1], value_y);
            }
        }
        let chain = self.minimal.chains(table);
        (chain[0].cost() <= 1).then_some(Step { pair: [x, y], rest, chain })
    }
}

/// The graph that is made.
struct Builder {
    result: Xag,
    /// What stands for each node so far.
    copy: Vec<Option<Lit>>,
    /// What stands for a function.
    made: HashMap<Edge, Lit>,
}

impl Builder {
    /// A function that is a chain.
    fn chain(&mut self, apart: &Apart<'_>, f: Edge) -> Lit {
        let mut path = Vec::new();
        let mut rest = f & !1;
        let mut below = loop {
            if rest == FALSE {
                break Lit::FALSE;
            }
            if let Some(&made) = self.made.get(&rest) {
                break made;
            }
            path.push(rest);
            rest = apart.steps[&rest].as_ref().expect("it is a chain to the end").rest;
        };
        for f in path.into_iter().rev() {
            let step = apart.steps[&f].as_ref().expect("it is a chain to the end");
            let [x, y] = step.pair.map(|v| Lit::new(apart.order.input[v as usize] + 1, false));
            below = self.step(&step.chain[0], &[x, y, below]);
            self.made.insert(f, below);
        }
        below.negate_if(f & 1 == 1)
    }

    fn step(&mut self, chain: &Chain, leaves: &[Lit; 3]) -> Lit {
        let mut ands: Vec<Lit> = Vec::new();
        for &[u, v] in &chain.ands {
            let (u, v) = (self.sum(u, leaves, &ands), self.sum(v, leaves, &ands));
            ands.push(self.result.and(u, v));
        }
        self.sum(chain.out, leaves, &ands)
    }

    fn sum(&mut self, sum: Sum, leaves: &[Lit; 3], ands: &[Lit]) -> Lit {
        let leaves = leaves.iter().enumerate().map(|(i, &l)| (i as u32, l));
        let products = ands.iter().enumerate().map(|(i, &l)| (FIRST_AND + i as u32, l));
        let start = Lit::FALSE.negate_if(sum & ONE != 0);
        let terms: Vec<Lit> =
            leaves.chain(products).filter(|(i, _)| sum >> i & 1 == 1).map(|t| t.1).collect();
        terms.into_iter().fold(start, |sum, l| self.result.xor(sum, l))
    }
}
