//! What a plan costs: bytes, messages' turns, and the time of both on a link.

use xonn_crypto::ot::correlated::{self, PoolSender, Supply};
use xonn_crypto::ot::msgs::{BaseReply, BaseRequest};
use xonn_crypto::rlwe::{ClientKey, Params};

use crate::link::PREDICTIONS_A_KEY;
use crate::protocol::Rows;

pub mod work;

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

/// Bytes both ways without frames, round trips, and what the hosts compute.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Cost {
    /// From the client to the server.
    pub up: u64,
    /// From the server to the client.
    pub down: u64,
    /// Round trips; half a one is a message that goes without waiting.
    pub rounds: f64,
    /// Milliseconds of both hosts' processors, one after the other ([`work`]).
    pub work: f64,
    /// The same, while bytes are on their way.
    pub streamed: f64,
}

impl Cost {
    /// Some bytes each way, that wait for nothing and of which nobody computes anything.
    #[must_use]
    pub fn of_bytes(up: u64, down: u64) -> Self {
        Self { up, down, ..Self::default() }
    }

    /// Bytes both ways.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.up + self.down
    }

    /// Milliseconds on a link, without the hosts' own work.
    #[must_use]
    pub fn on_link(self, link: Link) -> f64 {
        self.rounds * link.rtt_ms + self.transfer(link)
    }

    /// Milliseconds on a link, the hosts' own work included.
    #[must_use]
    pub fn time(self, link: Link) -> f64 {
        let waiting = self.rounds * (link.rtt_ms + work::ROUND_TRIP);
        waiting + self.work + self.transfer(link).max(self.streamed)
    }

    fn transfer(self, link: Link) -> f64 {
        self.bytes() as f64 * 8.0 / (link.mbps * 1000.0)
    }
}

impl std::ops::Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            up: self.up + other.up,
            down: self.down + other.down,
            rounds: self.rounds + other.rounds,
            work: self.work + other.work,
            streamed: self.streamed + other.streamed,
        }
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
    /// Once a connection. Its round trips are those of all stages together.
    pub set_up: Cost,
    /// Ahead of the input. Round trips are the plan's, not a stage's.
    pub offline: Cost,
    /// With the input.
    pub online: Cost,
    /// Of both pools.
    pub rows: Rows,
}

/// What a plan costs.
#[derive(Clone, PartialEq, Debug)]
pub struct PlanCost {
    /// Each stage's.
    pub stages: Vec<StageCost>,
    /// Base OTs and keys, once a connection, and the rows of a first prediction.
    pub set_up: Cost,
    /// Rows of a prediction that follows, and keys, on the average.
    pub supply: Cost,
}

impl StageCost {
    /// Of a stage that takes rows of correlated OT: bytes up and down, ahead of the input and with it.
    /// About as much is computed ahead as with it.
    #[must_use]
    pub fn of_rows(offline: [u64; 2], online: [u64; 2], round_trips: usize, rows: Rows) -> Self {
        let [offline, online] = [offline, online].map(|[up, down]| {
            let cost = Cost::of_bytes(up, down);
            Cost { work: work::by_rows(rows), ..cost }
        });
        let online = Cost { rounds: round_trips as f64, ..online };
        Self { offline, online, rows, ..Self::default() }
    }
}

impl PlanCost {
    /// Of these stages, in these rings.
    #[must_use]
    pub fn new(stages: Vec<StageCost>, rings: &[Params]) -> Self {
        let params = PoolSender::PARAMS;
        let [request, reply] = [BaseRequest::byte_len(params), BaseReply::byte_len(params)].map(|n| n as u64);
        let all_rows: usize = stages.iter().map(|stage| stage.rows.leaves + stage.rows.masks).sum();
        let stages_work = if stages.len() > 1 { work::STAGES + work::first_extension(all_rows) } else { 0.0 };
        let mut base = Cost { work: work::CONNECTION + stages_work, ..Cost::of_bytes(reply, request + 16) };
        if stages.iter().any(|stage| stage.rows.masks > 0) {
            base = base + Cost::of_bytes(request + 16, reply);
        }
        let keys: u64 = rings.iter().map(|&ring| ClientKey::key_bytes(ring) as u64).sum();
        // A pool's sender is the server, or the client.
        let rows = |count: fn(&Rows) -> usize, predictions: usize| {
            let all = stages.iter().map(|stage| count(&stage.rows)).sum::<usize>();
            correlated::cost(params, Supply::default(), all * predictions)
        };
        let pools = |predictions: usize| {
            let (leaves, masks) =
                (rows(|rows| rows.leaves, predictions), rows(|rows| rows.masks, predictions));
            let up = (leaves.to_sender + masks.to_receiver) as u64;
            Cost::of_bytes(up, (leaves.to_receiver + masks.to_sender) as u64)
        };
        let (first, many) = (pools(1), pools(MANY));
        let share = |many: u64, first: u64| (many - first.min(many)) / (MANY as u64 - 1);
        let supply =
            Cost::of_bytes(share(many.up, first.up) + keys / PREDICTIONS_A_KEY, share(many.down, first.down));
        let own: Cost = stages.iter().map(|stage| stage.set_up).sum();
        // First all clients' messages, then all servers'.
        let rounds = 1.0 + stages.iter().map(|stage| stage.set_up.rounds).fold(0.0, f64::max);
        let set_up = base + Cost::of_bytes(keys, 0) + first + Cost { rounds, ..own };
        Self { stages, set_up, supply }
    }

    /// Ahead of an input, without rows: one round trip and a half, of which the half goes together with the
    /// input.
    #[must_use]
    pub fn offline(&self) -> Cost {
        Cost { rounds: 1.0, ..self.stages.iter().map(|stage| stage.offline).sum() }
    }

    /// With an input.
    #[must_use]
    pub fn online(&self) -> Cost {
        let online: Cost = self.stages.iter().map(|stage| stage.online).sum();
        Cost { rounds: online.rounds.ceil(), ..online }
    }

    /// A first prediction, all in one go.
    #[must_use]
    pub fn first(&self) -> Cost {
        self.set_up + self.at_once()
    }

    /// A prediction that follows, all in one go.
    #[must_use]
    pub fn further(&self) -> Cost {
        self.supply + self.at_once()
    }

    /// Ahead of an input and with it. The client waits for what stages send it ahead, but for the last one,
    /// the circuit: its tables come together with what opens the output.
    fn at_once(&self) -> Cost {
        let (offline, online) = (self.offline(), self.online());
        let before = self.stages.split_last().map_or(&[][..], |(_, before)| before);
        let waits = before.iter().any(|stage| stage.offline.down > 0);
        Cost { rounds: online.rounds + if waits { offline.rounds } else { 0.0 }, ..offline + online }
    }
}

/// Predictions over which the rows' cost is averaged.
const MANY: usize = 64;
