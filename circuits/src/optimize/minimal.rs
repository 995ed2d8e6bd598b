//! Few ANDs for any function of up to six variables: its multiplicative complexity, where that is known to be reached.
//!
//! Functions are treated up to affine equivalence: adding an affine function and changing variables linearly cost XORs
//! only. How a function is taken apart:
//!
//! 1. Directions `v` along which `f(x + v) + f(x)` is constant are divided out: what is left has `d` variables, and no
//!    circuit of fewer than `d / 2` ANDs computes it; nor one of fewer than its degree less 1.
//! 2. A quadratic function has exactly `d / 2` ANDs (Dickson's theorem, Lidl and Niederreiter, *Finite Fields*, section 6.2).
//! 3. `d <= 4`: a table of all 2,048 functions modulo affine ones, made by breadth-first search when it is first needed.
//!    It holds minimal chains: 1 of 0 ANDs, 35 of 1, 988 of 2, 1,024 of 3 [Turan, Peralta 2014, *The multiplicative
//!    complexity of Boolean functions on four and five variables*].
//! 4. Otherwise the function is split by a linear form `l`: `f = g0 + l (g0 + g1)`, `g0` and `g1` being its halves, over all
//!    forms and all ways to map one half to the other; two of `g0`, `g1`, `g0 + g1` are computed, of which the third follows.
//!    This is an upper bound: 4 ANDs always suffice for five variables, while a random function gets 5 here on average.
//!
//! Replacing parts of a circuit by such chains is due to Testa, Soeken, Amaru and De Micheli, *Reducing the multiplicative
//! complexity in logic networks for cryptography and security applications* (DAC 2019), who look up classes of functions
//! in a precomputed database; here the circuits are computed.

mod four_variables;
mod halves;

use std::collections::HashMap;
use std::rc::Rc;

use four_variables::{ALTERNATIVES, FourVariables};
use halves::{Halves, Split};

use super::function::{
    AFFINE, Chain, FIRST_AND, ONE, Sum, VARIABLE, VARIABLES, degree, normal_form, shifted,
};

/// Chains for functions, each computed once.
pub(super) struct Minimal {
    four: FourVariables,
    known: HashMap<u64, Rc<[Chain]>>,
}

/// The functions of fewer variables that a function is left with once its constant directions are divided out.
struct Reduced {
    /// Truth table over the first `variables` variables.
    table: u64,
    variables: usize,
    /// Each of these as a sum of the function's own variables.
    sums: [Sum; VARIABLES],
}

impl Minimal {
    pub fn new() -> Self {
        Self { four: FourVariables::new(), known: HashMap::new() }
    }

    /// Chains that compute `table`, one or more, all of one length.
    pub fn chains(&mut self, table: u64) -> Rc<[Chain]> {
        if let Some(chains) = self.known.get(&table) {
            return Rc::clone(chains);
        }
        let chains: Rc<[Chain]> = self.find(table).into();
        debug_assert!(chains.iter().all(|c| c.table() == table));
        self.known.insert(table, Rc::clone(&chains));
        chains
    }

    fn find(&mut self, table: u64) -> Vec<Chain> {
        let form = normal_form(table);
        let reduced = match degree(form) {
            0 | 1 => return vec![Chain::affine(form)],
            degree => {
                let reduced = reduce(table);
                if degree == 2 && reduced.variables > 4 {
                    return vec![exact(quadratic(form), table)];
                }
                reduced
            }
        };
        let inner = match reduced.variables {
            ..5 => self.four.of(reduced.table as u16).to_vec(),
            _ => self.split(&reduced),
        };
        let substituted = inner.iter().map(|inner| {
            let mut chain = Chain::default();
            chain.out = chain.append(inner, &reduced.sums);
            exact(chain, table)
        });
        substituted.collect()
    }

    /// Step 4 of the module's list, for five and six variables: chains for the best ways to split, by different forms.
    fn split(&mut self, f: &Reduced) -> Vec<Chain> {
        let n = f.variables;
        let mut least = u32::MAX;
        let mut best: Vec<Split> = Vec::new();
        for form in 1..1usize << n {
            let halves = Halves::new(f.table, n, form);
            for shift in 0..1usize << (n - 1) {
                let split = halves.split(shift);
                let cost = 1 + self.pair_cost(split.low, split.difference, n - 1);
                if cost < least {
                    best.clear();
                    least = cost;
                } else if cost > least
                    || best.len() == ALTERNATIVES
                    || best.last().is_some_and(|b| b.form == split.form)
                {
                    continue;
                }
                best.push(split);
            }
        }
        let mut chains: Vec<Chain> = best.iter().map(|split| self.build(split, n)).collect();
        // Of six variables the cost was a bound.
        let least = chains.iter().map(Chain::cost).min().unwrap_or(0);
        chains.retain(|c| c.cost() == least);
        chains
    }

    /// ANDs for `low` and `difference` together, of `n` variables.
    fn pair_cost(&self, low: u64, difference: u64, n: usize) -> u32 {
        let high = low ^ difference;
        if n > 4 {
            // A bound in place of the cost, which would take a search for each of 2,016 ways to split.
            let mut bounds = [low, difference, high].map(|t| degree(normal_form(t)).saturating_sub(1));
            bounds.sort_unstable();
            return bounds[0] + bounds[1];
        }
        let mut costs = [low, difference, high].map(|t| self.four.cost(t as u16));
        costs.sort_unstable();
        let [least, second, _] = costs;
        if (least, second) == (1, 2) && self.four.pair(low as u16, difference as u16).is_some() {
            return 2;
        }
        least + second
    }

    fn build(&mut self, split: &Split, n: usize) -> Chain {
        let mut chain = Chain::default();
        let (low, difference) = self.build_pair(&mut chain, split, n - 1);
        let product = chain.and(split.form, difference);
        chain.out = low ^ product;
        chain
    }

    /// Both functions as sums, up to affine terms where the output's correction covers them: `difference` is exact.
    fn build_pair(&mut self, chain: &mut Chain, split: &Split, n: usize) -> (Sum, Sum) {
        let (low, difference) = (split.low, split.difference);
        if n <= 4
            && let Some(ands) = self.four.pair(low as u16, difference as u16)
        {
            let mut of = |table: u64| {
                let outs = [1, 2, 3].map(|s: Sum| s << FIRST_AND);
                let exact = |out| Chain { ands: ands.to_vec(), out }.corrected(table);
                outs.into_iter().find_map(exact).map(|c| chain.append(&c, &split.sums))
            };
            if let (Some(low), Some(difference)) = (of(low), of(difference)) {
                return (low, difference);
            }
        }
        let mut three = [low, difference, low ^ difference].map(|t| (t, self.chains(t)));
        three.sort_by_key(|(_, chains)| chains[0].cost());
        let mut known: Vec<(u64, Sum)> =
            three[..2].iter().map(|(t, c)| (*t, chain.append(&c[0], &split.sums))).collect();
        known.push((known[0].0 ^ known[1].0, known[0].1 ^ known[1].1));
        let sum = |table| known.iter().find(|&&(t, _)| t == table).map_or(0, |&(_, sum)| sum);
        (sum(low), sum(difference))
    }
}

fn exact(chain: Chain, table: u64) -> Chain {
    chain.corrected(table).expect("functions are taken apart up to affine terms")
}

/// Step 1 of the module's list.
fn reduce(table: u64) -> Reduced {
    // A basis of the constant directions in reduced echelon form: (pivot, vector).
    let mut basis: Vec<(usize, usize)> = Vec::new();
    for v in 1..1usize << VARIABLES {
        let derivative = table ^ shifted(table, v);
        if derivative != 0 && derivative != u64::MAX {
            continue;
        }
        let v = basis.iter().fold(v, |v, &(pivot, b)| if v >> pivot & 1 == 1 { v ^ b } else { v });
        if v == 0 {
            continue;
        }
        let pivot = v.trailing_zeros() as usize;
        for (_, b) in &mut basis {
            *b ^= if *b >> pivot & 1 == 1 { v } else { 0 };
        }
        basis.push((pivot, v));
    }
    // x = sum of y_j e_j over the other places + sum of z_k v_k, with z_k = x[pivot k] and y_j = x_j + sum of v_k[j] z_k.
    let places: Vec<usize> = (0..VARIABLES).filter(|i| basis.iter().all(|(p, _)| p != i)).collect();
    let mut sums = [0; VARIABLES];
    for (sum, &place) in sums.iter_mut().zip(&places) {
        *sum = basis.iter().fold(1 << place, |s, &(pivot, v)| s | ((v >> place & 1) << pivot) as Sum);
    }
    let mut small = 0;
    for y in 0..64usize {
        let point = places.iter().enumerate().fold(0, |x, (j, place)| x | (y >> j & 1) << place);
        small |= (table >> point & 1) << y;
    }
    Reduced { table: small, variables: places.len(), sums }
}

/// Step 2 of the module's list, up to affine terms: `x_i x_j + x_i L + x_j M + R = (x_i + M)(x_j + L) + LM + R`.
fn quadratic(mut form: u64) -> Chain {
    let mut chain = Chain::default();
    while let Some(pair) = (0..64u32).find(|m| m.count_ones() == 2 && form >> m & 1 == 1) {
        let (i, j) = (pair.trailing_zeros(), 31 - pair.leading_zeros());
        let with = |k: u32, not: u32| {
            let has = |&m: &u32| m != k && m != not && form >> (1 << m | 1 << k) & 1 == 1;
            (0..VARIABLES as u32).filter(has).fold(0 as Sum, |s, m| s | 1 << m)
        };
        let (u, v) = (1 << i | with(j, i), 1 << j | with(i, j));
        let product = chain.and(u, v);
        chain.out ^= product;
        let table = |s: Sum| (0..VARIABLES).filter(|m| s >> m & 1 == 1).fold(0, |t, m| t ^ VARIABLE[m]);
        form ^= normal_form(table(u) & table(v));
        form &= !AFFINE;
    }
    debug_assert!(chain.out & ONE == 0);
    chain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(state: &mut u64) -> u64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 32) << 32 | state.rotate_left(17) >> 32
    }

    /// The function of the low 2^n bits.
    fn repeated(table: u64, n: usize) -> u64 {
        (n..VARIABLES).fold(table & (u64::MAX >> (64 - (1u32 << n))), |t, i| t | t << (1 << i))
    }

    #[test]
    fn chains_compute_their_functions() {
        let mut minimal = Minimal::new();
        let mut state = 1;
        for n in 1..=5 {
            let most = [0, 0, 1, 2, 3, 6][n];
            for _ in 0..300 {
                let table = repeated(random(&mut state), n);
                for chain in minimal.chains(table).iter() {
                    assert_eq!(chain.table(), table);
                    assert!(chain.cost() <= most, "{table:x} takes {}", chain.cost());
                }
            }
        }
        for _ in 0..20 {
            let table = random(&mut state);
            assert_eq!(minimal.chains(table)[0].table(), table);
        }
    }

    #[test]
    fn known_functions_have_their_known_cost() {
        let mut minimal = Minimal::new();
        let [a, b, c, d, e, f] = VARIABLE;
        for (table, cost) in [
            (a & b | a & c | b & c, 1),
            (a & b | !a & c, 1),
            (a & b ^ c & d ^ e & f, 3),
            (a & b ^ b & c ^ c & d ^ d & a, 1),
            (a & b & c & d, 3),
            (a & b & c & d & e, 4),
            ((a ^ f) & (b ^ c) & (d ^ e), 2),
            (a & b & c ^ a & d & e, 3),
        ] {
            assert_eq!(minimal.chains(table)[0].cost(), cost, "{table:x}");
        }
    }
}
