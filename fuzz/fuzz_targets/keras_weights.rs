//! Weights files, numbered or named, for a fixed configuration.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xonn_compile::keras::{self, ReadOptions};
use xonn_compile::passes::{self, Options};

const CONFIG: &[u8] = include_bytes!("../../xonn-compile/tests/data/sharded.json");

fuzz_target!(|data: &[u8]| {
    let custom = [("bnn>sign".to_owned(), "ste_sign".to_owned())].into();
    let options = ReadOptions { custom, ..ReadOptions::default() };
    if let Ok(graph) = keras::read_bytes(CONFIG.to_vec(), "fuzz", Some((data, "weights")), &options) {
        let _ = passes::run(&graph, &Options::default());
    }
});
