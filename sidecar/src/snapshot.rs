//! What a sidecar holds: the agent's whole set, as of one revision. Pure; a snapshot is never
//! changed once it is made, only replaced.

mod entry;

pub use entry::{Entry, EntryError, Target};

use crate::lease::Term;
use secretref_domain::{
    agent::AgentSettings,
    clock::Timestamp,
    id::Digest,
    name::{FileName, SecretName},
    value::SecretValue,
    version::Version,
};
use secretref_proto::{convert::manifest_digest, v1};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// The whole set of an agent at a revision. Cloning it shares the values.
#[derive(Clone)]
pub struct Snapshot {
    pub(crate) epoch: Arc<str>,
    pub(crate) revision: i64,
    pub(crate) digest: [u8; 32],
    pub(crate) settings: Arc<AgentSettings>,
    pub(crate) entries: BTreeMap<SecretName, Held>,
}

/// One secret of a snapshot.
#[derive(Clone)]
pub struct Held {
    /// Version.
    pub version: Version,
    /// Fingerprint of the sealed version, as the broker gave it.
    pub digest: Digest,
    /// Where it goes.
    pub targets: Arc<[Target]>,
    /// When the value stops being valid.
    pub expires_at: Option<Timestamp>,
    /// How long it may be kept without a sign of the broker, in milliseconds; `None` takes the
    /// lease of the stream.
    pub stale_max_ms: Option<i64>,
    /// The value; `None` once its lease lapsed. The entry stays, so that the digest does.
    pub value: Option<Arc<SecretValue>>,
}

/// One file that a snapshot asks for.
pub struct Wanted<'a> {
    /// Secret that it holds.
    pub name: &'a SecretName,
    /// What is held of that secret.
    pub held: &'a Held,
    /// Which of its targets it is.
    pub at: usize,
    /// Where it goes.
    pub target: &'a Target,
    /// What is in it.
    pub value: &'a Arc<SecretValue>,
}

impl Default for Snapshot {
    /// Nothing, of no epoch: what a sidecar holds before its first manifest.
    fn default() -> Self {
        let epoch = Arc::from("");
        let digest = manifest_digest(&[], None);
        let (settings, entries) = (Arc::default(), BTreeMap::new());
        Self { epoch, revision: 0, digest, settings, entries }
    }
}

impl Snapshot {
    /// Epoch of the store that the revision belongs to; empty before the first manifest.
    #[must_use]
    pub fn epoch(&self) -> &str {
        &self.epoch
    }

    /// Revision of the store.
    #[must_use]
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// Digest of the manifest that it came from. It covers no value.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// What concerns the agent as a whole.
    #[must_use]
    pub fn settings(&self) -> &Arc<AgentSettings> {
        &self.settings
    }

    /// Its secrets, by name.
    pub fn entries(&self) -> impl Iterator<Item = (&SecretName, &Held)> {
        self.entries.iter()
    }

    /// One of its secrets.
    #[must_use]
    pub fn entry(&self, name: &SecretName) -> Option<&Held> {
        self.entries.get(name)
    }

    /// Where the sidecar left off, for the broker; `None` before the first manifest.
    #[must_use]
    pub fn resume(&self) -> Option<v1::ResumeToken> {
        (!self.epoch.is_empty()).then(|| v1::ResumeToken {
            store_epoch: self.epoch.to_string(),
            revision: self.revision,
            manifest_digest: self.digest.to_vec(),
        })
    }

    /// What it holds a value of, for the broker. What lapsed is not in it, so that it is sent
    /// again.
    #[must_use]
    pub fn have(&self) -> Vec<v1::HeldSecret> {
        let holding = self.entries.iter().filter(|(_, held)| held.value.is_some());
        holding
            .map(|(name, held)| v1::HeldSecret {
                name: name.to_string(),
                version: held.version.get(),
                digest: held.digest.0.to_vec(),
            })
            .collect()
    }

    /// Every file that it asks for, of the secrets whose values it has.
    pub fn files(&self) -> impl Iterator<Item = Wanted<'_>> {
        self.entries.iter().flat_map(|(name, held)| {
            let value = held.value.iter();
            value.flat_map(move |value| {
                let targets = held.targets.iter().enumerate();
                targets.map(move |(at, target)| Wanted { name, held, at, target, value })
            })
        })
    }

    /// Names of the files that a secret goes to.
    #[must_use]
    pub fn files_of(&self, name: &SecretName) -> Vec<FileName> {
        let held = self.entries.get(name);
        held.map_or_else(Vec::new, |held| {
            held.targets.iter().map(|target| target.file.clone()).collect()
        })
    }

    /// On what terms its values may be kept. What lapsed has none.
    #[must_use]
    pub fn terms(&self) -> BTreeMap<SecretName, Term> {
        let holding = self.entries.iter().filter(|(_, held)| held.value.is_some());
        holding
            .map(|(name, held)| {
                let term = Term { stale_max_ms: held.stale_max_ms, expires: held.expires_at };
                (name.clone(), term)
            })
            .collect()
    }

    /// Whether a value lapsed that could be had again, because it has not expired.
    #[must_use]
    pub fn lacks_values(&self, now: Timestamp) -> bool {
        self.entries.values().any(|held| {
            held.value.is_none() && held.expires_at.is_none_or(|expires_at| now < expires_at)
        })
    }

    /// The same set without the values of these secrets.
    #[must_use]
    pub fn without_values(&self, names: &BTreeSet<SecretName>) -> Self {
        let mut next = self.clone();
        for (name, held) in &mut next.entries {
            if names.contains(name) {
                held.value = None;
            }
        }
        next
    }
}
