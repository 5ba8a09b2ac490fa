//! The durable state folder: who this sidecar is, across restarts.
//!
//! ```text
//! DIR/               0700, ours
//! ├── lock           0600, empty: held while a sidecar runs here
//! ├── pending.json   0600: a key whose join was begun; gone once the answer is stored
//! ├── current.json   0600: the identity in use
//! ├── next.json      0600: its successor, from its arrival until a stream was opened with it
//! ├── hooks.json     0600: what hooks confirmed
//! ├── trail.json     0600: the newest checkpoint of the broker's audit trail
//! └── lease.json     0600: until when what is in the secrets folder may stay
//! ```
//!
//! Every file is replaced whole: written beside, synced, renamed, and the folder synced. So there
//! is no torn file to be read, whatever was killed when; one that is damaged all the same is
//! passed over where the other slot is good.
//!
//! Where `next.json` is there it counts, because the broker has recorded it: using the older one
//! after the newer one was seen would look like a stolen key.

mod durable;
mod slot;

pub use slot::{Identity, IdentityError};

use secretref_identity::request::CertificateRequest;
use slot::PendingSlot;
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// The state folder, held for as long as this lives. All calls block.
pub struct State {
    dir: PathBuf,
    _lock: File,
}

/// Why the state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The system refused.
    #[error("state {what} {path}: {source}", path = path.display())]
    Io {
        /// `folder` or `file`.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others can get at it.
    #[error(
        "{path} can be reached by others (mode {mode:04o}) and is to hold a private key. \
         Fix: chmod {fix} {path}", path = path.display()
    )]
    NotPrivate {
        /// Which.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// Mode that is right.
        fix: &'static str,
    },
    /// It belongs to somebody else.
    #[error(
        "{path} belongs to user {owner}, and this sidecar runs as {me}. \
         Fix: chown {me} {path}, or name another --state-dir", path = path.display()
    )]
    Foreign {
        /// Which.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who runs.
        me: u32,
    },
    /// Another sidecar uses it.
    #[error(
        "state folder {path} is used by another sidecar that still runs. \
         Fix: stop that one, or give this one a --state-dir of its own", path = path.display()
    )]
    Locked {
        /// Which.
        path: PathBuf,
    },
    /// Neither slot can be used.
    #[error(
        "the identity in {path} cannot be used: {why}. \
         Fix: remove {path} and enrol again with a new token (secretref agent token AGENT)",
        path = path.display()
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: IdentityError,
    },
}

impl State {
    /// Takes the folder, and makes it where it is missing.
    ///
    /// # Errors
    /// [`StateError`] where it is not private, is another's, or is in use.
    pub fn open(dir: &Path) -> Result<Self, StateError> {
        let io = |source| StateError::Io { what: "folder", path: dir.to_owned(), source };
        match DirBuilder::new().recursive(true).mode(0o700).create(dir) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(io(io::ErrorKind::NotADirectory.into()));
            }
            Err(error) => return Err(io(error)),
        }
        let found = fs::metadata(dir).map_err(io)?;
        check_private(dir, &found, "700")?;
        let path = dir.join(LOCK);
        let file = |source| StateError::Io { what: "file", path: path.clone(), source };
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(nofollow())
            .open(&path)
            .map_err(file)?;
        match rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(StateError::Locked { path: dir.to_owned() });
            }
            Err(errno) => return Err(file(errno.into())),
        }
        let state = Self { dir: dir.to_owned(), _lock: lock };
        state.clear_unfinished();
        Ok(state)
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The newest identity that can be used; `None` where this sidecar never joined.
    ///
    /// # Errors
    /// [`StateError::Damaged`] where there are slots and none is good.
    pub fn identity(&self) -> Result<Option<Identity>, StateError> {
        let mut damaged = None;
        for name in [NEXT, CURRENT] {
            let Some(bytes) = self.read(name)? else { continue };
            match Identity::parse(&bytes) {
                Ok(identity) => return Ok(Some(identity)),
                Err(why) => {
                    let path = self.dir.join(name);
                    tracing::error!(path = %path.display(), %why, "an identity slot is damaged");
                    damaged = Some(StateError::Damaged { path, why });
                }
            }
        }
        damaged.map_or(Ok(None), Err)
    }

    /// Stores the first identity, or one that takes the place of a lost one, and forgets the key
    /// that waited for it.
    ///
    /// # Errors
    /// [`StateError`] where it is not stored.
    pub fn store_joined(&self, identity: &Identity) -> Result<(), StateError> {
        self.write(CURRENT, &identity.encode())?;
        self.remove(NEXT)?;
        self.remove(PENDING)
    }

    /// Stores a successor, before it is used.
    ///
    /// # Errors
    /// [`StateError`] where it is not stored; the identity in use is untouched.
    pub fn store_next(&self, identity: &Identity) -> Result<(), StateError> {
        self.write(NEXT, &identity.encode())
    }

    /// Makes the successor the identity in use: a stream was opened with it. Nothing happens where
    /// there is none.
    ///
    /// # Errors
    /// [`StateError`] where the slots cannot be changed; the successor then still counts.
    pub fn promote(&self) -> Result<(), StateError> {
        let (from, to) = (self.dir.join(NEXT), self.dir.join(CURRENT));
        match fs::rename(&from, &to) {
            Ok(()) => durable::sync_dir(&self.dir).map_err(|source| self.failed(CURRENT, source)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(self.failed(CURRENT, error)),
        }
    }

    /// Stores the identity in place of the one that counts, as when the roots changed.
    ///
    /// # Errors
    /// [`StateError`] where it is not stored.
    pub fn replace(&self, identity: &Identity) -> Result<(), StateError> {
        let slot = if self.dir.join(NEXT).exists() { NEXT } else { CURRENT };
        self.write(slot, &identity.encode())
    }

    /// The key to join with: the one that waits for an answer, else a new one, stored before it
    /// is used. So the same key is tried again after an answer was lost, which the broker allows.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be read or stored.
    pub fn pending(&self) -> Result<CertificateRequest, StateError> {
        if let Some(bytes) = self.read(PENDING)? {
            match PendingSlot::parse(&bytes) {
                Ok(request) => return Ok(request),
                // It has no value yet: a new key is as good, only a lost answer stays lost.
                Err(why) => tracing::warn!(%why, "the key that waited for its join is damaged"),
            }
        }
        let request = CertificateRequest::generate().map_err(|error| StateError::Damaged {
            path: self.dir.join(PENDING),
            why: IdentityError::Key(error),
        })?;
        self.write(PENDING, &PendingSlot::encode(&request))?;
        Ok(request)
    }

    /// Forgets the key that waits for an answer: the broker refused it.
    ///
    /// # Errors
    /// [`StateError`] where it stays.
    pub fn forget_pending(&self) -> Result<(), StateError> {
        self.remove(PENDING)
    }

    /// The record of what hooks confirmed, as it was stored; `None` where there is none.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be read or trusted.
    pub fn hooks(&self) -> Result<Option<zeroize::Zeroizing<Vec<u8>>>, StateError> {
        self.read(HOOKS)
    }

    /// Stores the record of what hooks confirmed; when this returns it outlives a power cut.
    ///
    /// # Errors
    /// [`StateError`]; the record before it is then still there.
    pub fn store_hooks(&self, record: &[u8]) -> Result<(), StateError> {
        self.write(HOOKS, record)
    }

    /// What is kept of the audit trail, as it was stored; `None` where there is none.
    ///
    /// # Errors
    /// [`StateError`] where it cannot be read or trusted.
    pub fn trail(&self) -> Result<Option<zeroize::Zeroizing<Vec<u8>>>, StateError> {
        self.read(TRAIL)
    }

    /// Stores what is kept of the audit trail; when this returns it outlives a power cut.
    ///
    /// # Errors
    /// [`StateError`]; the record before it is then still there.
    pub fn store_trail(&self, record: &[u8]) -> Result<(), StateError> {
        self.write(TRAIL, record)
    }

    fn read(&self, name: &str) -> Result<Option<zeroize::Zeroizing<Vec<u8>>>, StateError> {
        let path = self.dir.join(name);
        let opened = OpenOptions::new().read(true).custom_flags(nofollow()).open(&path);
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed(name, error)),
        };
        let found = file.metadata().map_err(|source| self.failed(name, source))?;
        check_private(&path, &found, "600")?;
        durable::read(&file).map(Some).map_err(|source| self.failed(name, source))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StateError> {
        durable::write(&self.dir, name, bytes).map_err(|source| self.failed(name, source))
    }

    fn remove(&self, name: &str) -> Result<(), StateError> {
        match fs::remove_file(self.dir.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.failed(name, error)),
            _ => Ok(()),
        }
    }

    /// What a killed write left behind is never read, but may hold a key.
    fn clear_unfinished(&self) {
        for name in [PENDING, CURRENT, NEXT, HOOKS, TRAIL] {
            drop(fs::remove_file(durable::beside(&self.dir, name)));
        }
    }

    fn failed(&self, name: &str, source: io::Error) -> StateError {
        StateError::Io { what: "file", path: self.dir.join(name), source }
    }
}

/// Removes a state folder with all that is ours in it. Blocks.
///
/// # Errors
/// What the system said; a folder that holds more than ours stays.
pub fn remove_folder(dir: &Path) -> io::Result<()> {
    for name in [NEXT, CURRENT, PENDING, LEASE, HOOKS, TRAIL, LOCK] {
        match fs::remove_file(dir.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::remove_dir(dir)
}

fn check_private(path: &Path, found: &fs::Metadata, fix: &'static str) -> Result<(), StateError> {
    let me = rustix::process::geteuid().as_raw();
    let path = || path.to_owned();
    if found.uid() != me {
        return Err(StateError::Foreign { path: path(), owner: found.uid(), me });
    }
    let mode = found.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(StateError::NotPrivate { path: path(), mode, fix });
    }
    Ok(())
}

/// A link in the place of one of our files is refused.
fn nofollow() -> i32 {
    rustix::fs::OFlags::NOFOLLOW.bits().cast_signed()
}

const CURRENT: &str = "current.json";
const NEXT: &str = "next.json";
const PENDING: &str = "pending.json";
const LEASE: &str = "lease.json";
const LOCK: &str = "lock";
const HOOKS: &str = "hooks.json";
const TRAIL: &str = "trail.json";

#[cfg(test)]
mod tests;
