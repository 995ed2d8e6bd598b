//! Correlated oblivious transfer: how the client gets the labels of its input bits and nothing else.
//!
//! The server garbles, so it holds two labels `label0` and `label0 ^ delta` for every input bit of the
//! client. With one oblivious transfer (OT) per bit the client learns the label of its bit, and the server
//! does not learn the bit. A few public-key OTs are extended to any number by symmetric cryptography:
//!
//! | step | who | paper |
//! |---|---|---|
//! | 128 base OTs on Ristretto, `base` | server receives by its 128-bit secret `s`, client sends | Masny, Rindal, "Endemic Oblivious Transfer", CCS 2019 |
//! | seed trees, `pprf` | client grows 128 / k trees of 2^k seeds, server gets all but one seed of each | Boyle et al., "Efficient Two-Round OT Extension", CCS 2019 |
//! | `extension` | client sends corrections and a proof of their consistency | Roy, "SoftSpokenOT", CRYPTO 2022 |
//! | labels | server sends one block per OT, which fits its own `delta` to the extension | correlated OT by derandomisation |
//!
//! [`correlated`] has rows with random choices under one delta, as many as a connection needs: by this
//! extension, or by silent OT from rows of it (`silent.rs`), which takes less than a bit of traffic each.
//!
//! `docs/protocol-ot.md` has the messages, bounds and bytes. Nothing here does I/O or reads a clock;
//! randomness is passed in. The roles have mirrored files: `extension/sender.rs` (server) and
//! `extension/receiver.rs` (client).
//!
//! # What is guaranteed
//! A client that cheats learns no second label and is caught but with probability 2^-j if it guesses j bits
//! of `s`; a failed check ends the [`Sender`] for good, because each failure tells a little of `s`. A server
//! that cheats learns no bit of the client from these messages. Neither timing nor memory addresses depend on
//! choices, `s` or `delta`.
//!
//! # Example
//! ```
//! use rand::SeedableRng;
//! use xonn_crypto::label::Delta;
//! use xonn_crypto::ot::{Params, ReceiverSetup, SenderSetup};
//!
//! let mut rng = chacha20::ChaCha20Rng::seed_from_u64(1); // of the operating system in earnest
//! let (params, session) = (Params::default(), [7; 32]);
//! let (setup, request) = SenderSetup::start(params, session, &mut rng); //           server
//! let (mut receiver, reply) = ReceiverSetup::reply(params, session, &mut rng, &request)?; // client
//! let mut sender = setup.finish(&reply)?; //                                         server
//!
//! let choices = [true, false, true];
//! let (pending, extend) = receiver.extend(&mut rng, &choices)?; //                   client
//! let delta = Delta::random(&mut rng);
//! let (zeros, correlate) = sender.extend(3, &extend)?.correlate(&delta); //           server
//! let labels = pending.correlate(&correlate)?; //                                    client
//! for ((label, zero), choice) in labels.into_iter().zip(zeros).zip(choices) {
//!     assert_eq!(label, zero.label(choice, &delta));
//! }
//! # Ok::<(), xonn_crypto::ot::OtError>(())
//! ```

mod base;
pub mod correlated;
mod error;
mod extension;
#[cfg(any(test, feature = "ideal"))]
pub mod ideal;
pub mod msgs;
mod oracle;
mod params;
mod pprf;
mod silent;
mod transpose;
mod vole;

#[cfg(test)]
mod tests;

pub use error::OtError;
pub use extension::receiver::{PendingReceiver, Receiver, ReceiverSetup};
pub use extension::sender::{Sender, SenderKeys, SenderSetup};
pub use extension::streams::{ReceiverStreams, SenderStreams};
pub use params::{MAX_COUNT, Params};
pub use silent::Set;

/// What names one connection: a hash of everything both hosts said before the first message of this module.
///
/// Every hash here takes it in, so that no message of one connection means anything in another one. It must
/// be unique per connection, and both hosts must contribute randomness to it.
pub type SessionId = [u8; 32];

/// Base OTs, and columns of the extension: the security parameter in bits.
const COLUMNS: usize = 128;

/// The 128 bits of a block, bit 0 first.
fn bits(block: crate::block::Block) -> impl Iterator<Item = bool> {
    let block = u128::from(block);
    (0..COLUMNS).map(move |i| block >> i & 1 == 1)
}
