//! A dealer of rows, and both roles of a comparison or a layer in one process.

use std::sync::Arc;

use chacha20::ChaCha12Rng;
use rand::{RngExt, SeedableRng};
use xonn_crypto::block::{Block, Tccr};
use xonn_crypto::share::RingTensor;
use xonn_protocols::compare_ot::sign::{Client, Plan, Server};
use xonn_protocols::compare_ot::{Cost, narrow, wide};
use xonn_protocols::steps::column::Column;
use xonn_protocols::steps::compare::{AwaitCrossTerms, AwaitProducts, ClientBits, Comparison, ServerBits};
use xonn_protocols::steps::frame::{Reader, Writer};
use xonn_protocols::steps::rows::{ReceiverRows, SenderRows, Tweaks};

pub fn rng(seed: u64) -> ChaCha12Rng {
    ChaCha12Rng::seed_from_u64(seed)
}

/// Rows of one pool.
#[derive(Clone)]
pub struct Pool {
    delta: Block,
    sent: Vec<Block>,
    received: Vec<Block>,
}

impl Pool {
    pub fn deal(count: usize, rng: &mut ChaCha12Rng) -> Self {
        let delta = Block::random(rng).with_lsb_set();
        let received: Vec<Block> = (0..count).map(|_| Block::random(rng)).collect();
        let sent = received.iter().map(|&m| m ^ delta.masked(m.lsb())).collect();
        Self { delta, sent, received }
    }

    pub fn delta(&self) -> Block {
        self.delta
    }

    /// Its first rows.
    pub fn first(&self, count: usize) -> Self {
        let first = |rows: &[Block]| rows[..count].to_vec();
        Self { delta: self.delta, sent: first(&self.sent), received: first(&self.received) }
    }

    pub fn sender(&self) -> SenderRows<'_> {
        SenderRows::new(&self.sent, self.delta)
    }

    pub fn receiver(&self) -> ReceiverRows<'_> {
        ReceiverRows::new(&self.received)
    }
}

/// Both pools of a layer.
#[derive(Clone)]
pub struct Pools {
    pub leaves: Pool,
    pub masks: Pool,
    pub tweaks: Tweaks,
}

impl Pools {
    pub fn deal(leaf_rows: usize, mask_rows: usize, rng: &mut ChaCha12Rng) -> Self {
        let tweaks = Tweaks {
            leaves: Tccr::new(Block::random(rng)),
            masks: Tccr::new(Block::random(rng)),
            first: rng.random(),
        };
        Self { leaves: Pool::deal(leaf_rows, rng), masks: Pool::deal(mask_rows, rng), tweaks }
    }

    pub fn of(cost: &Cost, rng: &mut ChaCha12Rng) -> Self {
        Self::deal(cost.leaf_rows, cost.mask_rows, rng)
    }
}

/// Random numbers below 2^bits.
pub fn numbers(count: usize, bits: u32, rng: &mut ChaCha12Rng) -> RingTensor {
    RingTensor::new(bits, (0..count).map(|_| rng.random()).collect()).unwrap()
}

pub fn random_column(len: usize, rng: &mut ChaCha12Rng) -> Column {
    Column::from_bools(&(0..len).map(|_| rng.random()).collect::<Vec<bool>>())
}

/// All messages of a layer, in the order in which they are sent.
pub type Transcript = Vec<Vec<u8>>;

/// A comparison between both roles: their bits, and the messages.
pub fn compare(
    plan: Comparison,
    pools: &Pools,
    [y0, y1]: [&RingTensor; 2],
    flips: &Column,
) -> (ServerBits, ClientBits, Transcript) {
    let (cross, client) = AwaitProducts::start(plan, pools.tweaks, pools.masks.sender()).unwrap();
    let server = AwaitCrossTerms::start(plan, pools.tweaks, pools.masks.receiver()).unwrap();
    let (products, server) = server.on_cross_terms(&cross).unwrap();
    let (digits, client) = client.on_products(&products, y1, pools.leaves.receiver()).unwrap();
    let server = server.on_digits(&digits, pools.leaves.sender()).unwrap();
    let [mut tables, mut openings] = [Writer::default(), Writer::default()];
    let server = server.tables(y0, flips, &mut tables).unwrap();
    let tables = tables.finish();
    let reader = &mut Reader::new("tables", &tables, &plan.tables()).unwrap();
    let client = client.on_tables(reader, &mut openings).unwrap();
    let openings = openings.finish();
    let reader = &mut Reader::new("openings", &openings, &plan.openings()).unwrap();
    let server = server.on_openings(reader).unwrap();
    (server, client, vec![cross, products, digits, tables, openings])
}

/// Changes a message on its way: its number and itself.
pub type Tamper<'a> = &'a dyn Fn(usize, &mut Vec<u8>);

/// S's share of a layer's results, and the messages, or the first error.
pub type Run = Result<(RingTensor, Transcript), xonn_protocols::steps::StepError>;

/// Sends messages, tampered with, and keeps them.
pub struct Link<'a> {
    tamper: Tamper<'a>,
    pub sent: Transcript,
}

impl<'a> Link<'a> {
    pub fn new(tamper: Tamper<'a>) -> Self {
        Self { tamper, sent: Vec::new() }
    }

    pub fn send(&mut self, mut message: Vec<u8>) -> Vec<u8> {
        (self.tamper)(self.sent.len(), &mut message);
        self.sent.push(message.clone());
        message
    }
}

/// A layer of signs in one round trip.
pub fn sign(plan: &Plan, pools: &Pools, layer: &Layer, tamper: Tamper<'_>) -> Run {
    let (mut link, plan) = (Link::new(tamper), &Arc::new(plan.clone()));
    let (cross, client) = Client::start(plan, pools.tweaks, pools.masks.sender())?;
    let mut server = Server::start(plan, pools.tweaks, pools.masks.receiver())?;
    if plan.flips() > 0 {
        server = server.flipped(layer.behind.clone())?;
    }
    let (products, server) = server.on_cross_terms(&link.send(cross))?;
    let products = link.send(products);
    let (digits, client) = client.on_products(&products, &layer.y1, pools.leaves.receiver())?;
    let server = server.on_digits(&link.send(digits), pools.leaves.sender())?;
    let (tables, server) = server.on_share(&layer.y0, &layer.flips)?;
    let answer = client.on_tables(&link.send(tables), &layer.rho)?;
    let share = server.on_answer(&link.send(answer))?;
    Ok((share, link.sent))
}

/// A pool of small windows in two round trips.
pub fn narrow(plan: &narrow::Plan, pools: &Pools, layer: &Layer, tamper: Tamper<'_>) -> Run {
    let (mut link, plan) = (Link::new(tamper), &Arc::new(plan.clone()));
    let (cross, client) = narrow::Client::start(plan, pools.tweaks, pools.masks.sender())?;
    let server = narrow::Server::start(plan, pools.tweaks, pools.masks.receiver())?;
    let (products, server) = server.on_cross_terms(&link.send(cross))?;
    let products = link.send(products);
    let (digits, client) = client.on_products(&products, &layer.y1, pools.leaves.receiver())?;
    let server = server.on_digits(&link.send(digits), pools.leaves.sender())?;
    let (tables, server) = server.on_share(&layer.y0, &layer.flips)?;
    let (openings, client) = client.on_tables(&link.send(tables))?;
    let (tables, server) = server.on_openings(&link.send(openings), &layer.behind)?;
    let answer = client.on_window_tables(&link.send(tables), &layer.rho)?;
    let share = server.on_answer(&link.send(answer))?;
    Ok((share, link.sent))
}

/// A pool of any windows in two round trips.
pub fn wide(plan: &wide::Plan, pools: &Pools, layer: &Layer, tamper: Tamper<'_>) -> Run {
    let (mut link, plan) = (Link::new(tamper), &Arc::new(plan.clone()));
    let (cross, client) = wide::Client::start(plan, pools.tweaks, pools.masks.sender())?;
    let server = wide::Server::start(plan, pools.tweaks, pools.masks.receiver())?;
    let (products, server) = server.on_cross_terms(&link.send(cross))?;
    let products = link.send(products);
    let rng = &mut rng(layer.seed);
    let (digits, client) = client.on_products(&products, &layer.y1, pools.leaves.receiver(), rng)?;
    let server = server.on_digits(&link.send(digits), pools.leaves.sender())?;
    let (tables, server) = server.on_share(&layer.y0, &layer.flips)?;
    let (answer, client) = client.on_tables(&link.send(tables))?;
    let (tables, server) = server.on_answer(&link.send(answer), &layer.behind)?;
    let answer = client.on_tables(&link.send(tables), &layer.rho)?;
    let share = server.on_answer(&link.send(answer))?;
    Ok((share, link.sent))
}

/// What goes into a layer.
#[derive(Clone)]
pub struct Layer {
    pub y0: RingTensor,
    pub y1: RingTensor,
    pub flips: Column,
    /// Of windows, behind the OR.
    pub behind: Column,
    pub rho: RingTensor,
    pub seed: u64,
}

impl Layer {
    /// These values of a ring, shared at random; results of so many windows in another ring.
    pub fn share(x: &RingTensor, flips: Column, [windows, ring]: [usize; 2], rng: &mut ChaCha12Rng) -> Self {
        let y1 = numbers(x.len(), x.bits(), rng);
        let y0 = x.sub(&y1).unwrap();
        let behind = Column::zeros(windows);
        Self { y0, y1, flips, behind, rho: numbers(windows, ring as u32, rng), seed: rng.random() }
    }

    /// The signs, flipped.
    pub fn signs(&self) -> Vec<i64> {
        let x = self.y0.reconstruct(&self.y1).unwrap();
        x.iter().enumerate().map(|(i, &x)| i64::from(x >= 0) ^ self.flips.bit(i) as i64).collect()
    }
}
