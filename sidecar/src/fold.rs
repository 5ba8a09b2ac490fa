//! Snapshot + manifest → snapshot. Pure: refuses what is older, what does not hang together and
//! what is not whole, and never mixes two manifests.

mod parts;

pub use parts::{Malformed, Offer, Parts};

use crate::snapshot::{Entry, Held, Snapshot};
use secretref_domain::{
    name::{FileName, SecretName},
    version::Version,
};
use secretref_proto::v1::{ManifestKind, SnapshotReason};
use std::{collections::BTreeMap, sync::Arc};

/// What came of a manifest.
pub struct Folded {
    /// The set to put in place.
    pub snapshot: Snapshot,
    /// What the manifest changed, or brought again; everything where it is the first of a stream.
    pub changed: Vec<(SecretName, Version)>,
    /// What left the set, with the version that was held.
    pub removed: Vec<(SecretName, Version)>,
}

/// Why a manifest was not taken. What is held stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is from before what is held, as when two streams overlap.
    #[error("the manifest is of revision {given}, older than {held}, which is held")]
    Stale {
        /// Its revision.
        given: i64,
        /// What is held.
        held: i64,
    },
    /// A secret in it is older than what is held.
    #[error("secret {name:?} would fall from {held} to {given}; a rollback is a new version")]
    VersionFell {
        /// The secret.
        name: SecretName,
        /// The manifest's version.
        given: Version,
        /// What is held.
        held: Version,
    },
    /// It leaves out a value that is not held.
    #[error("the manifest has no value for {name:?} {version}, which is not held")]
    ValueMissing {
        /// The secret.
        name: SecretName,
        /// Its version.
        version: Version,
    },
    /// It builds on another history of the store.
    #[error("the store's history changed, and the manifest does not bring all values")]
    Epoch,
    /// Its entries are not what its digest says.
    #[error("the manifest's digest does not fit its entries")]
    Digest,
    /// Two secrets want one file.
    #[error("file {file:?} is to hold both {one:?} and {other:?}; bind one of them elsewhere")]
    FileTwice {
        /// The file.
        file: FileName,
        /// A secret.
        one: SecretName,
        /// Another.
        other: SecretName,
    },
}

impl Refusal {
    /// Whether it is only late, and nothing is wrong with it.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        matches!(self, Self::Stale { .. })
    }

    /// What to ask the broker for. Where asking would bring the same again, nothing.
    #[must_use]
    pub fn remedy(&self) -> Option<SnapshotReason> {
        match self {
            Self::ValueMissing { .. } | Self::Epoch => Some(SnapshotReason::LocalLoss),
            Self::Digest => Some(SnapshotReason::DigestMismatch),
            Self::Stale { .. } | Self::VersionFell { .. } | Self::FileTwice { .. } => None,
        }
    }
}

/// The set after a manifest. Taking the same one twice comes to the same set.
///
/// # Errors
/// [`Refusal`]; the set that is held is then as good as before.
pub fn fold(held: &Snapshot, offer: &Offer, first: bool) -> Result<Folded, Refusal> {
    let same_epoch = *held.epoch == *offer.epoch;
    if same_epoch && offer.revision < held.revision {
        return Err(Refusal::Stale { given: offer.revision, held: held.revision });
    }
    let fresh = held.epoch.is_empty();
    if !same_epoch && !fresh && offer.kind == ManifestKind::Delta {
        return Err(Refusal::Epoch);
    }
    if offer.computed != offer.digest {
        return Err(Refusal::Digest);
    }
    let mut entries = BTreeMap::new();
    let mut changed = Vec::new();
    for entry in &offer.entries {
        let before = held.entries.get(&entry.name);
        if let Some(before) = before.filter(|before| same_epoch && entry.version < before.version) {
            let (given, held) = (entry.version, before.version);
            return Err(Refusal::VersionFell { name: entry.name.clone(), given, held });
        }
        if first || before.is_none_or(|before| differs(before, entry)) {
            changed.push((entry.name.clone(), entry.version));
        }
        entries.insert(entry.name.clone(), merge(before, entry)?);
    }
    check_files(&entries)?;
    let removed = held
        .entries
        .iter()
        .filter(|(name, _)| !entries.contains_key(*name))
        .map(|(name, held)| (name.clone(), held.version))
        .collect();
    let (epoch, revision) = (offer.epoch.clone(), offer.revision);
    let settings = Arc::clone(&offer.settings);
    let snapshot = Snapshot { epoch, revision, digest: offer.digest, settings, entries };
    Ok(Folded { snapshot, changed, removed })
}

/// What is new about an entry. One that brings its value once more is, so that it is answered
/// once more.
fn differs(before: &Held, entry: &Entry) -> bool {
    entry.value.is_some()
        || before.version != entry.version
        || before.digest != entry.digest
        || before.targets != entry.targets
}

/// A value is taken over from what is held only where version and fingerprint are the same. One
/// that lapsed is taken over as lapsed.
fn merge(before: Option<&Held>, entry: &Entry) -> Result<Held, Refusal> {
    let value = match (&entry.value, before) {
        (Some(value), _) => Some(value.clone()),
        (None, Some(before))
            if before.version == entry.version && before.digest == entry.digest =>
        {
            before.value.clone()
        }
        (None, _) => {
            let (name, version) = (entry.name.clone(), entry.version);
            return Err(Refusal::ValueMissing { name, version });
        }
    };
    Ok(Held {
        version: entry.version,
        digest: entry.digest,
        targets: entry.targets.clone(),
        expires_at: entry.expires_at,
        stale_max_ms: entry.stale_max_ms,
        value,
    })
}

/// Each file belongs to one secret. The same secret may name it twice in the same way.
fn check_files(entries: &BTreeMap<SecretName, Held>) -> Result<(), Refusal> {
    let mut seen: BTreeMap<&FileName, &SecretName> = BTreeMap::new();
    for (name, held) in entries {
        for target in held.targets.iter() {
            let other = seen.insert(&target.file, name).filter(|other| *other != name);
            if let Some(other) = other {
                let (file, one) = (target.file.clone(), other.clone());
                return Err(Refusal::FileTwice { file, one, other: name.clone() });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
