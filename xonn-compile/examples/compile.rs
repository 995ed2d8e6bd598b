//! Compiles a Keras model and writes what two hosts need: the package, for both, and the secret, for the
//! server.
//!
//!     cargo run --release -p xonn-compile --example compile -- models/bm1/model.h5 bm1

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use xonn_compile::{CompileError, Options};

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [model, output] = &arguments[..] else {
        eprintln!("expected MODEL and OUTPUT");
        return ExitCode::FAILURE;
    };
    match build(model, output) {
        Ok(digest) => {
            println!("{}: digest {digest}", output.with_extension("xonn").display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            say(error.as_ref());
            ExitCode::FAILURE
        }
    }
}

/// Builds `model` into `OUTPUT.xonn` and `OUTPUT.secret`; gives the package's digest.
fn build(model: &Path, output: &Path) -> Result<String, Box<dyn Error>> {
    let compiled = xonn_compile::compile(model, &Options::default())?;
    eprint!("{}", xonn_compile::notes::text(compiled.notes()));
    let built = compiled.build()?;
    std::fs::write(output.with_extension("xonn"), built.package.bytes())?;
    // Readable by its owner only.
    built.secret.write(built.package.program(), &output.with_extension("secret"))?;
    Ok(built.package.digest().to_string())
}

/// Everything that is wrong with a model is found at once.
fn say(error: &(dyn Error + 'static)) {
    let Some(error) = error.downcast_ref::<CompileError>() else { return eprintln!("{error}") };
    for problem in error.problems() {
        eprintln!("layer {:?} ({}): {}", problem.layer, problem.class, problem.reason);
        if !problem.advice.is_empty() {
            eprintln!("    {}", problem.advice);
        }
    }
}
