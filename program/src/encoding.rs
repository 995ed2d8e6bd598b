//! What the two ends of a program mean: how a client's real numbers become integers, and integers an answer.

mod input;
mod output;

pub use input::{ElementError, EncodingError, Feature, InputEncoding, MAX_BITS, MAX_WIDTH};
pub use output::{OutputEncoding, Prediction};
