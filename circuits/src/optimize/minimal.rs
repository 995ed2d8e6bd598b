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
//!    This reaches 4 ANDs, which always suffice for five variables, for most functions; 5 for the others.
//!
//! Replacing parts of a circuit by such chains is due to Testa, Soeken, Amaru and De Micheli, *Reducing the multiplicative
//! complexity in logic networks for cryptography and security applications* (DAC 2019), who look up classes of functions
//! in a precomputed database; here the circuits are computed.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::rc::Rc;

use super::function::{
    AFFINE, Chain, FIRST_AND, ONE, Sum, VARIABLE, VARIABLES, degree, normal_form, shifted,
};

/// Functions of four variables, by their normal forms without constant and linear terms.
struct FourVariables {
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
const ALTERNATIVES: usize = 8;

/// The form of a function of four variables without its affine part.
fn form4(table: u16) -> u16 {
    normal_form(u64::from(table)) as u16 & !LINEAR4
}

/// The truth table of a sum of four variables.
fn linear4(sum: Sum) -> u16 {
    (0..4).filter(|i| sum >> i & 1 == 1).fold(0, |t, i| t ^ VARIABLE[i] as u16)
}

impl FourVariables {
    fn new() -> Self {
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

    fn cost(&self, table: u16) -> u32 {
        self.of(table)[0].cost()
    }

    /// Chains that compute the function but for affine terms, one or more.
    fn of(&self, table: u16) -> &[Chain] {
        &self.chains[usize::from(self.chain[form4(table) as usize])]
    }
}

/// The forms of `{g, h, g + h}`, the smallest two.
fn pair_key(g: u16, h: u16) -> (u16, u16) {
    let mut three = [form4(g), form4(h), form4(g ^ h)];
    three.sort_unstable();
    (three[0], three[1])
}

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
        let inner = if reduced.variables <= 4 {
            self.four.of(reduced.table as u16)
        } else {
            &[self.split(&reduced)][..]
        };
        let substituted = inner.iter().map(|inner| {
            let mut chain = Chain::default();
            chain.out = chain.append(inner, &reduced.sums);
            exact(chain, table)
        });
        substituted.collect()
    }

    /// Step 4 of the module's list, for five and six variables.
    fn split(&mut self, f: &Reduced) -> Chain {
        let n = f.variables;
        let bound = (degree(normal_form(f.table)) - 1).max(n.div_ceil(2) as u32);
        let mut best: Option<(u32, Split)> = None;
        'search: for form in 1..1usize << n {
            let halves = Halves::new(f.table, n, form);
            for shift in 0..1usize << (n - 1) {
                let split = halves.split(shift);
                let cost = 1 + self.pair_cost(split.low, split.difference, n - 1);
                if best.as_ref().is_none_or(|&(least, _)| cost < least) {
                    best = Some((cost, split));
                    if cost <= bound {
                        break 'search;
                    }
                }
            }
        }
        let (_, split) = best.expect("there is a linear form");
        self.build(&split, n)
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
        if (least, second) == (1, 2) && self.four.pairs.contains_key(&pair_key(low as u16, difference as u16))
        {
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
            && let Some(&number) = self.four.pairs.get(&pair_key(low as u16, difference as u16))
        {
            let ands = self.four.pair_ands[usize::from(number)].to_vec();
            let mut of = |table: u64| {
                let outs = [1, 2, 3].map(|s: Sum| s << FIRST_AND);
                let exact = |out| Chain { ands: ands.clone(), out }.corrected(table);
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

/// `f = low + form * difference`.
struct Split {
    low: u64,
    difference: u64,
    form: Sum,
    /// The halves' variables as sums of the function's.
    sums: [Sum; VARIABLES],
}

/// Both halves of a function, where a linear form is 0 and where it is 1.
struct Halves {
    low: u64,
    high: u64,
    form: usize,
    /// The variable that the halves do without: one of the form's.
    pivot: usize,
    variables: usize,
}

impl Halves {
    fn new(table: u64, variables: usize, form: usize) -> Self {
        let pivot = form.trailing_zeros() as usize;
        let (mut low, mut high) = (0, 0);
        for y in 0..1usize << (VARIABLES - 1) {
            let point = insert(y, pivot);
            let parity = (point & form).count_ones() as usize & 1;
            low |= (table >> (point | parity << pivot) & 1) << y;
            high |= (table >> (point | (1 - parity) << pivot) & 1) << y;
        }
        // Tables repeat over the variables that they do not have.
        Self { low: low | low << 32, high: high | high << 32, form, pivot, variables }
    }

    /// The split that maps `y` in the low half to `y + shift` in the high one.
    fn split(&self, shift: usize) -> Split {
        let mut sums = [0; VARIABLES];
        for (y, sum) in sums.iter_mut().enumerate().take(self.variables - 1) {
            let x = if y < self.pivot { y } else { y + 1 };
            *sum = 1 << x ^ if shift >> y & 1 == 1 { self.form as Sum } else { 0 };
        }
        let difference = self.low ^ shifted(self.high, shift);
        Split { low: self.low, difference, form: self.form as Sum, sums }
    }
}

/// `y` with a bit 0 inserted in place `at`.
fn insert(y: usize, at: usize) -> usize {
    let low = y & ((1 << at) - 1);
    low | (y ^ low) << 1
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
    fn functions_of_four_variables_have_their_published_complexity() {
        let four = FourVariables::new();
        let mut of = [0; 4];
        for form in (0..=u16::MAX).filter(|form| form & LINEAR4 == 0) {
            of[four.chains[usize::from(four.chain[form as usize])][0].ands.len()] += 1;
        }
        assert_eq!(of, [1, 35, 988, 1024]);
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
