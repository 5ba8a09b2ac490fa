//! What the folder's bytes are kept in.

use super::{error::FileSinkError, set_folder::Removal};
use rustix::fs::{self, AtFlags, StatxFlags};
use std::{
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

/// Where the bytes of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Storage {
    /// In memory: gone when the last name and handle are.
    Memory,
    /// On a disk, or on something unknown that is treated as one.
    Disk,
}

impl Storage {
    /// What the handle is on; refuses a disk unless it was allowed.
    pub(super) fn check(
        fd: &OwnedFd,
        path: &Path,
        allow_disk: bool,
    ) -> Result<Self, FileSinkError> {
        let found = fs::fstatfs(fd).map_err(|errno| FileSinkError::System {
            doing: "learn the file system of",
            path: path.to_owned(),
            errno,
        })?;
        // Linux has the magic number in the low 32 bits of a word whose width and sign differ
        // between architectures.
        let kind = (found.f_type as u64 & 0xffff_ffff) as u32;
        match kind {
            TMPFS_MAGIC | RAMFS_MAGIC => Ok(Self::Memory),
            _ if allow_disk => Ok(Self::Disk),
            _ => Err(FileSinkError::NotInMemory { dir: path.to_owned(), kind }),
        }
    }

    /// How a set goes that nobody should read any more, while somebody still might.
    pub(super) fn removal_after_grace(self) -> Removal {
        match self {
            Self::Memory => Removal::Unlink,
            Self::Disk => Removal::Overwrite,
        }
    }
}

/// Warns where the kernel may write the folder's pages to a disk after all. Linux has the mount
/// option `noswap` for tmpfs since 6.4.
pub(super) fn warn_of_swap(fd: &OwnedFd, path: &Path, storage: Storage) {
    if storage == Storage::Disk {
        tracing::warn!(dir = %path.display(), "secrets are written to a disk, as was allowed");
        return;
    }
    let swaps = std::fs::read_to_string("/proc/swaps").unwrap_or_default();
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    if may_be_swapped(&swaps, &mounts, mount_id(fd)) {
        tracing::warn!(
            dir = %path.display(),
            "swap is on, so values in this tmpfs may reach a disk; mount it with the option \
             `noswap` (Linux 6.4 or newer) or turn swap off"
        );
    }
}

/// Whether pages of the mount could be swapped out. `/proc/swaps` has a line of headings, then
/// one line for each swap area; a line of mountinfo is
/// `ID PARENT DEVICE ROOT POINT OPTIONS [FIELD…] - KIND SOURCE SUPER_OPTIONS` (proc(5)).
fn may_be_swapped(swaps: &str, mounts: &str, mount: Option<u64>) -> bool {
    let on = swaps.lines().skip(1).any(|line| !line.trim().is_empty());
    let kept_in_memory = mounts.lines().any(|line| {
        let (before, after) = line.split_once(" - ").unwrap_or_default();
        let id = before.split(' ').next().and_then(|id| id.parse::<u64>().ok());
        let mut after = after.split(' ');
        let kind = after.next();
        let options = after.nth(1).unwrap_or_default();
        // ramfs is never swapped out.
        let safe = kind == Some("ramfs") || options.split(',').any(|option| option == "noswap");
        id.is_some() && id == mount && safe
    });
    on && !kept_in_memory
}

/// Number of the mount that a handle is on; `None` before Linux 5.8.
fn mount_id(fd: impl AsFd) -> Option<u64> {
    let found = fs::statx(fd, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID).ok()?;
    (found.stx_mask & StatxFlags::MNT_ID.bits() != 0).then_some(found.stx_mnt_id)
}

/// `TMPFS_MAGIC` of linux/magic.h.
const TMPFS_MAGIC: u32 = 0x0102_1994;
/// `RAMFS_MAGIC` of linux/magic.h.
const RAMFS_MAGIC: u32 = 0x8584_58f6;

#[cfg(test)]
mod tests;
