//! One file as it is put in place, and what it was made from.

use crate::{
    sinks::{
        files::{Content, FileEntry},
        templates::Pantry,
    },
    snapshot::{Held, Snapshot, Target, Wanted},
};
use secretref_domain::{
    clock::Timestamp,
    name::{FileName, SecretName},
    value::SecretValue,
    version::Version,
};
use secretref_proto::{convert::manifest_digest, v1};
use std::{collections::BTreeSet, fmt::Write, sync::Arc};

/// One file that is in place, or a value that is offered under its name.
#[derive(Clone)]
pub(in crate::app) struct Placed {
    pub(in crate::app) secret: SecretName,
    pub(in crate::app) version: Version,
    /// Since when this version is there.
    pub(super) since: Timestamp,
    pub(in crate::app) held: Held,
    /// Which of the secret's targets it is.
    at: usize,
    pub(in crate::app) value: Arc<SecretValue>,
    /// What is in the file: the value, or what was made from it and others.
    pub(super) file: FileEntry,
    /// The secrets that the file was made from.
    pub(super) uses: BTreeSet<SecretName>,
    /// Says what it was made from, and nothing of its content.
    pub(in crate::app) fingerprint: String,
    /// Changes exactly when its bytes do.
    pub(in crate::app) serial: u64,
}

impl Placed {
    /// Makes one; says why it cannot be made, without any value.
    pub(super) fn make(
        snapshot: &Snapshot,
        wanted: &Wanted<'_>,
        pantry: Option<&Pantry>,
        now: Timestamp,
    ) -> Result<Self, String> {
        let Wanted { name, held, at, target, value } = *wanted;
        let (content, uses) = match (&target.template, pantry) {
            (None, _) => (Content::from(Arc::clone(value)), BTreeSet::from([name.clone()])),
            (Some(_), None) => return Err(NO_FILES.to_owned()),
            (Some(template), Some(pantry)) => {
                let made = pantry.render(name, held, value, template);
                let made = made.map_err(|error| error.to_string())?;
                (Content::made(made.bytes), made.uses)
            }
        };
        let file = FileEntry {
            name: target.file.clone(),
            value: content,
            mode: target.mode,
            owner: target.owner.clone(),
        };
        Ok(Self {
            secret: name.clone(),
            version: held.version,
            since: now,
            value: Arc::clone(value),
            fingerprint: fingerprint(snapshot, target, &uses),
            held: held.clone(),
            serial: 0,
            file,
            uses,
            at,
        })
    }

    pub(in crate::app) fn name(&self) -> &FileName {
        &self.file.name
    }

    pub(in crate::app) fn target(&self) -> &Target {
        &self.held.targets[self.at]
    }

    /// Whether it may stay though a newer one cannot be made: as long as nothing that it was made
    /// from was taken away.
    pub(super) fn may_stay(&self, snapshot: &Snapshot) -> bool {
        let here = |name| snapshot.entry(name).is_some_and(|held| held.value.is_some());
        self.uses.iter().all(here)
    }
}

/// SHA-256 over the versions that a file is made from and over its template. The broker's
/// fingerprints of sealed versions stand for the values, so that it can be kept in the open.
fn fingerprint(snapshot: &Snapshot, target: &Target, uses: &BTreeSet<SecretName>) -> String {
    let own = || v1::Target {
        file: target.file.to_string(),
        template: target.template.clone().unwrap_or_default(),
        ..v1::Target::default()
    };
    let entries: Vec<v1::ManifestEntry> = uses
        .iter()
        .filter_map(|name| {
            let held = snapshot.entry(name)?;
            Some(v1::ManifestEntry {
                name: name.to_string(),
                version: held.version.get(),
                digest: held.digest.0.to_vec(),
                targets: vec![own()],
                ..v1::ManifestEntry::default()
            })
        })
        .collect();
    manifest_digest(&entries, None).iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

const NO_FILES: &str = "it is made from a template, and this sidecar makes no files. \
                        Fix: start it without --no-files, or remove the template";
