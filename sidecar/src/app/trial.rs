//! Which set the program is put on, where it does not do with what it is owed. Pure.
//!
//! ```text
//! held ── candidate ──▶ put in place ──▶ offered ──▶ taken: it is the good set now
//!            ▲                               └─────▶ refused
//!            │                                          │ versions refused before were kept back:
//!            ├── the whole of it ◀──────────────────────┤ once more, with all of them
//!            └── without what changed: the good set ◀───┘ else
//! ```
//! A version that was refused is not tried again until something else changes. Then it is kept
//! back at first, so that one bad value does not keep back the others; and where they fail without
//! it, as two halves of one change would, all are tried together.

use crate::snapshot::Snapshot;
use secretref_domain::{
    agent::AgentSettings, clock::Timestamp, name::SecretName, version::Version,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What is known of sets and the program.
#[derive(Default)]
pub(super) struct Trial {
    /// The last set that it took.
    good: Option<Arc<Snapshot>>,
    /// Versions that it did not take, and why.
    refused: BTreeMap<SecretName, (Version, String)>,
    /// Settings that it did not do with.
    refused_settings: Option<Arc<AgentSettings>>,
    /// Whether everything is tried together.
    whole: bool,
}

/// What is tried next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Everything together.
    Whole,
    /// The last good set.
    PutBack,
    /// Nothing: there was never a good one.
    Nothing,
}

/// A set to put in place.
pub(super) struct Candidate {
    /// The set.
    pub(super) snapshot: Arc<Snapshot>,
    /// What it is a candidate of.
    pub(super) held: Arc<Snapshot>,
    /// What is kept back of what is held, and why.
    pub(super) kept_back: BTreeMap<SecretName, String>,
    /// Whether the program took it before, so that it is put back on it.
    pub(super) good: bool,
}

impl Trial {
    /// What to put in place of what is held. `unfit` is what the program can never take.
    pub(super) fn candidate(
        &self,
        held: &Arc<Snapshot>,
        unfit: BTreeMap<SecretName, String>,
        now: Timestamp,
    ) -> Candidate {
        let mut kept_back = unfit;
        if !self.whole {
            for (name, (version, why)) in &self.refused {
                if held.entry(name).is_some_and(|held| held.version == *version) {
                    kept_back.entry(name.clone()).or_insert_with(|| why.clone());
                }
            }
        }
        let settings_stay = !self.whole
            && self.refused_settings.as_ref().is_some_and(|refused| *refused == held.settings);
        let held = Arc::clone(held);
        let mut snapshot = Snapshot::clone(&held);
        for name in kept_back.keys() {
            let good = self.good.as_ref().and_then(|good| good.entry(name));
            let valid = good.filter(|good| good.expires_at.is_none_or(|end| now < end));
            match valid {
                Some(good) => snapshot.entries.insert(name.clone(), good.clone()),
                None => snapshot.entries.remove(name),
            };
        }
        if settings_stay && let Some(good) = &self.good {
            snapshot.settings = Arc::clone(&good.settings);
        }
        let good = self.good.as_ref().is_some_and(|good| is_same(good, &snapshot));
        Candidate { snapshot: Arc::new(snapshot), held, kept_back, good }
    }

    /// The program took a set.
    pub(super) fn taken(&mut self, candidate: &Candidate) {
        let held = &candidate.held;
        self.whole = false;
        self.refused.retain(|name, (version, _)| {
            candidate.kept_back.contains_key(name)
                && held.entry(name).is_some_and(|held| held.version == *version)
        });
        if candidate.snapshot.settings == held.settings {
            self.refused_settings = None;
        }
        self.good = Some(Arc::clone(&candidate.snapshot));
    }

    /// The program did not take a candidate of what is held.
    pub(super) fn refused(&mut self, candidate: &Candidate, why: &str) -> Next {
        let held = &candidate.held;
        let Some(good) = &self.good else {
            self.whole = false;
            return Next::Nothing;
        };
        let tried_all = self.whole || is_same(held, &candidate.snapshot);
        if !tried_all && !candidate.good {
            self.whole = true;
            return Next::Whole;
        }
        self.whole = false;
        let changed = held.entries().filter(|(name, held)| {
            good.entry(name).is_none_or(|good| good.version != held.version)
        });
        let refused = changed.map(|(name, held)| (name.clone(), (held.version, why.to_owned())));
        self.refused.extend(refused.collect::<Vec<_>>());
        if candidate.snapshot.settings != good.settings {
            self.refused_settings = Some(Arc::clone(&held.settings));
        }
        Next::PutBack
    }

    /// These values may not be kept any longer.
    pub(super) fn lapse(&mut self, names: &BTreeSet<SecretName>) {
        if let Some(good) = &self.good {
            self.good = Some(Arc::new(good.without_values(names)));
        }
    }

    /// Everything was taken away.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

/// Whether two sets have the same versions and settings.
fn is_same(one: &Snapshot, other: &Snapshot) -> bool {
    let versions = |set: &Snapshot| -> BTreeMap<SecretName, Version> {
        set.entries().map(|(name, held)| (name.clone(), held.version)).collect()
    };
    one.settings == other.settings && versions(one) == versions(other)
}

#[cfg(test)]
mod tests;
