//! All integration tests of cryptography in one binary: it links once.

mod common;
mod garbling;
mod layers;
mod messages;
mod silent;
mod steps;
