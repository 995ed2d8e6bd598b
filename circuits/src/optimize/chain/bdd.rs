//! Reduced ordered binary decision diagrams with complement edges (Bryant 1986; Brace, Rudell, Bryant 1990):
//! one edge for each function, so that equal edges prove equal functions. Everything is bounded: what would
//! grow too large is not made.

use std::collections::HashMap;

/// A function: twice a node's number, plus 1 if it is negated. Node 0 is the constant 0.
pub(super) type Edge = u32;

pub(super) const FALSE: Edge = 0;
pub(super) const TRUE: Edge = 1;

/// Steps of one operation.
const MOST_STEPS: u32 = 50_000;

/// Steps of all operations: some seconds.
const MOST_STEPS_IN_ALL: u64 = 1 << 25;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Node {
    variable: u32,
    low: Edge,
    high: Edge,
}

/// The diagrams of many functions. A variable with a smaller number stands nearer to the root.
pub(super) struct Bdd {
    nodes: Vec<Node>,
    unique: HashMap<Node, u32>,
    ands: HashMap<(Edge, Edge), Edge>,
    xors: HashMap<(Edge, Edge), Edge>,
    most_nodes: usize,
    /// Steps of the current operation, and of all.
    steps: u32,
    steps_in_all: u64,
}

impl Bdd {
    pub fn new(most_nodes: usize) -> Self {
        Self {
            nodes: vec![Node { variable: u32::MAX, low: FALSE, high: FALSE }],
            unique: HashMap::new(),
            ands: HashMap::new(),
            xors: HashMap::new(),
            most_nodes,
            steps: 0,
            steps_in_all: 0,
        }
    }

    /// The root's variable, `u32::MAX` of a constant.
    pub fn variable(&self, f: Edge) -> u32 {
        self.nodes[f as usize / 2].variable
    }

    /// The halves of `f` for `variable`, which is not below its root.
    fn halves(&self, f: Edge, variable: u32) -> [Edge; 2] {
        let node = self.nodes[f as usize / 2];
        if node.variable == variable { [node.low ^ f & 1, node.high ^ f & 1] } else { [f, f] }
    }

    /// The function that is `low` where the variable is 0 and `high` where it is 1; `None` if there is no
    /// room.
    pub fn node(&mut self, variable: u32, low: Edge, high: Edge) -> Option<Edge> {
        if low == high {
            return Some(low);
        }
        let negated = low & 1;
        let node = Node { variable, low: low ^ negated, high: high ^ negated };
        if let Some(number) = self.unique.get(&node) {
            return Some(2 * number + negated);
        }
        if self.nodes.len() >= self.most_nodes {
            return None;
        }
        let number = self.nodes.len() as u32;
        self.nodes.push(node);
        self.unique.insert(node, number);
        Some(2 * number + negated)
    }

    /// `f & g`; `None` if that takes too many nodes or steps.
    pub fn and(&mut self, f: Edge, g: Edge) -> Option<Edge> {
        self.steps = 0;
        self.and_step(f, g)
    }

    /// `f ^ g`; `None` if that takes too many nodes or steps.
    pub fn xor(&mut self, f: Edge, g: Edge) -> Option<Edge> {
        self.steps = 0;
        self.xor_step(f, g)
    }

    fn and_step(&mut self, f: Edge, g: Edge) -> Option<Edge> {
        let (f, g) = (f.min(g), f.max(g));
        match (f, g) {
            (FALSE, _) => return Some(FALSE),
            (TRUE, other) => return Some(other),
            _ if f == g => return Some(f),
            _ if f ^ 1 == g => return Some(FALSE),
            _ => {}
        }
        if let Some(&known) = self.ands.get(&(f, g)) {
            return Some(known);
        }
        let (variable, [f0, f1], [g0, g1]) = self.step(f, g)?;
        let (low, high) = (self.and_step(f0, g0)?, self.and_step(f1, g1)?);
        let result = self.node(variable, low, high)?;
        self.ands.insert((f, g), result);
        Some(result)
    }

    fn xor_step(&mut self, f: Edge, g: Edge) -> Option<Edge> {
        let negated = (f ^ g) & 1;
        let (f, g) = ((f & !1).min(g & !1), (f & !1).max(g & !1));
        if f == FALSE {
            return Some(g ^ negated);
        }
        if f == g {
            return Some(negated);
        }
        if let Some(known) = self.xors.get(&(f, g)) {
            return Some(known ^ negated);
        }
        let (variable, [f0, f1], [g0, g1]) = self.step(f, g)?;
        let (low, high) = (self.xor_step(f0, g0)?, self.xor_step(f1, g1)?);
        let result = self.node(variable, low, high)?;
        self.xors.insert((f, g), result);
        Some(result ^ negated)
    }

    /// The upper one of both roots' variables, and both functions' halves for it.
    fn step(&mut self, f: Edge, g: Edge) -> Option<(u32, [Edge; 2], [Edge; 2])> {
        self.steps += 1;
        self.steps_in_all += 1;
        if self.steps > MOST_STEPS || self.steps_in_all > MOST_STEPS_IN_ALL {
            return None;
        }
        let variable = self.variable(f).min(self.variable(g));
        Some((variable, self.halves(f, variable), self.halves(g, variable)))
    }

    /// `f` where `variable` is `value`; `known` is for one variable and value. `None` if there is no room.
    pub fn restricted(
        &mut self,
        f: Edge,
        variable: u32,
        value: bool,
        known: &mut HashMap<Edge, Edge>,
    ) -> Option<Edge> {
        let here = self.variable(f);
        if here >= variable {
            return Some(self.halves(f, variable)[usize::from(value)]);
        }
        if let Some(known) = known.get(&(f & !1)) {
            return Some(known ^ f & 1);
        }
        let [low, high] = self.halves(f & !1, here);
        let low = self.restricted(low, variable, value, known)?;
        let high = self.restricted(high, variable, value, known)?;
        let result = self.node(here, low, high)?;
        known.insert(f & !1, result);
        Some(result ^ f & 1)
    }

    /// The variables that `f` depends on, in rising order, and its nodes; none if it has more than `most`
    /// nodes.
    pub fn support(&self, f: Edge, most: usize) -> Option<(Vec<u32>, usize)> {
        let mut seen = std::collections::HashSet::new();
        let mut variables = std::collections::BTreeSet::new();
        let mut stack = vec![f & !1];
        while let Some(f) = stack.pop() {
            if f == FALSE || !seen.insert(f) {
                continue;
            }
            if seen.len() > most {
                return None;
            }
            let node = self.nodes[f as usize / 2];
            variables.insert(node.variable);
            stack.extend([node.low & !1, node.high & !1]);
        }
        Some((variables.into_iter().collect(), seen.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_functions_are_one_edge() {
        let mut b = Bdd::new(1000);
        let [x, y, z] = [0, 1, 2].map(|v| b.node(v, FALSE, TRUE).expect("room"));
        let xy = b.and(x, y).expect("room");
        let or = b.and(x ^ 1, y ^ 1).expect("room") ^ 1;
        let xor = b.xor(x, y).expect("room");
        assert_eq!(b.xor(xor, xy), Some(or));
        let both = b.and(xor, z).expect("room");
        let carry = b.xor(xy, both).expect("room");
        // The majority, by its other formula.
        let (xz, yz) = (b.xor(x, z).expect("room"), b.xor(y, z).expect("room"));
        let product = b.and(xz, yz).expect("room");
        assert_eq!(b.xor(product, z), Some(carry));
        assert_eq!(b.support(carry, 10), Some((vec![0, 1, 2], 4)));
        assert_eq!(b.support(carry, 2), None);
        assert_eq!(b.restricted(carry, 1, true, &mut HashMap::new()), {
            let none = b.and(x ^ 1, z ^ 1).expect("room");
            Some(none ^ 1)
        });
        assert_eq!(b.restricted(carry, 2, false, &mut HashMap::new()), Some(xy));
    }

    #[test]
    fn what_grows_too_large_is_not_made() {
        let mut b = Bdd::new(12);
        let wires: Vec<Edge> = (0..8).map(|v| b.node(v, FALSE, TRUE).expect("room")).collect();
        let first = b.xor(wires[0], wires[1]);
        let more = wires[2..].iter().try_fold(first.expect("room"), |sum, &w| b.xor(sum, w));
        assert_eq!(more, None);
    }
}
