//! The random oracle of this module: SHA-512 with a domain, the session and length-prefixed parts.

use sha2::{Digest, Sha512};
use zeroize::Zeroize;

use super::SessionId;
use crate::block::Block;

/// 64 bytes that depend on every argument, and on where one part ends and the next begins.
///
/// `domain` says what the hash is for; no two uses share one.
pub(super) fn oracle(domain: &str, session: &SessionId, parts: &[&[u8]]) -> [u8; 64] {
    let mut hash = Sha512::new();
    for part in [b"xonn-run ot v1".as_slice(), domain.as_bytes(), session].iter().chain(parts) {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// The first 16 bytes of [`oracle`]'s.
pub(super) fn oracle_block(domain: &str, session: &SessionId, parts: &[&[u8]]) -> Block {
    let mut hash = oracle(domain, session, parts);
    let block = Block::from_bytes(core::array::from_fn(|i| hash[i]));
    // Some of these are keys.
    hash.zeroize();
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_sessions_and_boundaries_separate() {
        let hashes = [
            oracle("a", &[0; 32], &[b"xy", b"z"]),
            oracle("a", &[0; 32], &[b"x", b"yz"]),
            oracle("a", &[0; 32], &[b"xyz"]),
            oracle("a", &[1; 32], &[b"xyz"]),
            oracle("b", &[0; 32], &[b"xyz"]),
            oracle("b", &[0; 32], &[b"xyz", b""]),
        ];
        for (i, hash) in hashes.iter().enumerate() {
            assert!(!hashes[..i].contains(hash), "hash {i} repeats");
        }
    }
}
