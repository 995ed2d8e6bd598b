//! Boolean netlists, Bristol files, gadgets, the optimiser, and tiled circuits.
//!
//! A [`netlist::Netlist`] is a list of gates; a [`tiled::TiledCircuit`] is layers of a few netlists, each on many
//! instances. Both are built, counted, evaluated in the clear and written as Bristol Fashion here; nothing here knows of
//! networks or of cryptography.
//!
//! ```
//! use xonn_circuits::{bristol, builder::Builder, eval::evaluate_bits};
//!
//! // Two bits of each of two parties: whether both are equal.
//! let mut b = Builder::new();
//! let (x, y) = (b.input(2), b.input(2));
//! let differ: Vec<_> = x.iter().zip(&y).map(|(&x, &y)| b.xor(x, y)).collect();
//! let any = b.or(differ[0], differ[1]);
//! let equal = b.inv(any);
//! let netlist = b.finish(&[vec![equal]]);
//!
//! assert_eq!(netlist.stats().and, 1);
//! assert_eq!(evaluate_bits(&netlist, &[true, false, true, false]), [true]);
//! let mut text = Vec::new();
//! bristol::write(&netlist, &mut text, &bristol::Options::default())?;
//! # Ok::<(), bristol::BristolError>(())
//! ```

pub mod bristol;
pub mod builder;
pub mod eval;
pub mod gadgets;
pub mod knowledge;
pub mod netlist;
pub mod optimize;
pub mod tiled;
pub mod verify;
