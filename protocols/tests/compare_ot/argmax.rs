//! The class by comparisons of two, between both roles.

mod cost;
mod damage;
mod right;
mod stage;
mod steps;
mod transcript;
mod views;

pub use stage::Stage;
