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

/// Base OTs and all that a connection begins with.
pub const CONNECTION: f64 = 35.0;
/// The same of plans with several stages: base OTs the other way round, sides of the stages, keys.
pub const STAGES: f64 = 45.0;
/// A round trip: system calls, threads that are woken up.
pub const ROUND_TRIP: f64 = 0.4;

/// Nanoseconds of an AND, garbled, sent and evaluated.
const HALF_GATES: f64 = 22.0;
const THREE_HALVES: f64 = 26.0;
/// Of a label of a share's bit, both sides.
const LABEL: f64 = 700.0;
/// Of a row of correlated OT in a stage, hashed and used on both sides, ahead of the input or with it.
const ROW: f64 = 60.0;
/// Of a row that is extended; and what a silent extension takes at first, which few rows do not need.
const EXTENDED: f64 = 35.0;
const FEW_EXTENDED: f64 = 500.0;
const FIRST_EXTENSION: f64 = 50.0;
/// Of an OT on a weight.
const WEIGHT: f64 = 300.0;
/// Of a coefficient that is encrypted or decrypted, all transforms included.
const COEFFICIENT: f64 = 100.0;
/// Of a coefficient of a product with a weight.
const PRODUCT: f64 = 2.5;
/// Of a product of a number in the server's share with a weight.
const IN_THE_CLEAR: f64 = 0.25;
/// Of a byte of corrections of a conditional addition.
const ADDITION: f64 = 18.0;
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

/// Of the rows of comparisons and functions, ahead of the input or with it.
#[must_use]
pub fn by_rows(rows: Rows) -> f64 {
    (rows.leaves + rows.masks) as f64 * ROW * MS
}

/// Of labels that bits of shares get by correlated OT.
#[must_use]
pub fn labels(rows: Rows) -> f64 {
    rows.leaves as f64 * LABEL * MS
}

/// Of so many rows that are extended for the first time on a connection.
#[must_use]
pub fn first_extension(rows: usize) -> f64 {
    let rows = rows as f64;
    (rows * FEW_EXTENDED * MS).min(FIRST_EXTENSION) + rows * EXTENDED * MS
}

/// Of OTs on weights, once a connection.
#[must_use]
pub fn weights(ots: usize) -> f64 {
    ots as f64 * WEIGHT * MS
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
