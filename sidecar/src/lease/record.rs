//! The lease's durable record, so that the next run knows whether what it finds may still be
//! there: after a kill nobody was left to wipe it.
//!
//! ```text
//! STATE/lease.json        0600, replaced by rename, synced with its folder
//! STATE/lease.json.next   the record to be; left behind by a kill, replaced by the next write
//!
//! { "format": 1,                          another number is another format: refused
//!   "instance": "<uuid>",                 whose certificate the set was fetched with
//!   "secrets_dir": "/run/secretref",      where the set is
//!   "recorded_us": 1773000000000000,      when this was written; microseconds since 1970, as all
//!   "lease_until_us": 1773000600000000,   the earliest of the ends below; null where none is held
//!   "expiries": [ { "name": "db/password", "until_us": 1773000600000000 } ] }
//! ```

use rustix::{
    fs::{self, AtFlags, CWD, FileType, Mode, OFlags},
    io::Errno,
    process,
};
use secretref_domain::{clock::Timestamp, id::InstanceId, limit::BINDINGS_MAX, name::SecretName};
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    io::{Read, Write},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

/// Largest record that is read, in bytes.
pub const RECORD_BYTES_MAX: u64 = 256 * 1024;
/// How far the clock may stand behind the record before it is taken for wrong, in milliseconds.
pub const CLOCK_BACK_MAX_MS: i64 = 10_000;

/// What was put where, and until when it may stay. Holds no value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseRecord {
    format: u32,
    /// The instance that the set was fetched for.
    pub instance: InstanceId,
    /// The folder that it was put into.
    pub secrets_dir: PathBuf,
    /// When this was recorded.
    pub recorded_us: Timestamp,
    /// When the first secret's lease lapses; `None` where none was held.
    pub lease_until_us: Option<Timestamp>,
    /// When each secret's lease lapses.
    pub expiries: Vec<Expiry>,
}

/// When one secret's lease lapses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expiry {
    /// The secret.
    pub name: SecretName,
    /// From this moment on it may not be there.
    pub until_us: Timestamp,
}

impl LeaseRecord {
    pub(super) fn new(
        instance: InstanceId,
        secrets_dir: PathBuf,
        recorded: Timestamp,
        expiries: Vec<Expiry>,
    ) -> Self {
        Self {
            format: FORMAT,
            instance,
            secrets_dir,
            recorded_us: recorded,
            lease_until_us: expiries.iter().map(|expiry| expiry.until_us).min(),
            expiries,
        }
    }

    /// Whether the set must be wiped before anything else. One lapsed secret is enough: a new
    /// run does not hold the other values, so it cannot make a smaller set. A clock that stands
    /// well behind the record proves nothing, so the lease counts as lapsed then too.
    #[must_use]
    pub fn lapsed(&self, now: Timestamp) -> bool {
        let held = self.lease_until_us.is_some();
        let back = now.plus_millis(CLOCK_BACK_MAX_MS) < self.recorded_us;
        held && (back || self.lease_until_us.is_some_and(|until| until <= now))
    }
}

/// The place of the record in the sidecar's state folder. All calls block.
pub struct LeaseFile {
    folder: OwnedFd,
    path: PathBuf,
}

impl LeaseFile {
    /// Opens the state folder.
    ///
    /// # Errors
    /// [`LeaseFileError::System`] where it is missing or no folder.
    pub fn open(state_dir: &Path) -> Result<Self, LeaseFileError> {
        let path = state_dir.join(NAME);
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        match fs::openat(CWD, state_dir, flags, Mode::empty()) {
            Ok(folder) => Ok(Self { folder, path }),
            Err(errno) => {
                let path = state_dir.to_owned();
                Err(LeaseFileError::System { doing: "open the state folder", path, errno })
            }
        }
    }

    /// The record; `None` where there is none.
    ///
    /// # Errors
    /// [`LeaseFileError`] where it cannot be read or trusted. The caller then knows nothing of
    /// the lease, and wipes.
    pub fn read(&self) -> Result<Option<LeaseRecord>, LeaseFileError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = match fs::openat(&self.folder, NAME, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => return Err(self.untrusted("it is a symbolic link")),
            Err(errno) => return Err(self.failed("open")(errno)),
        };
        let stat = fs::fstat(&fd).map_err(self.failed("look at"))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(self.untrusted("it is no file"));
        }
        if stat.st_uid != process::geteuid().as_raw() && stat.st_uid != 0 {
            return Err(self.untrusted("it belongs to another user"));
        }
        if stat.st_mode & 0o022 != 0 {
            return Err(self.untrusted("others may write to it"));
        }
        let mut text = String::new();
        let mut limited = File::from(fd).take(RECORD_BYTES_MAX + 1);
        let bytes = limited.read_to_string(&mut text).map_err(|error| self.not_read(&error))?;
        if bytes as u64 > RECORD_BYTES_MAX {
            return Err(self.malformed(format!("it has more than {RECORD_BYTES_MAX} bytes")));
        }
        self.parse(&text).map(Some)
    }

    /// Replaces the record; when this returns it outlives a power cut.
    ///
    /// # Errors
    /// [`LeaseFileError::System`]; the record before it is then still there.
    pub fn write(&self, record: &LeaseRecord) -> Result<(), LeaseFileError> {
        let text = serde_json::to_vec(record).map_err(|error| self.malformed(error.to_string()))?;
        // A leftover may be anything; O_EXCL makes sure that what is renamed is what was made.
        self.unlink(NEXT)?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = fs::openat(&self.folder, NEXT, flags, Mode::RUSR | Mode::WUSR)
            .map_err(self.failed("make"))?;
        let mut file = File::from(fd);
        let written = file.write_all(&text).and_then(|()| file.sync_all());
        if let Err(error) = written {
            // The write's failure is the one to tell; the leftover is replaced by the next.
            let _ = self.unlink(NEXT);
            return Err(self.failed("write")(Errno::from_io_error(&error).unwrap_or(Errno::IO)));
        }
        fs::renameat(&self.folder, NEXT, &self.folder, NAME).map_err(self.failed("replace"))?;
        fs::fsync(&self.folder).map_err(self.failed("sync the folder of"))
    }

    /// Removes the record, once nothing is left in place; fine where there is none.
    ///
    /// # Errors
    /// [`LeaseFileError::System`].
    pub fn remove(&self) -> Result<(), LeaseFileError> {
        self.unlink(NEXT)?;
        self.unlink(NAME)?;
        fs::fsync(&self.folder).map_err(self.failed("sync the folder of"))
    }

    fn parse(&self, text: &str) -> Result<LeaseRecord, LeaseFileError> {
        let record: LeaseRecord =
            serde_json::from_str(text).map_err(|error| self.malformed(error.to_string()))?;
        if record.format != FORMAT {
            let why = format!("its format is {}, this sidecar reads {FORMAT}", record.format);
            return Err(self.malformed(why));
        }
        if record.expiries.len() > BINDINGS_MAX {
            return Err(self.malformed(format!("it names more than {BINDINGS_MAX} secrets")));
        }
        if record.lease_until_us != record.expiries.iter().map(|expiry| expiry.until_us).min() {
            let why = "lease_until_us is not the earliest until_us".to_owned();
            return Err(self.malformed(why));
        }
        Ok(record)
    }

    fn unlink(&self, name: &str) -> Result<(), LeaseFileError> {
        match fs::unlinkat(&self.folder, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(self.failed("remove")(errno)),
        }
    }

    fn not_read(&self, error: &std::io::Error) -> LeaseFileError {
        match Errno::from_io_error(error) {
            Some(errno) => self.failed("read")(errno),
            None => self.malformed("it is not text".to_owned()),
        }
    }

    fn failed(&self, doing: &'static str) -> impl Fn(Errno) -> LeaseFileError {
        let path = self.path.clone();
        move |errno| LeaseFileError::System { doing, path: path.clone(), errno }
    }

    fn untrusted(&self, why: &'static str) -> LeaseFileError {
        LeaseFileError::Untrusted { path: self.path.clone(), why }
    }

    fn malformed(&self, why: String) -> LeaseFileError {
        LeaseFileError::Malformed { path: self.path.clone(), why }
    }
}

/// Why the record could not be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum LeaseFileError {
    /// Somebody else could have written it.
    #[error(
        "{path} is not trusted: {why}; the state folder must belong to the sidecar alone. Remove \
         the record and start again: what is in place is wiped and fetched anew",
        path = path.display()
    )]
    Untrusted {
        /// The record.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// It is not what a sidecar writes.
    #[error(
        "{path} is no lease record: {why}. Remove it and start again: what is in place is wiped \
         and fetched anew",
        path = path.display()
    )]
    Malformed {
        /// The record.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The system refused.
    #[error(
        "cannot {doing} {path}: {errno}; the state folder must be there, belong to the sidecar \
         and have room",
        path = path.display()
    )]
    System {
        /// What was to be done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system answered.
        errno: Errno,
    },
}

const FORMAT: u32 = 1;
const NAME: &str = "lease.json";
const NEXT: &str = "lease.json.next";

#[cfg(test)]
mod tests;
