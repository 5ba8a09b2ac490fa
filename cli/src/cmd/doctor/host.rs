//! The machine that we run on.

use super::finding::{Finding, Severity};
use crate::config::Config;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// What of the machine matters.
#[derive(Debug, Default)]
pub(super) struct Host {
    /// Where the sidecar's program is.
    pub(super) sidecar: Option<PathBuf>,
    /// Whether memory is written to a disk.
    pub(super) swaps: bool,
    /// The default folder of agents' files, where it exists: whether it lies in memory.
    pub(super) secrets_in_memory: Option<bool>,
}

impl Host {
    /// Looks at it.
    pub(super) fn look(config: &Config) -> Self {
        let beside = config.program.as_deref().and_then(Path::parent).map(Path::to_path_buf);
        let mut folders = config.path.iter().cloned().chain(beside);
        // One device a line, under a header.
        let swaps = fs::read_to_string("/proc/swaps").is_ok_and(|text| text.lines().count() > 1);
        Self {
            sidecar: folders.find_map(|folder| {
                let program = folder.join("secretref-sidecar");
                program.is_file().then_some(program)
            }),
            swaps,
            secrets_in_memory: in_memory(Path::new(SECRETS_DIR)),
        }
    }
}

/// Whether a folder lies on a tmpfs; nothing where it does not exist.
#[cfg(target_os = "linux")]
pub(super) fn in_memory(folder: &Path) -> Option<bool> {
    let found = rustix::fs::statfs(folder).ok()?;
    Some(found.f_type == TMPFS)
}

/// Where there is no tmpfs, there is nothing to say.
#[cfg(not(target_os = "linux"))]
pub(super) fn in_memory(_folder: &Path) -> Option<bool> {
    None
}

/// What is worth a finding.
pub(super) fn findings(host: &Host) -> Vec<Finding> {
    let mut found = Vec::new();
    if host.sidecar.is_none() {
        found.push(Finding::new(
            "sidecar-missing",
            Severity::Note,
            "secretref-sidecar",
            "it is neither in PATH nor beside secretref, so `secretref run` cannot start it",
            "put it beside secretref, where agents run on this host",
        ));
    }
    if host.secrets_in_memory == Some(false) {
        found.push(Finding::new(
            "secrets-on-disk",
            Severity::Warning,
            SECRETS_DIR,
            "it is not a tmpfs, so what a sidecar writes there would reach a disk",
            format!("mount -t tmpfs -o size=16m,mode=0750,noswap tmpfs {SECRETS_DIR}"),
        ));
    }
    if host.swaps {
        found.push(Finding::new(
            "swap-on",
            Severity::Warning,
            "this host",
            "memory is swapped to a disk, and with it what a sidecar holds unless its tmpfs is \
             mounted with noswap",
            "swapoff -a, or encrypt the swap space",
        ));
    }
    found
}

/// Where sidecars put agents' files unless told otherwise.
const SECRETS_DIR: &str = "/run/secretref";
/// `TMPFS_MAGIC` of statfs(2).
#[cfg(target_os = "linux")]
const TMPFS: i64 = 0x0102_1994;
