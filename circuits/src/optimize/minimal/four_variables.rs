//! Minimal chains of all functions of four variables, found by breadth-first search.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::super::function::{Chain, FIRST_AND, Sum, VARIABLE, normal_form};

/// Functions of four variables, by their normal forms without constant and linear terms.
pub(super) struct FourVariables {
    /// Number of the chains in `chains`.
    chain: Vec<u16>,
    /// For each function chains of the fewest ANDs, which differ in the first one.
    chains: Vec<Vec<Chain>>,
    /// Pairs of functions that two ANDs compute together, by [`pair_key`]: number of the ANDs in `pair_ands`.
    pairs: HashMap<(u16, u16), u16>,
    pair_ands: Vec<[[Sum; 2]; 2]>,
}

const LINEAR4: u16 = 1 | 1 << 1 | 1 << 2 | 1 << 4 | 1 << 8;
const UNKNOWN: u16 = u16::MAX;

/// Most chains kept for a function: another one may use products that are there already.
pub(super) const ALTERNATIVES: usize = 8;

/// The form of a function of four variables without its affine part.
fn form4(table: u16) -> u16 {
    normal_form(u64::from(table)) as u16 & !LINEAR4
}

/// The truth table of a sum of four variables.
fn linear4(sum: Sum) -> u16 {
    (0..4).filter(|i| sum >> i & 1 == 1).fold(0, |t, i| t ^ VARIABLE[i] as u16)
}

impl FourVariables {
    pub fn new() -> Self {
        let mut all = Self {
            chain: vec![UNKNOWN; 1 << 16],
            chains: Vec::new(),
            pairs: HashMap::new(),
            pair_ands: Vec::new(),
        };
        all.add(0, Vec::new(), 0);
        let and = |i: u32| 1u32 << (FIRST_AND + i);
        let mut firsts: Vec<([Sum; 2], u16)> = Vec::new();
        for u in 1..16 {
            for v in u + 1..16 {
                let table = linear4(u) & linear4(v);
                if all.add(table, vec![[u, v]], and(0)) {
                    firsts.push(([u, v], table));
                }
            }
        }
        // Constants in operands add multiples of earlier ANDs and affine terms, which the output may have anyway.
        let mut seconds: Vec<([[Sum; 2]; 2], u16, u16)> = Vec::new();
        for &(first, g) in &firsts {
            for with_g in [0, and(0)] {
                for u in 0..16 {
                    for v in 1..16 {
                        let left = linear4(u) ^ if with_g == 0 { 0 } else { g };
                        let h = left & linear4(v);
                        if form4(h) == 0 || form4(h ^ g) == 0 {
                            continue;
                        }
                        let steps = [first, [u | with_g, v]];
                        all.add(h, steps.to_vec(), and(1));
                        all.add(h ^ g, steps.to_vec(), and(0) | and(1));
                        if all.add_pair(g, h, steps) {
                            seconds.push((steps, g, h));
                        }
                    }
                }
            }
        }
        let mut missing = (1 << 11) - all.chains.len();
        'search: for &(steps, g, h) in &seconds {
            for (with, base) in [(and(1), h), (and(0), g), (and(0) | and(1), g ^ h)] {
                for (u, v) in (0..16).flat_map(|u| (1..16).map(move |v| (u, v))) {
                    let product = (base ^ linear4(u)) & linear4(v);
                    for (out, table) in [(0, 0), (and(0), g), (and(1), h), (and(0) | and(1), g ^ h)] {
                        let steps = || vec![steps[0], steps[1], [u | with, v]];
                        if all.chain[form4(product ^ table) as usize] == UNKNOWN {
                            all.add(product ^ table, steps(), and(2) | out);
                            missing -= 1;
                            if missing == 0 {
                                break 'search;
                            }
                        }
                    }
                }
            }
        }
        all
    }

    /// Adds a chain of a function, unless one as good with the same first AND is known; whether it is the first one.
    fn add(&mut self, table: u16, ands: Vec<[Sum; 2]>, out: Sum) -> bool {
        let slot = &mut self.chain[form4(table) as usize];
        if *slot == UNKNOWN {
            *slot = self.chains.len() as u16;
            self.chains.push(vec![Chain { ands, out }]);
            return true;
        }
        let known = &mut self.chains[usize::from(*slot)];
        let is_other = known.iter().all(|c| c.ands.len() == ands.len() && c.ands.first() != ands.first());
        if is_other && known.len() < ALTERNATIVES {
            known.push(Chain { ands, out });
        }
        false
    }

    fn add_pair(&mut self, g: u16, h: u16, steps: [[Sum; 2]; 2]) -> bool {
        let number = self.pair_ands.len() as u16; // fewer than 35 * 2 * 16 * 15
        let Entry::Vacant(slot) = self.pairs.entry(pair_key(g, h)) else { return false };
        slot.insert(number);
        self.pair_ands.push(steps);
        true
    }

    pub fn cost(&self, table: u16) -> u32 {
        self.of(table)[0].cost()
    }

    /// Two ANDs of which both functions are sums, affine terms aside.
    pub fn pair(&self, g: u16, h: u16) -> Option<[[Sum; 2]; 2]> {
        self.pairs.get(&pair_key(g, h)).map(|&number| self.pair_ands[usize::from(number)])
    }

    /// Chains that compute the function but for affine terms, one or more.
    pub fn of(&self, table: u16) -> &[Chain] {
        &self.chains[usize::from(self.chain[form4(table) as usize])]
    }
}

/// The forms of `{g, h, g + h}`, the smallest two.
fn pair_key(g: u16, h: u16) -> (u16, u16) {
    let mut three = [form4(g), form4(h), form4(g ^ h)];
    three.sort_unstable();
    (three[0], three[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_four_variables_have_their_published_complexity() {
        let four = FourVariables::new();
        let mut of = [0; 4];
        for form in (0..=u16::MAX).filter(|form| form & LINEAR4 == 0) {
            of[four.chains[usize::from(four.chain[form as usize])][0].ands.len()] += 1;
        }
        assert_eq!(of, [1, 35, 988, 1024]);
    }
}
