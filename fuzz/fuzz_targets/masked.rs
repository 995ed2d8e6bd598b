//! Masked inputs of circuits ahead: the server takes an honest client's and no other.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xonn_fuzz::cases::{Case, cases};
use xonn_fuzz::overlay::{overlay, pick};

fuzz_target!(init: { cases(); }, |data: &[u8]| {
    let (number, data) = pick(data);
    let masked = |case: &'static Case| case.behind.to_server.iter().filter(|frame| frame.kind == 16);
    let cases: Vec<&Case> = cases().iter().filter(|case| masked(case).next().is_some()).collect();
    let case = cases[number % cases.len()];
    let circuit = number / 32 % case.questions();
    let honest = |number: usize| masked(case).nth(number).map(|frame| &frame.payload);
    let bytes = overlay(honest(circuit).expect("one for each input"), data);
    // Its number is in it: an input is for one circuit.
    for number in circuit..circuit + 2 {
        let taken = case.server.take_masked(number as u64, &bytes);
        assert_eq!(taken.is_ok(), honest(number) == Some(&bytes), "what no honest client sent is taken");
    }
});
