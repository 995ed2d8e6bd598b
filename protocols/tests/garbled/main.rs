//! Garbled stages between two hosts.

mod common;
mod cost;
mod damage;
mod made_up;
mod plans;
mod programs;
mod right;
mod transcript;
