//! `.npy` and `.npz` files.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use xonn_circuits::data::{Npz, npy};

fuzz_target!(|data: &[u8]| {
    let _ = npy::read(data, "fuzz");
    if let Ok(mut npz) = Npz::new(Cursor::new(data), "fuzz") {
        for name in npz.names().into_iter().take(8) {
            let _ = npz.array(&name);
        }
    }
});
