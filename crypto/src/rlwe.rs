//! Linear layers on the client's encrypted masks: RLWE with small moduli, coefficients packed, no rotations.
//!
//! The client has a mask r for each input x of a layer. Before x is known it sends r encrypted
//! ([`ClientKey::encrypt`]); the server multiplies by its weights, adds a mask of its own and answers with
//! rounded ciphertexts ([`ServerKey::respond`]); the client decrypts its share y1 of the result
//! ([`ClientKey::decrypt`]). Once the server has x - r it computes its share y0 in the clear
//! ([`Kept::into_shares`]), and y0 + y1 is the layer's sum, with phi bits of fraction or without its lowest
//! -phi bits.
//!
//! | file | what |
//! |---|---|
//! | [`Params`] | the closed menu of rings: n, q, bits of security |
//! | `field`, `kernel`, `ntt` | arithmetic modulo q, its vector form, the transform |
//! | [`ring`] | polynomials as coefficients and as values of the transform: two types |
//! | [`sample`] | uniform, ternary and binomial polynomials from AES in counter mode |
//! | `switch` | rounding to fewer bits without a division |
//! | `client`, `server` | the two roles |
//! | [`encode`] | which coefficient holds which number: convolutions and dense layers |
//! | [`noise`] | how far the result is from the exact one |
//!
//! # Who is protected
//! The client, against any server: all that the server sees is RLWE ciphertexts and x - r. The server,
//! against a client that follows the protocol: the answer's coefficients outside of the results are RLWE
//! under a key that a hash of the session chooses, the results are masked by a number uniform modulo q, used
//! once. A client that does not follow it can ask for sums of its choice, one layer deep, by what the final
//! answer shows.
//!
//! # What a caller has to keep
//! * A client's key is for one connection and few predictions (64), never stored. The server is never told
//!   the answer nor whether it looked wrong: answers that it bends make them depend on the key.
//! * A layer whose result is shown takes n = 2048, and at most 1,000 bits of one output polynomial are shown:
//!   M is known where a result is.
//! * Masks, [`Kept`] and answers are used once. A second use of a mask shows the difference of two inputs.
//! * [`noise::margin`] is asserted from the real weights: a margin that is too small gives wrong answers, not
//!   a leak.
//!
//! # Invariants
//! * No branch and no memory address depends on a secret but on whether a random word was rejected, which
//!   tells nothing of those that were not; `tests/steps.rs` compares the instructions that run.
//! * `(n, q)` is a row of the menu, on both sides, whatever the other host says.
//! * One seed is for public polynomials or for secret ones, never for both: callers hand over a generator,
//!   not seeds.

mod client;
pub mod encode;
mod error;
mod field;
mod kernel;
pub mod noise;
mod ntt;
mod params;
pub mod ring;
pub mod sample;
mod server;
mod switch;

pub use client::ClientKey;
pub use error::RlweError;
pub use params::{Params, Role};
pub use server::{Kept, Masks, ServerKey, Weights};
pub use switch::Rounding;
