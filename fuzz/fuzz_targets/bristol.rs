//! Bristol files of both dialects: what is read can be written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xonn_circuits::bristol::{self, Options};

fuzz_target!(|data: &[u8]| {
    let Ok(parsed) = bristol::read(data, "fuzz") else { return };
    let mut text = Vec::new();
    if bristol::write(&parsed.netlist, &mut text, &Options::default()).is_ok() {
        let again = bristol::read(&text[..], "again").expect("what is written can be read");
        assert_eq!(again.netlist.stats().and, parsed.netlist.stats().and);
    }
});
