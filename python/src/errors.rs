//! Errors as Python has them, by what a caller can do about them.

use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use xonn_compile::Problem;
use xonn_run::client::ClientError;
use xonn_run::session::SessionError;

create_exception!(xonn, Error, PyException, "Anything that xonn cannot do.");
create_exception!(xonn, CompileError, Error, "A model that is refused; `problems` says why, layer by layer.");
create_exception!(xonn, DataError, Error, "Samples or files that do not fit.");
create_exception!(xonn, ProtocolError, Error, "The other host did something else than it should.");
create_exception!(xonn, TransientError, Error, "The connection failed; it may work the next time.");

/// Makes them names of the module.
pub fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("Error", py.get_type::<Error>())?;
    module.add("CompileError", py.get_type::<CompileError>())?;
    module.add("DataError", py.get_type::<DataError>())?;
    module.add("ProtocolError", py.get_type::<ProtocolError>())?;
    module.add("TransientError", py.get_type::<TransientError>())
}

/// An error and what is below it, in one sentence.
pub fn sentence(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(error) = below {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        below = error.source();
    }
    text
}

fn line(problem: &Problem) -> String {
    let Problem { layer, class, reason, advice, .. } = problem;
    let place = match (layer.is_empty(), class.is_empty()) {
        (true, _) => String::new(),
        (false, true) => format!("{layer}: "),
        (false, false) => format!("{layer} ({class}): "),
    };
    let advice = if advice.is_empty() { String::new() } else { format!("; {advice}") };
    format!("{place}{reason}{advice}")
}

/// A model that is refused.
pub fn compile(py: Python<'_>, error: &xonn_compile::CompileError) -> PyErr {
    let problems: Vec<String> = error.problems().iter().map(line).collect();
    let raised = CompileError::new_err(sentence(error));
    match raised.value(py).setattr("problems", problems) {
        Ok(()) => raised,
        Err(other) => other,
    }
}

/// What came of a connection.
pub fn session(error: &SessionError) -> PyErr {
    let text = sentence(error);
    match error {
        SessionError::Misuse(_) => DataError::new_err(text),
        error if error.is_transient() => TransientError::new_err(text),
        _ => ProtocolError::new_err(text),
    }
}

/// What came of a client.
pub fn client(error: &ClientError) -> PyErr {
    match error {
        ClientError::Session(error) => session(error),
        ClientError::Sample { .. } => DataError::new_err(sentence(error)),
        _ => TransientError::new_err(sentence(error)),
    }
}
