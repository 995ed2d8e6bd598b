//! Whole model files, `.h5`, `.keras` or JSON: a graph, and what the passes make of it, or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xonn_compile::keras::{self, ReadOptions};
use xonn_compile::passes::{self, Options};

fuzz_target!(|data: &[u8]| {
    if let Ok(graph) = keras::read_bytes(data.to_vec(), "fuzz", None, &ReadOptions::default()) {
        let _ = passes::run(&graph, &Options::default());
    }
});
