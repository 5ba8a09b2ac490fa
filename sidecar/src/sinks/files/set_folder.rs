//! One set's folder: written once, then only read, then removed.

use super::{
    error::FileSinkError,
    folder::{FOLDER_FLAGS, Folder, identity, identity_of, names_in},
    names::{DATA, SetName},
    ready::{ReadyFile, ReadySet, pages},
    storage::Storage,
};
use rustix::{
    fs::{self, AtFlags, FileType, Gid, Mode, OFlags, Stat, Uid},
    io::Errno,
    process,
};
use std::{
    collections::BTreeSet,
    fs::File,
    io::{Read, Write},
    os::fd::{AsFd, OwnedFd},
};
use zeroize::Zeroizing;

/// How a set's files go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Removal {
    /// Their names only: who has one open reads it to its end.
    Unlink,
    /// With zeros first, which whoever has one open sees too.
    Overwrite,
}

pub(super) struct SetFolder {
    name: SetName,
    fd: OwnedFd,
}

impl SetFolder {
    /// Writes a set into a folder of its own. Nobody else can enter it before every file has its
    /// owner, group and mode.
    pub(super) fn write(
        folder: &Folder,
        name: &SetName,
        set: &ReadySet<'_>,
    ) -> Result<Self, FileSinkError> {
        let text = name.to_string();
        fs::mkdirat(folder, &text, Mode::RWXU).map_err(folder.failed("make the set", &text))?;
        let written = Self::open(folder, name)?;
        for file in &set.files {
            written.write_file(folder, file)?;
        }
        written.admit(set, folder).map_err(folder.failed("open to the agent", &text))?;
        if folder.storage() == Storage::Disk {
            fs::fsync(&written.fd).map_err(folder.failed("sync", &text))?;
        }
        Ok(written)
    }

    pub(super) fn open(folder: &Folder, name: &SetName) -> Result<Self, FileSinkError> {
        let text = name.to_string();
        let fd = fs::openat(folder, &text, FOLDER_FLAGS, Mode::empty())
            .map_err(folder.failed("open the set", &text))?;
        Ok(Self { name: name.clone(), fd })
    }

    pub(super) fn name(&self) -> &SetName {
        &self.name
    }

    /// Checks that whoever follows the one link comes to this set.
    pub(super) fn check_in_place(&self, folder: &Folder) -> Result<(), FileSinkError> {
        let flags = OFlags::DIRECTORY | OFlags::PATH | OFlags::CLOEXEC;
        let here = identity_of(&self.fd).map_err(folder.failed("look at", DATA))?;
        let there = fs::openat(folder, DATA, flags, Mode::empty()).and_then(identity_of);
        if there == Ok(here) {
            Ok(())
        } else {
            Err(FileSinkError::NotInPlace { dir: folder.path().to_owned() })
        }
    }

    /// Whether the folder has exactly the set's files, to the last byte, owner and mode. What
    /// cannot be read counts as another.
    pub(super) fn holds(&self, folder: &Folder, set: &ReadySet<'_>) -> bool {
        let wanted: BTreeSet<&str> = set.files.iter().map(|file| file.name.as_str()).collect();
        let Ok(names) = names_in(&self.fd) else {
            return false;
        };
        names.len() == wanted.len()
            && names.iter().all(|name| wanted.contains(name.as_str()))
            && self.is_admitted(set, folder)
            && set.files.iter().all(|file| self.holds_file(file).unwrap_or(false))
            && self.check_in_place(folder).is_ok()
    }

    /// Writes one file. It is 0600 and ours from the first moment; the mode comes before the
    /// owner, because who has given a file away may no longer change its mode.
    fn write_file(&self, folder: &Folder, file: &ReadyFile<'_>) -> Result<(), FileSinkError> {
        let path = format!("{}/{}", self.name, file.name);
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = fs::openat(&self.fd, file.name.as_str(), flags, Mode::RUSR | Mode::WUSR)
            .map_err(folder.failed("make the file", &path))?;
        let mut opened = File::from(fd);
        opened
            .write_all(file.value.expose())
            .map_err(|error| folder.failed("write", &path)(errno_of(&error)))?;
        fs::fchmod(&opened, Mode::from_raw_mode(file.mode))
            .map_err(folder.failed("set the mode of", &path))?;
        let (uid, gid) = (file.uid.map(Uid::from_raw), file.gid.map(Gid::from_raw));
        if uid.is_some() || gid.is_some() {
            fs::fchown(&opened, uid, gid).map_err(|errno| FileSinkError::CannotGive {
                file: file.name.clone(),
                uid: file.uid,
                gid: file.gid,
                errno,
            })?;
        }
        if folder.storage() == Storage::Disk {
            fs::fsync(&opened).map_err(folder.failed("sync", &path))?;
        }
        Ok(())
    }

    /// Lets the agent in: group, then mode, which is the last that a set gets.
    fn admit(&self, set: &ReadySet<'_>, folder: &Folder) -> Result<(), Errno> {
        if let Some(group) = folder.group() {
            fs::fchown(&self.fd, None, Some(Gid::from_raw(group)))?;
        }
        fs::fchmod(&self.fd, Mode::from_raw_mode(folder.folder_mode(set.passage)))
    }

    fn is_admitted(&self, set: &ReadySet<'_>, folder: &Folder) -> bool {
        fs::fstat(&self.fd).is_ok_and(|stat| {
            stat.st_mode & 0o777 == folder.folder_mode(set.passage)
                && folder.group().is_none_or(|group| group == stat.st_gid)
        })
    }

    fn holds_file(&self, file: &ReadyFile<'_>) -> Result<bool, Errno> {
        let (opened, stat) = open_file(&self.fd, file.name.as_str(), OFlags::RDONLY)?;
        let wanted = file.value.expose();
        let uid = file.uid.unwrap_or_else(|| process::geteuid().as_raw());
        let same = is_regular(&stat)
            && stat.st_mode & 0o7777 == file.mode
            && stat.st_uid == uid
            && file.gid.is_none_or(|gid| gid == stat.st_gid)
            && u64::try_from(stat.st_size) == Ok(wanted.len() as u64);
        if !same {
            return Ok(false);
        }
        let mut found = Zeroizing::new(vec![0; wanted.len()]);
        File::from(opened).read_exact(&mut found).map_err(|error| errno_of(&error))?;
        Ok(*found == wanted)
    }
}

/// The passage that a set gives to others: see [`ReadySet::passage`]; 0 where it is gone.
pub(super) fn passage(folder: &Folder, name: &SetName) -> u32 {
    let found = SetFolder::open(folder, name).ok().and_then(|set| fs::fstat(&set.fd).ok());
    found.map_or(0, |stat| stat.st_mode & 0o001)
}

/// Room that a set takes, in whole pages; 0 where it cannot be learned.
pub(super) fn measure(folder: &Folder, name: &SetName) -> u64 {
    let Ok(set) = SetFolder::open(folder, name) else {
        return 0;
    };
    let names = names_in(&set.fd).unwrap_or_default();
    let sizes = names.iter().filter_map(|name| {
        let stat = fs::statat(&set.fd, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        u64::try_from(stat.st_size).ok()
    });
    sizes.map(pages).sum()
}

/// Removes a set; fine where it is gone. Goes on after a failure and gives back the first one.
/// A link in its place is not followed.
pub(super) fn remove(
    folder: &Folder,
    name: &SetName,
    removal: Removal,
) -> Result<(), FileSinkError> {
    let text = name.to_string();
    let fd = match fs::openat(folder, &text, FOLDER_FLAGS, Mode::empty()) {
        Ok(fd) => fd,
        Err(Errno::NOENT) => return Ok(()),
        Err(Errno::NOTDIR | Errno::LOOP) => {
            return Err(folder.foreign(&text, "something else than a set", None));
        }
        Err(errno) => return Err(folder.failed("open the set", &text)(errno)),
    };
    let mut first = None;
    for file in names_in(&fd).map_err(folder.failed("list", &text))? {
        let path = format!("{text}/{file}");
        if removal == Removal::Overwrite {
            match (overwrite(&fd, &file), folder.storage()) {
                (Ok(()), _) => {}
                // Given to another user, perhaps. Unlinking frees its pages all the same.
                (Err(errno), Storage::Memory) => {
                    tracing::warn!(%errno, "a file was removed without being overwritten");
                }
                (Err(errno), Storage::Disk) => {
                    first.get_or_insert(folder.failed("overwrite", &path)(errno));
                }
            }
        }
        match fs::unlinkat(&fd, &file, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => {
                first.get_or_insert(folder.failed("remove", &path)(errno));
            }
        }
    }
    match fs::unlinkat(folder, &text, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(errno) => {
            first.get_or_insert(folder.failed("remove the set", &text)(errno));
        }
    }
    first.map_or(Ok(()), Err)
}

/// Fills a file with zeros, to its end and down to the disk where there is one. Also reaches
/// whoever has it open, and names that somebody else linked to it.
fn overwrite(set: &OwnedFd, name: &str) -> Result<(), Errno> {
    let (readable, stat) = open_file(set, name, OFlags::RDONLY)?;
    if !is_regular(&stat) {
        return Ok(());
    }
    // It is 0400 or so, which keeps its owner from writing too.
    fs::fchmod(&readable, Mode::RUSR | Mode::WUSR)?;
    let (writable, again) = open_file(set, name, OFlags::WRONLY)?;
    if identity(&again) != identity(&stat) {
        return Err(Errno::STALE);
    }
    let mut file = File::from(writable);
    let mut left = u64::try_from(stat.st_size).unwrap_or(0);
    while left > 0 {
        let step = left.min(ZEROS.len() as u64);
        let zeros = ZEROS.get(..usize::try_from(step).unwrap_or(ZEROS.len())).unwrap_or(&ZEROS);
        file.write_all(zeros).map_err(|error| errno_of(&error))?;
        left -= step;
    }
    fs::fsync(&file)
}

/// Opens what should be a file of ours. A pipe must not make us wait, a link is not followed.
fn open_file(set: impl AsFd, name: &str, access: OFlags) -> Result<(OwnedFd, Stat), Errno> {
    let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fd = fs::openat(set, name, flags, Mode::empty())?;
    let stat = fs::fstat(&fd)?;
    Ok((fd, stat))
}

fn is_regular(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
}

fn errno_of(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

static ZEROS: [u8; 4096] = [0; 4096];
