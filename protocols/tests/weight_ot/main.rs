//! Linear layers by conditional addition between both hosts, over a connection in memory.

#![allow(clippy::unwrap_used)] // a test that unwraps fails with a location

mod cheating;
mod common;
mod cost;
mod damage;
mod layers;
mod refused;
mod right;
mod steps;
mod transcript;
