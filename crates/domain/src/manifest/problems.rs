//! What is wrong with a manifest, where, and what to do.

use super::literal::like_credential;
use std::fmt;

/// Most problems that one answer lists.
const ERRORS_MAX: usize = 32;
/// Longest key that a path shows whole, in characters.
const KEY_CHARS_MAX: usize = 64;

/// Everything that is wrong with a manifest: at most 32 problems, the last of which then says how
/// many more there are. Prints one a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestErrors(pub Vec<ManifestError>);

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestError {
    /// Name of the file, as it was given.
    pub file: String,
    /// Where in the file, such as `agents.payment-analyst.runtime`; empty: the file as a whole.
    pub path: String,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub fix: String,
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, path, problem, fix } = self;
        let gap = if path.is_empty() { "" } else { ": " };
        write!(f, "{file}: {path}{gap}{problem}. Fix: {fix}")
    }
}

impl fmt::Display for ManifestErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.0.iter().enumerate() {
            let gap = if at == 0 { "" } else { "\n" };
            write!(f, "{gap}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ManifestError {}
impl std::error::Error for ManifestErrors {}

/// A place in a file.
#[derive(Debug, Clone)]
pub(super) struct At {
    file: String,
    path: String,
}

impl At {
    /// A file as a whole.
    pub(super) fn file(name: &str) -> Self {
        Self { file: name.to_owned(), path: String::new() }
    }

    /// A member of the object at this place.
    pub(super) fn key(&self, key: &str) -> Self {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_/$".contains(c);
        let mut path = self.path.clone();
        if like_credential(key) {
            path.push_str(&format!("[{}]", shown(key)));
        } else if !key.is_empty() && key.len() <= KEY_CHARS_MAX && key.chars().all(plain) {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(key);
        } else {
            path.push_str(&format!("[{}]", shown(key)));
        }
        Self { file: self.file.clone(), path }
    }

    /// An item of the list at this place.
    pub(super) fn index(&self, index: usize) -> Self {
        Self { file: self.file.clone(), path: format!("{}[{index}]", self.path) }
    }

    /// Name of the file, as it was given.
    pub(super) fn file_name(&self) -> &str {
        &self.file
    }

    /// The place inside the file.
    pub(super) fn path(&self) -> &str {
        &self.path
    }
}

/// A key in quotes, cut to what a line can bear; one that is a credential is not shown at all.
pub(super) fn shown(key: &str) -> String {
    if like_credential(key) {
        return "a credential".into();
    }
    if key.chars().count() <= KEY_CHARS_MAX {
        return format!("{key:?}");
    }
    format!("{:?}…", key.chars().take(KEY_CHARS_MAX).collect::<String>())
}

/// The problems that were found so far.
#[derive(Debug, Default)]
pub(super) struct Problems {
    errors: Vec<ManifestError>,
    more: usize,
}

impl Problems {
    /// Adds a problem.
    pub(super) fn add(&mut self, at: &At, problem: impl Into<String>, fix: impl Into<String>) {
        if self.is_full() {
            self.more += 1;
            return;
        }
        let (file, path) = (at.file.clone(), at.path.clone());
        self.errors.push(ManifestError { file, path, problem: problem.into(), fix: fix.into() });
    }

    /// Whether the next problem is only counted, so that nobody need find out what to do about it.
    pub(super) fn is_full(&self) -> bool {
        self.errors.len() == ERRORS_MAX
    }

    /// What was read, where nothing is wrong with it.
    pub(super) fn into_result<T>(mut self, read: T) -> Result<T, ManifestErrors> {
        if self.errors.is_empty() {
            return Ok(read);
        }
        if self.more > 0
            && let Some(last) = self.errors.last_mut()
        {
            last.path = String::new();
            last.problem = format!("{} more problems are not shown", self.more + 1);
            last.fix = "correct these first and apply again".into();
        }
        Err(ManifestErrors(self.errors))
    }
}
