//! Boolean netlists, Bristol files, gadgets and layered programs.
pub mod bristol;
pub mod builder;
pub mod data;
pub mod eval;
pub mod files;
pub mod gadgets;
pub mod knowledge;
pub mod netlist;
pub mod optimize;
pub mod text;
pub mod tiled;
pub mod verify;
