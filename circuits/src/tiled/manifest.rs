//! `manifest.json` of a package: the program without its templates' gates.

use serde::{Deserialize, Serialize};

use super::package::Digest;
use super::{Layer, OutputEncoding, TiledCircuit};
use crate::data::InputEncoding;
use crate::knowledge::AndCosts;

/// The `format` entry.
pub(super) const FORMAT: &str = "xonn-package";

/// The `version` entry that this code writes and reads.
pub(super) const VERSION: u32 = 2;

/// Everything in `manifest.json`, in the order in which it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub format: String,
    pub version: u32,
    pub input: InputEncoding,
    pub output: OutputEncoding,
    pub secret_bits: u64,
    pub templates: Vec<TemplateEntry>,
    pub layers: Vec<Layer>,
    pub counts: Counts,
}

/// A template's file in the package.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TemplateEntry {
    pub file: String,
    pub sha256: Digest,
}

/// What the program costs; checked against the templates when a package is read.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(super) struct Counts {
    pub and: AndCosts,
    pub half_gate_bytes: u64,
}

impl Manifest {
    pub fn new(program: &TiledCircuit, templates: Vec<TemplateEntry>) -> Self {
        Self {
            format: FORMAT.into(),
            version: VERSION,
            input: program.input().clone(),
            output: program.output().clone(),
            secret_bits: program.secret_bits(),
            templates,
            layers: program.layers().to_vec(),
            counts: Counts::of(program),
        }
    }
}

impl Counts {
    pub fn of(program: &TiledCircuit) -> Self {
        let and = program.costs();
        Self { and, half_gate_bytes: and.half_gate_bytes() }
    }
}
