//! `xonn-run certificate`.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{Outcome, report};

/// Makes a certificate that is signed by its own key: whoever is to trust it gets the certificate file, by hand.
#[derive(Args)]
pub struct Certificate {
    /// Names and addresses of the host that it is for
    #[arg(value_name = "HOST", required = true)]
    hosts: Vec<String>,
    /// Write PREFIX.crt, to be given to others, and PREFIX.key, to be kept
    #[arg(short, long, value_name = "PREFIX")]
    out: PathBuf,
}

impl Certificate {
    pub fn run(self) -> Outcome {
        let made = rcgen::generate_simple_self_signed(self.hosts.clone())
            .map_err(|e| format!("no certificate can be made for {}: {e}", self.hosts.join(", ")))?;
        let (certificate, key) = (with_ending(&self.out, "crt"), with_ending(&self.out, "key"));
        write(&certificate, &made.cert.pem(), false)?;
        if let Err(error) = write(&key, &made.signing_key.serialize_pem(), true) {
            let _ = std::fs::remove_file(&certificate); // of no use without its key
            return Err(error.into());
        }
        report::say(format_args!("{}: certificate for {}", certificate.display(), self.hosts.join(", ")))?;
        report::say(format_args!("{}: its private key, for this host only", key.display()))?;
        Ok(())
    }
}

fn with_ending(prefix: &Path, ending: &str) -> PathBuf {
    let mut name = prefix.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// Writes a file that was not there: a key in use is not to be lost by a slip.
fn write(path: &Path, text: &str, secret: bool) -> Result<(), String> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if secret {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    #[cfg(not(unix))]
    let _ = secret;
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|e| format!("{}: cannot be written: {e}", path.display()))
}
