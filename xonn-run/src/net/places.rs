//! The clients that are served at the same time, and those that wait for a place.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often a client is told that it still waits.
const TELL: Duration = Duration::from_secs(2);

/// Places, given out in the order in which clients came.
pub struct Places {
    at_once: usize,
    /// Most clients that wait.
    queue: usize,
    /// Longest that one waits.
    patience: Duration,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    taken: usize,
    /// Clients that may still be served.
    left: u64,
    next: u64,
    waiting: VecDeque<u64>,
    /// Of clients that were served: how many, and how long they took together.
    served: u32,
    took: Duration,
}

/// One of [`Places`], given back when dropped, even if a session's thread panics.
pub struct Place<'a> {
    places: &'a Places,
    since: Instant,
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
    /// `at_once` places, `queue` clients that wait for one, each for `patience` at most, and `total` clients
    /// in all.
    #[must_use]
    pub fn new(at_once: usize, queue: usize, patience: Duration, total: Option<u64>) -> Self {
        let (left, waiting) = (total.unwrap_or(u64::MAX), VecDeque::new());
        let state = State { taken: 0, left, next: 0, waiting, served: 0, took: Duration::ZERO };
        Self { at_once, queue, patience, state: Mutex::new(state), changed: Condvar::new() }
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
        self.state().taken > 0
    }

    /// Gives out no more places, also to those that wait.
    pub fn close(&self) {
        self.state().left = 0;
        self.changed.notify_all();
    }

    /// A place, when it is this client's turn; none if too many wait, it takes too long, or no more are
    /// served. `tell` is called now and then while it waits, and says whether the client is still there.
    pub fn take(&self, mut tell: impl FnMut(Wait) -> bool) -> Option<Place<'_>> {
        let begin = Instant::now();
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        let free =
            |state: &State| state.taken < self.at_once && state.waiting.front().is_none_or(|&n| n == number);
        if !free(&state) && state.waiting.len() >= self.queue {
            return None;
        }
        state.waiting.push_back(number);
        let mut told = None::<Instant>;
        loop {
            if state.left == 0 || begin.elapsed() > self.patience {
                return self.leave(state, number);
            }
            if free(&state) {
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
        state.waiting.pop_front();
        state.taken += 1;
        // Without a total the number is never used up.
        state.left -= 1;
        drop(state);
        self.changed.notify_all();
        Some(Place { places: self, since: Instant::now() })
    }

    fn leave(&self, mut state: MutexGuard<'_, State>, number: u64) -> Option<Place<'_>> {
        state.waiting.retain(|&n| n != number);
        drop(state);
        self.changed.notify_all();
        None
    }

    fn wait(&self, state: &State, number: u64) -> Wait {
        let before = state.waiting.iter().take_while(|&&n| n != number).count();
        let each = state.took.checked_div(state.served).unwrap_or_default().as_secs_f64();
        let seconds = (each * (before + 1) as f64 / self.at_once as f64).ceil();
        Wait { before: u32::try_from(before).unwrap_or(u32::MAX), seconds: seconds as u32 }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.places.state();
        state.taken -= 1;
        if let (Some(served), Some(took)) =
            (state.served.checked_add(1), state.took.checked_add(self.since.elapsed()))
        {
            (state.served, state.took) = (served, took);
        }
        drop(state);
        self.places.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_in_turn_and_waiting_has_an_end() {
        let places = &Places::new(1, 1, Duration::from_millis(200), None);
        let first = places.take(|_| panic!("it need not wait")).expect("free");
        std::thread::scope(|scope| {
            let (seen, saw) = std::sync::mpsc::channel();
            let second = scope.spawn(move || places.take(|wait| seen.send(wait).is_ok()).is_some());
            assert_eq!(saw.recv().expect("it waits"), Wait { before: 0, seconds: 0 });
            assert!(places.take(|_| true).is_none(), "one may wait, and one does");
            drop(first);
            assert!(second.join().expect("no panic"), "its turn");
        });
        let held = places.take(|_| panic!("it need not wait")).expect("free again");
        let begin = Instant::now();
        assert!(places.take(|_| true).is_none());
        assert!(begin.elapsed() >= Duration::from_millis(200), "its patience");
        assert!(places.take(|_| false).is_none(), "it has gone");
        drop(held);
        assert!(places.take(|_| true).is_some(), "nobody is left in front");
    }

    #[test]
    fn when_all_are_given_nobody_waits() {
        let places = Places::new(1, 5, Duration::from_secs(60), Some(1));
        let _place = places.take(|_| true).expect("one");
        assert!(places.all_given() && places.take(|_| true).is_none());
    }
}
