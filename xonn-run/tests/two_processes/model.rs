//! A small model whose predictions are known from integers: which of four numbers is the largest, a secret one being added to each.

use std::path::{Path, PathBuf};

use xonn_program::data::write_npy;
use xonn_program::package::{Digest, Package};
use xonn_program::secret::Secret;

use crate::programs;

/// Numbers of a sample.
pub const NUMBERS: usize = 4;

/// Bits of a number.
const BITS: u32 = 4;

/// The files of a model, in a folder of their own.
pub struct Model {
    folder: tempfile::TempDir,
    pub digest: Digest,
    masks: [u8; NUMBERS],
}

impl Model {
    /// Writes package and secret.
    pub fn new(masks: [u8; NUMBERS]) -> Self {
        Self::with_scale(masks, 1.0)
    }

    /// The same with another step of the input's codes, which is another package.
    pub fn with_scale(masks: [u8; NUMBERS], scale: f64) -> Self {
        let program = programs::largest(NUMBERS, BITS, scale);
        let package = Package::new(&program);
        let added = programs::added(&masks.map(i64::from));
        let secret = Secret::new(&package, vec![added]).expect("four lines");
        let model = Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
            digest: package.digest(),
            masks,
        };
        std::fs::write(model.package(), package.bytes()).expect("written");
        secret.write(&program, model.secret().as_ref()).expect("written");
        model
    }

    pub fn package(&self) -> String {
        self.file("m.xonn")
    }

    pub fn secret(&self) -> String {
        self.file("m.secret")
    }

    /// A file of any name in the model's folder.
    pub fn file(&self, name: &str) -> String {
        text(self.folder.path().join(name))
    }

    /// Writes samples.
    pub fn write_samples(&self, name: &str, samples: &[[u8; NUMBERS]]) -> String {
        let path = self.file(name);
        let values: Vec<f32> = samples.as_flattened().iter().map(|&v| v.into()).collect();
        write_npy(Path::new(&path), &values, &[samples.len(), NUMBERS]).expect("written");
        path
    }

    /// The class of a sample, from integers: the first of the largest.
    pub fn class(&self, sample: &[u8; NUMBERS]) -> u64 {
        let score = |i: usize| sample[i] + self.masks[i];
        let best = (0..NUMBERS).map(score).max().expect("four numbers");
        (0..NUMBERS).position(|i| score(i) == best).expect("one of them is the largest") as u64
    }
}

/// `count` samples in which each class is frequent and so are ties.
pub fn samples(count: usize) -> Vec<[u8; NUMBERS]> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 28) as u8
    };
    (0..count).map(|_| std::array::from_fn(|_| next())).collect()
}

fn text(path: PathBuf) -> String {
    path.into_os_string().into_string().expect("a temporary path is text")
}
