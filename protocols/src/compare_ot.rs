//! Layers of comparisons by correlated OT: signs of shared sums, as numbers of the next layer's ring, with OR
//! pools.
//!
//! In: shares of x modulo 2^(w + 1), y1 of C known ahead; S's thresholds stand in y0 already, and each neuron
//! may be flipped. Out: shares of `[x >= 0] + flip`, or of the OR of a window of them, modulo 2^l; C's share
//! is chosen ahead, so it can be the mask of the next layer's input. ORs may be flipped, too.
//!
//! | pool | module | round trips |
//! |---|---|---|
//! | none, or windows of up to 4 | [`sign`] | 1 |
//! | windows of up to 4, fewer bytes | [`narrow`] | 2 |
//! | larger windows | [`wide`] | 2 |
//!
//! Layers of hidden numbers, ReLU and others, are in [`numbers`], the class of the largest number in
//! [`argmax`].
//!
//! [`CompareOt`] makes stages of signs: a threshold, or a max pool and a threshold in either order.
//!
//! Each has a plan, which is public and says bytes, rows and tweaks ([`Cost`]), and two roles whose states
//! are named for what they wait for. A state is used once: each step takes it by value.
//!
//! # Example: two neurons
//! ```
//! use std::sync::Arc;
//!
//! use xonn_crypto::block::{Block, Tccr};
//! use xonn_crypto::share::RingTensor;
//! use xonn_protocols::compare_ot::sign::{Client, Plan, Server};
//! use xonn_protocols::steps::column::Column;
//! use xonn_protocols::steps::rows::{ReceiverRows, SenderRows, Tweaks};
//! use xonn_protocols::steps::windows::Windows;
//!
//! let rng = &mut rand::rng();
//! // A dealer, in place of the extension of OTs: K with bit 0 zero, M = K + c Delta.
//! let mut deal = |count| {
//!     let delta = Block::random(rng).with_lsb_set();
//!     let random: Vec<Block> = (0..count).map(|_| Block::random(rng)).collect();
//!     let keys: Vec<Block> = random.iter().map(|&m| m ^ delta.masked(m.lsb())).collect();
//!     (keys, random, delta)
//! };
//! let plan = Arc::new(Plan::new(7, Windows::single(2)?, 9)?);
//! let (leaf_keys, leaf_choices, delta_s) = deal(plan.cost().leaf_rows);
//! let (mask_keys, mask_choices, delta_c) = deal(plan.cost().mask_rows);
//! let tweaks = Tweaks { leaves: Tccr::new(Block::from(1)), masks: Tccr::new(Block::from(2)), first: 0 };
//!
//! // Ahead, three messages; C's shares of the sums and of the results are known by then.
//! let (y1, rho) = (RingTensor::new(8, vec![200, 17])?, RingTensor::new(9, vec![33, 500])?);
//! let (cross, client) = Client::start(&plan, tweaks, SenderRows::new(&mask_keys, delta_c))?;
//! let server = Server::start(&plan, tweaks, ReceiverRows::new(&mask_choices))?;
//! let (products, server) = server.on_cross_terms(&cross)?;
//! let (digits, client) = client.on_products(&products, &y1, ReceiverRows::new(&leaf_choices))?;
//! let server = server.on_digits(&digits, SenderRows::new(&leaf_keys, delta_s))?;
//!
//! // Online, one round trip.
//! let y0 = RingTensor::from_signed(8, &[5 - 200, -3 - 17])?;
//! let (tables, server) = server.on_share(&y0, &Column::zeros(2))?;
//! let answer = client.on_tables(&tables, &rho)?;
//! assert_eq!(server.on_answer(&answer)?.reconstruct(&rho)?, [1, 0]); // 5 and -3
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod argmax;
mod client;
mod cost;
pub mod cuts;
pub mod narrow;
pub mod numbers;
mod server;
pub mod sign;
mod stage;
pub mod wide;

pub use cost::Cost;
pub use stage::{comparable, cost};
pub(crate) use stage::{receive, send, windows};

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xonn_program::{Program, Tensor};

use crate::plan::Stage;
use crate::protocol::{ClientSide, Protocol, ServerSide, StageError, Trust};

/// How a layer of thresholds is computed. Public.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Choice {
    /// No pool, or one of windows of up to 4 elements, in one round trip: [`sign`].
    Sign,
    /// A pool of windows of up to 4 elements, in two round trips and fewer bytes: [`narrow`].
    Narrow,
    /// A pool of any windows: [`wide`].
    Wide,
}

impl Choice {
    /// For a pool of windows of at most so many elements, or none. Any pool of windows of 1 to 4 can be
    /// [`Choice::Narrow`], also one in front of the cuts.
    #[must_use]
    pub fn of(window: Option<usize>) -> Self {
        match window {
            None => Self::Sign,
            Some(0..=4) => Self::Narrow,
            Some(_) => Self::Wide,
        }
    }
}

/// The protocol.
pub struct CompareOt;

impl Protocol for CompareOt {
    fn name(&self) -> &'static str {
        "compare_ot"
    }

    fn holds(&self) -> Trust {
        Trust::SemiHonest
    }

    fn server(
        &self,
        stage: &Stage,
        program: &Program,
        tensors: &[Tensor],
    ) -> Result<Arc<dyn ServerSide>, StageError> {
        Ok(Arc::new(server::Side::of(stage, program, tensors)?))
    }

    fn client(&self, stage: &Stage, program: &Program) -> Result<Arc<dyn ClientSide>, StageError> {
        Ok(Arc::new(client::Side::of(stage, program)?))
    }
}
