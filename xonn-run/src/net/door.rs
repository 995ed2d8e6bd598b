//! Connections that have not said what they want yet.
//!
//! Each holds a thread and a handle, and may be anybody, so they are bounded. A newcomer is let in all the
//! same: the oldest of those that are silent leaves, of the address that has most of them. Who has something
//! to say says it at once, and so is never the oldest for long.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, Shutdown, TcpStream};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::server::Caller;

/// Most silent connections, if nothing else is said.
pub const HALF_OPEN: usize = 256;

/// Where connections are counted until they have greeted.
pub struct Door {
    most: usize,
    silent: Mutex<Silent>,
}

#[derive(Default)]
struct Silent {
    next: u64,
    /// By their age, the oldest first.
    connections: BTreeMap<u64, Waiting>,
}

struct Waiting {
    caller: Caller,
    stream: TcpStream,
}

/// One connection's place at the door, until it is dropped.
pub struct Ticket<'a> {
    door: &'a Door,
    number: u64,
}

impl Door {
    /// A door at which at most `most` stand, at least one.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most: most.max(1), silent: Mutex::default() }
    }

    fn silent(&self) -> MutexGuard<'_, Silent> {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a connection in; if there are too many, one that had to leave for it.
    ///
    /// # Errors
    /// If the system has no further handle for it.
    pub fn admit(&self, caller: Caller, stream: &TcpStream) -> io::Result<(Ticket<'_>, Option<Caller>)> {
        let stream = stream.try_clone()?;
        let mut silent = self.silent();
        let left = (silent.connections.len() >= self.most).then(|| silent.evict()).flatten();
        let number = silent.next;
        silent.next += 1;
        silent.connections.insert(number, Waiting { caller, stream });
        Ok((Ticket { door: self, number }, left))
    }
}

impl Silent {
    /// Ends the oldest connection of the address that has most.
    fn evict(&mut self) -> Option<Caller> {
        let mut of: HashMap<IpAddr, usize> = HashMap::new();
        for waiting in self.connections.values() {
            *of.entry(prefix(waiting.caller.peer.ip())).or_default() += 1;
        }
        let most = of.values().copied().max()?;
        let oldest =
            self.connections.iter().find(|(_, waiting)| of[&prefix(waiting.caller.peer.ip())] == most);
        let number = *oldest?.0;
        let evicted = self.connections.remove(&number)?;
        // Its thread reads an end then, and goes.
        let _ = evicted.stream.shutdown(Shutdown::Both);
        Some(evicted.caller)
    }
}

impl Ticket<'_> {
    /// Has the connection count as one of another address: its client's, which a balancer has named.
    pub fn is_of(&self, caller: Caller) {
        if let Some(waiting) = self.door.silent().connections.get_mut(&self.number) {
            waiting.caller = caller;
        }
    }

    /// Whether the connection had to leave.
    #[must_use]
    pub fn is_evicted(&self) -> bool {
        !self.door.silent().connections.contains_key(&self.number)
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.door.silent().connections.remove(&self.number);
    }
}

/// What one subscriber has at least: an address, or of IPv6 the upper 64 bits of one.
#[must_use]
pub fn prefix(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & u128::MAX << 64).into()),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener};

    use super::*;

    #[test]
    fn the_oldest_of_the_address_with_most_leaves() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let stream = TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
        let door = Door::new(4);
        let peer = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let caller = |text: &str| Caller { id: 0, peer: peer(text) };
        let mut tickets = Vec::new();
        let mut admit = |text: &str| {
            let (ticket, left) = door.admit(caller(text), &stream).expect("a handle");
            tickets.push(ticket);
            left.map(|caller| caller.peer)
        };
        for text in ["10.0.0.1:1", "[2001:db8::1]:2", "10.0.0.3:3", "[2001:db8::2]:4"] {
            assert_eq!(admit(text), None);
        }
        // Two are of one prefix; then each has one, and the oldest leaves.
        assert_eq!(admit("10.0.0.5:5"), Some(peer("[2001:db8::1]:2")));
        assert_eq!(admit("10.0.0.6:6"), Some(peer("10.0.0.1:1")));
        assert_eq!(
            tickets.iter().map(Ticket::is_evicted).collect::<Vec<_>>(),
            [true, true, false, false, false, false]
        );
        tickets.pop();
        let (_ticket, left) = door.admit(caller("10.0.0.7:7"), &stream).expect("a handle");
        assert_eq!(left, None, "one has left by itself");
        // Behind a balancer they count as their clients are named.
        let youngest = tickets.last().expect("there are some");
        youngest.is_of(caller("[2001:db8::3]:8"));
        let left = door.admit(caller("10.0.0.8:8"), &stream).expect("a handle").1;
        assert_eq!(left.map(|caller| caller.peer), Some(peer("[2001:db8::2]:4")));
    }
}
