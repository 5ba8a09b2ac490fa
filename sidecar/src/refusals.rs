//! Names that a program of the agent asked for and may not have: for the broker's record. Each is
//! told once in a run of the sidecar, so that whoever tries names floods nothing.

use secretref_domain::limit::RESOLVE_IDS_MAX;
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

/// What was refused. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub struct Refusals(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    noted: Mutex<Noted>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Noted {
    known: BTreeSet<String>,
    /// Those of them that the broker was not told yet.
    news: BTreeSet<String>,
}

impl Refusals {
    /// Notes names. Beyond 512 of one run no more are kept.
    pub fn note<'a>(&self, ids: impl Iterator<Item = &'a str>) {
        let mut noted = self.lock();
        for id in ids {
            if noted.known.contains(id) {
                continue;
            }
            if noted.known.len() >= RESOLVE_IDS_MAX {
                tracing::warn!("more names were refused than the broker is told of");
                break;
            }
            noted.known.insert(id.to_owned());
            noted.news.insert(id.to_owned());
        }
        if !noted.news.is_empty() {
            drop(noted);
            self.0.news.notify_one();
        }
    }

    /// Waits for names that were not told yet, and gives some of them.
    pub async fn news(&self) -> Vec<String> {
        loop {
            let more = self.0.news.notified();
            let some = self.take_some();
            if !some.is_empty() {
                return some;
            }
            more.await;
        }
    }

    fn take_some(&self) -> Vec<String> {
        let mut noted = self.lock();
        let some: Vec<String> = noted.news.iter().take(TOLD_AT_ONCE).cloned().collect();
        for id in &some {
            noted.news.remove(id);
        }
        if !noted.news.is_empty() {
            self.0.news.notify_one();
        }
        some
    }

    /// They were not told after all.
    pub fn give_back(&self, ids: Vec<String>) {
        self.lock().news.extend(ids);
        self.0.news.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.0.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names of one report.
const TOLD_AT_ONCE: usize = 64;

#[cfg(test)]
mod tests;
