//! Folders on a tmpfs, as secrets have them.

use anyhow::{Context, Result};
use rustix::fs::statfs;
use std::{env, path::Path};
use tempfile::TempDir;

/// A new private folder on a tmpfs; removed when dropped.
///
/// # Errors
/// Where `/dev/shm` is not a tmpfs that can be written.
pub fn folder(prefix: &str) -> Result<TempDir> {
    anyhow::ensure!(is_tmpfs(SHARED_MEMORY), "{SHARED_MEMORY} is not a tmpfs");
    private(prefix, Path::new(SHARED_MEMORY))
}

/// A new private folder on a tmpfs that has room for a database, else where temporary files go.
///
/// # Errors
/// Where neither can be written.
pub fn roomy_folder(prefix: &str) -> Result<TempDir> {
    let place = match statfs(SHARED_MEMORY) {
        Ok(found) if is_tmpfs(SHARED_MEMORY) && free_bytes(&found) >= ROOM_BYTES_MIN => {
            Path::new(SHARED_MEMORY).to_owned()
        }
        _ => env::temp_dir(),
    };
    private(prefix, &place)
}

/// Whether a path lies on a tmpfs.
#[must_use]
pub fn is_tmpfs(path: impl AsRef<Path>) -> bool {
    statfs(path.as_ref()).is_ok_and(|found| found.f_type == TMPFS_MAGIC)
}

fn free_bytes(found: &rustix::fs::StatFs) -> u64 {
    found.f_bavail.saturating_mul(u64::try_from(found.f_bsize).unwrap_or(0))
}

fn private(prefix: &str, place: &Path) -> Result<TempDir> {
    tempfile::Builder::new()
        .prefix(prefix)
        .tempdir_in(place)
        .with_context(|| format!("making a folder in {}", place.display()))
}

const SHARED_MEMORY: &str = "/dev/shm";
/// `TMPFS_MAGIC` of linux/magic.h.
const TMPFS_MAGIC: rustix::fs::FsWord = 0x0102_1994;
/// Room that a test cluster may need.
const ROOM_BYTES_MIN: u64 = 2 << 30;
