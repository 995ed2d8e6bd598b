//! What goes with the input rather than with the tables, where a circuit is garbled ahead of it: zero labels
//! that are made again from a seed, and the decoding under a pad.

use zeroize::Zeroizing;

use crate::block::{Block, Prg};
use crate::label::ZeroLabel;
use crate::wiped::Wiped;

/// Zero labels from a seed, and where its counters begin: kept in 32 bytes until the input is there.
#[must_use]
pub fn zero_labels(count: usize, [seed, base]: [Block; 2]) -> Wiped<ZeroLabel> {
    let mut blocks = vec![Block::ZERO; count];
    Prg::based(seed, base, 0).fill(&mut blocks);
    ZeroLabel::from_blocks(blocks).into()
}

/// Puts the pad on a decoding, or takes it off: the stream of a key that both hosts have of the labels' OTs.
///
/// Of an output that the garbler knows the active label is 0, which everybody knows: without the pad a
/// listener would find its hash among the two that are sent.
pub fn mask_decoding(decoding: &mut [Block], key: &Block, start: Block) {
    let mut pad = Zeroizing::new(vec![Block::ZERO; decoding.len()]);
    Prg::based(*key, start, 0).fill(&mut pad);
    decoding.iter_mut().zip(pad.iter()).for_each(|(block, &pad)| *block ^= pad);
}

/// Segments that are garbled, or evaluated, side by side: two for each thread of the pool.
#[must_use]
pub fn batch() -> usize {
    2 * rayon::current_num_threads()
}
