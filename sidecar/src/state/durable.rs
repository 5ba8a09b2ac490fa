//! Files that are whole or not there.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Replaces a file: written beside, synced, renamed, and the folder synced.
pub(super) fn write(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let beside = beside(dir, name);
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = create(&beside, bytes).and_then(|()| fs::rename(&beside, dir.join(name)));
    if let Err(error) = written {
        drop(fs::remove_file(&beside));
        return Err(error);
    }
    sync_dir(dir)
}

/// Reads a whole file, up to a limit.
pub(super) fn read(file: &File) -> io::Result<Zeroizing<Vec<u8>>> {
    // Room for all of it from the start: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(FILE_BYTES_MAX + 1));
    file.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > FILE_BYTES_MAX {
        return Err(io::Error::other(format!("it has more than {FILE_BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

/// Makes what happened to the folder's names durable.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Where a file is written before it takes its name.
pub(super) fn beside(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!(".{name}.new"))
}

/// 0600 from the first moment on, and never through a link.
fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

const FILE_BYTES_MAX: usize = 256 * 1024;
