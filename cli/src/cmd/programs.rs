//! The other programs of SecretRef, and a place in memory for what they keep.

use crate::{config::Config, failure::Failure};
use std::{
    fs::Permissions,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// Where a program is: beside this one, else in `PATH`.
pub(crate) fn find(config: &Config, name: &'static str) -> Result<PathBuf, Failure> {
    let beside = config.program.as_deref().and_then(Path::parent);
    let folders = beside.into_iter().chain(config.path.iter().map(PathBuf::as_path));
    let mut candidates = folders.map(|folder| folder.join(name));
    candidates.find(|path| path.is_file()).ok_or_else(|| missing(name))
}

/// That a program is nowhere.
pub(crate) fn missing(name: &str) -> Failure {
    let what = format!("this needs {name}, which is neither beside secretref nor in PATH");
    Failure::usage(what, "cargo build --workspace --bins, or install it beside secretref")
}

/// A new private folder in memory; nothing where there is no such place.
pub(crate) fn folder_in_memory(config: &Config, prefix: &str) -> Option<TempDir> {
    let memory = config.runtime_dir.as_deref().into_iter().chain([Path::new(SHARED_MEMORY)]);
    memory.filter(|folder| is_memory(folder)).find_map(|parent| private_folder(prefix, parent))
}

fn private_folder(prefix: &str, parent: &Path) -> Option<TempDir> {
    let private = Permissions::from_mode(0o700);
    tempfile::Builder::new().prefix(prefix).permissions(private).tempdir_in(parent).ok()
}

#[cfg(target_os = "linux")]
fn is_memory(folder: &Path) -> bool {
    // linux/magic.h
    const TMPFS_MAGIC: u64 = 0x0102_1994;
    rustix::fs::statfs(folder)
        .is_ok_and(|found| u64::try_from(found.f_type).is_ok_and(|magic| magic == TMPFS_MAGIC))
}

#[cfg(not(target_os = "linux"))]
fn is_memory(_folder: &Path) -> bool {
    false
}

const SHARED_MEMORY: &str = "/dev/shm";
