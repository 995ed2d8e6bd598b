//! Boolean netlists, Bristol files, gadgets and layered programs.
pub mod builder;
pub mod eval;
pub mod netlist;
pub mod verify;
