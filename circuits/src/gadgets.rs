//! Circuit pieces at their least number of AND gates, each with its cost formula and a test that holds it to that.
//!
//! Numbers are little-endian bit vectors (least significant wire first), unsigned unless said otherwise.

pub mod adder;
pub mod argmax;
pub mod compare;
pub mod multiply;
pub mod pool;
pub mod popcount;
