//! What the targets of the wire share: honest sessions with fixed seeds, and a peer that follows a harmed
//! script of one.

pub mod allocations;
pub mod cases;
// Both roles of stages on shares, as the tests of their protocols run them.
#[allow(dead_code, clippy::unwrap_used)]
#[path = "../../protocols/tests/compare_ot/common.rs"]
mod common;
// The sessions that the tests run are those that are harmed here.
#[allow(dead_code)]
#[path = "../../xonn-run/tests/session/fixture.rs"]
mod fixture;
pub mod overlay;
pub mod peer;
#[allow(dead_code)]
#[path = "../../xonn-run/tests/support/programs.rs"]
mod programs;
pub mod script;
#[allow(dead_code, clippy::unwrap_used)]
#[path = "../../protocols/tests/compare_ot/numbers/stage.rs"]
mod stage;
pub mod stages;
#[allow(dead_code)]
#[path = "../../xonn-run/tests/session/wire.rs"]
mod wire;
