//! Long calls: other threads of Python go on meanwhile, and Ctrl-C ends the wait.

use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use pyo3::prelude::*;

use crate::errors::Error;

/// How often signals are looked at.
const BETWEEN_SIGNALS: Duration = Duration::from_millis(50);

/// What `work` gives, which a thread of its own does. After Ctrl-C it goes on to its end there, and what it
/// holds goes with it.
pub fn wait<T: Send + 'static>(py: Python<'_>, work: impl FnOnce() -> T + Send + 'static) -> PyResult<T> {
    let (send, mut receive) = sync_channel(1);
    thread::Builder::new().name("xonn call".into()).spawn(move || {
        // Nobody waits any more after Ctrl-C.
        let _ = send.send(work());
    })?;
    loop {
        let (found, back) = py.detach(move || {
            let found = receive.recv_timeout(BETWEEN_SIGNALS);
            (found, receive)
        });
        receive = back;
        match found {
            Ok(found) => return Ok(found),
            Err(RecvTimeoutError::Timeout) => py.check_signals()?,
            Err(RecvTimeoutError::Disconnected) => return Err(Error::new_err("the call ended in a panic")),
        }
    }
}
