//! The file and those that are full: `PATH`, `PATH.1` (the newest), …, `PATH.N`.

use crate::config::AuditFile;
use rustix::fs::OFlags;
use secretref_domain::id::BrokerId;
use serde::Deserialize;
use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};
use uuid::Uuid;

/// A file that is written at its end.
pub(super) struct Lines {
    settings: AuditFile,
    file: File,
    bytes: u64,
    last: i64,
}

/// Why it is not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinesError {
    #[error("{path}: {error}. Fix: see to the folder, its owner and its room")]
    File { path: String, error: io::Error },
    #[error(
        "{path} has what this broker did not write: {what}. Fix: name another path in \
         `[audit_file]`, or move it away"
    )]
    Foreign { path: String, what: &'static str },
}

/// What says how far a file is.
#[derive(Deserialize)]
struct Place {
    lane: Uuid,
    seq: i64,
}

impl Lines {
    /// Opens the file of a lane, or begins it; half a line at its end is taken away.
    pub(super) fn open(settings: AuditFile, lane: BrokerId) -> Result<Self, LinesError> {
        let path = settings.path.clone();
        let at = |error| LinesError::File { path: path.display().to_string(), error };
        let mut file = opened(&path).map_err(at)?;
        if !file.metadata().map_err(at)?.is_file() {
            return Err(foreign(&path, "it is no plain file"));
        }
        let (line, bytes) = last_line(&mut file).map_err(at)?;
        file.set_len(bytes).map_err(at)?;
        let before = numbered(&path, 1);
        let (line, path) = match line {
            Some(line) => (Some(line), path),
            // One that is full was moved away, and nothing was written since.
            None => match File::open(&before) {
                Ok(mut full) => (last_line(&mut full).map_err(at)?.0, before),
                Err(error) if error.kind() == ErrorKind::NotFound => (None, path),
                Err(error) => {
                    return Err(LinesError::File { path: before.display().to_string(), error });
                }
            },
        };
        let last = match line {
            None => 0,
            Some(line) => match serde_json::from_slice::<Place>(&line) {
                Ok(place) if place.lane == lane.0 => place.seq,
                Ok(_) => return Err(foreign(&path, "its last line is another broker's")),
                Err(_) => return Err(foreign(&path, "its last line is no entry")),
            },
        };
        Ok(Self { settings, file, bytes, last })
    }

    /// Number of the last entry that is in it.
    pub(super) fn last(&self) -> i64 {
        self.last
    }

    /// Writes whole lines, and waits until they are on the disk. They go into a new file where they
    /// would make this one too large.
    pub(super) fn put(&mut self, text: &[u8], last: i64) -> Result<(), LinesError> {
        let written = self.append(text);
        let path = || self.settings.path.display().to_string();
        written.map_err(|error| LinesError::File { path: path(), error })?;
        self.last = last;
        Ok(())
    }

    fn append(&mut self, text: &[u8]) -> io::Result<()> {
        let more = u64::try_from(text.len()).unwrap_or(u64::MAX);
        if self.bytes > 0 && self.bytes.saturating_add(more) > self.settings.bytes_max {
            self.turn()?;
        }
        self.file.write_all(text)?;
        self.file.sync_data()?;
        self.bytes += more;
        Ok(())
    }

    /// Moves each file one further, and begins a new one.
    fn turn(&mut self) -> io::Result<()> {
        let AuditFile { path, files_max, .. } = &self.settings;
        for number in (0..*files_max).rev() {
            let from = if number == 0 { path.clone() } else { numbered(path, number) };
            match fs::rename(from, numbered(path, number + 1)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.file = opened(path)?;
        self.bytes = 0;
        match path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }
}

/// For its owner alone; no link is followed, and nothing that is no file is waited for.
fn opened(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(flags)
        .open(path)
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

fn foreign(path: &Path, what: &'static str) -> LinesError {
    LinesError::Foreign { path: path.display().to_string(), what }
}

/// The last whole line, and how many bytes there are up to its end.
fn last_line(file: &mut File) -> io::Result<(Option<Vec<u8>>, u64)> {
    let mut start = file.metadata()?.len();
    let mut tail: Vec<u8> = Vec::new();
    loop {
        if let Some(end) = tail.iter().rposition(|byte| *byte == b'\n') {
            let before = tail[..end].iter().rposition(|byte| *byte == b'\n');
            if let Some(begin) = before.map(|at| at + 1).or((start == 0).then_some(0)) {
                let bytes = start + u64::try_from(end).unwrap_or(u64::MAX) + 1;
                return Ok((Some(tail[begin..end].to_vec()), bytes));
            }
        } else if start == 0 {
            return Ok((None, 0));
        }
        let step = start.min(CHUNK_BYTES);
        start -= step;
        file.seek(SeekFrom::Start(start))?;
        let mut chunk = vec![0; usize::try_from(step).unwrap_or(0)];
        file.read_exact(&mut chunk)?;
        chunk.append(&mut tail);
        tail = chunk;
    }
}

/// Bytes that are read at once from the end: an entry is hardly ever longer.
const CHUNK_BYTES: u64 = 64 * 1024;

#[cfg(test)]
mod tests;
