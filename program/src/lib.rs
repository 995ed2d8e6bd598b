//! What a neural network computes, layer by layer, on integers.
//!
//! ```text
//! Program             public: layers, shapes, value ranges; a page of JSON ([`package`])
//! Tensors             secret: weights, cuts and lines of one model ([`secret`])
//!   | evaluate        in the clear: the reference
//!   | circuit         a tiled circuit, and the secret bits that it takes
//! ```
//!
//! Beside them stand the two ends: how a client's numbers become integers and integers an answer
//! ([`encoding`]), and the sample files that people have ([`data`]).

#![forbid(unsafe_code)]

pub mod circuit;
pub mod console;
pub mod data;
pub mod encoding;
pub mod evaluate;
pub mod files;
pub mod op;
pub mod package;
pub mod program;
pub mod secret;
pub mod tensor;
pub mod text;

pub use encoding::{InputEncoding, OutputEncoding, Prediction};
pub use op::Op;
pub use package::{Digest, Package};
pub use program::{Kind, Layer, LayerId, Program, Range};
pub use secret::Secret;
pub use tensor::{Tensor, TensorSpec};
