//! What people were told and is not resolved: of each trouble they are told once, again at the
//! earliest after a while, and once when it is over.

use secretref_domain::{
    alert::{Alert, AlertState, Notice, Severity},
    clock::Timestamp,
    id::AgentId,
    version::Revision,
};
use std::collections::{BTreeSet, HashMap};
use uuid::Uuid;

/// What people were told.
#[derive(Default)]
pub(super) struct Troubles {
    open: HashMap<Key, Told>,
    agents: HashMap<AgentId, Observed>,
}

/// When they were told of a trouble, and what it was called.
struct Told {
    id: Uuid,
    at: Timestamp,
}

/// What failed of an agent when it was observed last.
#[derive(Default)]
struct Observed {
    revision: Revision,
    failing: BTreeSet<Key>,
}

/// An alert but for its fix: one trouble, whatever is advised meanwhile.
type Key = Alert;

impl Troubles {
    /// What to tell people, where it is new or long ago.
    pub(super) fn raise(
        &mut self,
        alert: Alert,
        now: Timestamp,
        repeat_seconds: i64,
    ) -> Option<Notice> {
        let key = key(&alert);
        let id = match self.open.get(&key) {
            Some(told) if now < told.at.plus_seconds(repeat_seconds) => return None,
            Some(told) => told.id,
            None => Uuid::now_v7(),
        };
        self.make_room();
        self.open.insert(key, Told { id, at: now });
        Some(Notice { id, at: now, alert, more: 0 })
    }

    /// Forgets a trouble.
    pub(super) fn resolve(&mut self, alert: &Alert) {
        self.open.remove(&key(alert));
    }

    /// Takes all that fails of an agent at a revision, and says what to tell people.
    pub(super) fn observe(
        &mut self,
        agent: AgentId,
        revision: Revision,
        failing: Vec<Alert>,
        now: Timestamp,
        repeat_seconds: i64,
    ) -> Vec<Notice> {
        let keys: BTreeSet<Key> = failing.iter().map(key).collect();
        // Most agents never fail, and nothing is kept of them.
        if keys.is_empty() && !self.agents.contains_key(&agent) {
            return Vec::new();
        }
        let observed = self.agents.entry(agent).or_default();
        if revision < observed.revision {
            return Vec::new();
        }
        let gone = observed.failing.difference(&keys);
        let mut news: Vec<Notice> = gone
            .filter_map(|gone| {
                let told = self.open.remove(gone)?;
                Some(Notice { id: told.id, at: now, alert: over(gone), more: 0 })
            })
            .collect();
        // An agent that fails no more is kept, so that what is older does not raise it again.
        *observed = Observed { revision, failing: keys };
        news.extend(failing.into_iter().filter_map(|alert| self.raise(alert, now, repeat_seconds)));
        news
    }

    fn make_room(&mut self) {
        if self.open.len() >= TROUBLES_MAX {
            halve(&mut self.open, |told| told.at);
        }
        if self.agents.len() > AGENTS_MAX {
            halve(&mut self.agents, |observed| observed.revision);
        }
    }
}

/// Forgets the older half, so that room costs little for each that comes.
fn halve<K, V, T: Ord + Copy>(all: &mut HashMap<K, V>, time: impl Fn(&V) -> T) {
    let half = all.len() / 2;
    let mut times: Vec<T> = all.values().map(&time).collect();
    let (_, middle, _) = times.select_nth_unstable(half);
    let mut kept = 0;
    all.retain(|_, value| {
        let keeps = time(value) >= *middle && kept < half;
        kept += usize::from(keeps);
        keeps
    });
}

/// That a trouble is over.
fn over(was: &Key) -> Alert {
    let reason = format!("it is over: {}", was.reason);
    let (state, severity) = (AlertState::Resolved, Severity::Info);
    Alert { state, severity, reason, ..was.clone() }
}

fn key(alert: &Alert) -> Key {
    Alert { fix: String::new(), ..alert.clone() }
}

/// Troubles that are remembered.
const TROUBLES_MAX: usize = 10_000;
/// Agents that failed and are remembered.
const AGENTS_MAX: usize = 10_000;

#[cfg(test)]
mod tests;
