//! Both roles of a tournament in one process, and what goes into it.

use std::sync::Arc;

use chacha20::ChaCha12Rng;
use rand::RngExt;
use xonn_crypto::share::RingTensor;
use xonn_protocols::compare_ot::argmax::{Client, ClientTurn, Plan, Server, ServerTurn};
use xonn_protocols::steps::StepError;

use crate::common::{Link, Pools, Tamper, Transcript, numbers, rng};

/// What goes into a tournament: both hosts' shares of the numbers.
#[derive(Clone)]
pub struct Stage {
    pub plan: Arc<Plan>,
    pub y0: RingTensor,
    pub y1: RingTensor,
    pub seed: u64,
}

impl Stage {
    /// These numbers, shared at random.
    pub fn share(x: &[i64], bits: u32, rng: &mut ChaCha12Rng) -> Self {
        let y1 = numbers(x.len(), bits, rng);
        let y0 = RingTensor::from_signed(bits, x).unwrap().sub(&y1).unwrap();
        Self::of([y0, y1], 0, rng.random())
    }

    /// These shares.
    pub fn of([y0, y1]: [RingTensor; 2], fraction: u32, seed: u64) -> Self {
        let plan = Arc::new(Plan::new(y0.len(), y0.bits(), fraction).unwrap());
        Self { plan, y0, y1, seed }
    }

    pub fn pools(&self, rng: &mut ChaCha12Rng) -> Pools {
        Pools::of(&self.plan.cost(), rng)
    }

    /// Both roles, with messages tampered with: the index's bits, and the messages.
    pub fn run(&self, pools: &Pools, tamper: Tamper<'_>) -> Result<(Vec<bool>, Transcript), StepError> {
        let (mut link, plan) = (Link::new(tamper), &self.plan);
        let (cross, client) = Client::start(plan, pools.tweaks, pools.masks.sender())?;
        let server = Server::start(plan, pools.tweaks, pools.masks.receiver())?;
        let (products, server) = server.on_cross_terms(&link.send(cross))?;
        let products = link.send(products);
        let (digits, client) =
            client.on_products(&products, &self.y1, pools.leaves.receiver(), &mut rng(self.seed))?;
        let server = server.on_digits(&link.send(digits), pools.leaves.sender())?;
        let mut client = Box::new(client);
        let (mut tables, server) = server.on_share(&self.y0)?;
        let mut server = Box::new(server);
        loop {
            let (answer, turn) = client.on_tables(&link.send(tables))?;
            match (server.on_answer(&link.send(answer))?, turn) {
                (ServerTurn::Tables(next_tables, next), ClientTurn::Tables(waits)) => {
                    (tables, server, client) = (next_tables, next, waits);
                }
                (ServerTurn::Index(index), ClientTurn::Index(waits)) => {
                    return Ok((waits.on_index(&link.send(index))?, link.sent));
                }
                _ => panic!("the hosts do not have the same number of levels"),
            }
        }
    }

    /// The index, with fresh rows.
    pub fn index(&self, rng: &mut ChaCha12Rng) -> usize {
        let (bits, _) = self.run(&self.pools(rng), &|_, _| {}).unwrap();
        bits.iter().rev().fold(0, |index, &bit| index << 1 | usize::from(bit))
    }
}

/// The first index of the largest, as `eval` has it.
pub fn largest(x: &[i64]) -> usize {
    (0..x.len()).reduce(|best, i| if x[i] > x[best] { i } else { best }).unwrap()
}
