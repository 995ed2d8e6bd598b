//! Both roles of a stage of numbers in one process, and what goes into it.

use std::sync::Arc;

use chacha20::ChaCha12Rng;
use rand::RngExt;
use xonn_crypto::share::RingTensor;
use xonn_protocols::compare_ot::numbers::{
    Client, ClientTurn, Curve, End, Function, Plan, Server, ServerTurn, Shape,
};

use crate::common::{Link, Pools, Run, Tamper, numbers, rng};

/// What goes into a stage: both hosts' shares of what is read, and C's share of the results.
#[derive(Clone)]
pub struct Stage {
    pub plan: Arc<Plan>,
    pub y0: Vec<RingTensor>,
    pub y1: Vec<RingTensor>,
    pub rho: RingTensor,
    pub seed: u64,
}

impl Stage {
    /// These numbers, shared at random.
    pub fn share(shape: Shape, reads: &[&[i64]], rng: &mut ChaCha12Rng) -> Self {
        let shared = reads.iter().zip(shape.reads()).map(|(read, bits)| {
            let y1 = numbers(read.len(), bits, rng);
            (RingTensor::from_signed(bits, read).unwrap().sub(&y1).unwrap(), y1)
        });
        let (y0, y1): (Vec<RingTensor>, Vec<RingTensor>) = shared.collect();
        Self::of(shape, [y0, y1], rng)
    }

    /// These shares.
    pub fn of(shape: Shape, [y0, y1]: [Vec<RingTensor>; 2], rng: &mut ChaCha12Rng) -> Self {
        let to = shape.to;
        let plan = Arc::new(Plan::new(shape).unwrap());
        let rho = numbers(plan.results(), to, rng);
        Self { plan, y0, y1, rho, seed: rng.random() }
    }

    pub fn pools(&self, rng: &mut ChaCha12Rng) -> Pools {
        Pools::of(&self.plan.cost(), rng)
    }

    /// Both roles, with messages tampered with.
    pub fn run(&self, pools: &Pools, tamper: Tamper<'_>) -> Run {
        let (mut link, plan) = (Link::new(tamper), &self.plan);
        let [y0, y1] = [&self.y0, &self.y1].map(|reads| reads.iter().collect::<Vec<_>>());
        let (mut client_rng, mut server_rng) = (rng(self.seed), rng(self.seed ^ 1));
        let (cross, client) = Client::start(plan, pools.tweaks, pools.masks.sender())?;
        let server = Server::start(plan, pools.tweaks, pools.masks.receiver())?;
        let (products, server) =
            server.on_cross_terms(&link.send(cross), pools.leaves.sender(), &mut server_rng)?;
        let products = link.send(products);
        let leaves = pools.leaves.receiver();
        let (digits, client) = client.on_products(&products, &y1, &self.rho, leaves, &mut client_rng)?;
        let server = server.on_digits(&link.send(digits), pools.leaves.sender())?;
        let (mut tables, mut server) = server.on_share(&y0)?;
        let mut client = ClientTurn::Tables(client);
        loop {
            let ClientTurn::Tables(waits) = client else { panic!("S has more round trips than C") };
            let (answer, next) = waits.on_tables(&link.send(tables))?;
            client = next;
            match server.on_answer(&link.send(answer))? {
                ServerTurn::Tables(next_tables, next) => (tables, server) = (next_tables, next),
                ServerTurn::Share(share) => {
                    assert!(matches!(client, ClientTurn::Done), "C has more round trips than S");
                    return Ok((share, link.sent));
                }
            }
        }
    }

    /// What comes of it, with fresh rows.
    pub fn results(&self, rng: &mut ChaCha12Rng) -> Vec<i64> {
        let (share, _) = self.run(&self.pools(rng), &|_, _| {}).unwrap();
        share.reconstruct(&self.rho).unwrap()
    }
}

/// All pairs of shares of numbers of so many bits that fit, with these numbers.
pub fn all_pairs(bits: u32) -> ([RingTensor; 2], Vec<i64>) {
    let quarter = 1i64 << (bits - 2);
    let pairs = || (-quarter..quarter).flat_map(|x| (0..1i64 << bits).map(move |y1| [x, y1]));
    let y1 = RingTensor::new(bits, pairs().map(|[_, y1]| y1 as u64).collect()).unwrap();
    let x: Vec<i64> = pairs().map(|[x, _]| x).collect();
    let y0 = RingTensor::from_signed(bits, &x).unwrap().sub(&y1).unwrap();
    ([y0, y1], x)
}

/// Numbers of so many bits that fit, the largest ones and those around 0 first.
pub fn edges(count: usize, bits: u32, rng: &mut ChaCha12Rng) -> Vec<i64> {
    let quarter = 1i64 << (bits - 2);
    let first = [0, -1, 1, 2, -2, -quarter, quarter - 1, 1 - quarter, quarter - 2];
    (0..count).map(|i| if i < 90 { first[i % 9] } else { rng.random_range(-quarter..quarter) }).collect()
}

/// A shape without windows.
pub fn alone(elements: usize, rings: [u32; 2], function: Function) -> Shape {
    Shape::of(elements, rings, function)
}

/// A curve of so many pieces, of so long ones, with its bits of `drop`, `low`, `guard`. Its ends rise.
pub fn lines(pieces: i64, piece: u32, [drop, low, guard]: [u32; 3]) -> Arc<Curve> {
    let lines = (0..pieces).map(|i| [i * i - 20, 2 * i]).collect();
    let ends = [End { base: 3, slope: 1, drop: 1 }, End { base: -5, slope: 3, drop: 2 }];
    Arc::new(Curve { from: 1 - (pieces << piece >> 1), piece, lines, drop, ends, low, guard, bits: 63 })
}
