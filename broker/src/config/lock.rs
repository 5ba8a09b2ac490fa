//! Whether a broker serves from a folder: one that does holds a shared lock of its `broker.toml`.

use super::BROKER_FILE;
use std::{
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
};

/// A lock of a broker's folder, for as long as it lives.
pub struct FolderLock {
    _file: File,
}

/// Why a folder was not locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Something is done in it that no broker may serve beside.
    #[error("{0} is at work: its root key is rotated, or a backup is restored. Fix: wait for it")]
    AtWork(PathBuf),
    /// It cannot be read.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl FolderLock {
    /// Of a broker that serves.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn serving(data_dir: &Path) -> Result<Self, LockError> {
        let (path, file) = open(data_dir)?;
        match file.try_lock_shared() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(LockError::AtWork(data_dir.to_owned())),
            Err(TryLockError::Error(error)) => Err(LockError::Io { path, error }),
        }
    }

    /// Of whoever is alone in a folder; none where a broker serves from it.
    ///
    /// # Errors
    /// [`LockError::Io`].
    pub fn alone(data_dir: &Path) -> Result<Option<Self>, LockError> {
        let (path, file) = open(data_dir)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(LockError::Io { path, error }),
        }
    }
}

fn open(data_dir: &Path) -> Result<(PathBuf, File), LockError> {
    let path = data_dir.join(BROKER_FILE);
    match File::open(&path) {
        Ok(file) => Ok((path, file)),
        Err(error) => Err(LockError::Io { path, error }),
    }
}
