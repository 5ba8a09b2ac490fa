//! What the broker's own configuration lets providers and rotators touch on its host. What an
//! administrator sets up through the API must not lead to what the host holds, so nothing is read,
//! and no program started, that is not named here.

use secretref_domain::{name::EnvVar, value::SecretValue};
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
