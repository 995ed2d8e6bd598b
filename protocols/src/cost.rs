//! What a plan costs: bytes, messages' turns, and the time of both on a link.

use crate::protocol::Rows;

/// A link between two hosts.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Link {
    /// Time of a round trip in milliseconds.
    pub rtt_ms: f64,
    /// Megabits a second, each way.
    pub mbps: f64,
}

impl Default for Link {
    /// Two hosts in one town: 5 ms, 100 Mbit/s.
    fn default() -> Self {
        Self { rtt_ms: 5.0, mbps: 100.0 }
    }
}

/// Bytes both ways without frames, and round trips.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Cost {
    /// From the client to the server.
    pub up: u64,
    /// From the server to the client.
    pub down: u64,
    /// Round trips; half a one is a message that goes without waiting.
    pub rounds: f64,
}

impl Cost {
    /// Some bytes one way.
    #[must_use]
    pub fn of_bytes(bytes: u64, rounds: f64) -> Self {
        Self { up: 0, down: bytes, rounds }
    }

    /// Bytes both ways.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.up + self.down
    }

    /// Milliseconds on a link, without the hosts' own work.
    #[must_use]
    pub fn time(self, link: Link) -> f64 {
        self.rounds * link.rtt_ms + self.bytes() as f64 * 8.0 / (link.mbps * 1000.0)
    }
}

impl std::ops::Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { up: self.up + other.up, down: self.down + other.down, rounds: self.rounds + other.rounds }
    }
}

impl std::iter::Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), |sum, cost| sum + cost)
    }
}

/// What one stage costs a prediction.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct StageCost {
    /// Ahead of the input. Round trips are the plan's, not a stage's.
    pub offline: Cost,
    /// With the input.
    pub online: Cost,
    /// Of both pools.
    pub rows: Rows,
}
