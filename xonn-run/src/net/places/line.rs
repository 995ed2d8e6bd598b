//! Whose turn it is, and who leaves.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Instant;

use super::{Bounds, Seat, State, Waiting};

impl State {
    fn held(&self, address: IpAddr) -> usize {
        self.held.get(&address).copied().unwrap_or_default()
    }

    /// Whether a client of this address could have a place if there is one.
    fn may_have(&self, address: IpAddr, bounds: &Bounds) -> bool {
        self.held(address) < bounds.per_address
    }

    /// The client whose turn it is, if there is a place for it.
    pub fn next_in_turn(&self, bounds: &Bounds) -> Option<u64> {
        let free = self.seats.len() < bounds.at_once;
        let first = self.waiting.iter().find(|waiting| self.may_have(waiting.address, bounds));
        first.filter(|_| free).map(|waiting| waiting.number)
    }

    /// Has a client wait; none if there is no room for it. Who came last has to leave the queue for it, of
    /// the address that has most clients there, so that one address cannot fill it.
    pub fn join(&mut self, address: IpAddr, bounds: &Bounds) -> Option<u64> {
        let number = self.next;
        self.next += 1;
        self.waiting.push_back(Waiting { number, address });
        if self.next_in_turn(bounds) != Some(number) && self.waiting.len() > bounds.queue {
            let mut of = HashMap::<IpAddr, usize>::new();
            self.waiting.iter().for_each(|waiting| *of.entry(waiting.address).or_default() += 1);
            let most = of.values().copied().max()?;
            // The newcomer is the last of its own address.
            let last = if of[&address] == most {
                self.waiting.len() - 1
            } else {
                self.waiting.iter().rposition(|waiting| of[&waiting.address] == most)?
            };
            let left = self.waiting.remove(last)?;
            return (left.number != number).then_some(number);
        }
        Some(number)
    }

    /// Gives a place to a client that waits.
    pub fn seat(&mut self, number: u64) {
        let Some(at) = self.waiting.iter().position(|waiting| waiting.number == number) else { return };
        if let Some(Waiting { address, .. }) = self.waiting.remove(at) {
            *self.held.entry(address).or_default() += 1;
            self.seats.insert(number, Seat { address, since: Instant::now(), idle: None });
            // Without a total the number is never used up.
            self.left -= 1;
        }
    }

    /// Takes a place back, if that has not been done yet.
    pub fn free(&mut self, number: u64) {
        let Some(seat) = self.seats.remove(&number) else { return };
        if let Some(held) = self.held.get_mut(&seat.address) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(&seat.address);
            }
        }
        let took = self.took.checked_add(seat.since.elapsed());
        if let (Some(served), Some(took)) = (self.served.checked_add(1), took) {
            (self.served, self.took) = (served, took);
        }
    }

    /// The client that has to give up its place for one that waits: of those that asked nothing for long
    /// enough, and whose place would help, the one that did so for longest.
    pub fn idlest(&self, bounds: &Bounds) -> Option<u64> {
        if self.left == 0 {
            return None;
        }
        // Some of those that wait are about to take places that are free.
        let mut free = bounds.at_once.saturating_sub(self.seats.len());
        self.waiting.iter().find_map(|waiting| {
            if free > 0 && self.may_have(waiting.address, bounds) {
                free -= 1;
                return None;
            }
            let helps = |seat: &Seat| {
                seat.address == waiting.address || free == 0 && self.may_have(waiting.address, bounds)
            };
            let long = |seat: &Seat| seat.idle.filter(|idle| idle.elapsed() >= bounds.idle);
            let idle = self.seats.iter().filter(|(_, seat)| helps(seat));
            let idle = idle.filter_map(|(&number, seat)| Some((long(seat)?, number)));
            idle.min().map(|(_, number)| number)
        })
    }
}
