//! Messages of stages on shares, one or two of which are an honest host's but for some bytes: both roles of
//! signs, OR pools and functions of numbers. Nothing binds these messages, so a changed one may give another
//! share; never a panic, and never a message of another length.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xonn_fuzz::overlay::{overlay, pick};
use xonn_fuzz::stages::stages;

fuzz_target!(init: { stages(); }, |data: &[u8]| {
    let (number, data) = pick(data);
    let case = &stages()[number % stages().len()];
    let (first, data) = pick(data);
    let (second, data) = pick(data);
    let (length, data) = pick(data);
    let (one, other) = data.split_at(length.min(data.len()));
    let harm = |number: usize, data: &[u8]| {
        let number = number % case.sent.len();
        (number, overlay(&case.sent[number], data))
    };
    // The second one half of the time.
    let mut replaced = vec![harm(first, one)];
    if second % 2 == 0 {
        replaced.push(harm(second / 2, other));
    }
    case.check(&replaced);
});
