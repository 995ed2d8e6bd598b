//! Index of the largest of several numbers.

use crate::builder::Builder;
use crate::gadgets::compare::{less_than, less_than_signed};
use crate::gadgets::popcount::width_of;
use crate::netlist::WireId;

/// Index of the largest number; ties go to the lowest index, as `np.argmax` does.
///
/// * `scores`: at least one number, all of one width `w`, in two's complement if `signed`.
/// * Returns `width_of(n - 1)` wires (none for one number).
/// * Cost: a knockout of `n - 1` matches, each `w` ANDs to compare and `w` to pass the winner on (not after the last
///   match), plus the multiplexers of the index bits: [`argmax_cost`].
pub fn argmax(b: &mut Builder, scores: &[Vec<WireId>], signed: bool) -> Vec<WireId> {
    let index_width = width_of(scores.len() as u64 - 1);
    let index = |b: &mut Builder, i: usize| -> Vec<WireId> {
        (0..index_width).map(|bit| b.constant(i >> bit & 1 == 1)).collect()
    };
    let mut players: Vec<(Vec<WireId>, Vec<WireId>)> =
        scores.iter().enumerate().map(|(i, s)| (s.clone(), index(b, i))).collect();
    // Neighbours play each other, so that every index on the left is lower and a tie is won on the left.
    while players.len() > 1 {
        let last = players.len() == 2;
        let mut winners = Vec::with_capacity(players.len().div_ceil(2));
        let mut round = players.into_iter();
        while let Some((left, left_index)) = round.next() {
            let Some((right, right_index)) = round.next() else {
                winners.push((left, left_index));
                break;
            };
            let right_wins =
                if signed { less_than_signed(b, &left, &right) } else { less_than(b, &left, &right) };
            let score = if last { Vec::new() } else { b.mux_each(right_wins, &right, &left) };
            winners.push((score, b.mux_each(right_wins, &right_index, &left_index)));
        }
        players = winners;
    }
    players.pop().map(|(_, index)| index).expect("there is at least one number")
}

/// AND gates of [`argmax`] for `n` numbers of `width` bits.
///
/// An index bit costs an AND in a match unless it is constant on both sides (then it is that constant, or the match's
/// result). This walks the rounds with that in mind; there is no shorter form for an `n` that is no power of two.
#[must_use]
pub fn argmax_cost(n: usize, width: usize) -> u64 {
    // For each player its index bits: `None` for a wire.
    let mut players: Vec<Vec<Option<bool>>> =
        (0..n).map(|i| (0..width_of(n as u64 - 1)).map(|bit| Some(i >> bit & 1 == 1)).collect()).collect();
    let mut total = 0;
    while players.len() > 1 {
        let pass_on = if players.len() == 2 { 0 } else { width };
        let mut next = Vec::new();
        for pair in players.chunks(2) {
            let [left, right] = pair else {
                next.push(pair[0].clone());
                continue;
            };
            total += width + pass_on;
            next.push(
                left.iter()
                    .zip(right)
                    .map(|(l, r)| match (l, r) {
                        (Some(l), Some(r)) if l == r => Some(*l),
                        (Some(_), Some(_)) => None, // the comparison's result, or its complement
                        _ => {
                            total += 1;
                            None
                        }
                    })
                    .collect(),
            );
        }
        players = next;
    }
    total as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gadgets::popcount::tests::{bits, number, run};

    #[test]
    fn argmax_picks_the_first_largest_at_its_cost() {
        for signed in [false, true] {
            for n in 1..=11usize {
                let width = 3;
                let mut b = Builder::new();
                let scores: Vec<_> = (0..n).map(|_| b.input(width)).collect();
                let index = argmax(&mut b, &scores, signed);
                let netlist = b.finish(&[index]);
                assert_eq!(netlist.stats().and, argmax_cost(n, width), "{n} numbers");
                let mut state = 1u64;
                for _ in 0..600 {
                    state =
                        state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let raw = state >> 20;
                    let value = |i: usize| {
                        let v = (raw >> (3 * i) & 7) as i64;
                        if signed && v > 3 { v - 8 } else { v }
                    };
                    // The first of the largest: max_by_key returns the last one, so walk from the right.
                    let want = (0..n).rev().max_by_key(|&i| value(i)).expect("n >= 1");
                    assert_eq!(number(&run(&netlist, &bits(raw, 3 * n))), want as u64);
                }
            }
        }
    }

    #[test]
    fn ten_classes_of_eight_bits() {
        // 9 comparisons, 8 winners passed on; index: 1 + 1 in the second round, 2 in the third, 3 in the final.
        assert_eq!(argmax_cost(10, 8), 9 * 8 + 8 * 8 + 7);
    }
}
