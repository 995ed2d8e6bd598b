//! An evaluator that is started before its garbler listens.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use crate::cli::failure::{Failure, Kind};
use crate::cli::report;
use crate::net;
use crate::net::tls::{ClientTls, Connection};

/// Time between the first two attempts: two hosts that are started together read the same file, and one is
/// ready a moment before the other. Each further pause is twice as long, up to [`LONGEST`].
const FIRST: Duration = Duration::from_millis(2);

/// Longest time between two attempts.
const LONGEST: Duration = Duration::from_millis(100);

/// Connects, and for up to `wait` tries again while nobody listens there; says so once. `limit` is the
/// longest time of one attempt.
pub fn connect(
    address: &str,
    tls: Option<&ClientTls>,
    limit: Duration,
    wait: Duration,
) -> Result<Connection, Failure> {
    let begin = Instant::now();
    let (mut is_said, mut pause) = (false, FIRST);
    loop {
        let error = match net::connect(address, tls, limit) {
            Ok(connection) => return Ok(connection),
            Err(error) => error,
        };
        let waited = begin.elapsed();
        if !may_come(error.kind()) || wait.is_zero() {
            let kind = if net::is_transient(&error) { Kind::Transient } else { Kind::Other };
            return Err(Failure::new(kind, format_args!("cannot connect to {address}: {error}")));
        }
        if waited >= wait {
            let seconds = wait.as_secs();
            let told = format!(
                "cannot connect to {address}: {error}; waited {seconds} s for `xonn-run garble` to listen \
                 there, --wait sets how long"
            );
            return Err(Failure::new(Kind::Transient, told));
        }
        if !is_said {
            let seconds = wait.as_secs();
            report::log(format_args!(
                "waiting up to {seconds} s for the garbler to listen on {address} ({error})"
            ));
            is_said = true;
        }
        std::thread::sleep(pause.min(wait - waited));
        pause = (2 * pause).min(LONGEST);
    }
}

/// Whether an address that answers so may be one where a garbler will listen.
fn may_come(kind: ErrorKind) -> bool {
    use ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable, TimedOut};
    matches!(kind, ConnectionRefused | HostUnreachable | NetworkUnreachable | TimedOut)
}
