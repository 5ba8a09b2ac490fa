//! Writing a value back: the file that has it is replaced as a whole, by one that differs in that
//! value alone.
//!
//! ```text
//! lock the folder → read → edit → .NAME.secretref, synced → still the same file? → rename → sync
//! ```
//! Whoever reads meanwhile has the old file or the new one. A crash leaves the old one, and beside
//! it at most a file that nobody reads and the next write removes.

use super::{Files, JSON_BYTES_MAX, NEWLINE_BYTES_MAX, files, whole_value};
use crate::providers::{Place, ProviderError, json, record};
use rustix::{
    fs::{
        AtFlags, FlockOperation, Mode, OFlags, Stat, fchmod, fchown, flock, fstat, fsync, openat,
        renameat, statat, unlinkat,
    },
    io::Errno,
    process::{Gid, Uid},
};
use secretref_domain::{
    clock::Timestamp, fault::Fault, limit::VALUE_BYTES_MAX, value::SecretValue,
};
use std::{
    ffi::OsString,
    fs::File,
    io::Write,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

/// What comes in the place of a file's bytes; none where they are right already.
type Edited = Result<Option<Zeroizing<Vec<u8>>>, ProviderError>;

impl Files {
    /// Writes a value to a place that has one.
    pub(in crate::providers) async fn write(
        &self,
        place: &Place,
        value: &SecretValue,
        expires_at: Option<Timestamp>,
    ) -> Result<(), ProviderError> {
        let path = self.path_of(place)?;
        let new = New {
            value: Zeroizing::new(value.expose().to_vec()),
            expires_at,
            now: record::now(),
            what: path.display().to_string(),
        };
        let permits = Arc::clone(&self.permits);
        let target = match (&place.path, &place.target) {
            (Some(_), None) => None,
            (_, Some(target)) => Some(target.clone()),
            (None, None) => Some(place.reference.to_string()),
        };
        let written = spawn_blocking(move || match target {
            None => {
                let most = VALUE_BYTES_MAX + NEWLINE_BYTES_MAX;
                replace(&permits.roots, &path, most, |old| new.instead_of(old))
            }
            Some(target) => {
                replace(&permits.roots, &path, JSON_BYTES_MAX, |old| new.within(old, &target))
            }
        });
        written.await.unwrap_or_else(|error| {
            let message = format!("was not written: {error}");
            Err(ProviderError::new(Fault::Unreachable, message, "try again"))
        })
    }
}

/// What is to be written.
struct New {
    value: Zeroizing<Vec<u8>>,
    expires_at: Option<Timestamp>,
    now: Timestamp,
    /// The file, for people.
    what: String,
}

impl New {
    /// A whole file. It ends with a line end where it did before, and where one would be missed.
    fn instead_of(&self, old: &[u8]) -> Edited {
        if whole_value(old) == &**self.value {
            return Ok(None);
        }
        let ends_lines = old.ends_with(b"\n") && !self.value.ends_with(b"\r");
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.value.len() + NEWLINE_BYTES_MAX));
        bytes.extend_from_slice(&self.value);
        if ends_lines || self.value.ends_with(b"\n") {
            bytes.push(b'\n');
        }
        Ok(Some(bytes))
    }

    /// A text or a record in JSON, of which the rest stays as it is.
    fn within(&self, old: &[u8], target: &str) -> Edited {
        let what = format!("{target:?} in {}", self.what);
        let text = std::str::from_utf8(old);
        let text = text.map_err(|_| record::malformed(&what, "in what is no JSON"))?;
        let new = json::New { value: &self.value, expires_at: self.expires_at, now: self.now };
        let bytes = json::replaced(text, Some(target), &new, &what)?;
        match bytes {
            Some(bytes) if bytes.len() > JSON_BYTES_MAX => Err(json::too_large(&self.what)),
            bytes => Ok(bytes),
        }
    }
}

/// Replaces a file below the roots by what `edit` makes of its bytes.
pub(super) fn replace(
    roots: &[PathBuf],
    path: &Path,
    bytes_max: usize,
    edit: impl FnOnce(&[u8]) -> Edited,
) -> Result<(), ProviderError> {
    let folder = files::open_folder(roots, path)?;
    let shown = path.display();
    let name = path.file_name().unwrap_or_default();
    let failed = |error: Errno| unwritten(path, error);
    match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => {
            let message = format!("has {shown}, and another broker is writing beside it");
            return Err(ProviderError::new(Fault::Unreachable, message, "try again"));
        }
        locked => locked.map_err(failed)?,
    }
    let (old, content) = files::read_with_stat(roots, path, bytes_max)?;
    let Some(bytes) = edit(&content.bytes)? else { return Ok(()) };
    let mut beside = OsString::from(".");
    beside.push(name);
    beside.push(".secretref");
    let written = write_beside(&folder, &beside, &old, &bytes).map_err(failed).and_then(|()| {
        let now = statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
        if state(&now) != state(&old) {
            let message = format!("has {shown}, which somebody changed at the same time");
            return Err(ProviderError::new(Fault::Unreachable, message, "try again"));
        }
        renameat(&folder, &beside, &folder, name).map_err(failed)
    });
    if written.is_err() {
        // It may not be there at all.
        let _ = unlinkat(&folder, &beside, AtFlags::empty());
    }
    written?;
    fsync(&folder).map_err(failed)
}

/// A new file beside one, with its owner and mode. What a crash left there before is removed.
fn write_beside(folder: &OwnedFd, name: &OsString, old: &Stat, bytes: &[u8]) -> Result<(), Errno> {
    match unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(error),
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(folder, name, flags, Mode::RUSR | Mode::WUSR)?;
    let new = fstat(&file)?;
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid) {
        let (owner, group) = (Uid::from_raw(old.st_uid), Gid::from_raw(old.st_gid));
        fchown(&file, Some(owner), Some(group))?;
    }
    fchmod(&file, Mode::from_raw_mode(old.st_mode))?;
    let mut file = File::from(file);
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

/// What tells that a file is the one that was read, and as it was then.
fn state(stat: &Stat) -> (u64, u64, i64, i128, i128) {
    let time = |seconds: i64, nanos: u64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    let changed = time(stat.st_ctime, stat.st_ctime_nsec);
    (stat.st_dev, stat.st_ino, stat.st_size, time(stat.st_mtime, stat.st_mtime_nsec), changed)
}

fn unwritten(path: &Path, error: Errno) -> ProviderError {
    let shown = path.display();
    let message = format!("cannot write {shown}: {error}");
    match error {
        Errno::ACCESS | Errno::PERM | Errno::ROFS => {
            let us = rustix::process::geteuid().as_raw();
            let folder = path.parent().unwrap_or(path).display();
            let fix = format!("let user {us} write to the folder {folder}");
            ProviderError::new(Fault::Denied, message, fix)
        }
        _ => ProviderError::new(Fault::Unreachable, message, "look at the broker's host"),
    }
}

#[cfg(test)]
mod tests;
