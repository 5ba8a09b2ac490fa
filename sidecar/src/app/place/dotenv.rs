//! The lines of the dotenv file: one for each variable of the set.

use super::{Place, There};
use crate::{
    sinks::files::{FileEntry, dotenv},
    snapshot::Snapshot,
};
use secretref_domain::{
    clock::Timestamp,
    name::{EnvVar, FileName, SecretName},
    value::SecretValue,
    version::Version,
};
use std::{collections::BTreeMap, sync::Arc};

/// One line.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) secret: SecretName,
    version: Version,
    since: Timestamp,
    variable: EnvVar,
    value: Arc<SecretValue>,
}

/// The file and what is in it.
#[derive(Clone)]
pub(super) struct Dotenv {
    pub(super) file: FileName,
    pub(super) lines: Vec<Line>,
}

impl Dotenv {
    /// The file for the sink; nothing where it would be empty.
    pub(super) fn entry(&self) -> Option<FileEntry> {
        let lines = self.lines.iter().map(|line| (&line.variable, &*line.value));
        let value = dotenv::content(lines)?;
        Some(FileEntry { name: self.file.clone(), value: value.into(), mode: None, owner: None })
    }

    /// What is known of its lines.
    pub(super) fn there(&self) -> impl Iterator<Item = There> + '_ {
        self.lines.iter().map(|line| There {
            file: self.file.clone(),
            secret: line.secret.clone(),
            version: line.version,
            since: line.since,
        })
    }
}

impl Place {
    /// The lines that there should be. A value that cannot be one keeps the line that it had.
    pub(super) fn dotenv(
        &self,
        snapshot: &Snapshot,
        now: Timestamp,
        failed: &mut BTreeMap<SecretName, String>,
    ) -> Option<Dotenv> {
        let file = snapshot.settings().dotenv.clone()?;
        let former = self.dotenv.as_ref().filter(|former| former.file == file);
        let former = former.map(|former| &*former.lines).unwrap_or_default();
        let mut lines = BTreeMap::new();
        let mut bytes = 0;
        for wanted in snapshot.files() {
            let Some(variable) = &wanted.target.env_var else { continue };
            let Some(held) = snapshot.entry(wanted.name) else { continue };
            if lines.contains_key(variable) {
                continue;
            }
            let size = dotenv::line_bytes(variable, wanted.value);
            let why = match dotenv::refuse(wanted.value) {
                None if bytes + size > dotenv::BYTES_MAX => Some(TOO_LARGE),
                why => why,
            };
            if let Some(why) = why {
                let name = wanted.name.clone();
                failed.entry(name).or_insert_with(|| format!("{file}: {why}"));
                continue;
            }
            bytes += size;
            let before = former.iter().find(|line| {
                line.variable == *variable
                    && line.secret == *wanted.name
                    && line.version == held.version
            });
            let line = Line {
                secret: wanted.name.clone(),
                version: held.version,
                since: before.map_or(now, |before| before.since),
                variable: variable.clone(),
                value: Arc::clone(wanted.value),
            };
            lines.insert(variable.clone(), line);
        }
        for line in former.iter().filter(|line| failed.contains_key(&line.secret)) {
            lines.insert(line.variable.clone(), line.clone());
        }
        Some(Dotenv { file, lines: lines.into_values().collect() })
    }
}

const TOO_LARGE: &str = "the file would have more than 65,536 bytes";
