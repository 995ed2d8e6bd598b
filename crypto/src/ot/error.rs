//! What can go wrong: the caller's parameters, a peer's message, a peer's cheating.

/// Why an oblivious transfer stopped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OtError {
    /// A parameter of our own side that no extension has.
    #[error("oblivious transfer: field of {found} bits is not supported, expected 1, 2, 4 or 8")]
    FieldBits {
        /// The bits asked for.
        found: usize,
    },
    /// More OTs than [`super::MAX_COUNT`] at once.
    #[error("oblivious transfer: {found} transfers at once, expected at most {limit}, split them")]
    TooMany {
        /// Transfers asked for.
        found: usize,
        /// [`super::MAX_COUNT`].
        limit: usize,
    },
    /// A message that does not have the length which the public parameters say.
    #[error("peer misbehaved in oblivious transfer: {message} message of {found} bytes, expected {expected}")]
    Length {
        /// Which message.
        message: &'static str,
        /// Its bytes.
        found: usize,
        /// The bytes it should have.
        expected: usize,
    },
    /// A message that was decoded for other parameters or another number of OTs.
    #[error(
        "oblivious transfer: {message} message for other parameters, it holds {found} {unit}, expected {expected}"
    )]
    Shape {
        /// Which message.
        message: &'static str,
        /// What is counted.
        unit: &'static str,
        /// As many as there are.
        found: usize,
        /// As many as there should be.
        expected: usize,
    },
    /// 32 bytes that are not the encoding of a Ristretto point.
    #[error("peer misbehaved in oblivious transfer: point {index} of the {message} message is not canonical")]
    Point {
        /// Which message.
        message: &'static str,
        /// The point, counted from 0.
        index: usize,
    },
    /// The neutral element, which an honest peer does not draw.
    #[error("peer misbehaved in oblivious transfer: point {index} of the {message} message is the identity")]
    Identity {
        /// Which message.
        message: &'static str,
        /// The point, counted from 0.
        index: usize,
    },
    /// The client's seed trees do not agree with its commitment to them.
    #[error("peer misbehaved in oblivious transfer: the seed trees fail their check, close the connection")]
    TreeCheck,
    /// The client's corrections do not stand for one choice per OT.
    #[error(
        "peer misbehaved in oblivious transfer: the extension fails its consistency check, close the connection"
    )]
    ExtensionCheck,
    /// The sender's corrections of a round of silent OT do not stand for one tree each.
    #[error(
        "peer misbehaved in oblivious transfer: silent OT fails its consistency check, close the connection"
    )]
    SilentCheck,
    /// A pool was to be made of a setup whose secret is not a delta.
    #[error(
        "oblivious transfer: the setup's secret is no delta, expected `Params::with_shared_delta` for it"
    )]
    NoDelta,
    /// A message that nothing waits for.
    #[error(
        "oblivious transfer: a message of {found} bytes is not waited for, expected `step` to ask for one"
    )]
    Unexpected {
        /// Its bytes.
        found: usize,
    },
    /// Rows were asked for while others were still being made.
    #[error(
        "oblivious transfer: an extension is not finished, expected `step` to be called until it is done"
    )]
    Unfinished,
    /// More rows were to be reserved than there are.
    #[error("oblivious transfer: {wanted} rows reserved of {ready}, expected an extension first")]
    TooFew {
        /// Rows asked for.
        wanted: usize,
        /// Rows there are.
        ready: usize,
    },
    /// The sender was used after one of its checks failed.
    #[error("oblivious transfer: an earlier message on this connection was refused, open a new connection")]
    Refused,
}
