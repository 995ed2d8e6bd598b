//! Garbled stages between two hosts.

#![allow(clippy::unwrap_used)] // a test that unwraps fails with a location

mod common;
mod cost;
mod damage;
mod made_up;
mod plans;
mod programs;
mod right;
mod transcript;
mod views;
