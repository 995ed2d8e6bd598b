//! Steps on shares that several layers take: comparisons by tables of correlated OT, and conversion of the
//! bits that come of them.
//!
//! Two hosts: S, the server, has y0; C, the client, has y1 and knows it ahead. Two pools of correlated OTs
//! ([`rows`]): in the S-sender pool C chooses, in the C-sender pool S does.
//!
//! | file | what |
//! |---|---|
//! | [`rows`] | the rows of both pools, and the tweaks |
//! | [`mod@column`], [`frame`] | one bit of each element in words of 64; fields of messages |
//! | [`keys`] | keys from several rows of one Delta, over GF(2^128) |
//! | [`digits`] | how a number is cut for comparing |
//! | [`leaves`] | the tables, one a digit |
//! | [`masks`] | the masks of their entries, and shares of the masks' products |
//! | [`compare`] | shares of `[y0 + y1 >= 0]`, and a correlated OT on S's share |
//! | `parts` | large layers on several processors |
//! | [`windows`], [`convert`] | the bits, or ORs of them, as numbers of a ring |
//! | [`extend`] | numbers in a larger ring |
//! | [`scaled`] | a number of S's times a bit of C's |
//! | [`ole`] | a number of S's times a number of C's |
//! | `table` | a table of numbers of S's, of which C opens an entry |
//! | [`truncate`] | numbers without their lowest bits |
//! | `messages`, `pads` | messages for each value of S's bits; hashes of rows as numbers |
//!
//! # Invariants
//! * No branch and no memory address depends on a share, a bit, a row or a Delta: single bits are computed in
//!   words of 64, entries of a table are selected by masks. `tests/compare_ot/steps.rs` compares the
//!   instructions that run.
//! * Lengths follow from the plan; a message of another length is an error. Nothing is checked on what a
//!   message decrypts to, for a check would tell the other host of a secret.

pub mod column;
pub mod compare;
pub mod convert;
pub mod digits;
pub(crate) mod error;
pub mod extend;
pub mod frame;
pub mod keys;
pub mod leaves;
pub mod masks;
pub(crate) mod messages;
pub mod ole;
pub(crate) mod pads;
pub(crate) mod parts;
pub mod rows;
pub mod scaled;
pub(crate) mod table;
pub mod truncate;
pub mod windows;

pub use error::StepError;
