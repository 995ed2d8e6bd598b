//! Configurations, with the weights of a small model beside them: what compiles also becomes gates.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xonn_compile::keras::{self, ReadOptions};
use xonn_compile::passes::{self, Options};

const WEIGHTS: &[u8] = include_bytes!("../../xonn-compile/tests/data/tiny_mlp.h5");

fuzz_target!(|data: &[u8]| {
    let read = keras::read_bytes(data.to_vec(), "fuzz", Some((WEIGHTS, "weights")), &ReadOptions::default());
    if let Ok(graph) = read
        && let Ok(compiled) = passes::run(&graph, &Options::default())
    {
        let _ = compiled.network.lower();
    }
});
