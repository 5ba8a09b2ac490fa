//! What is known of a secret beyond that it was put in place: who read it, which hook answered.
//!
//! Sinks note it, whoever speaks to the broker asks for it. A secret is never called more than it
//! is: what is known counts for one version, and is forgotten with it.

use secretref_domain::{
    clock::Timestamp, limit::DETAIL_BYTES_MAX, name::SecretName, version::Version,
};
use secretref_proto::v1::{Evidence, ResultState, SecretResult};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

/// What is known of each secret. Cloning shares it.
#[derive(Clone, Default)]
pub struct Witness(Arc<Shared>);

/// What came of the hooks of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookWord {
    /// All of them answered.
    Reloaded(Timestamp),
    /// One did not; why, without any value.
    Failed(String),
}

#[derive(Default)]
struct Shared {
    noted: Mutex<Noted>,
    news: Notify,
}

#[derive(Default)]
struct Noted {
    known: BTreeMap<SecretName, Known>,
    /// Of whom something is known that was not asked for yet.
    news: BTreeSet<SecretName>,
}

struct Known {
    version: Version,
    read: Option<Timestamp>,
    hook: Option<HookWord>,
}

impl Witness {
    /// The agent read this version. Says something new once for each version.
    pub fn read(&self, name: &SecretName, version: Version, at: Timestamp) {
        self.note(name, version, |known| {
            let first = known.read.is_none();
            known.read.get_or_insert(at);
            first
        });
    }

    /// The hooks of this version did what they did; `None` where none is known to have been
    /// called for it.
    pub fn hook(&self, name: &SecretName, version: Version, word: Option<HookWord>) {
        self.note(name, version, |known| {
            let other = known.hook != word;
            known.hook = word;
            other
        });
    }

    /// When the agent first read this version.
    #[must_use]
    pub fn read_at(&self, name: &SecretName, version: Version) -> Option<Timestamp> {
        let noted = self.lock();
        noted.known.get(name).filter(|known| known.version == version)?.read
    }

    /// Says of an applied secret what is known beyond that: better evidence, or that its hook
    /// failed though the value is in place.
    pub fn amend(&self, result: &mut SecretResult) {
        if result.state() != ResultState::Applied {
            return;
        }
        let noted = self.lock();
        let known = noted.known.get(result.name.as_str());
        let Some(known) = known.filter(|known| known.version.get() == result.version) else {
            return;
        };
        match &known.hook {
            Some(HookWord::Failed(why)) => {
                result.set_state(ResultState::Failed);
                result.set_evidence(Evidence::Unspecified);
                result.detail = why[..why.floor_char_boundary(DETAIL_BYTES_MAX)].to_owned();
            }
            Some(HookWord::Reloaded(_)) => better(result, Evidence::Reloaded),
            None if known.read.is_some() => better(result, Evidence::Read),
            None => {}
        }
    }

    /// Forgets what is not in the set any more: whole secrets, and other versions of the rest.
    pub fn keep_only(&self, current: impl Fn(&SecretName) -> Option<Version>) {
        let mut noted = self.lock();
        noted.known.retain(|name, known| current(name) == Some(known.version));
        noted.news.retain(|name| current(name).is_some());
    }

    /// Waits until something is known that was not asked for yet, and says of whom. What many
    /// note at a time is one piece of news.
    pub async fn news(&self) -> BTreeSet<SecretName> {
        loop {
            let more = self.0.news.notified();
            let news = std::mem::take(&mut self.lock().news);
            if !news.is_empty() {
                return news;
            }
            more.await;
        }
    }

    fn note(&self, name: &SecretName, version: Version, note: impl FnOnce(&mut Known) -> bool) {
        let fresh = || Known { version, read: None, hook: None };
        let mut noted = self.lock();
        let known = noted.known.entry(name.clone()).or_insert_with(fresh);
        if known.version > version {
            // A slow reader of what was replaced meanwhile.
            return;
        }
        if known.version < version {
            *known = fresh();
        }
        if note(known) {
            noted.news.insert(name.clone());
            drop(noted);
            self.0.news.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.0.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What passed its gate was not only read.
fn better(result: &mut SecretResult, evidence: Evidence) {
    result.evidence = result.evidence.max(evidence.into());
}

#[cfg(test)]
mod tests;
