//! Linear layers under lattice encryption between both hosts, one stage at a time.

#![allow(clippy::unwrap_used)] // a test that unwraps fails with a location

mod added;
mod common;
mod damage;
mod hostile;
mod noise;
mod plans;
mod right;
mod steps;
mod transcript;
