//! What a server of many clients decides for one of them, and hears of it.

use std::time::{Duration, Instant};

use crate::session::channel::{Channel, Transport};
use crate::session::error::SessionError;

/// How often a supervisor is asked about a client that asks nothing.
const ASK: Duration = Duration::from_millis(250);

/// Who looks after one client of many.
pub trait Supervisor {
    /// Counts an inference, over all connections of the client.
    ///
    /// # Errors
    /// A sentence for the client if there are no more.
    fn count(&self) -> Result<(), String>;

    /// Takes back some that were counted, of circuits that never answered.
    fn give_back(&self, count: u64);

    /// The client has begun a message: from now on it may not be recalled.
    fn busy(&self) {}

    /// The client has asked nothing since then, and no message is under way: whether it has to leave.
    fn recall(&self, _since: Instant) -> bool {
        false
    }

    /// An inference was answered, in so much time from the first byte of its question on.
    fn answered(&self, _took: Duration) {}
}

/// Whoever has an allowance without end.
impl Supervisor for () {
    fn count(&self) -> Result<(), String> {
        Ok(())
    }

    fn give_back(&self, _count: u64) {}
}

/// Waits for at most `idle` until the client's next message begins; how long its head may take from then on,
/// which is `message` at most, so that one byte of it does not keep a place.
pub(super) fn await_question<T: Transport>(
    channel: &mut Channel<T>,
    (idle, message): (Duration, Duration),
    supervisor: &impl Supervisor,
    doing: &'static str,
) -> Result<Duration, SessionError> {
    let since = Instant::now();
    loop {
        let left = idle.saturating_sub(since.elapsed());
        if left.is_zero() {
            return Err(SessionError::TimedOut { doing, limit: idle });
        }
        match channel.begins_within(left.min(ASK), doing)? {
            Some(true) => {
                supervisor.busy();
                return Ok(message);
            }
            None => return Ok(idle),
            Some(false) if supervisor.recall(since) => {
                return Err(SessionError::Recalled { idle: since.elapsed() });
            }
            Some(false) => {}
        }
    }
}
