//! Work on the elements of a layer, on several processors where there are many elements.

use rayon::iter::{IndexedParallelIterator as _, ParallelIterator as _};
use rayon::slice::ParallelSliceMut as _;

/// Elements of a part: whole words of a column and whole chunks of a hash, and enough to be worth handing
/// over.
pub(super) const PART: usize = 4096;

/// Calls `f` with the number of the first element of each part and the part of `out` that is theirs, `each`
/// places an element. A layer of one part is computed by the thread that calls.
pub(crate) fn fill<T: Send>(out: &mut [T], each: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    split(out, PART * each, f);
}

/// The same with a place for each word of 64 elements.
pub(super) fn fill_words<T: Send>(out: &mut [T], f: impl Fn(usize, &mut [T]) + Sync) {
    split(out, PART / 64, f);
}

fn split<T: Send>(out: &mut [T], places: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    match out.len() <= places {
        true => f(0, out),
        false => out.par_chunks_mut(places).enumerate().for_each(|(part, out)| f(part * PART, out)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_filled_once() {
        for count in [0, 1, PART - 1, PART, PART + 1, 3 * PART + 5] {
            for each in [1, 3] {
                let mut out = vec![0; count * each];
                fill(&mut out, each, |first, part| {
                    part.iter_mut().enumerate().for_each(|(i, place)| *place += first * each + i + 1);
                });
                assert!(out.iter().enumerate().all(|(i, &place)| place == i + 1), "{count} elements");
            }
            let mut words = vec![0; count.div_ceil(64)];
            fill_words(&mut words, |first, part| {
                part.iter_mut().zip((first..).step_by(64)).for_each(|(place, first)| *place += first + 1);
            });
            assert!(words.iter().enumerate().all(|(i, &place)| place == 64 * i + 1), "{count} elements");
        }
    }
}
