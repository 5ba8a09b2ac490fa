//! What people were told: of each condition once when it begins, once when it got worse, and once
//! when it is over; and of one that comes and goes no more than that within a quiet period.
//!
//! ```text
//!             it is so: told                     over: told
//! (no entry) ───────────────▶ open ─────────────────────────────▶ quiet ──▶ (no entry)
//!                              ▲   worse: told again               │   the period is over
//!                              └───────────────────────────────────┘
//!                               so again, and the period is over: told
//! ```

use super::{Condition, ConditionKey, ConditionKind};
use crate::{alert::Severity, clock::Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use uuid::Uuid;

/// What people were told of each condition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Book(pub(super) BTreeMap<ConditionKey, Entry>);

/// What people were told of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Names it, from when it began until it is over.
    pub id: Uuid,
    /// Whether they were told that it is so, and not yet that it is over.
    pub open: bool,
    /// The worst that they were told.
    pub severity: Severity,
    /// Since when it was so.
    pub since: Timestamp,
    /// When they were told last.
    pub told_at: Timestamp,
    /// What was so.
    pub message: String,
}

/// Something that is news.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edge {
    /// It began, or got worse.
    Began {
        /// Names it.
        id: Uuid,
        /// What is so.
        condition: Condition,
    },
    /// It is over.
    Over {
        /// Names it.
        id: Uuid,
        /// What it was of.
        key: ConditionKey,
        /// Since when it was so.
        since: Timestamp,
        /// What was so.
        was: String,
    },
}

/// What came of a look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Turn {
    /// What is news, the worst first.
    pub edges: Vec<Edge>,
    /// The entries that changed, to be kept; none where one is forgotten.
    pub changed: Vec<(ConditionKey, Option<Entry>)>,
}

impl Book {
    /// With what people were told before.
    #[must_use]
    pub fn of(entries: impl IntoIterator<Item = (ConditionKey, Entry)>) -> Self {
        Self(entries.into_iter().collect())
    }

    /// What people were told of, and not yet that it is over.
    #[must_use]
    pub fn open(&self) -> HashSet<ConditionKey> {
        self.0.iter().filter(|(_, entry)| entry.open).map(|(key, _)| key.clone()).collect()
    }

    /// Without what is of a kind, as long as it is not known whether it is so.
    pub fn forget(&mut self, kind: ConditionKind) {
        self.0.retain(|key, _| key.kind != kind);
    }

    /// What people were told of a condition, where they were.
    #[must_use]
    pub fn entry(&self, key: &ConditionKey) -> Option<&Entry> {
        self.0.get(key)
    }

    /// Takes everything that is so now, and says what is news. `tells` is whether anybody can be
    /// told of an environment's: what nobody can be told of stays news. At most `edges_max` are
    /// told at once; what is more is news the next time.
    pub fn look(
        &mut self,
        mut now_so: Vec<Condition>,
        now: Timestamp,
        quiet_seconds: i64,
        edges_max: usize,
        tells: impl Fn(&ConditionKey) -> bool,
        mut name: impl FnMut() -> Uuid,
    ) -> Turn {
        now_so.retain(|condition| !condition.key.kind.is_told_on_arrival());
        now_so.sort_by(|one, other| (other.severity, &one.key).cmp(&(one.severity, &other.key)));
        let so: BTreeMap<&ConditionKey, &Condition> =
            now_so.iter().map(|condition| (&condition.key, condition)).collect();
        let mut turn = Turn::default();
        for condition in &now_so {
            if turn.edges.len() >= edges_max || !tells(&condition.key) {
                continue;
            }
            let before = self.0.get(&condition.key);
            let quiet_ends = before.map(|it| it.told_at.plus_seconds(quiet_seconds));
            let id = match before {
                Some(it) if it.open && condition.severity <= it.severity => continue,
                Some(it) if it.open => it.id,
                Some(_) if quiet_ends.is_some_and(|end| now < end) => continue,
                _ => name(),
            };
            let entry = Entry {
                id,
                open: true,
                severity: condition.severity,
                since: condition.since,
                told_at: now,
                message: condition.message.clone(),
            };
            turn.edges.push(Edge::Began { id, condition: condition.clone() });
            turn.changed.push((condition.key.clone(), Some(entry)));
        }
        for (key, entry) in self.0.iter().filter(|(key, _)| !so.contains_key(key)) {
            if !entry.open {
                if now >= entry.told_at.plus_seconds(quiet_seconds) {
                    turn.changed.push((key.clone(), None));
                }
                continue;
            }
            let worse = key.kind.turns_into().map(|kind| ConditionKey { kind, ..key.clone() });
            if worse.is_some_and(|worse| so.contains_key(&worse)) || !tells(key) {
                turn.changed.push((key.clone(), None));
                continue;
            }
            if turn.edges.len() >= edges_max {
                continue;
            }
            let (id, since, was) = (entry.id, entry.since, entry.message.clone());
            turn.edges.push(Edge::Over { id, key: key.clone(), since, was });
            let closed = Entry { open: false, told_at: now, ..entry.clone() };
            turn.changed.push((key.clone(), Some(closed)));
        }
        for (key, entry) in &turn.changed {
            match entry {
                Some(entry) => drop(self.0.insert(key.clone(), entry.clone())),
                None => drop(self.0.remove(key)),
            }
        }
        turn
    }
}
