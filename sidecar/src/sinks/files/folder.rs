//! The folder, by one handle: checked, locked, and the only way to what is beneath it.
//!
//! Every call is relative to the handle, names one component, and follows no link; nothing that
//! happens to the path later can lead a write elsewhere.

use super::{
    error::FileSinkError,
    names::{DATA, LOCK, SetName},
    storage::{self, Storage},
};
use rustix::{
    fs::{self, AtFlags, CWD, Dir, FileType, FlockOperation, Mode, OFlags, Stat},
    io::Errno,
    process,
};
use secretref_domain::name::FileName;
use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

/// How folders are opened: as a handle to work beneath, never through a link.
pub(super) const FOLDER_FLAGS: OFlags =
    OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// What says that two handles are on the same thing: device and inode.
pub(super) type Identity = (u64, u64);

pub(super) struct Folder {
    fd: OwnedFd,
    path: PathBuf,
    storage: Storage,
    group: Option<u32>,
    /// Locked for as long as it is open.
    _lock: OwnedFd,
}

impl Folder {
    pub(super) fn open(
        path: PathBuf,
        allow_disk: bool,
        group: Option<u32>,
    ) -> Result<Self, FileSinkError> {
        let fd = open_or_make(&path, allow_disk)?;
        let storage = Storage::check(&fd, &path, allow_disk)?;
        check_owner(&fd, &path)?;
        let lock = lock(&fd, &path)?;
        let folder = Self { fd, path, storage, group, _lock: lock };
        storage::warn_of_swap(&folder.fd, &folder.path, storage);
        Ok(folder)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn storage(&self) -> Storage {
        self.storage
    }

    /// Treats the folder as if it were kept elsewhere: every machine has a tmpfs for its tests,
    /// but not every one has a disk.
    #[cfg(test)]
    pub(super) fn pretend(&mut self, storage: Storage) {
        self.storage = storage;
    }

    pub(super) fn group(&self) -> Option<u32> {
        self.group
    }

    /// Mode of this folder and of the sets' folders. Without a group nobody else has business
    /// here. `passage` is 0, or 0001 where a file belongs to somebody outside of the group: then
    /// others may pass, but not list.
    pub(super) fn folder_mode(&self, passage: u32) -> u32 {
        passage | if self.group.is_some() { 0o750 } else { 0o700 }
    }

    /// Opens the folder as far as a new set needs, ahead of the swap.
    pub(super) fn widen(&self, passage: u32) -> Result<(), FileSinkError> {
        if passage == 0 { Ok(()) } else { self.narrow(passage) }
    }

    /// Gives the folder the mode and group that the set in place needs, and no more.
    pub(super) fn narrow(&self, passage: u32) -> Result<(), FileSinkError> {
        let stat = fs::fstat(&self.fd).map_err(self.failed("look at", ""))?;
        if let Some(group) = self.group.filter(|group| *group != stat.st_gid) {
            let gid = fs::Gid::from_raw(group);
            fs::fchown(&self.fd, None, Some(gid))
                .map_err(self.failed("give to the group the folder", ""))?;
        }
        let mode = (stat.st_mode & 0o7000) | self.folder_mode(passage);
        if stat.st_mode & 0o7777 != mode {
            fs::fchmod(&self.fd, Mode::from_raw_mode(mode))
                .map_err(self.failed("set the mode of", ""))?;
        }
        Ok(())
    }

    /// Every name in the folder that is text; no other name can be ours.
    pub(super) fn names(&self) -> Result<Vec<String>, FileSinkError> {
        names_in(&self.fd).map_err(self.failed("list", ""))
    }

    /// The set that [`DATA`] points to, whether or not it is there.
    pub(super) fn data_target(&self) -> Result<Option<SetName>, FileSinkError> {
        match self.link_target(DATA)? {
            Target::Absent => Ok(None),
            Target::To(target) => match SetName::parse(&target) {
                Some(name) => Ok(Some(name)),
                None => Err(self.foreign(DATA, "a symbolic link to elsewhere", None)),
            },
            Target::Other(what) => Err(self.foreign(DATA, what, None)),
        }
    }

    /// Where a name leads to.
    pub(super) fn link_target(&self, name: &str) -> Result<Target, FileSinkError> {
        match fs::readlinkat(&self.fd, name, Vec::new()) {
            Ok(target) => Ok(Target::To(target.to_string_lossy().into_owned())),
            Err(Errno::NOENT) => Ok(Target::Absent),
            // readlink(2): "the named file is not a symbolic link".
            Err(Errno::INVAL) => {
                let stat = fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW)
                    .map_err(self.failed("look at", name))?;
                Ok(Target::Other(describe(&stat)))
            }
            Err(errno) => Err(self.failed("read the link", name)(errno)),
        }
    }

    pub(super) fn symlink(&self, target: &str, name: &str) -> Result<(), FileSinkError> {
        fs::symlinkat(target, &self.fd, name).map_err(self.failed("make the link", name))
    }

    /// Removes a symbolic link, and only that; fine where there is nothing.
    pub(super) fn remove_link(&self, name: &str) -> Result<(), FileSinkError> {
        match self.link_target(name)? {
            Target::Absent => return Ok(()),
            Target::Other(what) => return Err(self.foreign(name, what, None)),
            Target::To(_) => {}
        }
        match fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Err(Errno::NOENT) => Ok(()),
            other => other.map_err(self.failed("remove the link", name)),
        }
    }

    pub(super) fn rename(&self, from: &str, to: &str) -> Result<(), FileSinkError> {
        fs::renameat(&self.fd, from, &self.fd, to).map_err(self.failed("rename a link to", to))
    }

    /// On a disk, makes sure that the names outlive a power cut; in memory nothing does.
    pub(super) fn sync(&self) -> Result<(), FileSinkError> {
        match self.storage {
            Storage::Memory => Ok(()),
            Storage::Disk => fs::fsync(&self.fd).map_err(self.failed("sync", "")),
        }
    }

    /// Checks that the path still leads to this folder: else the agent sees another one.
    pub(super) fn check_reachable(&self) -> Result<(), FileSinkError> {
        let here = identity_of(&self.fd).map_err(self.failed("look at", ""))?;
        match fs::stat(&self.path) {
            Ok(there) if identity(&there) == here => Ok(()),
            _ => Err(FileSinkError::Moved { dir: self.path.clone() }),
        }
    }

    pub(super) fn foreign(
        &self,
        name: &str,
        what: &'static str,
        file: Option<FileName>,
    ) -> FileSinkError {
        FileSinkError::Foreign { path: self.path.join(name), what, file }
    }

    pub(super) fn failed(
        &self,
        doing: &'static str,
        name: &str,
    ) -> impl FnOnce(Errno) -> FileSinkError {
        let path = if name.is_empty() { self.path.clone() } else { self.path.join(name) };
        move |errno| FileSinkError::System { doing, path, errno }
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// What stands at a name.
pub(super) enum Target {
    Absent,
    /// A symbolic link with this text.
    To(String),
    /// Something else.
    Other(&'static str),
}

pub(super) fn identity(stat: &Stat) -> Identity {
    (stat.st_dev, stat.st_ino)
}

pub(super) fn identity_of(fd: impl AsFd) -> Result<Identity, Errno> {
    fs::fstat(fd).map(|stat| identity(&stat))
}

/// Every name beneath a handle that is text.
pub(super) fn names_in(fd: impl AsFd) -> Result<Vec<String>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(fd)? {
        match entry?.file_name().to_str() {
            Ok("." | "..") | Err(_) => {}
            Ok(name) => names.push(name.to_owned()),
        }
    }
    Ok(names)
}

fn open_or_make(path: &Path, allow_disk: bool) -> Result<OwnedFd, FileSinkError> {
    match fs::openat(CWD, path, FOLDER_FLAGS, Mode::empty()) {
        Ok(fd) => Ok(fd),
        Err(Errno::NOENT) => make(path, allow_disk),
        Err(errno) => Err(not_opened(path, errno)),
    }
}

/// Makes the folder, in a parent that is there. Nothing is made where it would be refused.
fn make(path: &Path, allow_disk: bool) -> Result<OwnedFd, FileSinkError> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let Some(name) = path.file_name() else {
        return Err(FileSinkError::NotAFolder { dir: path.to_owned() });
    };
    let failed = |doing, path: &Path| {
        let path = path.to_owned();
        move |errno| FileSinkError::System { doing, path, errno }
    };
    let above = fs::openat(CWD, parent, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(failed("open the parent folder", parent))?;
    Storage::check(&above, path, allow_disk)?;
    match fs::mkdirat(&above, name, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(failed("make the folder", path)(errno)),
    }
    fs::openat(&above, name, FOLDER_FLAGS, Mode::empty()).map_err(|errno| not_opened(path, errno))
}

fn not_opened(path: &Path, errno: Errno) -> FileSinkError {
    match errno {
        Errno::NOTDIR | Errno::LOOP => FileSinkError::NotAFolder { dir: path.to_owned() },
        _ => FileSinkError::System { doing: "open the folder", path: path.to_owned(), errno },
    }
}

/// Checks that nobody else can write to the folder. Whoever could would decide what the agent
/// reads. An access control list is covered: its mask shows as the group's bits.
fn check_owner(fd: &OwnedFd, path: &Path) -> Result<(), FileSinkError> {
    let stat = fs::fstat(fd).map_err(|errno| not_opened(path, errno))?;
    let own = process::geteuid().as_raw();
    if stat.st_uid != own && stat.st_uid != 0 {
        let dir = path.to_owned();
        return Err(FileSinkError::OthersOwn { dir, owner: stat.st_uid, own });
    }
    if stat.st_mode & 0o022 != 0 {
        let mode = stat.st_mode & 0o7777;
        return Err(FileSinkError::OthersMayWrite { dir: path.to_owned(), mode });
    }
    Ok(())
}

/// Takes the folder. The lock is on a file that nobody else can open: flock(2) on the folder
/// itself would let a hostile agent, which may read it, keep the sidecar from starting.
fn lock(fd: &OwnedFd, path: &Path) -> Result<OwnedFd, FileSinkError> {
    let file = path.join(LOCK);
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let lock = match fs::openat(fd, LOCK, flags, Mode::RUSR | Mode::WUSR) {
        Ok(lock) => lock,
        Err(Errno::LOOP) => {
            let what = "a symbolic link";
            return Err(FileSinkError::Foreign { path: file, what, file: None });
        }
        Err(errno) => {
            let doing = "open the lock";
            return Err(FileSinkError::System { doing, path: file, errno });
        }
    };
    match fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock),
        Err(Errno::WOULDBLOCK) => Err(FileSinkError::InUse { dir: path.to_owned() }),
        Err(errno) => Err(FileSinkError::System { doing: "lock", path: file, errno }),
    }
}

fn describe(stat: &Stat) -> &'static str {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => "a file",
        FileType::Directory => "a folder",
        FileType::Symlink => "a symbolic link",
        FileType::Socket => "a socket",
        FileType::Fifo => "a pipe",
        _ => "a device",
    }
}
