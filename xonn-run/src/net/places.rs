//! The clients that are served at the same time, and those that wait for a place.
//!
//! Places are given in the order in which clients came; one whose address has as many as it may have is
//! passed over until it has fewer. When somebody waits whom one place more would help, the client that has
//! asked nothing for longest gives up its own: it asks for that itself ([`Place::recall`]), between two
//! questions, so nobody is sent away in the middle of an answer.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::door::prefix;

mod line;

/// How often a client is told that it still waits.
const TELL: Duration = Duration::from_secs(2);

/// How many places there are, and for whom.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Clients served at the same time.
    pub at_once: usize,
    /// Of them those of one address, of IPv6 of one prefix of 64 bits.
    pub per_address: usize,
    /// Clients that wait for a place.
    pub queue: usize,
    /// Longest that one waits.
    pub patience: Duration,
    /// How long a client may ask nothing and keep its place while others wait for one.
    pub idle: Duration,
    /// Clients that are served in all, or none for any number.
    pub total: Option<u64>,
}

/// Places, given out in turn.
pub struct Places {
    bounds: Bounds,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// Clients that may still be served.
    left: u64,
    next: u64,
    /// Clients that have a place, by number.
    seats: HashMap<u64, Seat>,
    /// How many of them are of an address.
    held: HashMap<IpAddr, usize>,
    /// Clients that wait, in the order in which they came.
    waiting: VecDeque<Waiting>,
    /// Of clients that were served: how many, and how long they took together.
    served: u32,
    took: Duration,
}

struct Seat {
    address: IpAddr,
    since: Instant,
    /// Since when the client has asked nothing; none while it is being answered.
    idle: Option<Instant>,
}

#[derive(Clone, Copy)]
struct Waiting {
    number: u64,
    address: IpAddr,
}

/// One of [`Places`], given back when dropped, even if a session's thread panics.
pub struct Place<'a> {
    places: &'a Places,
    number: u64,
}

/// How long a client is likely to wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wait {
    /// Clients that are before it.
    pub before: u32,
    /// Seconds, as clients before it took; 0 if none has been served.
    pub seconds: u32,
}

impl Places {
    /// No place is taken.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        let state = State {
            left: bounds.total.unwrap_or(u64::MAX),
            next: 0,
            seats: HashMap::new(),
            held: HashMap::new(),
            waiting: VecDeque::new(),
            served: 0,
            took: Duration::ZERO,
        };
        Self { bounds, state: Mutex::new(state), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether no more clients will be served.
    pub fn all_given(&self) -> bool {
        self.state().left == 0
    }

    /// Whether a client is being served.
    pub fn busy(&self) -> bool {
        !self.state().seats.is_empty()
    }

    /// Gives out no more places, also to those that wait.
    pub fn close(&self) {
        self.state().left = 0;
        self.changed.notify_all();
    }

    /// A place, when it is this client's turn; none if too many wait, it takes too long, or no more are
    /// served. `tell` is called now and then while it waits, and says whether the client is still there.
    pub fn take(&self, peer: SocketAddr, mut tell: impl FnMut(Wait) -> bool) -> Option<Place<'_>> {
        let begin = Instant::now();
        let mut state = self.state();
        let number = state.join(prefix(peer.ip()), &self.bounds)?;
        let mut told = None::<Instant>;
        loop {
            let waits = state.waiting.iter().any(|waiting| waiting.number == number);
            if state.left == 0 || !waits || begin.elapsed() > self.bounds.patience {
                return self.leave(state, number);
            }
            if state.next_in_turn(&self.bounds) == Some(number) {
                break;
            }
            if told.is_none_or(|told| told.elapsed() >= TELL) {
                let wait = self.wait(&state, number);
                drop(state);
                let there = tell(wait);
                state = self.state();
                if !there {
                    return self.leave(state, number);
                }
                told = Some(Instant::now());
                continue;
            }
            state = self.changed.wait_timeout(state, TELL).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.seat(number);
        drop(state);
        self.changed.notify_all();
        Some(Place { places: self, number })
    }

    fn leave(&self, mut state: MutexGuard<'_, State>, number: u64) -> Option<Place<'_>> {
        state.waiting.retain(|waiting| waiting.number != number);
        drop(state);
        self.changed.notify_all();
        None
    }

    fn wait(&self, state: &State, number: u64) -> Wait {
        let before = state.waiting.iter().take_while(|waiting| waiting.number != number).count();
        let each = state.took.checked_div(state.served).unwrap_or_default().as_secs_f64();
        let seconds = (each * (before + 1) as f64 / self.bounds.at_once as f64).ceil();
        Wait { before: u32::try_from(before).unwrap_or(u32::MAX), seconds: seconds as u32 }
    }
}

impl Place<'_> {
    /// The client is being answered.
    pub fn busy(&self) {
        if let Some(seat) = self.places.state().seats.get_mut(&self.number) {
            seat.idle = None;
        }
    }

    /// The client has asked nothing since then: whether its place goes to one that waits. If so, it has gone.
    pub fn recall(&self, since: Instant) -> bool {
        let mut state = self.places.state();
        if let Some(seat) = state.seats.get_mut(&self.number) {
            seat.idle = Some(since);
        }
        let recalled = state.idlest(&self.places.bounds) == Some(self.number);
        if recalled {
            state.free(self.number);
            drop(state);
            self.places.changed.notify_all();
        }
        recalled
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.places.state().free(self.number);
        self.places.changed.notify_all();
    }
}

#[cfg(test)]
mod tests;
