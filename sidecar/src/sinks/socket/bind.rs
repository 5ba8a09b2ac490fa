//! The socket's file: its mode is there before anybody can see it, and no living one is replaced.
//!
//! ```text
//! DIR/.NAME.lock        0600, empty: held while a sidecar has the socket
//! DIR/.bind.<random>/   0700: the socket is bound in here, gets its group and mode,
//! └── s                 and is then renamed to
//! DIR/NAME              0600, or 0660 with the shared group
//! ```
//! A socket that is bound in place has the mode of the moment's umask until it is changed, and
//! whoever connects in between stays. Renaming replaces a dead sidecar's socket in one step.

use rustix::fs::{self, FlockOperation, Gid, Mode, OFlags};
use std::{
    fs::{DirBuilder, Metadata},
    io,
    os::{
        fd::OwnedFd,
        unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt},
    },
    path::{Path, PathBuf},
};
use tokio::net::UnixListener;

/// Longest path of a socket, in bytes: the system takes 107, and binding needs some of them.
pub const PATH_BYTES_MAX: usize = 90;

/// Why the socket could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The path cannot be one.
    #[error("--socket {path}: {why}. Fix: {fix}", path = path.display())]
    Path {
        /// The path.
        path: PathBuf,
        /// What is wrong.
        why: String,
        /// What would be right.
        fix: &'static str,
    },
    /// A living program has it.
    #[error(
        "--socket {path}: a running sidecar has it. Fix: stop that one, or name another path",
        path = path.display()
    )]
    InUse {
        /// The path.
        path: PathBuf,
    },
    /// The system refused.
    #[error("--socket {path}: cannot {doing}: {source}. Fix: look at the folder's owner and mode",
        path = path.display())]
    System {
        /// The path.
        path: PathBuf,
        /// What was to be done.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// A socket that is there. Dropping it takes it away.
pub struct Bound {
    listener: UnixListener,
    path: PathBuf,
    identity: (u64, u64),
    /// Locked for as long as it is open.
    _lock: OwnedFd,
}

impl Bound {
    /// Makes the socket, for members of `group` where there is one, else for this user alone.
    /// Blocks for moments only, within a runtime.
    ///
    /// # Errors
    /// [`SocketError`].
    pub fn bind(path: &Path, group: Option<u32>) -> Result<Self, SocketError> {
        let (folder, name) = check_path(path)?;
        check_folder(path, &folder)?;
        let failed = |doing| move |source| system(path, doing, source);
        check_former(path)?;
        let lock = lock(path, &folder.join(format!(".{name}.lock")))?;
        let private = folder.join(format!(".bind.{:08x}", fastrand::u32(..)));
        DirBuilder::new()
            .mode(0o700)
            .create(&private)
            .map_err(failed("make a folder beside it"))?;
        let made = make(&private.join("s"), path, group);
        // Only where binding failed is anything left in it.
        drop(std::fs::remove_file(private.join("s")));
        drop(std::fs::remove_dir(&private));
        let (listener, identity) = made.map_err(failed("make it"))?;
        Ok(Self { listener, path: path.to_owned(), identity, _lock: lock })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn listener(&self) -> &UnixListener {
        &self.listener
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        // Whatever stands there now may be another's.
        let there = std::fs::symlink_metadata(&self.path);
        if there.is_ok_and(|there| identity(&there) == self.identity) {
            drop(std::fs::remove_file(&self.path));
        }
    }
}

fn make(beside: &Path, path: &Path, group: Option<u32>) -> io::Result<(UnixListener, (u64, u64))> {
    let listener = UnixListener::bind(beside)?;
    if let Some(group) = group {
        fs::chown(beside, None, Some(Gid::from_raw(group)))?;
    }
    let mode = if group.is_some() { 0o660 } else { 0o600 };
    fs::chmod(beside, Mode::from_raw_mode(mode))?;
    let identity = identity(&std::fs::symlink_metadata(beside)?);
    std::fs::rename(beside, path)?;
    Ok((listener, identity))
}

fn check_path(path: &Path) -> Result<(PathBuf, String), SocketError> {
    let wrong = |why: String, fix| SocketError::Path { path: path.to_owned(), why, fix };
    let bytes = path.as_os_str().len();
    if !path.is_absolute() {
        return Err(wrong("it is not absolute".to_owned(), "write it from / on"));
    }
    if bytes > PATH_BYTES_MAX {
        let why = format!("it has {bytes} bytes; a socket's path has {PATH_BYTES_MAX} at most");
        return Err(wrong(why, "name a shorter one"));
    }
    let name = path.file_name().and_then(|name| name.to_str());
    match (path.parent(), name) {
        (Some(folder), Some(name)) => Ok((folder.to_owned(), name.to_owned())),
        _ => Err(wrong("it names no file".to_owned(), "name a file in a folder that is there")),
    }
}

/// Whoever may write to the folder could put a socket of his own there, and be told no secret but
/// tell wrong ones.
fn check_folder(path: &Path, folder: &Path) -> Result<(), SocketError> {
    let wrong = |why, fix| SocketError::Path { path: path.to_owned(), why, fix };
    let found =
        std::fs::metadata(folder).map_err(|source| system(path, "open its folder", source))?;
    let me = rustix::process::geteuid().as_raw();
    if !found.is_dir() {
        return Err(wrong("what it lies in is no folder".to_owned(), "name a file in a folder"));
    }
    if found.uid() != me && found.uid() != 0 {
        let why = format!("its folder belongs to user {}", found.uid());
        return Err(wrong(why, "name one in a folder of the sidecar's user or of root"));
    }
    if found.mode() & 0o022 != 0 {
        let why = format!("others may write to its folder (mode {:o})", found.mode() & 0o7777);
        return Err(wrong(why, "chmod go-w the folder, or name another"));
    }
    Ok(())
}

/// A lock tells a living sidecar from a dead one without a race; its file stays.
fn lock(path: &Path, lock: &Path) -> Result<OwnedFd, SocketError> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = fs::open(lock, flags, Mode::RUSR | Mode::WUSR)
        .map_err(|errno| system(path, "make its lock", errno.into()))?;
    match fs::flock(&fd, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(fd),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(SocketError::InUse { path: path.to_owned() }),
        Err(errno) => Err(system(path, "lock it", errno.into())),
    }
}

/// What stands there already may only be a socket that nobody listens on any more.
fn check_former(path: &Path) -> Result<(), SocketError> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(system(path, "look at it", error)),
        Ok(found) if !found.file_type().is_socket() => {
            let why = "something else than a socket is there".to_owned();
            let fix = "move it away, or name another path";
            return Err(SocketError::Path { path: path.to_owned(), why, fix });
        }
        Ok(_) => {}
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(system(path, "find out whether it is in use", error)),
        Ok(_) => Err(SocketError::InUse { path: path.to_owned() }),
    }
}

fn identity(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

fn system(path: &Path, doing: &'static str, source: io::Error) -> SocketError {
    SocketError::System { path: path.to_owned(), doing, source }
}

#[cfg(test)]
mod tests;
