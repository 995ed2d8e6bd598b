//! Two hosts, one connection: the one place where garbling and OT meet a channel.
//!
//! [`server`] and [`client`] read like the protocol in `docs/protocol.md`: receive, step, send. What a peer
//! may send is decided before it is read ([`msgs`]): every message has one kind that is expected and one
//! length that follows from the public program, so nothing that a peer says sizes an allocation. Every
//! message has a deadline.

pub mod channel;
pub mod client;
pub mod clients;
pub mod error;
pub mod first_layer;
mod masked;
pub mod msgs;
mod netlist;
pub mod server;
mod steps;

pub use channel::{Channel, Traffic};
pub use clients::Clients;
pub use error::{Misuse, SessionError};
pub use first_layer::FirstLayer;

use std::time::Duration;

use xonn_circuits::netlist::Netlist;
use xonn_circuits::tiled::{CircuitError, TiledCircuit};
use xonn_crypto::garble::Scheme;
use xonn_program::circuit::{self, LowerError};
use xonn_program::package::{Digest, Package};
use xonn_program::secret::Secret;
use xonn_protocols::cost::Link;
use zeroize::Zeroizing;

/// A program with the digest that both hosts compare.
#[derive(Clone)]
pub struct Circuit {
    /// What is computed.
    pub program: TiledCircuit,
    /// Names it.
    pub digest: Digest,
    /// The package's bytes, for clients that do not have it; none for a plain netlist.
    pub package: Option<Vec<u8>>,
}

impl Circuit {
    /// The circuit of a package's program.
    ///
    /// # Errors
    /// [`LowerError`] if it has none.
    pub fn of_package(package: &Package) -> Result<Self, LowerError> {
        Ok(Self::packaged(package, circuit::lower(package.program())?))
    }

    /// The circuit of a package's program, and the garbler's bits that follow from the model's numbers.
    ///
    /// # Errors
    /// [`LowerError`] if it has none.
    pub fn with_secret(
        package: &Package,
        secret: &Secret,
    ) -> Result<(Self, Zeroizing<Vec<bool>>), LowerError> {
        let lowered = circuit::lower_with(package.program(), secret.tensors())?;
        Ok((Self::packaged(package, lowered.circuit), lowered.secret.into()))
    }

    fn packaged(package: &Package, program: TiledCircuit) -> Self {
        Self { program, digest: package.digest(), package: Some(package.bytes().to_vec()) }
    }

    /// A plain netlist, the garbler holding `garbler_groups` of its input groups.
    ///
    /// # Errors
    /// What [`TiledCircuit::from_netlist`] refuses.
    pub fn of_netlist(netlist: Netlist, garbler_groups: &[usize]) -> Result<Self, CircuitError> {
        let digest = netlist::digest(&netlist, garbler_groups);
        Ok(Self { program: TiledCircuit::from_netlist(netlist, garbler_groups)?, digest, package: None })
    }
}

/// What a host allows a session to be run by. A server takes its first garbling scheme that the client
/// allows, and of the protocols for first layers that both allow the one that sends less.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Garbling schemes.
    pub schemes: Vec<Scheme>,
    /// Protocols for first layers.
    pub first_layers: Vec<FirstLayer>,
    /// The most circuits that are garbled ahead of the client's inputs on a connection: the least of both
    /// hosts' numbers is taken, and with 0 each is garbled when its input is there.
    pub ahead: u16,
    /// Whether the delta of garbling may be that of the connection's OTs, one for all its inferences: an
    /// input bit then costs 4 bytes in place of 20. Only if both hosts allow it.
    pub shared_delta: bool,
    /// The link that a server chooses protocols for.
    pub link: Link,
}

impl Default for Offer {
    /// Every scheme and every protocol, nothing ahead, a fresh delta for each inference, a link of a town.
    fn default() -> Self {
        let (schemes, first_layers) = (Scheme::ALL.to_vec(), FirstLayer::ALL.to_vec());
        Self { schemes, first_layers, ahead: 0, shared_delta: false, link: Link::default() }
    }
}

/// What a host grants a peer.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest time for one message, from the moment it is awaited until its last byte is there.
    pub message: Duration,
    /// Longest time that a server waits for a client's hello, if that is shorter than [`Limits::message`]:
    /// until then it may be anybody.
    pub hello: Duration,
    /// Longest time that a server waits for the next inference on an open connection.
    pub idle: Duration,
    /// The same while circuits wait there that were garbled ahead.
    pub idle_ahead: Duration,
    /// Most inferences on one connection.
    pub inferences: u64,
    /// Longest time that a client waits for a place at a server that is full.
    pub queue: Duration,
    /// What a server takes its clients for: of the protocols on offer it runs those that this permits.
    pub clients: Clients,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message: Duration::from_secs(30),
            hello: Duration::from_secs(5),
            idle: Duration::from_secs(60),
            idle_ahead: Duration::from_secs(3600),
            inferences: 1 << 20,
            queue: Duration::from_secs(600),
            clients: Clients::default(),
        }
    }
}
