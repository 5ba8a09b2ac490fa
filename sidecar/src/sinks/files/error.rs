//! Why files could not be put in place, split by who can mend it.

use super::FILES_MAX;
use rustix::io::Errno;
use secretref_domain::name::FileName;
use std::path::PathBuf;

/// Why the file sink refused or failed. None of them carries a value.
#[derive(Debug, thiserror::Error)]
pub enum FileSinkError {
    // Whoever starts the sidecar.
    /// The path is no folder.
    #[error(
        "{dir} is not a folder (a symbolic link is not followed); name the folder itself",
        dir = dir.display()
    )]
    NotAFolder {
        /// The path.
        dir: PathBuf,
    },
    /// The folder is not in memory.
    #[error(
        "{dir} is not on tmpfs (file system type {kind:#x}), so values would reach a disk; mount \
         a tmpfs there, name a folder on one such as /run/secretref, or start with --allow-disk",
        dir = dir.display()
    )]
    NotInMemory {
        /// The folder.
        dir: PathBuf,
        /// Magic number of its file system, as statfs(2) names it.
        kind: u32,
    },
    /// Others may write to the folder.
    #[error(
        "{dir} has mode {mode:04o}: others than its owner may write to it and could put files in \
         place of the agent's; run `chmod go-w {dir}`",
        dir = dir.display()
    )]
    OthersMayWrite {
        /// The folder.
        dir: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The folder belongs to somebody else.
    #[error(
        "{dir} belongs to user {owner}, neither to the sidecar's user {own} nor to root; run \
         `chown {own} {dir}` or start the sidecar as user {owner}",
        dir = dir.display()
    )]
    OthersOwn {
        /// The folder.
        dir: PathBuf,
        /// User that owns it.
        owner: u32,
        /// User that the sidecar runs as.
        own: u32,
    },
    /// Another sink has the folder.
    #[error(
        "{dir} is in use by another sidecar; give every sidecar a folder of its own",
        dir = dir.display()
    )]
    InUse {
        /// The folder.
        dir: PathBuf,
    },
    /// Something that is not ours stands where ours would go.
    #[error(
        "{path} is {what} that the sidecar did not make, so it is not overwritten; move it away \
         or give the file another name",
        path = path.display()
    )]
    Foreign {
        /// What stands there.
        path: PathBuf,
        /// What kind of thing it is.
        what: &'static str,
        /// The file of the set that it is in the way of, where it is one.
        file: Option<FileName>,
    },
    /// The files' default mode is not acceptable.
    #[error("default file mode {mode:04o} is refused: {why}")]
    DefaultMode {
        /// The mode.
        mode: u32,
        /// What is wrong with it.
        why: &'static str,
    },

    // Whoever wrote the manifest.
    /// A file's mode is not acceptable.
    #[error("file {file}: mode {mode:04o} is refused: {why}")]
    Mode {
        /// The file.
        file: FileName,
        /// The mode.
        mode: u32,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A file's owner is not acceptable.
    #[error("file {file}: owner {given:?} is refused: {why}")]
    Owner {
        /// The file.
        file: FileName,
        /// The owner, cut to 128 characters.
        given: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Two files have one name.
    #[error("file {file} is twice in the set; give one of them another name")]
    Twice {
        /// The name.
        file: FileName,
    },
    /// There are too many files.
    #[error("the set has {count} files; it may have {FILES_MAX} at most")]
    TooMany {
        /// How many there are.
        count: usize,
    },

    // The host.
    /// A file cannot be given to its owner.
    #[error(
        "file {file} cannot be given to {uid}:{gid} ({errno}): that needs CAP_CHOWN, or for the \
         group alone that the sidecar's user is in it; grant that, or leave out `owner` and \
         share a group with the agent",
        uid = or_own(*uid),
        gid = or_own(*gid)
    )]
    CannotGive {
        /// The file.
        file: FileName,
        /// User it was to go to.
        uid: Option<u32>,
        /// Group it was to go to.
        gid: Option<u32>,
        /// What the system answered.
        errno: Errno,
    },
    /// There is no room for the set.
    #[error(
        "no room in {dir} for a set of {files} files with {bytes} bytes; what was in place stays. \
         Make its tmpfs larger (`mount -o remount,size=…`) or bind fewer secrets",
        dir = dir.display()
    )]
    Full {
        /// The folder.
        dir: PathBuf,
        /// Files of the set.
        files: usize,
        /// Bytes of the set, in whole pages.
        bytes: u64,
    },
    /// The path leads elsewhere now.
    #[error(
        "{dir} is no longer the folder that the sidecar opened: something was moved or mounted \
         over it, so the agent would not see the files; start the sidecar again",
        dir = dir.display()
    )]
    Moved {
        /// The path.
        dir: PathBuf,
    },
    /// Somebody else changed the folder during a swap.
    #[error(
        "{dir} does not show the set that was just put in place: somebody else changes the \
         folder; keep others from writing to it",
        dir = dir.display()
    )]
    NotInPlace {
        /// The folder.
        dir: PathBuf,
    },
    /// The system refused something else.
    #[error(
        "cannot {doing} {path}: {errno}{hint}",
        path = path.display(),
        hint = hint(*errno)
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

impl FileSinkError {
    /// The file whose entry is at fault; `None` where the whole set or the host is. Without that
    /// entry the rest of the set could be applied.
    #[must_use]
    pub fn file(&self) -> Option<&FileName> {
        match self {
            Self::Foreign { file, .. } => file.as_ref(),
            Self::Mode { file, .. }
            | Self::Owner { file, .. }
            | Self::Twice { file }
            | Self::CannotGive { file, .. } => Some(file),
            _ => None,
        }
    }

    pub(super) fn errno(&self) -> Option<Errno> {
        match self {
            Self::System { errno, .. } => Some(*errno),
            _ => None,
        }
    }
}

/// A number, or that it stays what it is.
fn or_own(id: Option<u32>) -> String {
    id.map_or_else(|| "(unchanged)".to_owned(), |id| id.to_string())
}

fn hint(errno: Errno) -> &'static str {
    match errno {
        Errno::ACCESS | Errno::PERM => {
            "; the sidecar must own the folder and may give it only to groups that it is in"
        }
        Errno::ROFS => "; mount it writable",
        Errno::NOENT => "; make it first",
        Errno::NOSPC | Errno::DQUOT => "; make its tmpfs larger",
        _ => "",
    }
}
