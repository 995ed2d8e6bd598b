//! `xonn-compile build`.

use std::path::{Path, PathBuf};

use clap::Args;
use xonn_program::console;
use xonn_program::files::{Readers, Staged};
use xonn_program::package::Package;
use xonn_program::secret::Secret;
use xonn_program::text::grouped;

use super::model::{ModelOptions, output_file};
use super::{Outcome, flatten};
use crate::Built;
use crate::inspect::text::headline;
use crate::inspect::{OnShares, traffic};

#[derive(Args)]
pub struct Build {
    /// The Keras model: .h5 or .keras
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    #[command(flatten)]
    options: ModelOptions,
    /// The package to write (default: MODEL.xonn beside the model); the secret goes beside it as NAME.secret
    #[arg(short, long, value_name = "NAME.xonn", value_parser = output_file)]
    output: Option<PathBuf>,
    /// Replace a secret that is there
    #[arg(long)]
    force: bool,
    /// Also write the program as one flat Bristol Fashion netlist
    #[arg(long, value_name = "F.txt")]
    bristol: Option<PathBuf>,
}

impl Build {
    pub fn run(self) -> Outcome {
        let output = self.output.clone().unwrap_or_else(|| self.model.with_extension("xonn"));
        let secret_path = output.with_extension("secret");
        if secret_path == output {
            return Err("the package cannot end in .secret, that is the name of its secret".into());
        }
        if [&output, &secret_path].contains(&&self.model) {
            return Err(format!(
                "{}: the model itself would be written over, name another",
                output.display()
            )
            .into());
        }
        // Said before minutes are spent; made sure of when it is written.
        if !self.force && secret_path.symlink_metadata().is_ok() {
            return Err(is_there(&secret_path).into());
        }
        let compiled = self.options.compile(&self.model)?;
        self.options.print_notes(compiled.notes());
        let Built { package, secret, circuit } = compiled.build()?;
        self.write(&package, &secret, &output, &secret_path)?;
        // All files are there before the first word: whoever reads it may leave.
        let flat = self.bristol.as_ref().map(|path| flatten::write(&circuit, path)).transpose()?;
        let program = package.program();
        console::say(format_args!("{}: digest {}", output.display(), package.digest()))?;
        console::say(headline(&traffic::of(program, &circuit), OnShares::of(program).ok().as_ref()))?;
        let bits = grouped(program.secret_bits());
        console::say(format_args!("{}: {bits} secret bits, for the server only", secret_path.display()))?;
        Ok(flat.map_or(Ok(()), console::say)?)
    }

    /// Both files, of which none is in its place before both are whole.
    fn write(
        &self,
        package: &Package,
        secret: &Secret,
        output: &Path,
        secret_path: &Path,
    ) -> Result<(), String> {
        let cannot = |path: &Path, e| format!("{}: cannot be written: {e}", path.display());
        let staged_package =
            Staged::write(output, package.bytes(), Readers::All).map_err(|e| cannot(output, e))?;
        let staged_secret =
            secret.stage(package.program(), secret_path).map_err(|e| cannot(secret_path, e))?;
        let placed = if self.force { staged_secret.replace() } else { staged_secret.create() };
        placed.map_err(|e| match e.kind() {
            std::io::ErrorKind::AlreadyExists => is_there(secret_path),
            _ => cannot(secret_path, e),
        })?;
        staged_package.replace().map_err(|e| cannot(output, e))
    }
}

fn is_there(secret: &Path) -> String {
    format!(
        "{}: there is a secret already, and a server may need it; --force replaces it, or name another \
         package with -o",
        secret.display()
    )
}
