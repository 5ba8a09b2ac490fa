//! Secrets that are unlike anything else, and a scanner that finds them wherever they leaked to.
//!
//! A canary is searched as it is, in hexadecimal, in base64 (both alphabets, at each of the three
//! alignments), percent-encoded, in UTF-16, and inside whatever was compressed with gzip or zlib.

mod inflate;

use aho_corasick::AhoCorasick;
use anyhow::{Context, Result};
use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD, prelude::BASE64_URL_SAFE_NO_PAD};
use std::{
    collections::BTreeSet,
    fmt::Write,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

/// A value that occurs nowhere but where a test put it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canary {
    value: String,
}

/// A place where a canary was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leak {
    /// File or name of the bytes.
    pub place: String,
    /// The canary.
    pub canary: String,
    /// How it was written there.
    pub form: &'static str,
}

/// Looks for canaries.
pub struct Scanner {
    /// Finds all needles in one pass.
    search: AhoCorasick,
    /// Canary and form of each needle.
    needles: Vec<(String, &'static str)>,
    leaks: Vec<Leak>,
    bytes: u64,
}

impl Canary {
    /// A new one, that says what it was for.
    #[must_use]
    pub fn new(what: &str) -> Self {
        let tail: String = std::iter::repeat_with(fastrand::alphanumeric).take(24).collect();
        // A character that percent-encoding and base64's two alphabets write differently.
        Self { value: format!("canary/{what}?{tail}~~>>") }
    }

    /// One that somebody else made, such as a join token.
    #[must_use]
    pub fn of(value: String) -> Self {
        Self { value }
    }

    /// The secret itself.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.value.as_bytes()
    }

    /// Every form that it is searched in, and what that form is called.
    fn needles(&self) -> Vec<(&'static str, Vec<u8>)> {
        let bytes = self.bytes();
        let mut needles = vec![
            ("as it is", bytes.to_vec()),
            ("in lower hexadecimal", hex(bytes).into_bytes()),
            ("in upper hexadecimal", hex(bytes).to_uppercase().into_bytes()),
            ("percent-encoded", percent(bytes).into_bytes()),
            ("in UTF-16LE", self.value.encode_utf16().flat_map(u16::to_le_bytes).collect()),
            ("in UTF-16BE", self.value.encode_utf16().flat_map(u16::to_be_bytes).collect()),
            ("as a list of decimal bytes", decimal(bytes).into_bytes()),
        ];
        for skip in 0..3 {
            let (standard, url) = base64_at(bytes, skip);
            needles.push(("in base64", standard));
            needles.push(("in base64url", url));
        }
        needles
    }
}

impl Scanner {
    /// Looks for these.
    ///
    /// # Errors
    /// Where there are far too many.
    pub fn new<'a>(canaries: impl IntoIterator<Item = &'a Canary>) -> Result<Self> {
        let (mut needles, mut texts) = (Vec::new(), Vec::new());
        for canary in canaries {
            for (form, text) in canary.needles() {
                needles.push((canary.value.clone(), form));
                texts.push(text);
            }
        }
        Ok(Self { search: AhoCorasick::new(texts)?, needles, leaks: Vec::new(), bytes: 0 })
    }

    /// Looks through a file, or a folder with all that is in it. Links are not followed, and what
    /// vanishes meanwhile is passed over.
    ///
    /// # Errors
    /// Where something is there and cannot be read.
    pub fn path(&mut self, path: &Path) -> Result<()> {
        let Ok(kind) = fs::symlink_metadata(path) else { return Ok(()) };
        if kind.is_dir() {
            let entries = fs::read_dir(path).with_context(|| format!("{}", path.display()))?;
            let mut entries: Vec<PathBuf> =
                entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
            entries.sort();
            return entries.iter().try_for_each(|entry| self.path(entry));
        }
        if kind.is_file() {
            let content = fs::read(path).with_context(|| format!("{}", path.display()))?;
            self.bytes(&path.display().to_string(), &content);
        }
        Ok(())
    }

    /// Looks through what the kernel shows of a process: its command line and its environment.
    ///
    /// # Errors
    /// Where it is gone.
    pub fn process(&mut self, pid: u32) -> Result<()> {
        for what in ["cmdline", "environ"] {
            let path = format!("/proc/{pid}/{what}");
            match fs::read(&path) {
                Ok(content) => self.bytes(&path, &content),
                // A process that its own user may not look into keeps its environment to itself.
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {}
                Err(error) => return Err(error).with_context(|| format!("reading {path}")),
            }
        }
        Ok(())
    }

    /// Looks through bytes.
    pub fn bytes(&mut self, place: &str, content: &[u8]) {
        self.bytes += content.len() as u64;
        self.look(place, content);
        for (at, inflated) in inflate::streams(content) {
            self.look(&format!("{place}, inflated from byte {at}"), &inflated);
        }
    }

    /// What was found.
    #[must_use]
    pub fn leaks(&self) -> &[Leak] {
        &self.leaks
    }

    /// How many bytes were looked through.
    #[must_use]
    pub fn scanned_bytes(&self) -> u64 {
        self.bytes
    }

    /// Notes each needle once, however often it is there.
    fn look(&mut self, place: &str, content: &[u8]) {
        let found = self.search.find_overlapping_iter(content);
        let found: BTreeSet<usize> = found.map(|hit| hit.pattern().as_usize()).collect();
        for needle in found {
            let (canary, form) = &self.needles[needle];
            self.leaks.push(Leak { place: place.to_owned(), canary: canary.clone(), form });
        }
    }
}

/// Base64 of the part of a text that does not share a group with its neighbours, where the text
/// starts `skip` bytes after the start of a group.
fn base64_at(bytes: &[u8], skip: usize) -> (Vec<u8>, Vec<u8>) {
    let start = (3 - skip) % 3;
    let whole = (bytes.len() - start) / 3 * 3;
    let part = &bytes[start..start + whole];
    (
        BASE64_STANDARD_NO_PAD.encode(part).into_bytes(),
        BASE64_URL_SAFE_NO_PAD.encode(part).into_bytes(),
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn percent(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            text.push(char::from(*byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

/// As `{:?}` prints a slice of bytes.
fn decimal(bytes: &[u8]) -> String {
    let numbers: Vec<String> = bytes.iter().map(u8::to_string).collect();
    numbers.join(", ")
}

#[cfg(test)]
mod tests;
