//! A compiled model.

use std::path::PathBuf;
use std::sync::Arc;

use pyo3::prelude::*;
use xonn_compile::inspect::{html, text};
use xonn_compile::{Built, Calibration, NetworkOptions, NumberBits, Options, OutputMode, Source};
use xonn_program::Prediction;
use xonn_program::files::{Readers, Staged};

use crate::arrays;
use crate::errors::{self, DataError, Error};
use crate::waiting::wait;

/// A compiled model: the program, and the secret numbers of its owner.
#[pyclass(frozen, module = "xonn")]
pub struct Compiled {
    name: String,
    model: Arc<Vec<u8>>,
    options: Options,
    notes: Vec<String>,
    built: Arc<Built>,
}

fn output(reveal: &str) -> PyResult<OutputMode> {
    match reveal {
        "class" => Ok(OutputMode::Argmax),
        "labels" => Ok(OutputMode::Labels),
        "scores" => Ok(OutputMode::Scores),
        _ => Err(DataError::new_err(format!(
            "reveal={reveal:?}, expected \"class\", \"labels\" or \"scores\""
        ))),
    }
}

/// Compiles the bytes of a model's file, which errors call `name`.
#[pyfunction]
#[pyo3(signature = (name, model, *, calibrate=None, agreement=None, activation_bits=None, weight_bits=None,
    reveal="class", input_bits=None, input_scale=None, input_standardised=false, proven=false,
    allow_error=false))]
#[allow(clippy::too_many_arguments, reason = "keywords of Python")]
pub fn compile(
    py: Python<'_>,
    name: String,
    model: Vec<u8>,
    calibrate: Option<Bound<'_, PyAny>>,
    agreement: Option<f64>,
    activation_bits: Option<u32>,
    weight_bits: Option<u32>,
    reveal: &str,
    input_bits: Option<u32>,
    input_scale: Option<f64>,
    input_standardised: bool,
    proven: bool,
    allow_error: bool,
) -> PyResult<Compiled> {
    let mut network =
        NetworkOptions { weight_bits, allow_error, output: output(reveal)?, ..Default::default() };
    network.input.bits = input_bits;
    network.input.scale = input_scale;
    network.input.standardised = input_standardised;
    let calibration = calibrate.as_ref().map(arrays::tensor).transpose()?.map(Calibration::Samples);
    let numbers = NumberBits { activations: activation_bits, agreement, proven };
    let options = Options { network, calibration, numbers, ..Options::default() };
    let model = Arc::new(model);
    let work = (name.clone(), Arc::clone(&model), options.clone());
    let found = wait(py, move || {
        let (name, model, options) = work;
        let source = Source::Bytes { name: &name, model: &model, weights: None };
        let compiled = xonn_compile::compile(source, &options)?;
        Ok((compiled.notes().to_vec(), compiled.build()?))
    })?;
    let (notes, built) = found.map_err(|error| errors::compile(py, &error))?;
    Ok(Compiled { name, model, options, notes, built: Arc::new(built) })
}

#[pymethods]
impl Compiled {
    /// What the owner should know, a sentence each.
    #[getter]
    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    /// The digest that names the public package, 64 hexadecimal digits.
    #[getter]
    fn digest(&self) -> String {
        self.built.package.digest().to_string()
    }

    /// The shape of one sample.
    #[getter]
    fn sample_shape(&self) -> Vec<usize> {
        self.built.package.program().input().sample_shape()
    }

    /// What it costs: "text", "json", or a page "html".
    #[pyo3(signature = (format="text"))]
    fn inspect(&self, py: Python<'_>, format: &str) -> PyResult<String> {
        let format = format.to_owned();
        let (name, model, options) = (self.name.clone(), Arc::clone(&self.model), self.options.clone());
        wait(py, move || {
            let source = Source::Bytes { name: &name, model: &model, weights: None };
            let report =
                xonn_compile::report(source, &options).map_err(|e| Error::new_err(errors::sentence(&e)))?;
            match &format[..] {
                "text" => Ok(text::text(&report)),
                "html" => Ok(html::html(&report)),
                "json" => serde_json::to_string_pretty(&report).map_err(|e| Error::new_err(e.to_string())),
                other => {
                    let text = format!("inspect({other:?}), expected \"text\", \"json\" or \"html\"");
                    Err(DataError::new_err(text))
                }
            }
        })?
    }

    /// The page of `inspect("html")`, for notebooks.
    fn _repr_html_(&self, py: Python<'_>) -> PyResult<String> {
        self.inspect(py, "html")
    }

    fn __repr__(&self) -> String {
        let program = self.built.package.program();
        format!(
            "<xonn.Compiled {:?}, {} layers, digest {}>",
            self.name,
            program.layers().len(),
            self.digest()
        )
    }

    /// Predictions in the clear, as the program computes them: what clients get, but for rounding by chance.
    fn predict<'py>(&self, py: Python<'py>, x: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let input = self.built.package.program().input();
        let samples = arrays::samples(&arrays::tensor(x)?, input)?;
        let codes: Vec<Vec<i64>> = (samples.into_iter().enumerate())
            .map(|(number, sample)| {
                input.codes_of(sample).map_err(|error| {
                    DataError::new_err(format!("sample {number}, {}", errors::sentence(&error)))
                })
            })
            .collect::<PyResult<_>>()?;
        let built = Arc::clone(&self.built);
        let found: Result<Vec<Prediction>, String> = wait(py, move || {
            let program = built.package.program();
            let found =
                program.evaluate(built.secret.tensors(), &codes).map_err(|error| errors::sentence(&error))?;
            Ok(found.iter().map(|found| found.prediction(program.output())).collect())
        })?;
        arrays::predictions(py, &found.map_err(DataError::new_err)?)
    }

    /// Writes the public package and, beside it, the server's secret; returns both paths.
    #[pyo3(signature = (package, secret=None, *, force=false))]
    fn save(&self, package: PathBuf, secret: Option<PathBuf>, force: bool) -> PyResult<(PathBuf, PathBuf)> {
        let secret = secret.unwrap_or_else(|| package.with_extension("secret"));
        let cannot = |path: &PathBuf, error: std::io::Error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => DataError::new_err(format!(
                "{}: there is a secret already, and a server may need it; force=True replaces it",
                path.display()
            )),
            _ => DataError::new_err(format!("{}: cannot be written: {error}", path.display())),
        };
        let built = &self.built;
        let public =
            Staged::write(&package, built.package.bytes(), Readers::All).map_err(|e| cannot(&package, e))?;
        let staged = built.secret.stage(built.package.program(), &secret).map_err(|e| cannot(&secret, e))?;
        let placed = if force { staged.replace() } else { staged.create() };
        placed.map_err(|error| cannot(&secret, error))?;
        public.replace().map_err(|error| cannot(&package, error))?;
        Ok((package, secret))
    }
}
