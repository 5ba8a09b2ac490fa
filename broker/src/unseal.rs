//! The root key, asked for at start only.

use rustix::{
    fs::{FileType, Mode, OFlags, fstat, open, openat},
    process::geteuid,
};
use secretref_envelope::{RootKey, SLOT_BYTES_MAX, Slot, SlotError};
use std::{
    fs::File,
    io::{Read, Write},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Why the root key could not be had.
#[derive(Debug, thiserror::Error)]
pub enum UnsealError {
    /// There is no file.
    #[error(
        "the root key {0} is not there; it is never made anew beside a database that is in use. \
         Fix: bring the file back from its backup"
    )]
    Missing(PathBuf),
    /// Others can read or replace it.
    #[error("the root key {path} {why}. Fix: {fix}")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// How.
        why: String,
        /// The command that helps.
        fix: String,
    },
    /// The file or passphrase is not good.
    #[error("the root key {path} cannot be used: {error}")]
    Slot {
        /// The file.
        path: PathBuf,
        /// Why.
        error: SlotError,
    },
    /// It cannot be read or written.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
}

/// Reads the root key from its file. The file must be ours alone: mode 0600 or narrower, no
/// symbolic link, in a folder that others cannot write. A passphrase is asked for only where the
/// file needs one.
///
/// # Errors
/// [`UnsealError`].
pub fn unseal(
    path: &Path,
    passphrase: impl FnOnce() -> std::io::Result<Zeroizing<Vec<u8>>>,
) -> Result<RootKey, UnsealError> {
    let slot = |error| UnsealError::Slot { path: path.to_owned(), error };
    let bytes = read_private(path)?;
    let parsed = Slot::parse(&bytes).map_err(slot)?;
    if !parsed.needs_passphrase() {
        return parsed.unlock(None).map_err(slot);
    }
    let passphrase = passphrase().map_err(|error| io(path, error))?;
    parsed.unlock(Some(&passphrase)).map_err(slot)
}

/// Whether the root key in a file is under a passphrase.
///
/// # Errors
/// [`UnsealError`].
pub fn needs_passphrase(path: &Path) -> Result<bool, UnsealError> {
    let bytes = read_private(path)?;
    let slot = Slot::parse(&bytes);
    let slot = slot.map_err(|error| UnsealError::Slot { path: path.to_owned(), error })?;
    Ok(slot.needs_passphrase())
}

/// Writes a new root key file, which must not be there yet.
///
/// # Errors
/// [`UnsealError`].
pub fn write_slot(path: &Path, content: &[u8]) -> Result<(), UnsealError> {
    write_private(path, content).map_err(|error| io(path, error))
}

/// Writes a file that only we can read, durably; it must not be there yet.
///
/// # Errors
/// Where it is there, or cannot be written.
pub fn write_private(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(open(path, flags, Mode::RUSR | Mode::WUSR)?);
    file.write_all(content)?;
    file.sync_all()?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, UnsealError> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let name = path.file_name().unwrap_or_default();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let parent = open(folder, flags, Mode::empty()).map_err(|error| absent(path, error))?;
    let held = fstat(&parent).map_err(|error| io(path, error.into()))?;
    if held.st_mode & 0o022 != 0 {
        return Err(exposed(path, "lies in a folder that others can write", "chmod 700", folder));
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(&parent, name, flags, Mode::empty()).map_err(|error| absent(path, error))?;
    // What was opened is what is checked: nothing can be put in its place in between.
    let held = fstat(&file).map_err(|error| io(path, error.into()))?;
    if FileType::from_raw_mode(held.st_mode) != FileType::RegularFile {
        return Err(exposed(path, "is not a regular file", "ls -l", path));
    }
    if held.st_mode & 0o077 != 0 {
        let why = format!("can be read by others (mode {:04o})", held.st_mode & 0o7777);
        return Err(exposed(path, &why, "chmod 600", path));
    }
    if held.st_uid != geteuid().as_raw() {
        let fix = format!("chown {}", geteuid().as_raw());
        return Err(exposed(path, "belongs to somebody else", &fix, path));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(SLOT_BYTES_MAX + 1));
    let limit = u64::try_from(SLOT_BYTES_MAX).unwrap_or(u64::MAX) + 1;
    File::from(file).take(limit).read_to_end(&mut bytes).map_err(|error| io(path, error))?;
    Ok(bytes)
}

fn absent(path: &Path, error: rustix::io::Errno) -> UnsealError {
    match error {
        rustix::io::Errno::NOENT => UnsealError::Missing(path.to_owned()),
        rustix::io::Errno::LOOP => exposed(path, "is a symbolic link", "ls -l", path),
        error => io(path, error.into()),
    }
}

fn exposed(path: &Path, why: &str, command: &str, target: &Path) -> UnsealError {
    let fix = format!("{command} {}", target.display());
    UnsealError::Exposed { path: path.to_owned(), why: why.to_owned(), fix }
}

fn io(path: &Path, error: std::io::Error) -> UnsealError {
    UnsealError::Io { path: path.to_owned(), error }
}

#[cfg(test)]
mod tests;
