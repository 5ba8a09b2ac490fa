//! The file sink: an agent's whole set as files in one folder, swapped by one symbolic link.
//!
//! The layout is that of Kubernetes' `AtomicWriter` (`pkg/volume/util/atomic_writer.go`):
//!
//! ```text
//! DIR/                               0750 (0700 without a group); ours or root's
//! ├── ..lock                         0600, empty: held while a sidecar has the folder
//! ├── ..set.<n>.<random>/            one whole set, never changed once it is in place
//! │   ├── NAME                       0440 (0400 without a group), or as its entry says
//! │   └── …
//! ├── ..data -> ..set.<n>.<random>   THE link: one rename(2) swaps every file at once
//! ├── NAME -> ..data/NAME            visible links; they stay as they are over all swaps
//! └── …
//! for a moment only:
//!     ..data.next -> ..set.<n>.<random>   the link to be, renamed over `..data`
//!     ..link.NAME -> ..data/NAME          a visible link to be, renamed to `NAME`
//! ```
//!
//! A file opened as `DIR/NAME` is always whole. Whoever needs several files of one set opens
//! `DIR/..data` once, as a folder, and reads beneath that handle: it stays on its set.
//!
//! # What happens in a swap
//! 1. Everything is checked and everything that takes room is made: the new set (0700 until it is
//!    complete), its owners, groups and modes, the link to be and the new names' links. Where this
//!    fails it is all removed, and the set before it was not touched.
//! 2. Links of names that left go away. They would dangle a moment later.
//! 3. `..data.next` is renamed over `..data`. This is the commit.
//! 4. Links of new names are renamed into place. They would have dangled a moment earlier.
//! 5. `..data` is opened again and must be the new set; then the old one is retired.
//!
//! # How a set ends
//! A retired set stays for [`GRACE`], so that a reader which resolved the link just before still
//! finds its files. After that it is unlinked. On tmpfs that frees the pages; it is never
//! overwritten in place there, for a reader that still has one of its files open would read zeros
//! beside values. On a disk (`allow_disk`) freed blocks keep their bytes, so a set past its grace
//! is overwritten and synced before it is unlinked. [`FileSink::wipe`] overwrites in either case,
//! because then nobody is to read any further.

mod content;
pub mod dotenv;
mod error;
mod folder;
mod links;
mod names;
mod owner;
mod ready;
mod retired;
mod set_folder;
mod storage;

pub use content::Content;
pub use error::FileSinkError;

use folder::Folder;
use links::Links;
use names::{DATA, DATA_NEXT, OwnName, SetName};
use ready::ReadySet;
use retired::Retired;
use rustix::io::Errno;
use secretref_domain::name::FileName;
use set_folder::{Removal, SetFolder};
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Files of one set: as many as an agent has bindings, and the dotenv file.
pub const FILES_MAX: usize = secretref_domain::limit::BINDINGS_MAX + 1;
/// How long a set is kept after the swap that replaced it.
pub const GRACE: Duration = Duration::from_secs(1);
/// Sets that are kept for their grace; beyond it the oldest goes at once.
pub const RETIRED_MAX: usize = 256;
/// Room that sets in their grace may take, in bytes; beyond it the oldest goes at once.
pub const RETIRED_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// The WHOLE set that should be in place: what is not in it is taken away.
#[derive(Clone, Default)]
pub struct FileSet {
    /// Its files: [`FILES_MAX`] at most, each name once.
    pub files: Vec<FileEntry>,
}

/// One file of a set.
#[derive(Clone)]
pub struct FileEntry {
    /// Its name in the folder.
    pub name: FileName,
    /// Its content.
    pub value: Content,
    /// Its permission bits, such as `0o440`; none beyond `0o640`, and the owner must be able to
    /// read. `None` takes [`FileSinkConfig::mode`].
    pub mode: Option<u32>,
    /// `user`, `user:group` or numbers; `None` leaves the file to the sidecar's user and
    /// [`FileSinkConfig::group`]. Whoever owns a file can also change it, until the next swap.
    pub owner: Option<String>,
}

/// What a file sink is opened with.
#[derive(Debug, Clone)]
pub struct FileSinkConfig {
    /// The folder. Where it is missing it is made, in a parent that is there.
    pub dir: PathBuf,
    /// Takes a folder that is not in memory. Values then reach a disk.
    pub allow_disk: bool,
    /// Group that the agent and the sidecar share: it may enter the folder and read the files.
    pub group: Option<u32>,
    /// Permission bits of files that name none. `None` is 0440 for a file that has a group of
    /// its own or [`FileSinkConfig::group`], and 0400 for the rest.
    pub mode: Option<u32>,
}

/// What became of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It was in place already, to the last byte, owner and mode: nothing was touched.
    Unchanged,
    /// It is in place now.
    Swapped,
}

/// Writes sets into one folder. Dropping it leaves the files: the last good set outlives the
/// sidecar until its lease lapses. All calls block.
pub struct FileSink {
    folder: Folder,
    mode: Option<u32>,
    current: Option<Current>,
    retired: Retired,
    next: u64,
}

/// The set that `..data` points to.
struct Current {
    name: SetName,
    bytes: u64,
}

impl FileSink {
    /// Takes the folder for as long as the sink lives: checks it, locks it, and clears what an
    /// earlier run left unfinished. The set that an earlier run had in place stays.
    ///
    /// Warns where the folder's pages could be swapped out to a disk.
    ///
    /// # Errors
    /// [`FileSinkError`] where the folder is not in memory, others may write to it, another sink
    /// holds it, or something that is not ours stands where our own things go.
    pub fn open(config: FileSinkConfig) -> Result<Self, FileSinkError> {
        if let Some(mode) = config.mode {
            ready::check_mode(mode).map_err(|why| FileSinkError::DefaultMode { mode, why })?;
        }
        let folder = Folder::open(config.dir, config.allow_disk, config.group)?;
        let mut sink =
            Self { folder, mode: config.mode, current: None, retired: Retired::default(), next: 1 };
        sink.recover()?;
        Ok(sink)
    }

    /// Puts a whole set in place and returns when it really is there. Where it is there already,
    /// nothing is touched; what is there is read from the folder, not remembered, so that a file
    /// which somebody removed or changed is put right.
    ///
    /// # Errors
    /// [`FileSinkError`]; the set before it is then still in place. Where
    /// [`FileSinkError::file`] names a file, the rest of the set could be applied without it.
    pub fn apply(&mut self, set: &FileSet) -> Result<Applied, FileSinkError> {
        let ready = ReadySet::check(set, self.folder.group(), self.mode)?;
        self.folder.check_reachable()?;
        let links = links::survey(&self.folder, &ready)?;
        if links.settled() && self.is_in_place(&ready) {
            self.folder.narrow(ready.passage)?;
            return Ok(Applied::Unchanged);
        }
        let written = match self.write(&ready, &links) {
            // Sets in their grace take room too; a new value is worth more than a slow reader.
            Err(FileSinkError::Full { .. }) if self.retired.count() > 0 => {
                self.retired.take_all().for_each(|old| self.remove_quietly(&old, Removal::Unlink));
                self.write(&ready, &links)
            }
            other => other,
        }?;
        self.swap(&written, &ready, &links)?;
        Ok(Applied::Swapped)
    }

    /// Overwrites and removes everything of ours: the set in place, retired sets, the visible
    /// links. Only the lock's empty file stays. What is not ours is left alone. Can be repeated,
    /// and a set can be applied afterwards.
    ///
    /// # Errors
    /// The first [`FileSinkError`]; the rest was wiped nevertheless.
    pub fn wipe(&mut self) -> Result<(), FileSinkError> {
        self.current = None;
        self.retired.take_all().for_each(drop);
        // First the one link: from here on no path leads to a value.
        let mut first = self.folder.remove_link(DATA).err();
        let names = self.folder.names()?;
        for name in names.iter().filter_map(|name| OwnName::parse(name)) {
            let gone = match name {
                OwnName::Set(set) => set_folder::remove(&self.folder, &set, Removal::Overwrite),
                OwnName::NextData | OwnName::StagedLink(_) => {
                    self.folder.remove_link(&name.to_string())
                }
                OwnName::Data | OwnName::Lock => Ok(()),
            };
            first = first.or(gone.err());
        }
        first = first.or(links::remove_all(&self.folder, &names).err());
        first = first.or(self.folder.sync().err());
        first.map_or(Ok(()), Err)
    }

    /// Removes sets whose grace is over. `now` is what the clock says; [`FileSink::next_prune`]
    /// says when to come again.
    pub fn prune(&mut self, now: Instant) {
        let removal = self.folder.storage().removal_after_grace();
        for old in self.retired.take_due(now) {
            self.remove_quietly(&old, removal);
        }
    }

    /// When the oldest retired set's grace ends; `None` where none is left.
    #[must_use]
    pub fn next_prune(&self) -> Option<Instant> {
        self.retired.next_due()
    }

    /// Brings the folder to a known state after whatever ended the run before.
    fn recover(&mut self) -> Result<(), FileSinkError> {
        let current = self.folder.data_target()?;
        let names = self.folder.names()?;
        for name in names.iter().filter_map(|name| OwnName::parse(name)) {
            match name {
                OwnName::Set(set) => {
                    self.next = self.next.max(set.number().saturating_add(1));
                    if current.as_ref() != Some(&set) {
                        let removal = self.folder.storage().removal_after_grace();
                        set_folder::remove(&self.folder, &set, removal)?;
                    }
                }
                OwnName::NextData | OwnName::StagedLink(_) => {
                    self.folder.remove_link(&name.to_string())?;
                }
                OwnName::Data | OwnName::Lock => {}
            }
        }
        let passage = current.as_ref().map_or(0, |name| set_folder::passage(&self.folder, name));
        self.folder.narrow(passage)?;
        self.current = current.map(|name| {
            let bytes = set_folder::measure(&self.folder, &name);
            Current { name, bytes }
        });
        Ok(())
    }

    fn is_in_place(&self, ready: &ReadySet) -> bool {
        self.current
            .as_ref()
            .and_then(|current| SetFolder::open(&self.folder, &current.name).ok())
            .is_some_and(|set| set.holds(&self.folder, ready))
    }

    /// Makes all that takes room. Where that fails, none of it stays.
    fn write(&mut self, ready: &ReadySet, links: &Links) -> Result<SetFolder, FileSinkError> {
        let name = SetName::new(self.next);
        self.next = self.next.saturating_add(1);
        let written = SetFolder::write(&self.folder, &name, ready).and_then(|set| {
            links.stage(&self.folder)?;
            self.folder.symlink(&name.to_string(), DATA_NEXT)?;
            self.folder.widen(ready.passage)?;
            self.folder.sync()?;
            Ok(set)
        });
        written.map_err(|error| {
            self.undo(&name, links);
            match error.errno() {
                Some(Errno::NOSPC | Errno::DQUOT) => FileSinkError::Full {
                    dir: self.folder.path().to_owned(),
                    files: ready.files.len(),
                    bytes: ready.bytes,
                },
                _ => error,
            }
        })
    }

    fn swap(
        &mut self,
        written: &SetFolder,
        ready: &ReadySet,
        links: &Links,
    ) -> Result<(), FileSinkError> {
        let renamed =
            links.remove_surplus(&self.folder).and_then(|()| self.folder.rename(DATA_NEXT, DATA));
        if let Err(error) = renamed {
            self.undo(written.name(), links);
            links.restore_surplus(&self.folder);
            return Err(error);
        }
        // In place: what fails from here on leaves the new set standing, and the next call sees
        // what is amiss, because it reads the folder.
        let current = Current { name: written.name().clone(), bytes: ready.bytes };
        if let Some(old) = self.current.replace(current) {
            let evicted = self.retired.push(old.name, old.bytes, Instant::now());
            evicted.iter().for_each(|old| self.remove_quietly(old, Removal::Unlink));
        }
        links.publish(&self.folder)?;
        self.folder.narrow(ready.passage)?;
        self.folder.sync()?;
        self.folder.check_reachable()?;
        written.check_in_place(&self.folder)
    }

    /// Takes back what [`FileSink::write`] made. Its own failure would hide the one that led
    /// here, and the next start clears the rest.
    fn undo(&self, name: &SetName, links: &Links) {
        links.unstage(&self.folder);
        for failed in [
            self.folder.remove_link(DATA_NEXT).err(),
            set_folder::remove(&self.folder, name, self.folder.storage().removal_after_grace())
                .err(),
        ]
        .into_iter()
        .flatten()
        {
            tracing::warn!(error = %failed, "an unfinished set could not be removed");
        }
    }

    fn remove_quietly(&self, name: &SetName, removal: Removal) {
        if let Err(error) = set_folder::remove(&self.folder, name, removal) {
            tracing::warn!(%error, "a retired set could not be removed");
        }
    }
}

/// Removes a folder of which everything was wiped. Blocks.
///
/// # Errors
/// What the system said; a folder that holds more than ours stays.
pub fn remove_folder(dir: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(dir.join(names::LOCK)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::fs::remove_dir(dir)
}

#[cfg(test)]
mod tests;
