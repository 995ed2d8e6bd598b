//! From a model's file to its program: what every command, and every user of this crate, begins with.

mod error;
mod options;
mod samples;
mod source;

use xonn_circuits::tiled::TiledCircuit;
use xonn_program::circuit::Lowered;
use xonn_program::{Package, Program, Secret};

use crate::calibrate;
use crate::calibrate::GOOD_AGREEMENT;
use crate::graph::{Function, LayerGraph};
use crate::network::Network;
use crate::passes::{self, Need, PassError, Twin};
pub use error::CompileError;
pub use options::{Calibration, NumberBits, Options};
pub(crate) use options::{DEFAULT_ACTIVATION_BITS, DEFAULT_NUMBER_WEIGHT_BITS};
pub(crate) use samples::{quantised, quantised_or_advice};
pub use source::Source;

/// Compiles a Keras model.
///
/// * `source`: a path, or the bytes of a file.
///
/// # Errors
/// [`CompileError`]; [`CompileError::problems`] has everything that is wrong with the model, layer by layer.
///
/// # Example
/// ```
/// use std::path::Path;
///
/// let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/bm1/model.h5");
/// let compiled = xonn_compile::compile(Path::new(model), &xonn_compile::Options::default())?;
/// let built = compiled.build()?;
/// assert_eq!(compiled.program().secret_bits(), 122_736);
///
/// // The package is for everybody, the secret for the server.
/// let package = xonn_program::Package::from_bytes(built.package.bytes().to_vec(), "bm1.xonn")?;
/// assert_eq!(package.digest(), built.secret.digest());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn compile<'s>(source: impl Into<Source<'s>>, options: &Options) -> Result<Compiled, CompileError> {
    let source = source.into();
    fold(&read(&source, options)?, &source.name(), options)
}

/// A compiled model: a program, its secret numbers, and what people should know about them.
#[derive(Clone, Debug)]
pub struct Compiled {
    file: String,
    compiled: passes::Compiled,
    /// The layers and their classes, for messages.
    classes: Vec<(String, String)>,
}

/// What a model is built into.
#[derive(Debug)]
pub struct Built {
    /// The program, as both hosts have it.
    pub package: Package,
    /// The model's numbers, for the server alone.
    pub secret: Secret,
    /// The circuit that the package stands for.
    pub circuit: TiledCircuit,
}

impl Compiled {
    /// What is computed: public.
    #[must_use]
    pub fn program(&self) -> &Program {
        self.compiled.network.program()
    }

    /// The program with the model's numbers and the names of its Keras layers.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.compiled.network
    }

    /// Of a network of hidden numbers the float network that they stand for.
    #[must_use]
    pub fn twin(&self) -> Option<&Twin> {
        self.compiled.twin.as_ref()
    }

    /// The functions at the end of the model that keep the order of the scores and were left out, the
    /// innermost last.
    #[must_use]
    pub fn left_out(&self) -> &[Function] {
        &self.compiled.left_out
    }

    /// What the user should know, one sentence each; [`crate::notes`] sorts and folds them.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.compiled.notes
    }

    /// The circuit, and the bits that the server brings to it.
    ///
    /// # Errors
    /// [`CompileError::Circuit`] if a layer has none, or one that is too large.
    pub fn lower(&self) -> Result<Lowered, CompileError> {
        self.network().lower().map_err(|error| CompileError::circuit(&self.file, error, &self.classes))
    }

    /// Package and secret, of a model that has a circuit.
    ///
    /// # Errors
    /// As [`Self::lower`].
    pub fn build(&self) -> Result<Built, CompileError> {
        let circuit = self.lower()?.circuit;
        let package = Package::new(self.program());
        let secret = Secret::new(&package, self.network().tensors().to_vec())
            .map_err(|reason| CompileError::Secret { reason })?;
        Ok(Built { package, secret, circuit })
    }
}

/// Reads a model; of one that is refused, what is wrong with the layers that could be read is found as well.
pub(crate) fn read(source: &Source<'_>, options: &Options) -> Result<LayerGraph, CompileError> {
    source.graph(&options.reading).map_err(|error| CompileError::read(error, &options.network))
}

/// Sums of real numbers: hidden numbers where these keep the classes of the samples, else in fixed point of
/// worst cases, which needs no samples and is finer.
fn sums(
    numbers: Result<(passes::Compiled, f64), PassError>,
    fixed: impl FnOnce() -> Result<passes::Compiled, PassError>,
) -> Result<passes::Compiled, PassError> {
    let why = match numbers {
        Ok((compiled, share)) if share >= GOOD_AGREEMENT => return Ok(compiled),
        Ok((_, share)) => {
            format!("as hidden numbers {:.2} % of the samples would get the class", 100.0 * share)
        }
        Err(error) => format!("as hidden numbers: {error}"),
    };
    let mut compiled = fixed()?;
    compiled.notes.push(format!("sums of real numbers stay in fixed point of worst cases; {why}"));
    Ok(compiled)
}

/// Compiles what was read of `file`.
pub(crate) fn fold(graph: &LayerGraph, file: &str, options: &Options) -> Result<Compiled, CompileError> {
    let layers = graph.graph.node_weights();
    let classes: Vec<_> = layers.map(|layer| (layer.name.clone(), layer.class.clone())).collect();
    let compiled = match &options.calibration {
        None => match passes::need_of_numbers(graph).unwrap_or(Need::None) {
            Need::Functions if options.numbers.proven => {
                calibrate::proven(graph, &options.network, options.numbers)
            }
            // Fixed point of worst cases is proven as it is.
            _ => passes::run(graph, &options.network),
        },
        Some(calibration) => {
            let samples = calibration.samples()?;
            let (network, mut notes) = options.calibrated(&samples, Some(graph))?;
            let without = || match network.weight_bits {
                Some(_) => passes::run(graph, &network),
                None => calibrate::weight_bits(graph, &network, |n| quantised(&samples.x, n.input())),
            };
            let numbers = || calibrate::numbers(graph, &network, options.numbers, &samples.x);
            let is_asked = options.numbers.activations.is_some() || options.numbers.agreement.is_some();
            let compiled = match passes::need_of_numbers(graph).unwrap_or(Need::None) {
                Need::Functions => numbers().map(|(compiled, _)| compiled),
                Need::Sums if options.numbers.proven => without(),
                Need::Sums if is_asked => numbers().map(|(compiled, _)| compiled),
                Need::Sums => sums(numbers(), without),
                Need::None => without(),
            };
            compiled.map(|mut compiled| {
                compiled.notes.append(&mut notes);
                compiled
            })
        }
    };
    match compiled {
        Ok(compiled) => Ok(Compiled { file: file.to_owned(), compiled, classes }),
        Err(error) => Err(CompileError::network(file, error, &classes)),
    }
}
