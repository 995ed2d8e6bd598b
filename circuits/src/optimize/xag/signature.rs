//! Signatures of linear forms, and maps from them.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use sha2::{Digest as _, Sha256};

/// Signatures are random already.
#[derive(Default)]
pub(in super::super) struct SignatureHasher(u64);

impl Hasher for SignatureHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&b| self.0 = self.0.rotate_left(8) ^ u64::from(b));
    }

    fn write_u128(&mut self, n: u128) {
        self.0 = self.0.rotate_left(32) ^ n as u64;
    }
}

pub(in super::super) type BySignature<K, V> = HashMap<K, V, BuildHasherDefault<SignatureHasher>>;

/// The three non-zero elements' two smallest: a key for `{u, v, u ^ v}`.
pub(in super::super) fn span_key(u: u128, v: u128) -> (u128, u128) {
    let w = u ^ v;
    let most = u.max(v).max(w);
    if most == w {
        (u.min(v), u.max(v))
    } else if most == u {
        (v.min(w), v.max(w))
    } else {
        (u.min(w), u.max(w))
    }
}

/// A stream of pseudorandom signatures: SHA-256 of a key and a counter, two signatures a digest.
#[derive(Clone)]
pub(in super::super) struct Signatures {
    key: [u8; 32],
    drawn: u64,
    spare: Option<u128>,
}

impl Signatures {
    pub fn new(key: [u8; 32]) -> Self {
        Self { key, drawn: 0, spare: None }
    }

    pub fn key(&self) -> [u8; 32] {
        self.key
    }

    pub fn next(&mut self) -> u128 {
        if let Some(signature) = self.spare.take() {
            return signature;
        }
        let mut hash = Sha256::new();
        hash.update(self.key);
        hash.update(self.drawn.to_le_bytes());
        self.drawn += 1;
        let digest: [u8; 32] = hash.finalize().into();
        let half = |at: usize| u128::from_le_bytes(std::array::from_fn(|i| digest[at + i]));
        self.spare = Some(half(16));
        half(0)
    }
}
