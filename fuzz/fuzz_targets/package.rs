//! Packages: what is read is verified, so its circuit can be made and its costs counted.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xonn_compile::inspect::{FileKind, Report, html};
use xonn_program::{Package, circuit};

fuzz_target!(|data: &[u8]| {
    if let Ok(package) = Package::from_bytes(data.to_vec(), "fuzz")
        && let Ok(circuit) = circuit::lower(package.program())
    {
        let mut report = Report::new("fuzz", FileKind::Package);
        report.add_circuit(package.program().input(), &circuit);
        let _ = html::html(&report);
    }
});
