//! Which files are read, and how.

use crate::failure::Failure;
use ignore::WalkBuilder;
use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// A file that is to be read.
pub(super) struct Source {
    /// What it is called in findings.
    pub(super) shown: String,
    /// Whether it was named itself, and not only a folder that has it.
    pub(super) named: bool,
    from: From,
}

enum From {
    File(PathBuf),
    StandardInput,
    /// A folder that cannot be walked.
    Nowhere(String),
}

/// What a file has.
pub(super) enum Read {
    Text(Zeroizing<String>),
    PassedOver(&'static str),
}

/// The files of all paths, each once, in order.
pub(super) fn all(paths: &[PathBuf], no_ignore: bool) -> Vec<Source> {
    let mut sources = Vec::new();
    for path in paths {
        if path.is_dir() {
            sources.extend(walk(path, no_ignore));
        } else {
            sources.push(Source::file(path.clone(), true));
        }
    }
    sources
}

fn walk(folder: &Path, no_ignore: bool) -> impl Iterator<Item = Source> {
    let walk = WalkBuilder::new(folder)
        .standard_filters(!no_ignore)
        // `.env` and its like are what is looked for.
        .hidden(false)
        .require_git(false)
        .follow_links(false)
        .sort_by_file_path(Ord::cmp)
        .filter_entry(|entry| entry.file_name() != ".git")
        .build();
    walk.filter_map(|entry| match entry {
        Ok(entry) if entry.file_type().is_some_and(|kind| kind.is_file()) => {
            Some(Source::file(entry.into_path(), false))
        }
        Ok(_) => None,
        Err(error) => {
            let why = error.to_string();
            Some(Source { shown: why.clone(), named: false, from: From::Nowhere(why) })
        }
    })
}

impl Source {
    /// Standard input under the name of a file.
    pub(super) fn standard_input(name: &str) -> Self {
        Self { shown: name.to_owned(), named: true, from: From::StandardInput }
    }

    fn file(path: PathBuf, named: bool) -> Self {
        let shown = path.to_string_lossy().into_owned();
        let shown = shown.strip_prefix("./").map(str::to_owned).unwrap_or(shown);
        Self { shown, named, from: From::File(path) }
    }

    /// Reads it, but for what has no text, or too much.
    pub(super) fn read(&self) -> Result<Read, Failure> {
        let limit = FILE_BYTES_MAX + 1;
        let mut bytes = Zeroizing::new(Vec::new());
        let read = match &self.from {
            From::File(path) => {
                File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
            }
            From::StandardInput => io::stdin().lock().take(limit).read_to_end(&mut bytes),
            From::Nowhere(why) => Err(io::Error::other(why.clone())),
        };
        read.map_err(|error| {
            let what = format!("{} cannot be read: {error}", self.shown);
            Failure::usage(what, "correct the path, or leave it out")
        })?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Ok(Read::PassedOver("it is too large"));
        }
        let begin = &bytes[..bytes.len().min(BINARY_BYTES_LOOKED_AT)];
        if begin.contains(&0) {
            return Ok(Read::PassedOver("it is binary"));
        }
        Ok(match String::from_utf8(std::mem::take(&mut *bytes)) {
            Ok(text) => Read::Text(Zeroizing::new(text)),
            Err(error) => {
                let bytes = Zeroizing::new(error.into_bytes());
                Read::Text(Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned()))
            }
        })
    }
}

/// Largest file that is read, in bytes.
pub(super) const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// A NUL among so many first bytes makes a file binary.
const BINARY_BYTES_LOOKED_AT: usize = 8192;
