//! Whether a broker serves from a folder: one that does holds a shared lock of its `broker.toml`.

use super::BROKER_FILE;
use anyhow::{Context, bail};
use std::{
    fs::{File, TryLockError},
    path::Path,
};

/// A lock of a broker's folder, for as long as it lives.
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Of a broker that serves.
    ///
    /// # Errors
    /// Where something is done in the folder that no broker may serve beside.
    pub fn serving(data_dir: &Path) -> anyhow::Result<Self> {
        let file = open(data_dir)?;
        match file.try_lock_shared() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => bail!(
                "{} is at work: its root key is rotated. Fix: wait until that has ended",
                data_dir.display()
            ),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| data_dir.display().to_string())
            }
        }
    }

    /// Of whoever is alone in a folder; none where a broker serves from it.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub fn alone(data_dir: &Path) -> anyhow::Result<Option<Self>> {
        let file = open(data_dir)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| data_dir.display().to_string())
            }
        }
    }
}

fn open(data_dir: &Path) -> anyhow::Result<File> {
    let path = data_dir.join(BROKER_FILE);
    File::open(&path).with_context(|| path.display().to_string())
}
