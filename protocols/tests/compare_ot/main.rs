//! Layers of comparisons by correlated OT between both roles, with rows of an ideal dealer.

#![allow(clippy::unwrap_used)] // a test that unwraps fails with a location

mod argmax;
mod common;
mod cost;
mod damage;
mod layers;
mod numbers;
mod refused;
mod right;
mod second;
mod sides;
mod stage;
mod steps;
mod transcript;
mod views;
