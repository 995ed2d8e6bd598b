//! Boolean functions of up to six variables as truth tables, and chains of ANDs that compute them.

/// Variables of a truth table; a function of fewer does not depend on the others.
pub(super) const VARIABLES: usize = 6;

/// Truth tables of the six variables.
pub(super) const VARIABLE: [u64; VARIABLES] = [
    0xaaaa_aaaa_aaaa_aaaa,
    0xcccc_cccc_cccc_cccc,
    0xf0f0_f0f0_f0f0_f0f0,
    0xff00_ff00_ff00_ff00,
    0xffff_0000_ffff_0000,
    0xffff_ffff_0000_0000,
];

/// Exchanges variables `i < j` of a truth table.
pub(super) fn swap_variables(table: u64, i: usize, j: usize) -> u64 {
    let shift = (1u32 << j) - (1 << i);
    let mask = VARIABLE[i] & !VARIABLE[j];
    let changed = (table ^ table >> shift) & mask;
    table ^ changed ^ changed << shift
}

/// The table of `x -> table(x + by)`, where `by` is a set of variables to negate.
pub(super) fn shifted(table: u64, by: usize) -> u64 {
    (0..VARIABLES).filter(|i| by >> i & 1 == 1).fold(table, |t, i| {
        let high = VARIABLE[i];
        (t & high) >> (1 << i) | (t << (1 << i)) & high
    })
}

/// Whether the function depends on variable `i`.
pub(super) fn depends_on(table: u64, i: usize) -> bool {
    (table ^ table >> (1 << i)) & !VARIABLE[i] != 0
}

/// The algebraic normal form: bit `m` is the coefficient of the product of the variables in `m`. Its own inverse.
pub(super) fn normal_form(mut table: u64) -> u64 {
    for (i, high) in VARIABLE.iter().enumerate() {
        table ^= (table << (1 << i)) & high;
    }
    table
}

/// Largest number of variables in a product of the normal form `form`; 0 for constants.
pub(super) fn degree(form: u64) -> u32 {
    (0..=VARIABLES as u32).rev().find(|&d| form & MONOMIALS[d as usize] != 0).unwrap_or(0)
}

/// The products of exactly `d` variables, as a set of bits of a normal form.
const MONOMIALS: [u64; VARIABLES + 1] = {
    let mut of = [0; VARIABLES + 1];
    let mut m = 0u32;
    while m < 64 {
        of[m.count_ones() as usize] |= 1 << m;
        m += 1;
    }
    of
};

/// The constant and the six variables in a normal form.
pub(super) const AFFINE: u64 = MONOMIALS[0] | MONOMIALS[1];

/// A sum of variables (bits 0 to 5), [`ONE`], and ANDs of a chain (from bit [`FIRST_AND`] on).
pub(super) type Sum = u32;

/// The constant 1 in a [`Sum`].
pub(super) const ONE: Sum = 1 << 6;

/// The first AND of a chain in a [`Sum`].
pub(super) const FIRST_AND: u32 = 8;

/// Most ANDs of a chain: [`Sum`] has room for more.
pub(super) const MOST_ANDS: usize = 16;

/// A straight-line program: each AND multiplies two sums of variables and earlier ANDs.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Chain {
    pub ands: Vec<[Sum; 2]>,
    pub out: Sum,
}

impl Chain {
    /// The affine function with this normal form.
    pub fn affine(form: u64) -> Self {
        Self { ands: Vec::new(), out: affine_sum(form) }
    }

    /// Number of ANDs.
    pub fn cost(&self) -> u32 {
        self.ands.len() as u32
    }

    /// The truth table.
    pub fn table(&self) -> u64 {
        let mut ands: Vec<u64> = Vec::with_capacity(self.ands.len());
        for &[u, v] in &self.ands {
            ands.push(sum_table(u, &ands) & sum_table(v, &ands));
        }
        sum_table(self.out, &ands)
    }

    /// Adds the ANDs of `other`, whose variable `i` is `variables[i]` here; returns its output.
    pub fn append(&mut self, other: &Chain, variables: &[Sum; VARIABLES]) -> Sum {
        let mut ands: Vec<Sum> = Vec::with_capacity(other.ands.len());
        for &[u, v] in &other.ands {
            let (u, v) = (substitute(u, variables, &ands), substitute(v, variables, &ands));
            let operands = [u.min(v), u.max(v)];
            let at = self.ands.iter().position(|&a| a == operands).unwrap_or_else(|| {
                self.ands.push(operands);
                self.ands.len() - 1
            });
            ands.push(1 << (FIRST_AND + at as u32));
        }
        substitute(other.out, variables, &ands)
    }

    /// Adds one AND; returns its output.
    pub fn and(&mut self, u: Sum, v: Sum) -> Sum {
        self.ands.push([u, v]);
        1 << (FIRST_AND + self.ands.len() as u32 - 1)
    }

    /// The same chain with an affine function added such that it computes `table`, if that is possible.
    pub fn corrected(mut self, table: u64) -> Option<Self> {
        let rest = normal_form(self.table() ^ table);
        self.out ^= affine_sum(rest);
        (rest & !AFFINE == 0).then_some(self)
    }
}

fn affine_sum(form: u64) -> Sum {
    let variables = (0..VARIABLES).filter(|i| form >> (1 << i) & 1 == 1).fold(0, |s, i| s | 1 << i);
    variables | if form & 1 == 1 { ONE } else { 0 }
}

fn sum_table(sum: Sum, ands: &[u64]) -> u64 {
    let mut table = if sum & ONE == 0 { 0 } else { u64::MAX };
    for (i, variable) in VARIABLE.iter().enumerate().filter(|(i, _)| sum >> i & 1 == 1) {
        debug_assert!(i < VARIABLES);
        table ^= variable;
    }
    for (i, and) in ands.iter().enumerate() {
        if sum >> (FIRST_AND + i as u32) & 1 == 1 {
            table ^= and;
        }
    }
    table
}

fn substitute(sum: Sum, variables: &[Sum; VARIABLES], ands: &[Sum]) -> Sum {
    let mut result = sum & ONE;
    for (i, variable) in variables.iter().enumerate() {
        if sum >> i & 1 == 1 {
            result ^= variable;
        }
    }
    for (i, and) in ands.iter().enumerate() {
        if sum >> (FIRST_AND + i as u32) & 1 == 1 {
            result ^= and;
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: u64 = 0x9e37_79b9_7f4a_7c15;

    #[test]
    fn tables_transform_as_the_functions_they_hold() {
        for (i, j) in [(0, 1), (0, 5), (2, 4)] {
            let swapped = swap_variables(SAMPLE, i, j);
            for x in 0..64usize {
                let (bi, bj) = (x >> i & 1, x >> j & 1);
                let y = x & !(1 << i) & !(1 << j) | bi << j | bj << i;
                assert_eq!(swapped >> y & 1, SAMPLE >> x & 1);
            }
        }
        for by in [1usize, 0b10_0110, 63] {
            assert!((0..64usize).all(|x| shifted(SAMPLE, by) >> x & 1 == SAMPLE >> (x ^ by) & 1));
        }
        assert_eq!(normal_form(normal_form(SAMPLE)), SAMPLE);
        assert_eq!(normal_form(VARIABLE[1] & VARIABLE[4]), 1 << 0b1_0010);
        assert_eq!((degree(normal_form(u64::MAX)), degree(normal_form(1))), (0, 6));
        assert!(depends_on(VARIABLE[3], 3) && !depends_on(VARIABLE[3], 2));
    }

    #[test]
    fn chains_compute_and_substitute() {
        let mut majority = Chain::default();
        let and = majority.and(0b101, 0b110);
        majority.out = and ^ 0b100;
        let [a, b, c, d, ..] = VARIABLE;
        assert_eq!(majority.table(), a & b | a & c | b & c);
        let mut outer = Chain::default();
        outer.out = outer.append(&majority, &[0b1, 0b10, 0b1100 | ONE, 0, 0, 0]);
        let e = !(c ^ d);
        assert_eq!(outer.table(), a & b | a & e | b & e);
        assert_eq!(
            outer.append(&majority, &[0b1, 0b10, 0b1100 | ONE, 0, 0, 0]),
            outer.out,
            "ANDs are shared"
        );
        assert_eq!(outer.cost(), 1);
        assert_eq!(majority.clone().corrected(a & b | a & c | b & c).map(|m| m.out), Some(majority.out));
        assert_eq!(majority.corrected(a & b), None);
    }
}
