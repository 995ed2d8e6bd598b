//! Byte streams whose reads and writes have a time limit.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

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

    /// What the peer still sends is read and thrown away: closing with unread bytes resets the connection,
    /// and with it what the peer has not read yet.
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

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

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
