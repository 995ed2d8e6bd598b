//! Garbled stages between two hosts.

#![allow(clippy::unwrap_used)] // a test that unwraps fails with a location

mod common;
mod cost;
mod damage;
#[path = "../contract/end.rs"]
#[allow(dead_code)] // what the contract counts
mod end;
mod made_up;
#[path = "../support/plan.rs"]
#[allow(dead_code)] // bytes
mod plan;
mod plans;
mod programs;
mod right;
mod transcript;
mod views;
