//! The lines of a table, from S's share of a number: secret, so each is computed, moved and kept by masks.

use xonn_crypto::block::mask;

use super::Curves;

/// Base and slope of each entry, and a copy of them to move.
pub(super) struct Lines {
    bases: Vec<u64>,
    slopes: Vec<u64>,
    moved: Vec<u64>,
}

/// `number 2^-bits`, rounded to the nearest.
#[inline(always)]
fn scaled(number: i64, bits: i32) -> u64 {
    let number = match bits {
        1.. => number.wrapping_add(1 << (bits - 1)) >> bits,
        _ => number << -bits,
    };
    number as u64
}

/// Moves entries down by so many places, those that fall out coming in on top, if the mask is all ones.
fn rotate(entries: &mut [u64], moved: &mut [u64], places: usize, mask: u64) {
    let (first, rest) = entries.split_at(places);
    let (low, high) = moved.split_at_mut(rest.len());
    low.copy_from_slice(rest);
    high.copy_from_slice(first);
    entries.iter_mut().zip(&*moved).for_each(|(entry, moved)| *entry ^= (*entry ^ moved) & mask);
}

impl Lines {
    pub fn new(plan: &Curves) -> Self {
        let zeros = || vec![0; plan.curve.lines.len()];
        Self { bases: zeros(), slopes: zeros(), moved: zeros() }
    }

    /// Entry h of a number with this share: its base and slope in units of 2^-guard.
    pub fn of(&mut self, plan: &Curves, share: u64) -> [&mut [u64]; 2] {
        let (lines, piece) = (&plan.curve.lines, plan.curve.piece);
        let (drop, low, guard) = (plan.curve.drop, plan.curve.low, plan.curve.guard);
        let share = share.wrapping_sub(plan.curve.from as u64);
        // how far each moved piece begins behind one of the table's, and whether its middle is on the next
        let behind = (share & ((1 << piece) - 1)) as i64;
        let half = (1i64 << piece) >> 1;
        let beyond = mask(behind >= half) as i64;
        let unit = drop as i32 - guard as i32;
        // What is rounded by chance needs no half that is added to round.
        let rounds = (1i64 << drop) >> 1;
        for m in 0..lines.len() {
            let ([base, slope], [next, after]) = (lines[m], lines[(m + 1) % lines.len()]);
            let at = |base: i64, slope: i64, t: i64| base.wrapping_add(slope.wrapping_mul(t));
            let (first, last) = (at(base, slope, behind), at(next, after, behind));
            let here = at(base, slope, behind + half);
            let there = at(next, after, behind - half);
            let middle = here ^ (here ^ there) & beyond;
            let rise = last.wrapping_sub(first);
            // twice the middle less both ends is four times what half of the bend is
            let bend = (middle << 1).wrapping_sub(first).wrapping_sub(last) >> 2;
            // Half a step for the bits of C's place that do not count.
            let step = if low < piece { rise >> (low + 1) } else { 0 };
            let start = first.wrapping_add(bend).wrapping_add(step).wrapping_sub(rounds);
            self.bases[m] = scaled(start, unit);
            self.slopes[m] = scaled(rise, unit + low as i32);
        }
        let turn = share >> piece;
        for i in 0..plan.index() {
            let mask = mask(turn >> i & 1 == 1);
            for column in [&mut self.bases, &mut self.slopes] {
                rotate(column, &mut self.moved, 1 << i, mask);
            }
        }
        [&mut self.bases, &mut self.slopes]
    }
}
