//! `xonn-compile build`.

use std::path::PathBuf;

use clap::Args;
use xonn_circuits::program::package::Package;
use xonn_circuits::program::secret::Secret;
use xonn_circuits::text::grouped;

use super::model::{ModelOptions, print_notes};
use super::{Outcome, flatten};
use crate::lower;

#[derive(Args)]
pub struct Build {
    /// The Keras model: .h5 or .keras
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    #[command(flatten)]
    options: ModelOptions,
    /// The package to write; the secret goes beside it as NAME.secret
    #[arg(short, value_name = "NAME.xonn")]
    output: PathBuf,
    /// Also write the program as one flat Bristol Fashion netlist
    #[arg(long, value_name = "F.txt")]
    bristol: Option<PathBuf>,
}

impl Build {
    pub fn run(self) -> Outcome {
        let compiled = self.options.compile(&self.model)?;
        print_notes(&compiled.notes);
        let lowered =
            lower::lower(&compiled.network).map_err(|e| format!("{}: {e}", self.model.display()))?;
        let package = Package::new(&lowered.program)?;
        let secret_path = self.output.with_extension("secret");
        if secret_path == self.output {
            return Err("the package cannot end in .secret, that is the name of its secret".into());
        }
        let cannot = |path: &PathBuf, e| format!("{}: cannot be written: {e}", path.display());
        std::fs::write(&self.output, package.bytes()).map_err(|e| cannot(&self.output, e))?;
        Secret { digest: package.digest(), bits: lowered.secret.into() }
            .write(&secret_path)
            .map_err(|e| cannot(&secret_path, e))?;
        let costs = package.program().costs();
        println!(
            "{}: {} ANDs, {} bytes of garbled tables, digest {}",
            self.output.display(),
            grouped(costs.total()),
            grouped(costs.half_gate_bytes()),
            package.digest()
        );
        println!(
            "{}: {} secret bits, for the server only",
            secret_path.display(),
            grouped(package.program().secret_bits())
        );
        match &self.bristol {
            Some(path) => flatten::write(package.program(), path),
            None => Ok(()),
        }
    }
}
