//! Why a command failed: a sentence for people, and a kind, which is the exit code.

use std::error::Error;
use std::fmt::Display;

use serde_json::{Value, json};
use xonn_circuits::bristol::BristolError;
use xonn_program::console;
use xonn_program::data::DataError;
use xonn_program::package::PackageError;
use xonn_program::secret::SecretError;

use super::report;
use crate::net::tls::TlsError;
use crate::session::SessionError;
use crate::session::client::run::Unanswered;

/// What a program does about a failure depends on this.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// None of the others: an output that cannot be written, for instance.
    Other = 1,
    /// Flags that do not go together; clap's own code for what it finds.
    Usage = 2,
    /// A file or sample that cannot be read or does not fit.
    Data = 3,
    /// The peer does not follow the protocol or runs another thing, or an evaluation failed.
    Protocol = 4,
    /// Another try may help: the peer cannot be reached, is full or slow, or the connection broke.
    Transient = 5,
    /// Whoever read standard output left, as `head` does. The command ends without a word.
    ReaderLeft = console::READER_LEFT as isize,
}

impl Kind {
    /// As it is called in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Other => "other",
            Self::Usage => "usage",
            Self::Data => "data",
            Self::Protocol => "protocol",
            Self::Transient => "transient",
            Self::ReaderLeft => "reader_left",
        }
    }

    /// Of an error that comes from anywhere.
    pub fn of(error: &(dyn Error + 'static)) -> Self {
        if let Some(failure) = error.downcast_ref::<Failure>() {
            return failure.kind;
        }
        if console::reader_left(error) {
            return Self::ReaderLeft;
        }
        if let Some(error) = error.downcast_ref::<SessionError>() {
            return match error {
                SessionError::Misuse(_) => Self::Data,
                error if error.is_transient() => Self::Transient,
                _ => Self::Protocol,
            };
        }
        if let Some(error) = error.downcast_ref::<Unanswered>() {
            return if *error == Unanswered::Unfit { Self::Data } else { Self::Protocol };
        }
        match error.downcast_ref::<DataError>() {
            Some(DataError::Write { .. }) => return Self::Other,
            Some(_) => return Self::Data,
            None => {}
        }
        match error.downcast_ref::<TlsError>() {
            Some(TlsError::Name { .. }) => return Self::Usage,
            Some(_) => return Self::Data,
            None => {}
        }
        let data = error.is::<PackageError>() || error.is::<SecretError>() || error.is::<BristolError>();
        if data { Self::Data } else { Self::Other }
    }
}

/// A sentence and its kind.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    kind: Kind,
    message: String,
    /// Whether it is in a report that is on standard output already.
    reported: bool,
    /// Whether it is in the log already.
    logged: bool,
}

impl Failure {
    /// A failure of a kind.
    pub fn new(kind: Kind, message: impl Display) -> Self {
        Self { kind, message: message.to_string(), reported: false, logged: false }
    }

    /// Something is wrong with what was given to read.
    pub fn data(message: impl Display) -> Self {
        Self::new(Kind::Data, message)
    }

    /// Of an error with its causes.
    pub fn of(error: &(dyn Error + 'static)) -> Self {
        error.downcast_ref::<Self>().cloned().unwrap_or_else(|| Self {
            kind: Kind::of(error),
            message: report::sentence(error),
            reported: false,
            logged: false,
        })
    }

    /// The same, which need not be put on standard output any more.
    #[must_use]
    pub fn reported(self) -> Self {
        Self { reported: true, ..self }
    }

    /// The same, which need not be said on standard error any more.
    #[must_use]
    pub fn logged(self) -> Self {
        Self { logged: true, ..self }
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// For programs.
    pub fn json(&self) -> Value {
        json!({ "kind": self.kind.name(), "code": self.kind as u8, "message": self.message })
    }

    /// Says it: to people on standard error and, if `json` is wanted, to programs on standard output, where
    /// their answers are. Returns the exit code.
    pub fn tell(&self, json: bool) -> u8 {
        if json && !self.reported {
            // If nobody reads it, the sentence and the code are left.
            let _ = report::say(json!({ "error": self.json() }));
        }
        if !self.logged && self.kind != Kind::ReaderLeft {
            report::log(format_args!("xonn-run: {self}"));
        }
        self.kind as u8
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error as IoError, ErrorKind};
    use std::time::Duration;

    use super::*;
    use crate::session::Misuse;
    use xonn_crypto::garble::EvaluateError;

    /// Each family of errors is of the kind by which a script can tell whether to try again.
    #[test]
    fn errors_are_of_a_kind() {
        let doing = "greeting";
        let lost = |kind| SessionError::Transport { doing, source: IoError::from(kind) };
        let refused = |text: &str| SessionError::Refused(text.to_owned());
        let slow = SessionError::TimedOut { doing, limit: Duration::from_secs(5) };
        let told = slow.for_peer().expect("the peer is told");
        for (error, kind) in [
            (lost(ErrorKind::ConnectionReset), Kind::Transient),
            (lost(ErrorKind::UnexpectedEof), Kind::Transient),
            // TLS: a certificate that is not right stays so.
            (lost(ErrorKind::InvalidData), Kind::Protocol),
            (slow, Kind::Transient),
            (refused("the server is full, try again later"), Kind::Transient),
            (refused(&told), Kind::Transient),
            (refused("the server serves the circuit with digest 1, this client has 2"), Kind::Protocol),
            (SessionError::Mismatch("versions".into()), Kind::Protocol),
            (SessionError::Misbehaved { doing, reason: "?".into() }, Kind::Protocol),
            (SessionError::Evaluate(EvaluateError::WrongLabel { bit: 0 }), Kind::Protocol),
            (SessionError::Misuse(Misuse::InputLength { found: 1, expected: 2 }), Kind::Data),
        ] {
            assert_eq!(Kind::of(&error), kind, "{error:?}");
        }
    }
}
