//! Names for the secrets that OpenClaw's credentials become: from their paths, so that a second run
//! proposes the same ones.

use super::targets::{Path, Segment};
use crate::{
    hash::{hex, sha256},
    name::{CredentialKey, SecretName},
};
use std::collections::BTreeSet;

/// Names that are taken.
#[derive(Debug, Default)]
pub struct Names {
    taken: BTreeSet<SecretName>,
}

impl Names {
    /// Keeps a name from being proposed: some path has it already.
    pub fn take(&mut self, name: SecretName) {
        self.taken.insert(name);
    }

    /// A name for what stands at a path, such as `openclaw/models/openai/api-key`, that no other
    /// has.
    pub fn propose(&mut self, prefix: &str, path: &Path) -> SecretName {
        let plain = plain(prefix, path);
        let name = match SecretName::parse(&plain) {
            Ok(name) if plain.len() <= NAME_BYTES_MAX && !self.taken.contains(&name) => name,
            _ => marked(prefix, &plain, path),
        };
        self.taken.insert(name.clone());
        name
    }
}

/// Whether OpenClaw, in every version, takes a name for the id of a program's secret: its older
/// ones have no `#`, and none takes a step `.` or `..`. Every [`SecretName`] is such a name.
#[must_use]
pub fn is_exec_id(id: &str) -> bool {
    let rest = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/-".contains(&byte);
    id.len() <= 256
        && id.starts_with(|first: char| first.is_ascii_alphanumeric())
        && id.bytes().all(rest)
        && !id.split('/').any(|step| step == "." || step == "..")
}

/// Key that a secret has in the agent's tool, which is the name of its file and at the socket too.
#[must_use]
pub fn credential_key(name: &SecretName) -> CredentialKey {
    let flat = name.as_str().replace('/', ".");
    let short = match flat.len() {
        0..=KEY_BYTES_MAX => flat,
        _ => {
            let end = flat.len() - (KEY_BYTES_MAX - 9);
            let tail = flat[end..].trim_start_matches(['.', '_', '-']);
            format!("{tail}-{}", mark(name.as_str()))
        }
    };
    CredentialKey::parse(&short).unwrap_or_else(|_| unreachable!("a name without slashes is a key"))
}

/// The path in lower case, its words joined by `-`, without the keys that only hold what a map
/// holds: `providers` before the name of one.
fn plain(prefix: &str, path: &Path) -> String {
    let mut name = prefix.to_owned();
    for (at, segment) in path.0.iter().enumerate() {
        let word = match segment {
            Segment::Key(key) if at + 1 < path.0.len() && HOLDERS.contains(&key.as_str()) => {
                continue;
            }
            Segment::Key(key) => words(key),
            Segment::Index(index) => index.to_string(),
        };
        if !word.is_empty() {
            if !name.is_empty() && !name.ends_with('/') {
                name.push('/');
            }
            name.push_str(&word);
        }
    }
    name
}

/// `apiKey` becomes `api-key`, `openai:default` becomes `openai-default`.
fn words(key: &str) -> String {
    let mut word = String::new();
    let mut lower = false;
    for character in key.chars() {
        if character.is_ascii_uppercase() && lower {
            word.push('-');
        }
        lower = character.is_ascii_lowercase() || character.is_ascii_digit();
        match character.to_ascii_lowercase() {
            it if it.is_ascii_lowercase() || it.is_ascii_digit() => word.push(it),
            _ if word.is_empty() || word.ends_with('-') => {}
            _ => word.push('-'),
        }
    }
    word.trim_end_matches('-').to_owned()
}

/// A name that its path alone makes, where the plain one is taken or is none.
fn marked(prefix: &str, plain: &str, path: &Path) -> SecretName {
    let exact: Vec<String> = path.0.iter().map(|segment| format!("{segment:?}")).collect();
    let mark = mark(&exact.join("."));
    let cut = &plain[..plain.len().min(NAME_BYTES_MAX - 9)];
    let name = format!("{}-{mark}", cut.trim_end_matches(['/', '-', '.']));
    SecretName::parse(&name).unwrap_or_else(|_| {
        // Nothing of the path can stand in a name.
        let name = format!("{prefix}{mark}");
        SecretName::parse(&name).unwrap_or_else(|_| unreachable!("prefixes are checked"))
    })
}

fn mark(text: &str) -> String {
    let hash = sha256(&[text.as_bytes()]);
    hex(&hash[..4])
}

/// Longest name, in bytes.
const NAME_BYTES_MAX: usize = 128;
/// Longest key, in bytes.
const KEY_BYTES_MAX: usize = 64;
const HOLDERS: [&str; 4] = ["providers", "accounts", "entries", "profiles"];

#[cfg(test)]
mod tests;
