//! How long one inference takes over a given network.
//!
//! Half gates in constant rounds, as `docs/protocol.md` has them: tables of 32 and 16 bytes an AND, one
//! oblivious transfer an input bit, 32 bytes an output bit, one round trip an inference and one more when a
//! connection begins. Time is bytes over bandwidth, plus round trips, plus gates over the gate rate: hosts
//! that compute while they send are faster.

use serde::Serialize;
use xonn_circuits::tiled::traffic::{CONNECT, decoding, labels};

use super::{Costs, NetlistCosts};

/// A network between the two hosts, and how fast they compute.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Network {
    /// Time of a round trip, milliseconds.
    pub rtt_ms: f64,
    /// Bandwidth in the direction of the tables, millions of bits a second.
    pub mbps: f64,
    /// AND gates that the hosts garble and evaluate a second; ANDs that cost nothing are not counted.
    pub and_rate: f64,
}

/// Gates a second that are assumed if nothing is said: one core with AES-NI, one gate at a time.
pub const AND_RATE: f64 = 20e6;

impl Network {
    /// Two hosts in one rack.
    pub const LAN: Self = Self { rtt_ms: 0.2, mbps: 10_000.0, and_rate: AND_RATE };
    /// A client at home.
    pub const WAN: Self = Self { rtt_ms: 40.0, mbps: 100.0, and_rate: AND_RATE };

    fn transfer_ms(self, bytes: u64) -> f64 {
        bytes as f64 * 8.0 / (self.mbps * 1e3)
    }

    fn compute_ms(self, ands: u64) -> f64 {
        ands as f64 / self.and_rate * 1e3
    }
}

/// The time of one inference, in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Estimate {
    /// The network.
    pub network: Network,
    /// Bytes of tables, input labels and outputs; what a connection costs once is not in it.
    pub bytes: u64,
    /// Bytes over bandwidth.
    pub transfer_ms: f64,
    /// Gates over the gate rate.
    pub compute_ms: f64,
    /// Round trips of one inference.
    pub round_trips: u32,
    /// All of it.
    pub total_ms: f64,
    /// What the first inference of a connection takes on top: base oblivious transfers and a round trip.
    pub connect_ms: f64,
    /// Transfer and computation of each layer, in the order of the layers; empty for netlists.
    pub layers_ms: Vec<f64>,
}

impl Estimate {
    /// The time that a program with these costs takes.
    #[must_use]
    pub fn of_costs(costs: &Costs, network: Network) -> Self {
        let garbled = costs.total.and.full + costs.total.and.half;
        let around = labels(costs.input_bits as u64) + decoding(costs.output_bits as u64);
        let mut estimate = Self::of(costs.total.bytes + around, garbled, network);
        let layer = |row: &super::Row| {
            network.transfer_ms(row.bytes) + network.compute_ms(row.and.full + row.and.half)
        };
        estimate.layers_ms = costs.layers.iter().map(layer).collect();
        estimate
    }

    /// The time that a netlist takes whose first input group is the garbler's.
    #[must_use]
    pub fn of_netlist(costs: &NetlistCosts, network: Network) -> Self {
        let bits = |groups: &[u32]| groups.iter().map(|&n| u64::from(n)).sum::<u64>();
        let own = costs.inputs.get(1..).unwrap_or_default();
        let around = labels(bits(own)) + decoding(bits(&costs.outputs));
        Self::of(costs.bytes + around, costs.and.full + costs.and.half, network)
    }

    fn of(bytes: u64, ands: u64, network: Network) -> Self {
        let (transfer_ms, compute_ms) = (network.transfer_ms(bytes), network.compute_ms(ands));
        Self {
            network,
            bytes,
            transfer_ms,
            compute_ms,
            round_trips: 1,
            total_ms: transfer_ms + compute_ms + network.rtt_ms,
            connect_ms: network.rtt_ms + network.transfer_ms(CONNECT),
            layers_ms: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1 Mbit/s moves 125 bytes a millisecond.
    #[test]
    fn time_is_bytes_over_bandwidth_plus_round_trips_plus_gates() {
        let network = Network { rtt_ms: 7.0, mbps: 1.0, and_rate: 1000.0 };
        let estimate = Estimate::of(1250, 3, network);
        assert_eq!((estimate.transfer_ms, estimate.compute_ms, estimate.total_ms), (10.0, 3.0, 20.0));
        assert_eq!(labels(128) + decoding(4), 48 + 1024 + 16 + 2048 + 128);
        assert_eq!(CONNECT, 17_601);
    }
}
