//! Sets that were replaced and are kept for their grace.

use super::{GRACE, RETIRED_BYTES_MAX, RETIRED_MAX, names::SetName};
use std::{collections::VecDeque, time::Instant};

/// The retired sets, oldest first. At most [`RETIRED_MAX`] of them and [`RETIRED_BYTES_MAX`]
/// bytes; only the order of their retirement counts, so the front is always due first.
#[derive(Default)]
pub(super) struct Retired {
    sets: VecDeque<RetiredSet>,
    bytes: u64,
}

struct RetiredSet {
    name: SetName,
    bytes: u64,
    due: Instant,
}

impl Retired {
    pub(super) fn count(&self) -> usize {
        self.sets.len()
    }

    /// Takes a set that was replaced at `now`; gives back those that have to go for it.
    pub(super) fn push(&mut self, name: SetName, bytes: u64, now: Instant) -> Vec<SetName> {
        self.sets.push_back(RetiredSet { name, bytes, due: now + GRACE });
        self.bytes = self.bytes.saturating_add(bytes);
        let mut evicted = Vec::new();
        while self.sets.len() > RETIRED_MAX || self.bytes > RETIRED_BYTES_MAX {
            evicted.extend(self.pop());
        }
        evicted
    }

    /// Takes out those whose grace is over.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<SetName> {
        let mut due = Vec::new();
        while self.sets.front().is_some_and(|oldest| oldest.due <= now) {
            due.extend(self.pop());
        }
        due
    }

    /// Takes out all of them.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = SetName> + use<> {
        self.bytes = 0;
        std::mem::take(&mut self.sets).into_iter().map(|set| set.name)
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.sets.front().map(|oldest| oldest.due)
    }

    fn pop(&mut self) -> Option<SetName> {
        let oldest = self.sets.pop_front()?;
        self.bytes = self.bytes.saturating_sub(oldest.bytes);
        Some(oldest.name)
    }
}

#[cfg(test)]
mod tests;
