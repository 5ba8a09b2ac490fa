//! `[audit_file]` of `broker.toml`: the audit trail as a file, for whoever ships logs.

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Where the file is, and how much of it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditFile {
    /// The file; relative to the broker's folder. Each broker has one of its own.
    pub path: PathBuf,
    /// From which size on a new one is begun, in bytes: 4,096 to 17,179,869,184.
    #[serde(default = "bytes_max")]
    pub bytes_max: u64,
    /// How many that are full are kept beside it, as `PATH.1` (the newest) and so on: 1 to 1,000.
    #[serde(default = "files_max")]
    pub files_max: u32,
}

/// A bound out of its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("audit_file.{name} is {given}; it lies in {least} to {most}")]
pub struct AuditFileError {
    name: &'static str,
    given: u64,
    least: u64,
    most: u64,
}

impl AuditFile {
    /// Whether each bound is in its range.
    pub(super) fn check(&self) -> Result<(), AuditFileError> {
        for (name, given, least, most) in [
            ("bytes_max", self.bytes_max, 4096, 16 << 30),
            ("files_max", self.files_max.into(), 1, 1000),
        ] {
            if !(least..=most).contains(&given) {
                return Err(AuditFileError { name, given, least, most });
            }
        }
        Ok(())
    }

    /// The same, with the path that it really has.
    #[must_use]
    pub fn within(&self, data_dir: &Path) -> Self {
        Self { path: data_dir.join(&self.path), ..self.clone() }
    }
}

fn bytes_max() -> u64 {
    64 << 20
}

fn files_max() -> u32 {
    8
}
