//! What bounds everything else on this machine beside its AES: how fast memory is read and copied.

use std::hint::black_box;
use std::time::Instant;

use super::{RUNS, Roles, Row, rate};
use xonn_crypto::block::Backend;

/// Bytes that are read or copied: more than caches hold.
const BYTES: usize = 64 << 20;

/// Memory read and copied by one thread, in millions of bytes a second. A byte copied is read and written.
#[must_use]
pub fn measure_memory() -> [Row; 2] {
    let from: Vec<u64> = (0..BYTES as u64 / 8).collect();
    // Written to once, so that no run is the first to touch its pages.
    let mut to = from.clone();
    let read = || {
        let begin = Instant::now();
        black_box(black_box(&from).iter().fold(0, |sum: u64, &word| sum.wrapping_add(word)));
        begin.elapsed()
    };
    let read: Vec<_> = (0..RUNS).map(|_| read()).collect();
    let mut copy = || {
        let begin = Instant::now();
        black_box(&mut to).copy_from_slice(black_box(&from));
        begin.elapsed()
    };
    let copied: Vec<_> = (0..RUNS).map(|_| copy()).collect();
    [("memory, read", read), ("memory, copied", copied)].map(|(what, runs)| Row {
        what: what.into(),
        backend: Backend::best().to_string(),
        scheme: None,
        roles: Roles::Garbling,
        threads: 1,
        unit: "byte",
        garble: Some(rate(BYTES as f64, runs)),
        evaluate: None,
        both_ns: None,
        bytes: None,
    })
}
