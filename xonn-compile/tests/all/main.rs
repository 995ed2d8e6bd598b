//! All integration tests of the compiler in one binary: it links once.

mod bm1;
#[path = "../../../protocols/tests/support/bounds.rs"]
#[allow(dead_code)] // other tests have more of it
mod bounds;
mod by_weight_ot;
mod commands;
mod common;
mod digests;
mod fixtures;
mod fold;
mod hostile;
mod inspect;
mod labels;
mod libhdf5;
mod library;
mod numbers;
mod on_shares;
mod optimize;
mod passes;
#[path = "../../../protocols/tests/support/plan.rs"]
mod plan;
mod random_networks;
mod recurrent;
mod refusals;
mod standardised;
mod trim;
mod users;
mod weights;
