//! Whether a broker serves from a folder: one that does holds a shared lock of it.

use std::{
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
};

/// A lock of a broker's folder, for as long as it lives.
pub struct FolderLock {
    _folder: File,
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
        /// The folder.
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
        let folder = open(data_dir)?;
        match folder.try_lock_shared() {
            Ok(()) => Ok(Self { _folder: folder }),
            Err(TryLockError::WouldBlock) => Err(LockError::AtWork(data_dir.to_owned())),
            Err(TryLockError::Error(error)) => Err(unread(data_dir, error)),
        }
    }

    /// Of whoever is alone in a folder; none where a broker serves from it.
    ///
    /// # Errors
    /// [`LockError::Io`].
    pub fn alone(data_dir: &Path) -> Result<Option<Self>, LockError> {
        let folder = open(data_dir)?;
        match folder.try_lock() {
            Ok(()) => Ok(Some(Self { _folder: folder })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(unread(data_dir, error)),
        }
    }
}

fn open(data_dir: &Path) -> Result<File, LockError> {
    File::open(data_dir).map_err(|error| unread(data_dir, error))
}

fn unread(path: &Path, error: io::Error) -> LockError {
    LockError::Io { path: path.to_owned(), error }
}
