//! Framed messages with deadlines over a byte stream, counted.
//!
//! A frame is one byte of kind, four bytes of length (little endian), and the payload. The receiver names the
//! kind and the length that it expects before it reads, so a frame that says otherwise is refused before
//! anything is allocated.

mod traffic;
mod transport;

use std::io;
use std::time::{Duration, Instant};

use super::error::SessionError;
use super::msgs::{self, Kind};
pub use traffic::Traffic;
pub(crate) use transport::is_silence;
pub use transport::{Timed, Transport};

/// Bytes collected before they are handed to the stream.
const BUFFER: usize = 1 << 16;

/// Length of a frame's head.
pub const HEAD: usize = 5;

/// What a TLS record begins with that a peer sends before anything else: no kinds of ours.
const TLS_ALERT: u8 = 21;
const TLS_HANDSHAKE: u8 = 22;

/// Longest time that a refusal may take to be sent, and then to be taken notice of.
const LINGER: Duration = Duration::from_millis(500);

/// Framed messages over a transport.
pub struct Channel<T> {
    transport: T,
    out: Vec<u8>,
    traffic: Traffic,
    sent_last: bool,
    limit: Duration,
    /// Whether tables are of a first layer.
    first_layer: bool,
    /// Whether what is being received is.
    receiving_first_layer: bool,
}

impl<T: Transport> Channel<T> {
    /// A channel each of whose messages must be complete within `limit`.
    pub fn new(transport: T, limit: Duration) -> Self {
        Self {
            transport,
            out: Vec::new(),
            traffic: Traffic::default(),
            sent_last: false,
            limit,
            first_layer: false,
            receiving_first_layer: false,
        }
    }

    /// What it runs over.
    pub fn transport(&self) -> &T {
        &self.transport
    }

    /// From now on each message must be complete within `limit`.
    pub fn set_limit(&mut self, limit: Duration) {
        self.limit = limit;
    }

    /// From now on tables are of a first layer, or not: for [`Traffic`] only.
    pub fn count_as_first_layer(&mut self, whether: bool) {
        self.first_layer = whether;
    }

    fn is_of_first_layer(&self, kind: Kind) -> bool {
        kind.is_of_first_layer() || kind == Kind::Tables && self.first_layer
    }

    /// What went over the channel so far.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Queues a message; it leaves when enough is queued or on [`Channel::flush`].
    ///
    /// # Errors
    /// If the transport fails or is too slow.
    pub fn send(&mut self, kind: Kind, payload: &[u8], doing: &'static str) -> Result<(), SessionError> {
        let length =
            u32::try_from(payload.len()).expect("messages are shorter than 4 GiB: segments are bounded");
        self.out.push(kind as u8);
        self.out.extend(length.to_le_bytes());
        self.traffic.sent += (HEAD + payload.len()) as u64;
        if self.is_of_first_layer(kind) {
            self.traffic.first_layer_sent += (HEAD + payload.len()) as u64;
        }
        if self.out.len() + payload.len() <= BUFFER {
            self.out.extend(payload);
            return Ok(());
        }
        // One message, one deadline, with what waited for it.
        self.write_out(payload, doing, Deadline::after(self.limit))
    }

    /// Sends what is queued.
    ///
    /// # Errors
    /// If the transport fails or is too slow.
    pub fn flush(&mut self, doing: &'static str) -> Result<(), SessionError> {
        self.write_out(&[], doing, Deadline::after(self.limit))
    }

    /// Sends what is queued and `body` behind it.
    fn write_out(
        &mut self,
        body: &[u8],
        doing: &'static str,
        deadline: Deadline,
    ) -> Result<(), SessionError> {
        let out = std::mem::take(&mut self.out);
        let result = self.write_all(&out, body, doing, deadline);
        self.out = out;
        self.out.clear();
        result
    }

    fn write_all(
        &mut self,
        mut head: &[u8],
        mut body: &[u8],
        doing: &'static str,
        deadline: Deadline,
    ) -> Result<(), SessionError> {
        self.sent_last |= !(head.is_empty() && body.is_empty());
        while !(head.is_empty() && body.is_empty()) {
            let written = self.step(doing, deadline, |t, left| match body {
                [] => t.write_within(head, left),
                _ => t.write_both_within(head, body, left),
            })?;
            let of_head = written.min(head.len());
            (head, body) = (&head[of_head..], &body[written - of_head..]);
        }
        Ok(())
    }

    /// Receives a message of one kind and just `length` bytes.
    ///
    /// # Errors
    /// If another kind or length comes, the peer refuses, or the transport fails or is too slow.
    pub fn receive(
        &mut self,
        kind: Kind,
        length: usize,
        doing: &'static str,
    ) -> Result<Vec<u8>, SessionError> {
        let deadline = self.expect(kind, length, doing)?;
        let mut payload = vec![0; length];
        self.read_exact(&mut payload, doing, deadline)?;
        Ok(payload)
    }

    /// Receives a message of one kind and at most `most` bytes.
    ///
    /// # Errors
    /// As [`Channel::receive`].
    pub fn receive_up_to(
        &mut self,
        kind: Kind,
        most: usize,
        doing: &'static str,
    ) -> Result<Vec<u8>, SessionError> {
        let (length, deadline) =
            self.expect_length(kind, |length| length <= most, &format!("at most {most}"), doing)?;
        let mut payload = vec![0; length];
        self.read_exact(&mut payload, doing, deadline)?;
        Ok(payload)
    }

    /// Receives a message of one kind and just `length` bytes, into `room`, which is made when the message
    /// has begun to come: a buffer used before spares the system giving out fresh memory.
    ///
    /// # Errors
    /// As [`Channel::receive`].
    pub fn receive_into<'r>(
        &mut self,
        kind: Kind,
        length: usize,
        doing: &'static str,
        room: impl FnOnce() -> &'r mut [u8],
    ) -> Result<(), SessionError> {
        let deadline = self.expect(kind, length, doing)?;
        self.read_exact(room(), doing, deadline)
    }

    /// Awaits the head of the next message for at most `idle` and returns its kind and length; the payload is
    /// to be read with [`Channel::payload`].
    ///
    /// # Errors
    /// If the transport fails, the peer is silent for too long, or the kind does not exist.
    pub fn head(&mut self, idle: Duration, doing: &'static str) -> Result<(Kind, usize), SessionError> {
        self.flush(doing)?;
        self.receiving_first_layer = false;
        let mut head = [0; HEAD];
        self.read_exact(&mut head, doing, Deadline::after(idle))?;
        if std::mem::take(&mut self.sent_last) {
            self.traffic.round_trips += 1;
        }
        let [kind, length @ ..] = head;
        let kind = Kind::from_byte(kind).ok_or_else(|| {
            let reason = match kind {
                TLS_ALERT | TLS_HANDSHAKE => "the peer speaks TLS, this host was not told to".into(),
                _ => format!("there is no message of kind {kind}"),
            };
            SessionError::Misbehaved { doing, reason }
        })?;
        if self.is_of_first_layer(kind) {
            self.receiving_first_layer = true;
            self.traffic.first_layer_received += HEAD as u64;
        }
        Ok((kind, u32::from_le_bytes(length) as usize))
    }

    /// Sends what is queued, and waits for at most `limit` until the peer's next message begins, or the
    /// connection ends; whether it came to that, if the transport can tell.
    ///
    /// # Errors
    /// If the transport fails.
    pub fn begins_within(
        &mut self,
        limit: Duration,
        doing: &'static str,
    ) -> Result<Option<bool>, SessionError> {
        self.flush(doing)?;
        self.transport.begins_within(limit).map_err(|source| SessionError::Transport { doing, source })
    }

    /// Reads the payload of a message whose head was read and whose length the caller has checked.
    ///
    /// # Errors
    /// If the transport fails or is too slow.
    pub fn payload(&mut self, length: usize, doing: &'static str) -> Result<Vec<u8>, SessionError> {
        let mut payload = vec![0; length];
        self.read_exact(&mut payload, doing, Deadline::after(self.limit))?;
        Ok(payload)
    }

    /// The error that a peer's refusal means. Its text is bounded and cannot control a terminal.
    ///
    /// # Errors
    /// If the transport fails before the text is complete.
    pub fn refusal(&mut self, length: usize, doing: &'static str) -> Result<SessionError, SessionError> {
        let text = self.payload(length.min(msgs::MAX_REFUSAL), doing)?;
        Ok(SessionError::Refused(msgs::printable(&text)))
    }

    /// Tells the peer why this host ends the session, if it may know, and hangs up; errors are of no interest
    /// any more.
    ///
    /// A peer that does not listen delays this host by a second at most, whatever the limit for a message is.
    pub fn refuse(&mut self, error: &SessionError) {
        if let Some(text) = error.for_peer() {
            let end = text.len().min(msgs::MAX_REFUSAL);
            self.limit = self.limit.min(LINGER);
            let sent = self.send(Kind::Refusal, &text.as_bytes()[..end], "refusing");
            if sent.and_then(|()| self.flush("refusing")).is_ok() {
                self.transport.hang_up(self.limit);
            }
        }
    }

    fn expect(&mut self, kind: Kind, length: usize, doing: &'static str) -> Result<Deadline, SessionError> {
        Ok(self.expect_length(kind, |found| found == length, &length.to_string(), doing)?.1)
    }

    /// Awaits the head of a message of one kind whose length fits; `expected` is for people.
    fn expect_length(
        &mut self,
        kind: Kind,
        fits: impl Fn(usize) -> bool,
        expected: &str,
        doing: &'static str,
    ) -> Result<(usize, Deadline), SessionError> {
        let deadline = Deadline::after(self.limit);
        let (found, length) = self.head(self.limit, doing)?;
        if found == Kind::Refusal {
            return Err(self.refusal(length, doing)?);
        }
        if found != kind || !fits(length) {
            let reason = format!("{found:?} of {length} bytes, expected {kind:?} of {expected} bytes");
            return Err(SessionError::Misbehaved { doing, reason });
        }
        Ok((length, deadline))
    }

    fn read_exact(
        &mut self,
        mut buffer: &mut [u8],
        doing: &'static str,
        deadline: Deadline,
    ) -> Result<(), SessionError> {
        while !buffer.is_empty() {
            let read = self.step(doing, deadline, |t, left| t.read_within(buffer, left))?;
            self.traffic.received += read as u64;
            if self.receiving_first_layer {
                self.traffic.first_layer_received += read as u64;
            }
            buffer = &mut buffer[read..];
        }
        Ok(())
    }

    /// One read or write before `deadline`; 0 bytes mean that the peer is gone.
    fn step(
        &mut self,
        doing: &'static str,
        deadline: Deadline,
        mut f: impl FnMut(&mut T, Duration) -> io::Result<usize>,
    ) -> Result<usize, SessionError> {
        let timed_out = SessionError::TimedOut { doing, limit: deadline.limit };
        loop {
            let left = deadline.at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(timed_out);
            }
            return match f(&mut self.transport, left) {
                Ok(0) => Err(SessionError::Transport { doing, source: io::ErrorKind::UnexpectedEof.into() }),
                Ok(bytes) => Ok(bytes),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    Err(timed_out)
                }
                Err(source) => Err(SessionError::Transport { doing, source }),
            };
        }
    }
}

/// When a message must be complete.
#[derive(Clone, Copy)]
struct Deadline {
    at: Instant,
    limit: Duration,
}

impl Deadline {
    fn after(limit: Duration) -> Self {
        Self { at: Instant::now() + limit, limit }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Takes at most so many bytes at a time, and notes how many it was asked to take.
    struct Slow {
        most: usize,
        asked: Arc<Mutex<Vec<usize>>>,
        taken: Arc<Mutex<Vec<u8>>>,
    }

    impl Transport for Slow {
        fn read_within(&mut self, _: &mut [u8], _: Duration) -> io::Result<usize> {
            Ok(0)
        }

        fn write_within(&mut self, bytes: &[u8], limit: Duration) -> io::Result<usize> {
            self.write_both_within(bytes, &[], limit)
        }

        fn write_both_within(&mut self, head: &[u8], body: &[u8], _: Duration) -> io::Result<usize> {
            let bytes = [head, body].concat();
            let taken = bytes.len().min(self.most);
            self.asked.lock().unwrap().push(bytes.len());
            self.taken.lock().unwrap().extend(&bytes[..taken]);
            Ok(taken)
        }

        fn hang_up(&mut self, _: Duration) {}
    }

    #[test]
    fn a_long_message_leaves_in_one_piece_with_its_head_and_what_waited() {
        let long: Vec<u8> = (0..BUFFER + 10).map(|i| (i % 251) as u8).collect();
        let mut all = vec![Kind::Bye as u8, 0, 0, 0, 0, Kind::Tables as u8];
        all.extend((long.len() as u32).to_le_bytes());
        all.extend(&long);
        for most in [1 << 20, 7, 4000] {
            let (asked, taken) = <(Arc<Mutex<Vec<usize>>>, Arc<Mutex<Vec<u8>>>)>::default();
            let slow = Slow { most, asked: Arc::clone(&asked), taken: Arc::clone(&taken) };
            let mut channel = Channel::new(slow, Duration::from_secs(1000));
            channel.send(Kind::Bye, &[], "testing").unwrap();
            assert!(asked.lock().unwrap().is_empty(), "it waits");
            channel.send(Kind::Tables, &long, "testing").unwrap();
            channel.flush("testing").unwrap();
            assert_eq!(*taken.lock().unwrap(), all, "at most {most} at a time");
            assert_eq!(asked.lock().unwrap()[0], all.len(), "in one call, if the stream takes it");
            assert_eq!(asked.lock().unwrap().len(), all.len().div_ceil(most));
        }
    }
}
