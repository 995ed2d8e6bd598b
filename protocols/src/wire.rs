//! What a protocol sees of the connection: messages of lengths that it knows.

use std::sync::mpsc;

/// One host's end of a connection. A message leaves when the host waits for one, at the latest.
pub trait Wire: Send {
    /// Sends a message.
    ///
    /// # Errors
    /// [`WireError`] if the connection fails.
    fn send(&mut self, message: &[u8]) -> Result<(), WireError>;

    /// The other host's next message, which has to be so long.
    ///
    /// # Errors
    /// [`WireError`] if the connection fails, or the message has another length.
    fn receive(&mut self, length: usize) -> Result<Vec<u8>, WireError>;

    /// The other host's next message, which has to fill `room`.
    ///
    /// # Errors
    /// As [`Wire::receive`].
    fn receive_into(&mut self, room: &mut [u8]) -> Result<(), WireError> {
        room.copy_from_slice(&self.receive(room.len())?);
        Ok(())
    }

    /// Sends what waits for more to go with it.
    ///
    /// # Errors
    /// [`WireError`] if the connection fails.
    fn flush(&mut self) -> Result<(), WireError>;
}

/// A connection failed, in the words of whoever runs it.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct WireError(pub Box<dyn std::error::Error + Send + Sync>);

/// A connection in memory that counts what goes over it, for tests and for measuring.
pub struct Memory {
    out: mpsc::Sender<Vec<u8>>,
    messages: mpsc::Receiver<Vec<u8>>,
    /// Bytes sent.
    pub sent: u64,
    /// Times that this end waited for a message after it had sent one.
    pub turns: u64,
    /// Whether something was sent since it last waited.
    spoke: bool,
    /// Every message sent, if they are kept.
    pub kept: Option<Vec<Vec<u8>>>,
}

impl Memory {
    /// Two ends of a connection.
    #[must_use]
    pub fn pair() -> [Self; 2] {
        let (to_second, second) = mpsc::channel();
        let (to_first, first) = mpsc::channel();
        [(to_second, first), (to_first, second)].map(|(out, messages)| Self {
            out,
            messages,
            sent: 0,
            turns: 0,
            spoke: false,
            kept: None,
        })
    }
}

/// The other end is gone, or sent a message of another length.
#[derive(Debug, thiserror::Error)]
enum MemoryError {
    #[error("the other end of the connection is gone")]
    Gone,
    #[error("a message of {found} bytes, expected {expected}")]
    Length { found: usize, expected: usize },
}

impl From<MemoryError> for WireError {
    fn from(error: MemoryError) -> Self {
        Self(Box::new(error))
    }
}

impl Wire for Memory {
    fn send(&mut self, message: &[u8]) -> Result<(), WireError> {
        self.sent += message.len() as u64;
        self.spoke = true;
        if let Some(kept) = &mut self.kept {
            kept.push(message.to_vec());
        }
        self.out.send(message.to_vec()).map_err(|_| MemoryError::Gone.into())
    }

    fn receive(&mut self, expected: usize) -> Result<Vec<u8>, WireError> {
        self.turns += u64::from(std::mem::take(&mut self.spoke));
        let message = self.messages.recv().map_err(|_| MemoryError::Gone)?;
        match message.len() {
            found if found == expected => Ok(message),
            found => Err(MemoryError::Length { found, expected }.into()),
        }
    }

    fn flush(&mut self) -> Result<(), WireError> {
        Ok(())
    }
}
