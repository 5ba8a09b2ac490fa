//! How often somebody may do something. Pure: the time is an argument.
//!
//! A bucket of the generic cell rate algorithm: one moment for each caller, at which he would be
//! due if he kept to the rate. He may run ahead of it by his burst. The number of callers that are
//! remembered is bounded too: whoever is not ahead is forgotten first.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// So many in a period, and so many at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    interval: Duration,
    ahead_max: Duration,
}

/// One caller's bucket; a new one is full.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    due: Option<Instant>,
}

/// The buckets of many callers at one rate.
pub(crate) struct Buckets<K> {
    rate: Rate,
    keys_max: usize,
    held: Mutex<HashMap<K, Bucket>>,
}

impl Rate {
    /// `count` in each `period`, of which `burst` may come at once. Both are 1 or more.
    pub(crate) fn new(count: u32, period: Duration, burst: u32) -> Self {
        let interval = period / count.max(1);
        Self { interval, ahead_max: interval.saturating_mul(burst.max(1) - 1) }
    }
}

impl Bucket {
    /// Takes one, or says after how long there is one.
    pub(crate) fn take(&mut self, rate: Rate, now: Instant) -> Result<(), Duration> {
        let ahead = self.ahead(now);
        if ahead > rate.ahead_max {
            return Err(ahead - rate.ahead_max);
        }
        self.due = Some(now + ahead + rate.interval);
        Ok(())
    }

    /// Takes one in any case, and says how long to wait before the next: for what cannot be
    /// refused any more, and only be slowed down.
    pub(crate) fn spend(&mut self, rate: Rate, now: Instant) -> Duration {
        let ahead = self.ahead(now) + rate.interval;
        self.due = Some(now + ahead);
        ahead.saturating_sub(rate.ahead_max + rate.interval)
    }

    /// Gives one back.
    fn give_back(&mut self, rate: Rate) {
        self.due = self.due.and_then(|due| due.checked_sub(rate.interval));
    }

    fn ahead(&self, now: Instant) -> Duration {
        self.due.map_or(Duration::ZERO, |due| due.saturating_duration_since(now))
    }
}

impl<K: Eq + Hash> Buckets<K> {
    /// Buckets of at most `keys_max` callers.
    pub(crate) fn new(rate: Rate, keys_max: usize) -> Self {
        Self { rate, keys_max, held: Mutex::default() }
    }

    /// Takes one of this caller's, or says after how long there is one.
    pub(crate) fn take(&self, key: K, now: Instant) -> Result<(), Duration> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= self.keys_max && !held.contains_key(&key) {
            held.retain(|_, bucket| !bucket.ahead(now).is_zero());
            if held.len() >= self.keys_max {
                return Err(self.rate.interval);
            }
        }
        held.entry(key).or_default().take(self.rate, now)
    }

    /// Gives one back to this caller.
    pub(crate) fn give_back(&self, key: &K) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = held.get_mut(key) {
            bucket.give_back(self.rate);
        }
    }
}

#[cfg(test)]
mod tests;
