//! Sample files: `.npy`, `.npz`, images, tables.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use xonn_program::data::{Npz, image, npy, table};

fuzz_target!(|data: &[u8]| {
    let _ = npy::read(data, "fuzz");
    let _ = image::read(Cursor::new(data), "fuzz");
    let _ = image::read_jpeg(Cursor::new(data), "fuzz");
    let _ = table::read(data, "fuzz");
    if let Ok(mut npz) = Npz::new(Cursor::new(data), "fuzz") {
        for name in npz.names().into_iter().take(8) {
            let _ = npz.array(&name);
        }
    }
});
