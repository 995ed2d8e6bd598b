//! Full adders as one operation.
//!
//! Nearly all ANDs of a neuron are full adders, `sum = x ^ y ^ c`, `carry = ((x ^ c) & (y ^ c)) ^ c` [Boyar,
//! Peralta, Pochuev 2000], and with 16 labels of 16 bytes side by side their four XORs are memory traffic. As
//! one operation three labels are loaded and two stored. The order of ciphertexts stays: no ciphertext is
//! moved past another.

use super::tape::Op;

/// Who writes and who reads a label register; registers are written once.
#[derive(Clone, Copy, Default)]
struct Uses {
    writer: Option<u32>,
    /// The first two operations that read it, in order.
    readers: [Option<u32>; 2],
    count: u32,
}

/// Fuses the full adders of a tape on virtual registers, of which there are `labels`.
pub(super) fn full_adders(ops: &mut Vec<Op>, labels: u32) {
    let mut uses = vec![Uses::default(); labels as usize];
    for (at, op) in ops.iter().enumerate() {
        let at = Some(at as u32); // registers are numbered with 32 bits, and operations are not many more
        for register in op.label_reads().into_iter().flatten() {
            let uses = &mut uses[register as usize];
            if let Some(free) = uses.readers.iter_mut().find(|reader| reader.is_none()) {
                *free = at;
            }
            uses.count += 1;
        }
        for register in op.label_writes().into_iter().flatten() {
            uses[register as usize].writer = at;
        }
    }
    let mut dead = vec![false; ops.len()];
    for at in 0..ops.len() {
        if let Some((gone, place, fused)) = full_adder(ops, &uses, at) {
            // What is part of an adder already writes nothing any more: two that share an operation stay
            // apart.
            if gone.iter().any(|&op| dead[op]) {
                continue;
            }
            gone.iter().for_each(|&op| dead[op] = true);
            dead[place] = false;
            ops[place] = fused;
        }
    }
    let mut dead = dead.iter();
    ops.retain(|_| dead.next() == Some(&false));
}

/// The full adder around the AND at `at`: operations that go, the place of the new one among them, and the
/// new one.
fn full_adder(ops: &[Op], uses: &[Uses], at: usize) -> Option<([usize; 5], usize, Op)> {
    let Op::And { to: both, a, b } = ops[at] else { return None };
    let xor = |at: usize| match ops[at] {
        Op::Xor { to, a, b } => Some((to, [a, b])),
        _ => None,
    };
    let writer = |register: u32| uses[register as usize].writer.map(|at| at as usize);
    let (left, right) = (writer(a)?, writer(b)?);
    let ((_, of_left), (_, of_right)) = (xor(left)?, xor(right)?);
    if a == b {
        return None;
    }
    let c = of_left.into_iter().find(|register| of_right.contains(register))?;
    let other = |pair: [u32; 2], one: u32| if pair[0] == one { pair[1] } else { pair[0] };
    let (x, y) = (other(of_left, c), other(of_right, c));
    // carry = both ^ c, and nobody else reads `both`
    let only = |register: u32| match uses[register as usize] {
        Uses { readers: [Some(reader), None], count: 1, .. } => Some(reader as usize),
        _ => None,
    };
    let carry_at = only(both)?;
    let (carry, of_carry) = xor(carry_at)?;
    if !of_carry.contains(&c) || of_carry[0] == of_carry[1] {
        return None;
    }
    // sum = (x ^ c) ^ y or (y ^ c) ^ x, and nobody else reads x ^ c and y ^ c
    let second = |register: u32| match uses[register as usize] {
        Uses { readers: [Some(first), Some(second)], count: 2, .. } => {
            Some(if first as usize == at { second } else { first } as usize)
        }
        _ => None,
    };
    let (sum_at, partner) = match (only(a), only(b)) {
        (Some(_), None) => (second(b)?, x),
        (None, Some(_)) => (second(a)?, y),
        _ => return None,
    };
    let (sum, of_sum) = xor(sum_at)?;
    if !of_sum.contains(&partner) || of_sum[0] == of_sum[1] {
        return None;
    }
    let place = carry_at.max(sum_at);
    let first = left.min(right).min(sum_at);
    let unmoved = ops[at + 1..=place].iter().all(|op| !op.costs());
    let later =
        |register: u32| uses[register as usize].readers[0].is_none_or(|reader| reader as usize > place);
    // Only around the AND itself: far apart, registers would be held for longer than without.
    (unmoved && later(sum) && later(carry) && place - first < 8).then_some((
        [left, right, at, sum_at, carry_at],
        place,
        Op::FullAdder { sum, carry, x, y, c },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_adder_becomes_one_operation_and_its_parts_go() {
        let load = |to| Op::Load { to, input: to };
        let adder = |sum_first: bool| {
            let mut ops = vec![
                load(0),
                load(1),
                load(2),
                Op::Xor { to: 3, a: 0, b: 2 },
                Op::Xor { to: 4, a: 1, b: 2 },
                Op::And { to: 5, a: 3, b: 4 },
                Op::Xor { to: 6, a: 3, b: 1 },
                Op::Xor { to: 7, a: 5, b: 2 },
                Op::Store { output: 0, a: 6 },
                Op::Store { output: 1, a: 7 },
            ];
            if sum_first {
                ops.swap(5, 6);
            }
            ops
        };
        for sum_first in [false, true] {
            let mut ops = adder(sum_first);
            full_adders(&mut ops, 8);
            let fused = Op::FullAdder { sum: 6, carry: 7, x: 0, y: 1, c: 2 };
            assert_eq!(ops[3..], [fused, Op::Store { output: 0, a: 6 }, Op::Store { output: 1, a: 7 }]);
        }
        // Somebody else needs x ^ c, or a ciphertext would be overtaken: then nothing is fused.
        let mut ops = adder(false);
        ops.push(Op::Store { output: 2, a: 4 });
        let unchanged = ops.clone();
        full_adders(&mut ops, 8);
        assert_eq!(ops, unchanged);
        let mut ops = adder(false);
        ops.insert(6, Op::And { to: 8, a: 0, b: 1 });
        let unchanged = ops.clone();
        full_adders(&mut ops, 9);
        assert_eq!(ops, unchanged);
    }
}
