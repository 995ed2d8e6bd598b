//! Framed messages with deadlines over a byte stream, counted.
//!
//! A frame is one byte of kind, four bytes of length (little endian), and the payload. The receiver names the kind and the
//! length that it expects before it reads, so a frame that says otherwise is refused before anything is allocated.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::error::SessionError;
use super::msgs::{self, Kind};

/// Bytes collected before they are handed to the stream.
const BUFFER: usize = 1 << 16;

/// Length of a frame's head.
pub const HEAD: usize = 5;

/// What a TLS record begins with that a peer sends before anything else: no kinds of ours.
const TLS_ALERT: u8 = 21;
const TLS_HANDSHAKE: u8 = 22;

/// Longest time that a refusal may take to be sent, and then to be taken notice of.
const LINGER: Duration = Duration::from_millis(500);

/// A byte stream whose reads and writes can be given a time limit.
pub trait Transport: Send {
    /// Reads some bytes, or fails with [`io::ErrorKind::TimedOut`] or `WouldBlock` after `limit`.
    ///
    /// # Errors
    /// What the stream says.
    fn read_within(&mut self, buffer: &mut [u8], limit: Duration) -> io::Result<usize>;

    /// Writes some bytes, with the same limit.
    ///
    /// # Errors
    /// What the stream says.
    fn write_within(&mut self, bytes: &[u8], limit: Duration) -> io::Result<usize>;

    /// Waits for at most `limit` until there is something to read, or the peer is gone, which a read tells;
    /// whether it came to that. None of a stream that cannot tell, and the next read waits.
    ///
    /// # Errors
    /// What the stream says.
    fn begins_within(&mut self, _limit: Duration) -> io::Result<Option<bool>> {
        Ok(None)
    }

    /// Writes some bytes of `head` and of `body` behind it, with the same limit: both in one go where the
    /// stream can.
    ///
    /// # Errors
    /// What the stream says.
    fn write_both_within(&mut self, head: &[u8], body: &[u8], limit: Duration) -> io::Result<usize> {
        self.write_within(if head.is_empty() { body } else { head }, limit)
    }

    /// Ends the stream so that the peer still gets the last words, in at most `limit`.
    fn hang_up(&mut self, limit: Duration);
}

impl Transport for TcpStream {
    fn read_within(&mut self, buffer: &mut [u8], limit: Duration) -> io::Result<usize> {
        self.set_read_timeout(Some(limit))?;
        self.read(buffer)
    }

    fn write_within(&mut self, bytes: &[u8], limit: Duration) -> io::Result<usize> {
        self.set_write_timeout(Some(limit))?;
        self.write(bytes)
    }

    fn begins_within(&mut self, limit: Duration) -> io::Result<Option<bool>> {
        self.set_read_timeout(Some(limit))?;
        match self.peek(&mut [0]) {
            Ok(_) => Ok(Some(true)),
            Err(e) if is_silence(&e) => Ok(Some(false)),
            Err(e) => Err(e),
        }
    }

    /// What the peer still sends is read and thrown away: closing with unread bytes resets the connection, and with it
    /// what the peer has not read yet.
    fn hang_up(&mut self, limit: Duration) {
        let deadline = Instant::now() + limit;
        let mut rest = [0; 4096];
        let _ = self.shutdown(Shutdown::Write); // the connection may be gone already, which is as good
        while let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
        {
            if !matches!(self.read_within(&mut rest, left), Ok(1..)) {
                break;
            }
        }
    }
}

/// Whether an error of a read says no more than that nothing came in time.
pub(crate) fn is_silence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

/// A TCP stream that remembers the time limits it has: the system is told of another one only where the last
/// would be off by more than an eighth, so that most reads and writes are one call. A message may so take an
/// eighth longer.
pub struct Timed {
    stream: TcpStream,
    read: Duration,
    write: Duration,
}

impl Timed {
    /// With no limits yet.
    #[must_use]
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, read: Duration::ZERO, write: Duration::ZERO }
    }

    fn set_write(&mut self, limit: Duration) -> io::Result<()> {
        if let Some(limit) = another(&mut self.write, limit) {
            self.stream.set_write_timeout(Some(limit))?;
        }
        Ok(())
    }
}

/// The limit to set, if `limit` asks for another one than there is.
fn another(current: &mut Duration, limit: Duration) -> Option<Duration> {
    let near = limit <= *current && *current - limit <= limit / 8;
    if near {
        return None;
    }
    *current = limit;
    Some(limit)
}

impl Transport for Timed {
    fn read_within(&mut self, buffer: &mut [u8], limit: Duration) -> io::Result<usize> {
        if let Some(limit) = another(&mut self.read, limit) {
            self.stream.set_read_timeout(Some(limit))?;
        }
        self.stream.read(buffer)
    }

    fn write_within(&mut self, bytes: &[u8], limit: Duration) -> io::Result<usize> {
        self.set_write(limit)?;
        self.stream.write(bytes)
    }

    fn write_both_within(&mut self, head: &[u8], body: &[u8], limit: Duration) -> io::Result<usize> {
        self.set_write(limit)?;
        self.stream.write_vectored(&[IoSlice::new(head), IoSlice::new(body)])
    }

    fn begins_within(&mut self, limit: Duration) -> io::Result<Option<bool>> {
        self.read = Duration::ZERO; // it sets one of its own
        self.stream.begins_within(limit)
    }

    fn hang_up(&mut self, limit: Duration) {
        self.stream.hang_up(limit);
    }
}

/// What went over a channel.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, serde::Serialize)]
pub struct Traffic {
    /// Bytes sent, frame heads included.
    pub sent: u64,
    /// Bytes received, frame heads included.
    pub received: u64,
    /// Bytes sent for first layers, of [`Traffic::sent`]: [`Kind::is_of_first_layer`] and the tables of layers that read the
    /// client's input. The base OTs of labels are not among them.
    pub first_layer_sent: u64,
    /// Bytes received for first layers.
    pub first_layer_received: u64,
    /// Times this host waited for an answer after having sent something.
    pub round_trips: u64,
}

impl Traffic {
    fn zip(self, other: Self, f: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            sent: f(self.sent, other.sent),
            received: f(self.received, other.received),
            first_layer_sent: f(self.first_layer_sent, other.first_layer_sent),
            first_layer_received: f(self.first_layer_received, other.first_layer_received),
            round_trips: f(self.round_trips, other.round_trips),
        }
    }
}

impl std::ops::AddAssign for Traffic {
    fn add_assign(&mut self, other: Self) {
        *self = self.zip(other, |a, b| a + b);
    }
}

/// What went over since an earlier count of the same channel.
impl std::ops::Sub for Traffic {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        self.zip(earlier, |now, then| now - then)
    }
}

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

    /// Receives a message of one kind and just `length` bytes, into `room`, which is made when the message has begun to
    /// come: a buffer used before spares the system giving out fresh memory.
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

    /// Awaits the head of the next message for at most `idle` and returns its kind and length; the payload is to be read
    /// with [`Channel::payload`].
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

    /// Tells the peer why this host ends the session, if it may know, and hangs up; errors are of no interest any more.
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
    use std::net::TcpListener;
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

    #[test]
    fn a_limit_is_set_again_where_it_would_be_far_off() {
        let seconds = Duration::from_secs;
        let mut current = Duration::ZERO;
        for (limit, set) in
            [(80, true), (80, false), (75, false), (72, false), (70, true), (80, true), (1, true)]
        {
            assert_eq!(another(&mut current, seconds(limit)), set.then(|| seconds(limit)), "{limit} s");
        }
        assert_eq!(another(&mut current, Duration::from_millis(1)), Some(Duration::from_millis(1)));
    }

    #[test]
    fn limits_hold_one_after_the_other() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut silent = Timed::new(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        let _peer = listener.accept().unwrap();
        for limit in [100, 95, 20, 100].map(Duration::from_millis) {
            let begin = Instant::now();
            let error = silent.read_within(&mut [0; 4], limit).expect_err("nobody speaks");
            assert!(matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut), "{error}");
            assert!(begin.elapsed() >= limit.mul_f64(0.9), "{limit:?}: {:?}", begin.elapsed());
        }
    }
}
