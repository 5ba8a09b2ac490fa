//! The demo's agent: a small program that uses the credentials in its folder, and says so with the
//! time. It never prints a value: it prints a keyed hash of it, so that only who knows key and
//! value can tell which value was used.

use crate::{
    connect::Session,
    failure::{Exit, Failure},
};
use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};
use zeroize::Zeroizing;

/// The demo's agent.
#[derive(clap::Args)]
pub(super) struct Agent {
    /// Folder that the sidecar keeps
    folder: PathBuf,
    /// Files in it that the agent uses
    #[arg(required = true)]
    files: Vec<String>,
}

/// What the agent says, one JSON object a line.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Said {
    /// When, by the machine's clock: microseconds since 1970.
    pub(super) at_us: i64,
    /// The file.
    pub(super) file: String,
    /// Tag of the value that it uses from now on; absent: it has none any more.
    pub(super) tag: Option<String>,
}

/// The key of the tags.
pub(super) struct TagKey(hmac::Key);

impl TagKey {
    /// Takes the key's text.
    pub(super) fn new(text: &str) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, text.trim().as_bytes()))
    }

    /// Tag of a value in a file: 8 bytes of HMAC-SHA-256 over the file's name, a zero and the
    /// value.
    pub(super) fn tag(&self, file: &str, value: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(file.as_bytes());
        context.update(&[0]);
        context.update(value);
        secretref_domain::hash::hex(&context.sign().as_ref()[..8])
    }
}

impl Agent {
    /// Uses its credentials until it is ended. The key of the tags comes on standard input.
    pub(super) fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let mut key = String::new();
        io::stdin().read_line(&mut key)?;
        let key = TagKey::new(&key);
        let mut eyes = Eyes::new(self.folder, self.files);
        loop {
            for said in eyes.look(&key) {
                session.out.json(&said)?;
            }
            thread::sleep(LOOK_EVERY);
        }
    }
}

/// What the agent has seen so far.
pub(super) struct Eyes {
    folder: PathBuf,
    files: Vec<String>,
    set: Option<PathBuf>,
    used: BTreeMap<String, String>,
}

impl Eyes {
    pub(super) fn new(folder: PathBuf, files: Vec<String>) -> Self {
        Self { folder, files, set: None, used: BTreeMap::new() }
    }

    /// Looks once; says what it uses that it did not use before. All files are read beneath one
    /// set, so that they belong together; if the set was swapped meanwhile, it looks again later.
    pub(super) fn look(&mut self, key: &TagKey) -> Vec<Said> {
        let set = fs::read_link(self.folder.join(DATA)).ok();
        if set == self.set {
            return Vec::new();
        }
        let mut now = BTreeMap::new();
        if let Some(set) = &set {
            for file in &self.files {
                if let Some(value) = read(&self.folder.join(set).join(file)) {
                    now.insert(file.clone(), key.tag(file, &value));
                }
            }
            if fs::read_link(self.folder.join(DATA)).ok().as_ref() != Some(set) {
                return Vec::new();
            }
        }
        self.set = set;
        let at_us = jiff::Timestamp::now().as_microsecond();
        let changed = self.files.iter().filter(|file| now.get(*file) != self.used.get(*file));
        let said = changed
            .map(|file| Said { at_us, file: file.clone(), tag: now.get(file).cloned() })
            .collect();
        self.used = now;
        said
    }
}

fn read(path: &Path) -> Option<Zeroizing<Vec<u8>>> {
    fs::read(path).ok().map(Zeroizing::new)
}

/// The link that the sidecar swaps.
const DATA: &str = "..data";

/// How often the agent looks: a fifth of a millisecond, which is part of every measured time.
const LOOK_EVERY: Duration = Duration::from_micros(200);

#[cfg(test)]
mod tests;
