//! What `import xonn` calls: models, servers and clients of the Rust crates, with arrays of NumPy.
//!
//! Nothing here protects anybody: what must hold between hosts holds in `xonn_run::Client` and below.

#![forbid(unsafe_code)]

mod arrays;
mod client;
mod errors;
mod model;
mod server;
mod waiting;

use pyo3::prelude::*;

/// The module `xonn._native`.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<model::Compiled>()?;
    module.add_class::<server::Server>()?;
    module.add_class::<client::Client>()?;
    module.add_function(wrap_pyfunction!(model::compile, module)?)?;
    module.add_function(wrap_pyfunction!(server::serve, module)?)?;
    errors::add(module)
}
