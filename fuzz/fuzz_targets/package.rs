//! Packages: what is read is verified, so its costs can be counted.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xonn_circuits::tiled::package::Package;
use xonn_compile::inspect::{FileKind, Report, html};

fuzz_target!(|data: &[u8]| {
    if let Ok(package) = Package::from_bytes(data.to_vec(), "fuzz") {
        let mut report = Report::new("fuzz", FileKind::Package);
        report.add_program(package.program());
        let _ = html::html(&report);
    }
});
