//! Masked inputs of circuits ahead: the server takes an honest client's and no other.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xonn_fuzz::cases::{Case, cases};
use xonn_fuzz::overlay::{overlay, pick};

fuzz_target!(|data: &[u8]| {
    let (number, data) = pick(data);
    let masked = |case: &'static Case| case.behind.to_server.iter().filter(|frame| frame.kind == 16);
    let cases: Vec<&Case> = cases().iter().filter(|case| masked(case).next().is_some()).collect();
    let case = cases[number % cases.len()];
    let circuit = number / 32 % case.questions();
    let honest = masked(case).nth(circuit).expect("one for each input");
    let bytes = overlay(&honest.payload, data);
    let taken = case.server.take_masked(circuit as u64, &bytes);
    assert_eq!(taken.is_ok(), bytes == honest.payload, "the server takes what no honest client sent");
    assert!(case.server.take_masked(circuit as u64 + 1, &bytes).is_err(), "an input for another circuit");
});
