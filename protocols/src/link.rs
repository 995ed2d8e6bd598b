//! What two hosts share for a whole connection: correlated OTs both ways, start points of their hashes, and
//! the client's keys of lattice encryption.
//!
//! | message | from | what |
//! |---|---|---|
//! | 1 | server | base OTs of the pool in which the server sends |
//! | 2, 3 | client | the reply; base OTs of the pool in which the client sends |
//! | 4, 5 | server | the reply; the start point of the first pool's hash |
//! | 6 | client | the start point of the second pool's hash |
//!
//! Where no stage takes rows of the second pool there is none: of 2 to 6 the messages that are about it are
//! left out. Then each pool is extended as far as the first prediction takes it. A start point is drawn by
//! the host whose Delta the hash protects, behind the last message of the pool's set-up that the other one
//! sends.

use std::collections::VecDeque;
use std::sync::Arc;

use rand::CryptoRng;
use sha2::{Digest as _, Sha256};
use xonn_crypto::block::{Block, Tccr};
use xonn_crypto::ot::correlated::{CotSender as _, CotSource, PoolReceiver, PoolSender, Step, Supply};
use xonn_crypto::ot::msgs::{BaseReply, BaseRequest};
use xonn_crypto::ot::{self, ReceiverSetup, SenderSetup, SessionId};
use xonn_crypto::rlwe::{ClientKey, Params, Role, ServerKey};

use crate::protocol::{ProtocolError, Rows};
use crate::steps::rows::Tweaks;
use crate::wire::Wire;

/// Predictions for which a key of lattice encryption is used, a bound on what a server that bends answers
/// could learn of it. See `docs/protocols/rlwe.md`.
pub const PREDICTIONS_A_KEY: u64 = 64;

/// Rows of one prediction, and its block of tweaks.
pub struct Reserved<L, M> {
    /// Of the pool in which the server sends.
    pub leaves: L,
    /// Of the pool in which the client sends.
    pub masks: M,
    /// The first tweak of the block.
    pub first_tweak: u64,
}

/// Rows of one prediction from two pools.
pub type RowsOf<L, M> = Reserved<<L as CotSource>::Rows, <M as CotSource>::Rows>;
/// Rows of one prediction at the server.
pub type ServerRows = RowsOf<PoolSender, PoolReceiver>;
/// Rows of one prediction at the client.
pub type ClientRows = RowsOf<PoolReceiver, PoolSender>;

/// What a host has for a connection: a pool in which the server sends, one in which the client sends, and
/// keys.
pub struct Link<L, M, K> {
    session: SessionId,
    leaves: L,
    /// None of a plan that takes no rows of it.
    masks: Option<M>,
    hashes: [Tccr; 2],
    tweak: u64,
    predictions: u64,
    keys: Vec<(Params, Arc<K>)>,
}

/// The server's side of a connection.
pub type ServerLink = Link<PoolSender, PoolReceiver, ServerKey>;
/// The client's side of a connection.
pub type ClientLink = Link<PoolReceiver, PoolSender, ClientKey>;

/// The session of one pool.
fn pool_session(session: &SessionId, name: &str) -> SessionId {
    Sha256::new_with_prefix(b"xonn pool").chain_update(name).chain_update(session).finalize().into()
}

/// What a key's public polynomial is hashed from.
fn key_session(session: &SessionId, predictions: u64) -> Vec<u8> {
    [&session[..], &(predictions / PREDICTIONS_A_KEY).to_le_bytes()].concat()
}

/// Rows that a pool makes together at most, where fewer are wanted: 16 MB of them; so many cost less by
/// silent OT than those of one prediction by SoftSpokenOT.
const TOGETHER: usize = 1 << 20;
/// Most predictions that are prepared together; but for the first one of a connection, rows are made for so
/// many.
pub(crate) const PREDICTIONS_TOGETHER: usize = 8;

/// How many rows a pool is extended to that has too few for `count` predictions: some more, for those that
/// follow these, since the client waits for an extension of the second pool.
fn wanted(each: usize, count: usize) -> usize {
    (each * count).max((each * PREDICTIONS_TOGETHER).min(TOGETHER))
}

/// Sends and takes what a pool wants until it has `count` rows, or `more` if it has not.
fn extend(
    pool: &mut impl CotSource,
    (count, more): (usize, usize),
    wire: &mut dyn Wire,
    rng: &mut dyn CryptoRng,
) -> Result<(), ProtocolError> {
    if pool.ready() >= count {
        return Ok(());
    }
    pool.extend(more)?;
    loop {
        match pool.step(rng)? {
            Step::Send(message) => wire.send(&message)?,
            Step::Receive(length) => pool.receive(&wire.receive(length)?)?,
            Step::Done => return Ok(()),
        }
    }
}

fn start_point(wire: &mut dyn Wire) -> Result<Tccr, ProtocolError> {
    let start = wire.receive(Block::BYTES)?;
    Ok(Tccr::new(Block::from_bytes(start.try_into().expect("the length was asked for"))))
}

fn send_start_point(wire: &mut dyn Wire, mut rng: &mut dyn CryptoRng) -> Result<Tccr, ProtocolError> {
    let start = Block::random(&mut rng);
    wire.send(&start.to_bytes())?;
    Ok(Tccr::new(start))
}

fn without_pool() -> ProtocolError {
    let reason = "the connection was set up without a pool of them".into();
    ProtocolError::Message { what: "rows of masks", reason }
}

/// The server's base OTs of both pools, and the start point of the first one's hash. A fuzzer begins behind
/// them.
#[cfg_attr(feature = "fuzzing", derive(Clone))]
pub struct ServerBase {
    pub(crate) session: SessionId,
    sender: ot::Sender,
    /// None of a plan that takes no rows of the second pool.
    receiver: Option<ot::Receiver>,
    leaves_hash: Tccr,
}

/// The client's; mirrors [`ServerBase`].
#[cfg_attr(feature = "fuzzing", derive(Clone))]
pub struct ClientBase {
    pub(crate) session: SessionId,
    sender: Option<ot::Sender>,
    receiver: ot::Receiver,
    leaves_hash: Tccr,
}

impl ServerBase {
    /// `both`: whether there is a pool in which the client sends.
    pub(crate) fn set_up(
        session: SessionId,
        both: bool,
        wire: &mut dyn Wire,
        mut rng: &mut dyn CryptoRng,
    ) -> Result<Self, ProtocolError> {
        let params = PoolSender::PARAMS;
        let [first, second] = ["leaves", "masks"].map(|name| pool_session(&session, name));
        let (setup, request) = SenderSetup::start(params, first, &mut rng);
        wire.send(&request.encode())?;
        let reply = wire.receive(BaseReply::byte_len(params))?;
        let sender = setup.finish(&BaseReply::decode(params, &reply)?)?;
        let mut receiver = None;
        if both {
            let request = wire.receive(BaseRequest::byte_len(params))?;
            let request = BaseRequest::decode(params, &request)?;
            let (own, reply) = ReceiverSetup::reply(params, second, &mut rng, &request)?;
            wire.send(&reply.encode())?;
            receiver = Some(own);
        }
        let leaves_hash = send_start_point(wire, rng)?;
        Ok(Self { session, sender, receiver, leaves_hash })
    }
}

impl ClientBase {
    pub(crate) fn set_up(
        session: SessionId,
        both: bool,
        wire: &mut dyn Wire,
        mut rng: &mut dyn CryptoRng,
    ) -> Result<Self, ProtocolError> {
        let params = PoolSender::PARAMS;
        let [first, second] = ["leaves", "masks"].map(|name| pool_session(&session, name));
        let request = wire.receive(BaseRequest::byte_len(params))?;
        let request = BaseRequest::decode(params, &request)?;
        let (receiver, reply) = ReceiverSetup::reply(params, first, &mut rng, &request)?;
        wire.send(&reply.encode())?;
        let mut sender = None;
        if both {
            let (setup, request) = SenderSetup::start(params, second, &mut rng);
            wire.send(&request.encode())?;
            let reply = wire.receive(BaseReply::byte_len(params))?;
            sender = Some(setup.finish(&BaseReply::decode(params, &reply)?)?);
        }
        let leaves_hash = start_point(wire)?;
        Ok(Self { session, sender, receiver, leaves_hash })
    }
}

impl<L, M, K> Link<L, M, K>
where
    L: CotSource,
    M: CotSource<Rows: Default>,
{
    fn new(session: SessionId, leaves: L, masks: Option<M>, hashes: [Tccr; 2]) -> Self {
        Self { session, leaves, masks, hashes, tweak: 0, predictions: 0, keys: Vec::new() }
    }

    /// Rows for some predictions, of which none is used for another one.
    ///
    /// # Errors
    /// [`ProtocolError`] if the connection fails or a check does, or there is no pool of rows that are
    /// wanted.
    pub fn reserve(
        &mut self,
        rows: Rows,
        count: usize,
        wire: &mut dyn Wire,
        rng: &mut dyn CryptoRng,
    ) -> Result<VecDeque<RowsOf<L, M>>, ProtocolError> {
        match &mut self.masks {
            Some(masks) => extend(masks, (rows.masks * count, wanted(rows.masks, count)), wire, rng)?,
            None if rows.masks == 0 => {}
            None => return Err(without_pool()),
        }
        extend(&mut self.leaves, (rows.leaves * count, wanted(rows.leaves, count)), wire, rng)?;
        (0..count)
            .map(|_| {
                let leaves = self.leaves.reserve(rows.leaves)?;
                let masks = match &mut self.masks {
                    Some(masks) => masks.reserve(rows.masks)?,
                    None => Default::default(),
                };
                let first_tweak = self.tweak;
                self.tweak += rows.tweaks as u64;
                Ok(Reserved { leaves, masks, first_tweak })
            })
            .collect()
    }

    /// The client's key for this ring. A prediction keeps the one that it began with.
    #[must_use]
    pub fn key(&self, params: Params) -> Option<Arc<K>> {
        self.keys.iter().find(|(of, _)| *of == params).map(|(_, key)| Arc::clone(key))
    }

    /// The tweaks from number `first` on.
    #[must_use]
    pub fn tweaks(&self, first: u64) -> Tweaks {
        let [leaves, masks] = self.hashes;
        Tweaks { leaves, masks, first }
    }
}

impl ServerLink {
    /// The set-up, and rows for a first prediction.
    ///
    /// # Errors
    /// [`ProtocolError`] if the connection fails or a check does.
    pub fn set_up(
        session: SessionId,
        rows: Rows,
        wire: &mut dyn Wire,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, ProtocolError> {
        let base = ServerBase::set_up(session, true, wire, rng)?;
        Self::extended(base, rows, wire, rng)
    }

    /// What follows the base OTs.
    pub(crate) fn extended(
        base: ServerBase,
        rows: Rows,
        wire: &mut dyn Wire,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, ProtocolError> {
        let ServerBase { session, sender, receiver, leaves_hash } = base;
        // Nothing is hashed by the second start point without its pool.
        let (mut masks, mut masks_hash) = (None, leaves_hash);
        if let Some(receiver) = receiver {
            let mut pool = PoolReceiver::new(receiver, Supply::default())?;
            extend(&mut pool, (rows.masks, rows.masks), wire, rng)?;
            masks_hash = start_point(wire)?;
            masks = Some(pool);
        }
        let mut leaves = PoolSender::new(sender, Supply::default())?;
        extend(&mut leaves, (rows.leaves, rows.leaves), wire, rng)?;
        Ok(Self::new(session, leaves, masks, [leaves_hash, masks_hash]))
    }

    /// The client's keys, if it is time for new ones.
    ///
    /// # Errors
    /// [`ProtocolError`] if the connection fails, or a message is no key.
    pub fn renew_keys(&mut self, params: &[Params], wire: &mut dyn Wire) -> Result<(), ProtocolError> {
        if self.predictions.is_multiple_of(PREDICTIONS_A_KEY) {
            let session = key_session(&self.session, self.predictions);
            let mut keys = Vec::with_capacity(params.len());
            for &params in params {
                let message = wire.receive(ClientKey::key_bytes(params))?;
                let key = ServerKey::receive(params, &session, Role::B, &message)?;
                keys.push((params, Arc::new(key)));
            }
            self.keys = keys;
        }
        self.predictions += 1;
        Ok(())
    }

    /// Delta of the pool in which this host sends.
    ///
    /// # Errors
    /// [`xonn_crypto::ot::OtError::Refused`] after a failed check.
    pub fn delta(&self) -> Result<Block, ProtocolError> {
        Ok(self.leaves.delta()?)
    }
}

impl ClientLink {
    /// The set-up, and rows for a first prediction.
    ///
    /// # Errors
    /// [`ProtocolError`] if the connection fails or a check does.
    pub fn set_up(
        session: SessionId,
        rows: Rows,
        wire: &mut dyn Wire,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, ProtocolError> {
        let base = ClientBase::set_up(session, true, wire, rng)?;
        Self::extended(base, rows, wire, rng)
    }

    /// What follows the base OTs.
    pub(crate) fn extended(
        base: ClientBase,
        rows: Rows,
        wire: &mut dyn Wire,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, ProtocolError> {
        let ClientBase { session, sender, receiver, leaves_hash } = base;
        // Nothing is hashed by the second start point without its pool.
        let (mut masks, mut masks_hash) = (None, leaves_hash);
        if let Some(sender) = sender {
            let mut pool = PoolSender::new(sender, Supply::default())?;
            extend(&mut pool, (rows.masks, rows.masks), wire, rng)?;
            masks_hash = send_start_point(wire, rng)?;
            masks = Some(pool);
        }
        let mut leaves = PoolReceiver::new(receiver, Supply::default())?;
        extend(&mut leaves, (rows.leaves, rows.leaves), wire, rng)?;
        Ok(Self::new(session, leaves, masks, [leaves_hash, masks_hash]))
    }

    /// New keys, if it is time for them.
    ///
    /// # Errors
    /// [`ProtocolError`] if the connection fails.
    pub fn renew_keys(
        &mut self,
        params: &[Params],
        wire: &mut dyn Wire,
        mut rng: &mut dyn CryptoRng,
    ) -> Result<(), ProtocolError> {
        if self.predictions.is_multiple_of(PREDICTIONS_A_KEY) {
            let session = key_session(&self.session, self.predictions);
            self.keys.clear();
            for &params in params {
                let (key, message) = ClientKey::generate(params, &session, Role::B, &mut rng);
                wire.send(&message)?;
                self.keys.push((params, Arc::new(key)));
            }
        }
        self.predictions += 1;
        Ok(())
    }

    /// Delta of the pool in which this host sends; zero without that pool, of which no row is then to be had.
    ///
    /// # Errors
    /// [`xonn_crypto::ot::OtError::Refused`] after a failed check.
    pub fn delta(&self) -> Result<Block, ProtocolError> {
        self.masks.as_ref().map_or(Ok(Block::ZERO), |masks| Ok(masks.delta()?))
    }
}
