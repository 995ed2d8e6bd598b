//! What can go wrong between two hosts: the transport, the peer, a disagreement, a server that has no place,
//! and what a caller does wrong ([`Misuse`]).

use std::io;
use std::time::Duration;

use xonn_crypto::garble::EvaluateError;
use xonn_crypto::ot::OtError;

/// What a peer is told that was too slow, between what was awaited and how long.
const SLOW: &str = " took longer than ";

/// Why a session ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The connection broke.
    #[error("connection lost while {doing}")]
    Transport {
        /// What this host was doing.
        doing: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The peer did not finish a message in time.
    #[error("the peer was too slow: {doing} took longer than {limit:?}")]
    TimedOut {
        /// What this host was doing.
        doing: &'static str,
        /// The limit.
        limit: Duration,
    },
    /// The peer sent something that the protocol does not allow here.
    #[error("peer misbehaved while {doing}: {reason}")]
    Misbehaved {
        /// What this host was doing.
        doing: &'static str,
        /// What was found, and what was expected.
        reason: String,
    },
    /// The peer failed a step of oblivious transfer.
    #[error(transparent)]
    Ot(#[from] OtError),
    /// The garbled circuit gave no valid output.
    #[error("the evaluation failed")]
    Evaluate(#[from] EvaluateError),
    /// The two hosts do not agree on what they run.
    #[error("mismatch: {0}")]
    Mismatch(String),
    /// The server has no place, nor one in its queue.
    #[error("{}, try again later", super::server::FULL)]
    Full,
    /// This host's own caller did something that makes no sense; the peer had no part in it.
    #[error(transparent)]
    Misuse(#[from] Misuse),
    /// The client has had as many inferences as it is granted for now.
    #[error("{0}")]
    Exhausted(String),
    /// The client asked nothing for a while, and its place was needed for another one.
    #[error("its place went to a client that waits, it had asked nothing for {} s", idle.as_secs())]
    Recalled {
        /// How long it had asked nothing.
        idle: Duration,
    },
    /// The peer ended the session and said why.
    #[error("the peer refused: {0}")]
    Refused(String),
}

/// What a caller of this library did wrong.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Misuse {
    /// An input, or a secret, does not fit the circuit.
    #[error("the input has {found} bits, the circuit takes {expected}")]
    InputLength {
        /// Bits given.
        found: usize,
        /// Bits expected.
        expected: usize,
    },
    /// A circuit is to be prepared, and there is no room for one.
    #[error("{ready} circuits are ready, and this connection may hold {most} ahead")]
    NoRoom {
        /// Circuits that wait for an input.
        ready: usize,
        /// Circuits that may.
        most: u16,
    },
    /// A protocol was given what it does not take.
    #[error("a protocol of the plan was used wrongly: {reason}")]
    Protocol {
        /// How.
        reason: String,
    },
}

impl SessionError {
    /// Whether another try may succeed, with nothing changed: the connection was lost or slow, or the server
    /// was full or has granted enough for this hour. A try is harmless only before the first input has left.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            // What TLS finds wrong is found again: a certificate of another name, a peer without TLS.
            Self::Transport { source, .. } => source.kind() != io::ErrorKind::InvalidData,
            Self::TimedOut { .. } | Self::Full => true,
            Self::Refused(text) => {
                [super::server::FULL, super::server::GRANTED, SLOW].iter().any(|told| text.contains(told))
            }
            _ => false,
        }
    }

    /// What the peer may be told: mismatches and its own misbehaviour, never anything of our state.
    #[must_use]
    pub fn for_peer(&self) -> Option<String> {
        match self {
            Self::Mismatch(text) | Self::Exhausted(text) => Some(text.clone()),
            // A client takes it as what it is, a full server.
            Self::Recalled { idle } => Some(format!(
                "{}, and this client's place went to one that waits, since it asked nothing for {} s; try \
                 again later",
                super::server::FULL,
                idle.as_secs()
            )),
            Self::Misbehaved { doing, reason } => Some(format!("while {doing}: {reason}")),
            Self::TimedOut { doing, limit } => Some(format!("{doing}{SLOW}{limit:?}")),
            Self::Ot(_) => Some("a check of oblivious transfer failed".into()),
            Self::Full => Some(self.to_string()),
            Self::Misuse(Misuse::InputLength { .. }) => {
                Some("the client's input does not fit the circuit".into())
            }
            // Whether an evaluation fails can depend on the client's input, if the server garbled wrongly on
            // purpose.
            Self::Transport { .. } | Self::Refused(_) | Self::Evaluate(_) | Self::Misuse(_) => None,
        }
    }
}
