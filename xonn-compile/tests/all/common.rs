//! What several tests need.

use std::path::{Path, PathBuf};

use xonn_compile::keras::{self, ReadOptions};
use xonn_compile::network::Network;
use xonn_compile::passes::{self, Options};
use xonn_program::InputEncoding;
use xonn_program::data::{self, Dataset};

/// A test model.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// Options under which every supported fixture can be read.
pub fn options() -> ReadOptions {
    let custom = [
        ("bnn>sign", "ste_sign"),
        ("Signs", "ste_sign"),
        ("own>Product", "QuantDense(ste_sign)"),
        ("own>BinaryDense", "QuantDense(magnitude_aware_sign)"),
        ("react>RSign", "ste_sign(x + shift)"),
        ("RPReLU", "prelu(x - before, slope) + behind"),
    ];
    let custom = custom.iter().map(|(name, meaning)| ((*name).to_owned(), (*meaning).to_owned())).collect();
    ReadOptions { custom, ..ReadOptions::default() }
}

/// Reads and compiles a model down to integers.
pub fn compile(path: &Path) -> Result<Network, Box<dyn std::error::Error>> {
    let graph = keras::read(path, &options())?;
    Ok(passes::run(&graph, &Options::default())?.network)
}

/// A sample file's arrays, and its samples as integers.
pub fn samples(path: &Path, input: &InputEncoding) -> (Dataset, Vec<Vec<i64>>) {
    let shape: Vec<usize> = input.shape.iter().map(|&n| n as usize).collect();
    let data = data::load(path).expect("the samples are readable");
    let q = data
        .x
        .samples_of(&shape)
        .expect("the samples fit the model")
        .iter()
        .map(|sample| sample.values().map(|x| x as i64).collect())
        .collect();
    (data, q)
}
