//! Getting at a file: below a root, by no symlink, and only where nobody else could have written or
//! read it.

use super::{HostError, Permits};
use rustix::{
    fs::{FileType, Mode, OFlags, ResolveFlags, Stat, fstat, open, openat2},
    io::Errno,
    process::geteuid,
};
use secretref_domain::{clock::Timestamp, fault::Fault};
use std::{
    fs::File,
    io::Read,
    os::fd::OwnedFd,
    path::{Component, Path, PathBuf},
    sync::Arc,
};
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

/// What a file has.
pub struct Content {
    /// Its bytes; overwritten when dropped.
    pub bytes: Zeroizing<Vec<u8>>,
    /// When it was changed last, for people.
    pub version: String,
}

/// The bytes of a file below the roots, at most so many, without one newline at their end.
///
/// # Errors
/// [`HostError`], which names the file and never what is in it.
pub async fn read_below(
    permits: &Arc<Permits>,
    path: &Path,
    bytes_max: usize,
) -> Result<Zeroizing<Vec<u8>>, HostError> {
    let (permits, path) = (Arc::clone(permits), path.to_owned());
    let found = spawn_blocking(move || read(&permits.roots, &path, bytes_max)).await;
    let found = found.unwrap_or_else(|error| {
        Err(HostError::new(Fault::Unreachable, format!("was not read: {error}"), "try again"))
    });
    let mut bytes = found?.bytes;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    Ok(bytes)
}

/// The path of a file where it lies below a root; none where it does not.
#[must_use]
pub fn absolute(roots: &[PathBuf], path: &Path) -> Option<PathBuf> {
    below(roots, path).map(|(root, inside)| root.join(inside))
}

/// The root that a path lies below, and the path from there.
pub(super) fn below<'r>(roots: &'r [PathBuf], path: &Path) -> Option<(&'r Path, PathBuf)> {
    if path.components().any(|part| part == Component::ParentDir) {
        return None;
    }
    if path.is_relative() {
        return roots.first().map(|root| (root.as_path(), path.to_owned()));
    }
    let inside =
        |root: &'r PathBuf| Some((root.as_path(), path.strip_prefix(root).ok()?.to_owned()));
    roots.iter().find_map(inside)
}

/// A file below the roots, at most so many bytes of it.
///
/// # Errors
/// [`HostError`], which names the file and never what is in it.
pub fn read(roots: &[PathBuf], path: &Path, bytes_max: usize) -> Result<Content, HostError> {
    read_with_stat(roots, path, bytes_max).map(|(_, content)| content)
}

/// What a file has, and which one it is.
///
/// # Errors
/// Those of [`read`].
pub fn read_with_stat(
    roots: &[PathBuf],
    path: &Path,
    bytes_max: usize,
) -> Result<(Stat, Content), HostError> {
    let (root, inside) = below_a_root(roots, path)?;
    let root_fd = open_checked(root, &inside)?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = openat2(&root_fd, &inside, flags, Mode::empty(), RESOLVE)
        .map_err(|error| unopened(&root.join(&inside), error))?;
    let stat = fstat(&file).map_err(|error| unopened(path, error))?;
    check_file(&root.join(&inside), &stat)?;
    let content = content(path, file, &stat, bytes_max)?;
    Ok((stat, content))
}

/// The folder of a file, by the same rules.
///
/// # Errors
/// Those of [`read`].
pub fn open_folder(roots: &[PathBuf], path: &Path) -> Result<OwnedFd, HostError> {
    let (root, inside) = below_a_root(roots, path)?;
    let root_fd = open_checked(root, &inside)?;
    let folder = Path::new(".").join(inside.parent().unwrap_or(Path::new("")));
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat2(&root_fd, &folder, flags, Mode::empty(), RESOLVE)
        .map_err(|error| unopened(&root.join(folder), error))
}

fn below_a_root<'r>(roots: &'r [PathBuf], path: &Path) -> Result<(&'r Path, PathBuf), HostError> {
    let shown = path.display();
    below(roots, path).ok_or_else(|| {
        let roots: Vec<String> = roots.iter().map(|root| root.display().to_string()).collect();
        HostError::new(
            Fault::Misconfigured,
            format!("may not read {shown}: it is not below a provider root ({})", roots.join(", ")),
            "move it there, or add its folder to `provider_roots` in broker.toml and restart",
        )
    })
}

fn content(
    path: &Path,
    file: OwnedFd,
    stat: &Stat,
    bytes_max: usize,
) -> Result<Content, HostError> {
    let most = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    let mut bytes = Zeroizing::new(Vec::with_capacity(bytes_max.min(ROOM_BYTES)));
    let read = File::from(file).take(most + 1).read_to_end(&mut bytes);
    read.map_err(|error| {
        let message = format!("cannot read {}: {error}", path.display());
        HostError::new(Fault::Unreachable, message, "look at the broker's host")
    })?;
    if bytes.len() > bytes_max {
        return Err(HostError::new(
            Fault::TooLarge,
            format!("has {}, which is larger than {bytes_max} bytes", path.display()),
            "make it smaller, or name another file",
        ));
    }
    let micros = stat.st_mtime.saturating_mul(1_000_000);
    let micros = micros.saturating_add(i64::try_from(stat.st_mtime_nsec / 1_000).unwrap_or(0));
    let version = format!("of {}", Timestamp::from_micros(micros));
    Ok(Content { bytes, version })
}

/// Opens a root, once no folder from it down to a file can be written to by others.
pub(super) fn open_checked(root: &Path, inside: &Path) -> Result<OwnedFd, HostError> {
    let root_fd = open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|error| {
            HostError::new(
                Fault::Misconfigured,
                format!("cannot open the provider root {}: {error}", root.display()),
                format!("mkdir -m 0700 {}", root.display()),
            )
        })?;
    check_folders(&root_fd, root, inside)?;
    Ok(root_fd)
}

/// A folder in which others could put another file in its place makes the file's own mode
/// worthless.
fn check_folders(root_fd: &OwnedFd, root: &Path, inside: &Path) -> Result<(), HostError> {
    let mut folder = PathBuf::from(".");
    let parents = inside.parent().into_iter().flat_map(Path::components);
    for part in std::iter::once(Component::CurDir).chain(parents) {
        folder.push(part);
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = openat2(root_fd, &folder, flags, Mode::empty(), RESOLVE);
        let shown = root.join(inside.parent().unwrap_or(Path::new("")));
        let opened = opened.map_err(|error| unopened(&shown, error))?;
        let stat = fstat(&opened).map_err(|error| unopened(&shown, error))?;
        if !is_ours(&stat) || stat.st_mode & 0o022 != 0 {
            let shown: PathBuf = root.join(&folder).components().collect();
            return Err(HostError::new(
                Fault::Misconfigured,
                format!("has the folder {}, which others may write to", shown.display()),
                format!("chown {0} {1} && chmod go-w {1}", geteuid().as_raw(), shown.display()),
            ));
        }
    }
    Ok(())
}

fn check_file(path: &Path, stat: &Stat) -> Result<(), HostError> {
    let shown = path.display();
    let wrong =
        |message: String, fix: String| Err(HostError::new(Fault::Misconfigured, message, fix));
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return wrong(format!("has {shown}, which is no regular file"), "name a file".to_owned());
    }
    if !is_ours(stat) {
        let us = geteuid().as_raw();
        let owner = stat.st_uid;
        return wrong(
            format!(
                "has {shown}, which belongs to user {owner}, neither the broker's ({us}) nor root"
            ),
            format!("chown {us} {shown}"),
        );
    }
    if stat.st_mode & 0o077 != 0 {
        let mode = stat.st_mode & 0o777;
        return wrong(
            format!("has {shown} with mode {mode:04o}, which is wider than 0600"),
            format!("chmod 600 {shown}"),
        );
    }
    Ok(())
}

/// Whether nobody but the broker's user and root may change its mode.
pub(super) fn is_ours(stat: &Stat) -> bool {
    stat.st_uid == geteuid().as_raw() || stat.st_uid == 0
}

fn unopened(path: &Path, error: Errno) -> HostError {
    let shown = path.display();
    match error {
        Errno::NOENT => HostError::new(
            Fault::NotFound,
            format!("has no file {shown}"),
            "create it with mode 0600, or correct the `path`",
        ),
        Errno::LOOP | Errno::XDEV => HostError::new(
            Fault::Misconfigured,
            format!("has {shown}, which leads through a symlink or out of its root"),
            "name the file itself",
        ),
        error => HostError::new(
            Fault::Misconfigured,
            format!("cannot open {shown}: {error}"),
            format!("let user {} read it", geteuid().as_raw()),
        ),
    }
}

/// By no symlink, and not out of the root.
pub(super) const RESOLVE: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS);
/// Room that is made for a file's bytes at once, so that no copies of a growing buffer stay behind.
const ROOM_BYTES: usize = (1 << 20) + 1;
