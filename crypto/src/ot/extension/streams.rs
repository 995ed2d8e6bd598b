//! OTs of long messages: of each OT the sender has two keys, the receiver the one of its choice, and both can have as
//! many pseudorandom blocks of a key as they want.
//!
//! A key is a row of step 5, a block of its stream H(row, tweak) under a tweak that nothing else uses. So one extension
//! serves messages that are sent one after the other, each masked by blocks of its own, as long as the choices stay
//! what they are: together they are the one long message of an OT. H is tweakable correlation robust, which says just that
//! H(row + s, tweak) is random to the receiver for each pair of a row and a tweak that occurs once.

use core::fmt;

use zeroize::Zeroizing;

use crate::block::{Block, Tccr};

/// The sender's keys.
#[cfg_attr(feature = "fuzzing", derive(Clone))]
pub struct SenderStreams {
    rows: Zeroizing<Vec<Block>>,
    secret: Zeroizing<Block>,
    hash: Tccr,
}

/// The receiver's keys and choices.
#[cfg_attr(feature = "fuzzing", derive(Clone))]
pub struct ReceiverStreams {
    rows: Zeroizing<Vec<Block>>,
    choices: Zeroizing<Vec<bool>>,
    hash: Tccr,
}

impl SenderStreams {
    pub(super) fn new(rows: Zeroizing<Vec<Block>>, secret: Zeroizing<Block>, hash: Tccr) -> Self {
        Self { rows, secret, hash }
    }

    /// A block of each of the streams `of`, by number of OT, for choice 0 and for choice 1: of the first under tweak
    /// `first_tweak`, of each further one under the next. `pairs` is as long as `of`.
    ///
    /// No two calls on one connection may use a tweak twice.
    ///
    /// # Panics
    /// If the lengths differ or there is no such OT.
    pub fn blocks(&self, of: &[u32], first_tweak: u64, pairs: &mut [[Block; 2]]) {
        assert_eq!(of.len(), pairs.len(), "one pair for each stream");
        for (pair, &ot) in pairs.iter_mut().zip(of) {
            let row = self.rows[ot as usize];
            *pair = [row, row ^ *self.secret];
        }
        self.hash.hash::<2>(first_tweak, pairs.as_flattened_mut());
    }
}

impl ReceiverStreams {
    pub(super) fn new(rows: Zeroizing<Vec<Block>>, choices: Zeroizing<Vec<bool>>, hash: Tccr) -> Self {
        Self { rows, choices, hash }
    }

    /// What OT number `ot` chose.
    ///
    /// # Panics
    /// If there is no such OT.
    #[must_use]
    pub fn choice(&self, ot: u32) -> bool {
        self.choices[ot as usize]
    }

    /// The blocks that [`SenderStreams::blocks`] gives for the same numbers, those of the choices.
    ///
    /// # Panics
    /// If the lengths differ or there is no such OT.
    pub fn blocks(&self, of: &[u32], first_tweak: u64, blocks: &mut [Block]) {
        assert_eq!(of.len(), blocks.len(), "one block for each stream");
        blocks.iter_mut().zip(of).for_each(|(block, &ot)| *block = self.rows[ot as usize]);
        self.hash.hash::<1>(first_tweak, blocks);
    }
}

impl fmt::Debug for SenderStreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SenderStreams").field("count", &self.rows.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for ReceiverStreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiverStreams").field("count", &self.rows.len()).finish_non_exhaustive()
    }
}
