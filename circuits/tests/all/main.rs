//! All integration tests of circuits in one binary: it links once.

mod bristol_public;
mod knowledge;
mod optimize;
mod optimize_carries;
mod tiled;
