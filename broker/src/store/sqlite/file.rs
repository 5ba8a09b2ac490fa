//! The file of a SQLite store: where it may be, who may read it, and whether it was left open.

use crate::store::StoreError;
use std::{
    fs::{self, DirBuilder, OpenOptions, Permissions},
    io::ErrorKind,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// A file that is ready to be opened by SQLite.
#[derive(Debug)]
pub(super) struct DatabaseFile {
    pub(super) path: PathBuf,
    /// A log of writes is beside it: the last process that had it open did not close it, or has it
    /// open now.
    pub(super) was_left_open: bool,
}

/// Sees that the file is there, on a local disk, and readable by its owner alone; creates it (and
/// its folder) where it is not. Modes are set on what is already ours before anything is written,
/// whatever the umask: a database that was readable for a moment was readable.
pub(super) fn prepare(path: &str) -> Result<DatabaseFile, StoreError> {
    if path.is_empty() || path.contains(['?', '\0']) || path.starts_with(":memory:") {
        return Err(StoreError::Unusable(
            "its URL names no file: write sqlite:// and a path, without `?`".to_owned(),
        ));
    }
    let path = PathBuf::from(path);
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    make_folder(folder)?;
    refuse_network(folder)?;
    make_file(&path)?;
    let was_left_open = fs::metadata(beside(&path, "-wal")).is_ok_and(|log| log.len() > 0);
    Ok(DatabaseFile { path, was_left_open })
}

fn make_folder(folder: &Path) -> Result<(), StoreError> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => return set_mode(folder, 0o700),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => (),
        Err(error) => return Err(unusable(folder, &error)),
    }
    let mode = fs::metadata(folder).map_err(|error| unusable(folder, &error))?.permissions().mode();
    if mode & 0o022 != 0 {
        return Err(StoreError::Unusable(format!(
            "others may write its folder {0} (mode {1:04o}), and so replace it: `chmod 700 {0}`, \
             or name a folder in it that is not there yet",
            folder.display(),
            mode & 0o7777
        )));
    }
    Ok(())
}

fn make_file(path: &Path) -> Result<(), StoreError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => return set_mode(path, 0o600),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => (),
        Err(error) => return Err(unusable(path, &error)),
    }
    let found = fs::metadata(path).map_err(|error| unusable(path, &error))?;
    if !found.is_file() {
        return Err(unusable(path, &"it is not a file"));
    }
    let mode = found.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(StoreError::Unusable(format!(
            "others than its owner may open {0} (mode {1:04o}): `chmod 600 {0}`",
            path.display(),
            mode & 0o7777
        )));
    }
    Ok(())
}

/// SQLite's locks and shared memory do not hold between machines: two brokers on one network file
/// would both be the only writer.
fn refuse_network(folder: &Path) -> Result<(), StoreError> {
    let found = rustix::fs::statfs(folder).map_err(|error| unusable(folder, &error))?;
    let magic = found.f_type as u32;
    let Some((_, name)) = NETWORK.iter().find(|(number, _)| *number == magic) else {
        return Ok(());
    };
    Err(StoreError::Unusable(format!(
        "{} is on {name}, where SQLite's locks do not hold: use a local disk, or Postgres",
        folder.display()
    )))
}

/// Magic numbers of file systems that are, or may be, another machine's.
/// <https://man7.org/linux/man-pages/man2/statfs.2.html>
const NETWORK: &[(u32, &str)] = &[
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB 2"),
    (0x6573_5546, "FUSE"),
    (0x5346_414f, "AFS"),
    (0x6b41_4653, "AFS"),
    (0x7375_7245, "Coda"),
    (0x0102_1997, "9P"),
    (0x00c3_6400, "Ceph"),
    (0x0bd0_0bd0, "Lustre"),
    (0x0116_1970, "GFS2"),
    (0x7461_636f, "OCFS2"),
];

fn set_mode(path: &Path, mode: u32) -> Result<(), StoreError> {
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(|error| unusable(path, &error))
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn unusable(path: &Path, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Unusable(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests;
