//! Layers of hidden numbers between both roles.

mod cost;
mod curves;
pub mod damage;
mod errors;
mod products;
mod right;
mod second;
mod stage;
mod steps;
mod transcript;
mod views;

pub use stage::{Stage, all_pairs, alone, edges, lines};
