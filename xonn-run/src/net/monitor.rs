//! A port for those who watch over a server: `/metrics`, `/ready` and `/live` in HTTP/1.1.
//!
//! A request is a head of at most 8 KiB within two seconds, of which the first line matters, and each is
//! answered on a connection of its own. Whatever is sent here, the clients of the server do not notice.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::metrics::Metrics;
use crate::session::channel::Transport;

/// Longest head of a request.
const HEAD: usize = 8192;

/// Longest time for a request, and for its answer.
const LIMIT: Duration = Duration::from_secs(2);

/// Requests that are answered at the same time; connections beyond it are closed.
const AT_ONCE: usize = 16;

/// What is told of a server.
#[derive(Clone)]
pub struct Monitor {
    /// Its counters.
    pub metrics: Metrics,
    /// Whether it accepts no more clients.
    pub stop: Arc<AtomicBool>,
}

impl Monitor {
    /// Answers whoever connects for as long as the process lives.
    ///
    /// # Errors
    /// If there is no thread for it.
    pub fn start(self, listener: TcpListener) -> std::io::Result<()> {
        std::thread::Builder::new().name("monitor".into()).spawn(move || self.run(&listener)).map(drop)
    }

    fn run(&self, listener: &TcpListener) {
        let busy = Arc::new(AtomicUsize::new(0));
        loop {
            let Ok((stream, _)) = listener.accept() else {
                // Out of file handles, for instance.
                std::thread::sleep(Duration::from_millis(100));
                continue;
            };
            if busy.fetch_add(1, Ordering::AcqRel) >= AT_ONCE {
                busy.fetch_sub(1, Ordering::AcqRel);
                continue;
            }
            let (monitor, counted) = (self.clone(), Arc::clone(&busy));
            let started = std::thread::Builder::new().spawn(move || {
                monitor.attend(stream);
                counted.fetch_sub(1, Ordering::AcqRel);
            });
            if started.is_err() {
                busy.fetch_sub(1, Ordering::AcqRel);
            }
        }
    }

    fn attend(&self, mut stream: TcpStream) {
        let mut room = [0; HEAD];
        let Some(request) = head(&mut stream, &mut room) else { return };
        let answer = self.answer(request);
        let deadline = Instant::now() + LIMIT;
        let mut rest = answer.as_bytes();
        while !rest.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || stream.set_write_timeout(Some(left)).is_err() {
                return;
            }
            match stream.write(rest) {
                Ok(written @ 1..) => rest = &rest[written..],
                // It does not read, or is gone.
                _ => return,
            }
        }
        stream.hang_up(Duration::from_millis(500));
    }

    /// The whole answer to a request's head.
    fn answer(&self, head: &[u8]) -> String {
        let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
        let mut words = line.split(|&byte| byte == b' ');
        let (method, target, version) = (words.next(), words.next(), words.next());
        let valid = words.next().is_none() && version.is_some_and(|version| version.starts_with(b"HTTP/1."));
        let (Some(method), Some(target), true) = (method, target, valid) else {
            return response("400 Bad Request", "text/plain", "not a request of HTTP/1.1\n", true);
        };
        if !matches!(method, b"GET" | b"HEAD") {
            return response("405 Method Not Allowed\r\nAllow: GET, HEAD", "text/plain", "only GET\n", true);
        }
        let path = target.split(|&byte| byte == b'?').next().unwrap_or_default();
        let stopped = self.stop.load(Ordering::Acquire);
        let (status, kind, body) = match path {
            b"/metrics" => ("200 OK", "text/plain; version=0.0.4; charset=utf-8", self.metrics.text()),
            b"/ready" if stopped => ("503 Service Unavailable", "text/plain", "ending\n".to_owned()),
            b"/ready" => ("200 OK", "text/plain", "ready\n".to_owned()),
            b"/live" => ("200 OK", "text/plain", "live\n".to_owned()),
            _ => ("404 Not Found", "text/plain", "there are /metrics, /ready and /live\n".to_owned()),
        };
        response(status, kind, &body, method == b"GET")
    }
}

fn response(status: &str, kind: &str, body: &str, with_body: bool) -> String {
    let length = body.len();
    let body = if with_body { body } else { "" };
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

/// The head of a request, if it comes in time and fits.
fn head<'r>(stream: &mut TcpStream, room: &'r mut [u8]) -> Option<&'r [u8]> {
    let deadline = Instant::now() + LIMIT;
    let mut filled = 0;
    loop {
        if let Some(end) = room[..filled].windows(4).position(|four| four == b"\r\n\r\n") {
            return Some(&room[..end]);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || filled == room.len() {
            return None;
        }
        stream.set_read_timeout(Some(left)).ok()?;
        match stream.read(&mut room[filled..]) {
            Ok(read @ 1..) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests;
