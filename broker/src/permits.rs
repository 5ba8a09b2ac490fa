//! What the broker's own configuration lets providers and rotators touch on its host, and how it is
//! touched. What an administrator sets up through the API must not lead to what the host holds, so
//! nothing is read, and no program started, that is not named here.
//!
//! | on the host | is touched by |
//! | --- | --- |
//! | a file below a root | [`files`] |
//! | a program below a root | [`programs`] |

pub mod files;
pub mod programs;

use secretref_domain::{fault::Fault, name::EnvVar, value::SecretValue};
use std::{collections::BTreeMap, path::PathBuf};

/// What may be touched.
#[derive(Default)]
pub struct Permits {
    /// Folders that files and programs have to lie below; the first is what relative paths are
    /// relative to.
    pub roots: Vec<PathBuf>,
    /// Variables of the broker's environment that may be read, with their values, where they have
    /// one.
    pub environment: BTreeMap<EnvVar, Option<SecretValue>>,
}

/// Why a file was not read, or a program not run. It names them, and says nothing of what is in
/// them or what they said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault}: it {message}. Fix: {fix}")]
pub struct HostError {
    /// What kind of failure it is.
    pub fault: Fault,
    /// To be read after the name of the provider or rotator: `has no file /x`.
    pub message: String,
    /// The command, or the change, that helps.
    pub fix: String,
}

impl HostError {
    /// An error.
    #[must_use]
    pub fn new(fault: Fault, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { fault, message: message.into(), fix: fix.into() }
    }
}
