//! Writing a value back: the file that has it is replaced as a whole, by one that differs in that
//! value alone.
//!
//! ```text
//! lock the folder → read → edit → .NAME.secretref, synced → still the same file? → rename → sync
//! ```
//! Whoever reads meanwhile has the old file or the new one. A crash leaves the old one, and beside
//! it at most a file that nobody reads and the next write removes.

use super::{
    Files, JSON_BYTES_MAX, NEWLINE_BYTES_MAX, files, pick,
    span::{find, last, members},
    whole_value,
};
use crate::providers::{Found, Place, ProviderError, record};
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
use serde_json::Value;
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
        let before = record::found(pick(old, target, &self.what)?, &what, String::new())?;
        let lost = || record::malformed(&what, "not where it was found");
        let json = std::str::from_utf8(old).map_err(|_| lost())?;
        let span = find(json, target).ok_or_else(lost)?;
        let is_record = json[span.clone()].starts_with('{');
        if self.is_in(&before, is_record) {
            return Ok(None);
        }
        let text = record::text(&self.value, &what)?;
        let mut edits = Edits(Vec::new());
        if is_record {
            let members = members(json, span.clone()).ok_or_else(lost)?;
            let value = last(&members, "value").ok_or_else(lost)?;
            let after = value.end;
            // As the first member stands: on a line of its own, or not.
            let first = json[span.start + 1..].find('"').unwrap_or(0);
            let space = &json[span.start + 1..span.start + 1 + first];
            edits.put(value, text);
            let times = [("createdAt", Some(self.now)), ("expiresAt", self.expires_at)];
            for (key, time) in times {
                match (last(&members, key), time) {
                    (Some(there), Some(time)) => edits.put(there, &time.to_string()),
                    (Some(there), None) => edits.0.push((there, "null".to_owned().into())),
                    (None, Some(time)) => {
                        let member = format!(",{space}\"{key}\": \"{time}\"");
                        edits.0.push((after..after, member.into()));
                    }
                    (None, None) => {}
                }
            }
        } else {
            edits.put(span, text);
        }
        let bytes = edits.made_to(json);
        // What would be read is read before it takes the file's place.
        let again = record::found(pick(&bytes, target, &self.what)?, &what, String::new())?;
        if bytes.len() > JSON_BYTES_MAX || !self.is_in(&again, is_record) {
            let fix = format!("make {} smaller, or write it by hand", self.what);
            let message = format!("cannot keep the new value in {}", self.what);
            return Err(ProviderError::new(Fault::TooLarge, message, fix));
        }
        Ok(Some(bytes))
    }

    /// Whether it is there. A text has no expiry, whatever is said of it.
    fn is_in(&self, found: &Found, is_record: bool) -> bool {
        let same_end = !is_record || found.expires_at == self.expires_at;
        found.value.expose() == self.value.as_slice() && same_end
    }
}

/// Spans of a text, and what comes in their places.
struct Edits(Vec<(std::ops::Range<usize>, Zeroizing<String>)>);

impl Edits {
    fn put(&mut self, span: std::ops::Range<usize>, text: &str) {
        self.0.push((span, Zeroizing::new(Value::from(text).to_string())));
    }

    fn made_to(mut self, json: &str) -> Zeroizing<Vec<u8>> {
        self.0.sort_by_key(|(span, _)| (span.start, span.end));
        let longer: usize = self.0.iter().map(|(_, new)| new.len()).sum();
        let mut bytes = Zeroizing::new(Vec::with_capacity(json.len() + longer));
        let (old, mut at) = (json.as_bytes(), 0);
        for (span, new) in &self.0 {
            bytes.extend_from_slice(&old[at..span.start]);
            bytes.extend_from_slice(new.as_bytes());
            at = span.end;
        }
        bytes.extend_from_slice(&old[at..]);
        bytes
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
