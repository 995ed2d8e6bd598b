//! Which instructions compute AES.

use core::fmt;
use core::str::FromStr;
#[cfg(target_arch = "aarch64")]
use std::arch::is_aarch64_feature_detected;

/// A set of instructions that computes AES; all give the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backend {
    /// The `aes` crate on any processor. It uses the AES instructions of x86-64 and AArch64 where it finds
    /// them, one key schedule at a time, and constant-time bitsliced code elsewhere.
    Portable,
    /// x86-64 AES-NI: one block per instruction.
    AesNi,
    /// x86-64 VAES with AVX2: two blocks per instruction.
    Vaes256,
    /// x86-64 VAES with AVX-512 (F, BW): four blocks per instruction.
    Vaes512,
    /// The AES instructions of ARMv8 on AArch64 (little-endian): one block per instruction.
    Armv8,
}

/// A backend cannot be had by this name or on this processor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// The name is not one of [`Backend::ALL`].
    #[error(
        "AES backend \"{name}\" is unknown, expected one of portable, aes-ni, vaes-256, vaes-512, armv8-aes"
    )]
    Unknown {
        /// The name as given.
        name: String,
    },
    /// The processor lacks the instructions.
    #[error("AES backend {backend} needs instructions this processor lacks, use one of: {available}")]
    Unavailable {
        /// The backend asked for.
        backend: Backend,
        /// What the processor has, separated by commas.
        available: String,
    },
}

impl Backend {
    /// Every backend, those of one architecture slowest first.
    pub const ALL: [Self; 5] = [Self::Portable, Self::AesNi, Self::Vaes256, Self::Vaes512, Self::Armv8];

    /// The backends this processor can run, slowest first; [`Backend::Portable`] is always among them.
    pub fn available() -> Vec<Self> {
        Self::ALL.into_iter().filter(|backend| backend.is_available()).collect()
    }

    /// The fastest backend this processor can run.
    pub fn best() -> Self {
        Self::ALL.into_iter().rev().find(|backend| backend.is_available()).unwrap_or(Self::Portable)
    }

    /// Whether this processor has every instruction the backend uses, and the build may use it.
    ///
    /// A build with `RUSTFLAGS='--cfg xonn_portable'` has [`Backend::Portable`] alone: every test that takes the best backend is
    /// then one of that (`just portable`).
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            _ if cfg!(xonn_portable) => false,
            #[cfg(target_arch = "x86_64")]
            Self::AesNi => is_x86_feature_detected!("aes") && is_x86_feature_detected!("ssse3"),
            #[cfg(target_arch = "x86_64")]
            Self::Vaes256 => {
                Self::AesNi.is_available()
                    && is_x86_feature_detected!("vaes")
                    && is_x86_feature_detected!("avx2")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Vaes512 => {
                Self::AesNi.is_available()
                    && is_x86_feature_detected!("vaes")
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
            }
            #[cfg(target_arch = "aarch64")]
            Self::Armv8 => {
                cfg!(target_endian = "little")
                    && is_aarch64_feature_detected!("neon")
                    && is_aarch64_feature_detected!("aes")
            }
            _ => false,
        }
    }

    /// This backend, if the processor can run it.
    pub(super) fn checked(self) -> Result<Self, BackendError> {
        if self.is_available() {
            return Ok(self);
        }
        let available = Self::available().iter().map(Self::to_string).collect::<Vec<_>>().join(", ");
        Err(BackendError::Unavailable { backend: self, available })
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::AesNi => "aes-ni",
            Self::Vaes256 => "vaes-256",
            Self::Vaes512 => "vaes-512",
            Self::Armv8 => "armv8-aes",
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Backend {
    type Err = BackendError;

    fn from_str(name: &str) -> Result<Self, BackendError> {
        Self::ALL
            .into_iter()
            .find(|backend| backend.name() == name)
            .ok_or_else(|| BackendError::Unknown { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for backend in Backend::ALL {
            assert_eq!(backend.to_string().parse(), Ok(backend));
        }
        let error = "AES-NI".parse::<Backend>().expect_err("names are lower case");
        assert!(error.to_string().starts_with("AES backend \"AES-NI\" is unknown"));
    }

    #[test]
    fn the_best_backend_is_the_last_available() {
        assert_eq!(Backend::available().first(), Some(&Backend::Portable));
        assert_eq!(Backend::available().last(), Some(&Backend::best()));
    }

    /// `just arm` says what it emulates, so that its tests cannot pass by being left to the portable code.
    #[test]
    fn the_best_backend_is_the_one_that_the_caller_of_the_tests_expects() {
        if let Ok(expected) = std::env::var("XONN_BEST_BACKEND") {
            assert_eq!(Backend::best().to_string(), expected);
        }
    }

    #[test]
    fn an_unavailable_backend_is_refused_by_name() {
        for backend in Backend::ALL {
            match backend.checked() {
                Ok(same) => assert!(same == backend && backend.is_available()),
                Err(error) => {
                    assert!(!backend.is_available());
                    assert!(error.to_string().contains(backend.name()));
                }
            }
        }
    }
}
