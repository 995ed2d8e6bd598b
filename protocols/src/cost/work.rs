//! How long both hosts compute, by counts that follow from the plan.
//!
//! Milliseconds of both hosts one after the other, but for circuits: one host evaluates while the other one
//! garbles and while tables are on their way. The rates are those of one machine (two cores of an AMD EPYC,
//! Zen 4, which both hosts share), fitted to whole predictions over loopback. Another machine is faster or
//! slower by some factor for all of them alike, and slow links hide what they are; so they are good enough to
//! choose between plans, and no promise. `python -m xonn_scripts.measure.plans` compares them with measured
//! times.

use xonn_crypto::garble::Scheme;
use xonn_crypto::garble::schedule::Schedule;

use crate::protocol::Rows;

/// Base OTs, keys and the other work of a new connection.
pub const CONNECTION: f64 = 30.0;
/// A round trip: system calls, threads that are woken up.
pub const ROUND_TRIP: f64 = 0.1;

/// Nanoseconds of an AND, garbled, sent and evaluated.
const HALF_GATES: f64 = 12.0;
const THREE_HALVES: f64 = 15.0;
/// Of a row of correlated OT, extended, hashed and used on both sides.
const ROW: f64 = 100.0;
/// Of a byte that a message on shares has.
const BYTE: f64 = 1.0;
/// Of a coefficient that is encrypted or decrypted, all transforms included.
const COEFFICIENT: f64 = 40.0;
/// Of a coefficient of a product with a weight.
const PRODUCT: f64 = 1.0;
/// Of a product of a number in the server's share with a weight.
const IN_THE_CLEAR: f64 = 0.1;
/// Of a byte of corrections of a conditional addition.
const ADDITION: f64 = 5.0;

/// Bytes that half gates take for an AND [Zahur, Rosulek, Evans, EUROCRYPT 2015].
const HALF_GATES_BYTES: u64 = 32;

const MS: f64 = 1e-6;

/// The ANDs of a circuit, halves of one added up.
#[must_use]
pub fn ands(schedule: &Schedule) -> u64 {
    schedule.bytes(Scheme::HalfGates) / HALF_GATES_BYTES
}

/// Of the ANDs of a circuit.
#[must_use]
pub fn circuit(ands: u64, scheme: Scheme) -> f64 {
    let each = match scheme {
        Scheme::HalfGates => HALF_GATES,
        Scheme::ThreeHalves => THREE_HALVES,
    };
    ands as f64 * each * MS
}

/// Of the rows and bytes of comparisons and functions.
#[must_use]
pub fn by_rows(rows: Rows, bytes: u64) -> f64 {
    ((rows.leaves + rows.masks) as f64 * ROW + bytes as f64 * BYTE) * MS
}

/// Of a layer under lattice encryption: polynomials of masks and of answers, products of two, coefficients
/// of each, and the products of the same layer in the clear.
#[must_use]
pub fn lattice(polynomials: usize, products: usize, degree: usize, in_the_clear: u64) -> f64 {
    let encrypted = polynomials as f64 * COEFFICIENT + products as f64 * PRODUCT;
    (encrypted * degree as f64 + in_the_clear as f64 * IN_THE_CLEAR) * MS
}

/// Of conditional additions with so many bytes of corrections.
#[must_use]
pub fn additions(bytes: u64) -> f64 {
    bytes as f64 * ADDITION * MS
}
