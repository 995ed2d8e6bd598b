//! How many inferences a client gets in an hour, over all its connections.
//!
//! What answers tell of a model grows with their number, so an operator bounds it. A client is its
//! certificate, where it had to show one, else its address: of IPv6 the upper 64 bits, which is what one
//! subscriber has at least.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use super::door::prefix;
use crate::session::server::GRANTED;

/// From a client's first inference until it is counted anew.
pub const WINDOW: Duration = Duration::from_secs(3600);

/// Most clients that are counted; beyond it those with the fewest inferences are forgotten.
const MOST: usize = 1 << 16;

/// Who is counted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ClientId {
    /// The holder of a certificate: SHA-256 of it.
    Certificate([u8; 32]),
    /// Whoever has an address; of IPv6 a prefix of 64 bits.
    Address(IpAddr),
}

impl ClientId {
    /// By the certificate that the client showed, or else its address.
    #[must_use]
    pub fn new(certificate: Option<&[u8]>, address: IpAddr) -> Self {
        match certificate {
            Some(certificate) => Self::Certificate(Sha256::digest(certificate).into()),
            None => Self::Address(prefix(address)),
        }
    }

    fn counted_by(self) -> &'static str {
        match self {
            Self::Certificate(_) => "certificate",
            Self::Address(_) => "address",
        }
    }
}

/// What all clients have used.
pub struct Allowances {
    each: u64,
    window: Duration,
    used: Mutex<HashMap<ClientId, Used>>,
}

#[derive(Clone, Copy)]
struct Used {
    since: Instant,
    inferences: u64,
}

impl Allowances {
    /// Grants `each` client so many inferences an hour.
    #[must_use]
    pub fn new(each: u64) -> Self {
        Self::within(each, WINDOW)
    }

    fn within(each: u64, window: Duration) -> Self {
        Self { each, window, used: Mutex::default() }
    }

    /// Counts one more.
    ///
    /// # Errors
    /// A sentence that says how many there are and when there are more, if all are used.
    pub fn take(&self, client: ClientId) -> Result<(), String> {
        let (now, mut all) = (Instant::now(), self.used.lock().unwrap_or_else(PoisonError::into_inner));
        if all.len() >= MOST && !all.contains_key(&client) {
            make_room(&mut all, now, self.window);
        }
        let used = all.entry(client).or_insert(Used { since: now, inferences: 0 });
        if now.duration_since(used.since) >= self.window {
            *used = Used { since: now, inferences: 0 };
        }
        if used.inferences >= self.each {
            let wait = self.window.saturating_sub(now.duration_since(used.since)).as_secs() + 1;
            return Err(format!(
                "{GRANTED} {} inferences an hour, counted by {}, and has used them; there are more in {wait} s",
                self.each,
                client.counted_by()
            ));
        }
        used.inferences += 1;
        Ok(())
    }

    /// Takes back some that were counted for circuits that never answered.
    pub fn give_back(&self, client: ClientId, count: u64) {
        let mut all = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(used) = all.get_mut(&client) {
            used.inferences = used.inferences.saturating_sub(count);
        }
    }
}

/// Forgets clients whose time is over, and if that is not enough half of the others, those that used least:
/// so a crowd of addresses does not make the server forget one that has asked much.
fn make_room(all: &mut HashMap<ClientId, Used>, now: Instant, window: Duration) {
    all.retain(|_, used| now.duration_since(used.since) < window);
    if all.len() >= MOST {
        let mut counts: Vec<u64> = all.values().map(|used| used.inferences).collect();
        let (_, &mut median, _) = counts.select_nth_unstable(MOST / 2);
        let mut left = MOST / 2;
        all.retain(|_, used| {
            let keep = used.inferences > median || left == 0;
            left -= usize::from(!keep);
            keep
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u32) -> ClientId {
        ClientId::new(None, IpAddr::V4(n.into()))
    }

    #[test]
    fn each_client_has_its_own_and_gets_more_when_the_time_is_over() {
        let allowances = Allowances::within(2, Duration::from_millis(300));
        let certified = ClientId::new(Some(b"a certificate"), IpAddr::V4(1.into()));
        for client in [address(1), address(2), certified] {
            assert!(allowances.take(client).is_ok() && allowances.take(client).is_ok());
            let refused = allowances.take(client).expect_err("two are granted");
            assert!(refused.contains("granted 2 inferences an hour, counted by "), "{refused}");
            assert!(refused.contains(client.counted_by()), "{refused}");
        }
        allowances.give_back(address(1), 1);
        assert!(allowances.take(address(1)).is_ok() && allowances.take(address(1)).is_err());
        std::thread::sleep(Duration::from_millis(350));
        assert!(allowances.take(address(1)).is_ok());
    }

    #[test]
    fn an_address_of_ipv6_is_its_prefix() {
        let of = |text: &str| ClientId::new(None, text.parse().expect("an address"));
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
    }

    #[test]
    fn a_crowd_does_not_make_the_server_forget_who_has_asked_much() {
        let allowances = Allowances::new(3);
        (0..3).for_each(|_| allowances.take(address(0)).expect("granted"));
        for n in 1..3 * MOST as u32 {
            allowances.take(address(n)).expect("each has its own");
        }
        assert!(allowances.used.lock().expect("no panic").len() <= MOST);
        assert!(allowances.take(address(0)).is_err());
    }
}
