//! The extension: 128 columns from the seed trees become any number of OTs.
//!
//! Roy, "SoftSpokenOT", CRYPTO 2022, with the repetition code over 128 / k trees. The steps have the same
//! numbers in both files:
//!
//! | step | receiver (client) | sender (server) |
//! |---|---|---|
//! | 1 | columns v and sums u from its seeds | columns w from its seeds |
//! | 2 | corrections c = u + choices, for each tree | w + c in the columns where its secret s has a 1: now w = v + s choices |
//! | 3 | challenge from the transcript with the corrections | the same |
//! | 4 | hashes of the choices and of all columns v | hash of w + s hash of the choices must be the hash of v |
//! | 5 | transposes: row t_j | transposes: row q_j = t_j + choice_j s |
//! | 6 | | labels H(q_j); sends H(q_j) + H(q_j + s) + delta |
//! | 7 | label H(t_j), plus what was sent if choice_j = 1 | |

pub(super) mod receiver;
pub(super) mod sender;
pub(super) mod streams;

#[cfg(test)]
mod tests;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::msgs::{BaseReply, BaseRequest, Extend};
use super::oracle::{oracle, oracle_block};
use super::vole::ColumnHash;
use super::{MAX_COUNT, OtError, SessionId, pprf};
use crate::block::{Block, Tccr};

/// What both hosts know of a connection: where they are in the streams, and a hash of what was said.
#[derive(Clone, Debug)]
struct Progress {
    session: SessionId,
    /// Hash of every message so far that the client sent, and of the server's request.
    transcript: [u8; 64],
    /// Where the counters of leaf 0 of tree 0 begin.
    base: Block,
    /// The first block of the streams that was not used yet.
    next_block: u64,
    /// The first tweak that was not used yet; one per OT.
    next_tweak: u64,
    /// The hash H of steps 6 and 7.
    hash: Tccr,
}

impl Progress {
    /// After the base messages.
    fn new(session: SessionId, request: &BaseRequest, reply: &BaseReply) -> Self {
        let transcript = oracle("transcript of setup", &session, &[&request.encode(), &reply.encode()]);
        let hash = Tccr::new(oracle_block("start point", &session, &[&transcript]));
        let base = pprf::nonce(&session);
        Self { session, transcript, base, next_block: 0, next_tweak: 0, hash }
    }

    /// Where the counters of leaf 0 of tree 0 begin.
    fn base(&self) -> Block {
        self.base ^ pprf::tweak(0, pprf::LEAVES, 0)
    }

    /// Step 3: the challenge, which depends on everything the client could choose: seeds, then corrections.
    ///
    /// Were the seeds left out, a cheating client could look for seeds under which wrong corrections pass.
    fn challenge(&mut self, count: usize, corrections: &[Block]) -> ColumnHash {
        let parts: [&[u8]; 3] =
            [&self.transcript, &(count as u64).to_le_bytes(), Block::as_bytes(corrections)];
        self.transcript = oracle("transcript of extension", &self.session, &parts);
        ColumnHash::new(oracle_block("challenge", &self.session, &[&self.transcript]))
    }

    /// Leaves the streams and tweaks of `count` OTs behind; returns the first of the tweaks.
    ///
    /// 2^24 OTs at a time exhaust 2^64 tweaks after 2^40 extensions, so neither number wraps in a
    /// connection's life.
    fn advance(&mut self, count: usize) -> u64 {
        let first = self.next_tweak;
        self.next_block += Extend::stride(count) as u64;
        self.next_tweak += count as u64;
        first
    }
}

/// Step 4: SHA-256 of the hashes of the 128 columns, column 0 first, which is sent; and a key that both hosts
/// have when the check has passed, and nobody else: what is sent of the hashes is a digest, and the columns
/// are masked by random blocks.
fn digest_of(session: &SessionId, hashes: &[Block]) -> ([u8; 32], Zeroizing<Block>) {
    let bytes = Block::as_bytes(hashes);
    (Sha256::digest(bytes).into(), Zeroizing::new(oracle_block("shared key", session, &[bytes])))
}

fn check_count(count: usize) -> Result<(), OtError> {
    if count <= MAX_COUNT { Ok(()) } else { Err(OtError::TooMany { found: count, limit: MAX_COUNT }) }
}
