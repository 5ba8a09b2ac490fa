//! How long values may be kept without a sign of the broker.
//!
//! Every secret has its own end: the last contact plus its `maxStale`, or the moment its value
//! expires, whichever comes first. What has ended leaves the set by itself, and nobody needs to
//! be reached for it. Pure: the time is an argument; [`record`] is what makes it outlive the
//! process.

pub mod record;

use record::{Expiry, LeaseRecord};
use secretref_domain::{clock::Timestamp, id::InstanceId, name::SecretName};
use std::{collections::BTreeMap, path::PathBuf};

/// How long one secret may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Term {
    /// Without a sign of the broker, in milliseconds; `None` takes the lease of the stream.
    /// Below 0 counts as 0: it ends at once.
    pub stale_max_ms: Option<i64>,
    /// When the value stops being valid, whoever was reached; `None` where it does not.
    pub expires: Option<Timestamp>,
}

/// The leases of one agent's set.
///
/// ```text
///  contact          contact                  contact + maxStale      expires
/// ----+----------------+----------------------------+------------------+-----> time
///                      `- renews every lease        `- lapsed, unless expires comes first
/// ```
///
/// A clock that is set back does not lengthen a lease: what had passed counts as passed. A clock
/// that is set forward shortens it, which is the safe side.
#[derive(Debug, Clone)]
pub struct Lease {
    stale_max_ms: i64,
    contact: Timestamp,
    /// The latest time that was heard of; never behind `contact`.
    seen: Timestamp,
    terms: BTreeMap<SecretName, Term>,
}

impl Lease {
    /// Begins with a contact at `now` and nothing held. `stale_max_ms` is for secrets that name
    /// none, in milliseconds.
    #[must_use]
    pub fn new(stale_max_ms: i64, now: Timestamp) -> Self {
        Self { stale_max_ms, contact: now, seen: now, terms: BTreeMap::new() }
    }

    /// Renews every lease: the broker was heard at `now`, and it was in touch with its store. A
    /// heartbeat that says `stale` is no contact.
    pub fn contact(&mut self, now: Timestamp) {
        self.observe(now);
        self.contact = now;
    }

    /// Takes the stream's lease, in milliseconds, for secrets that name none.
    pub fn set_default(&mut self, stale_max_ms: i64) {
        self.stale_max_ms = stale_max_ms;
    }

    /// Takes the WHOLE set that is held from now on; what is not in it has no lease any more.
    pub fn hold(&mut self, terms: BTreeMap<SecretName, Term>) {
        self.terms = terms;
    }

    /// The secrets whose lease has lapsed, by name. They stay lapsed, and are named again, until
    /// [`Lease::hold`] is told that they are gone, or a contact renews what has not expired.
    #[must_use = "what has lapsed must leave the set"]
    pub fn lapsed(&mut self, now: Timestamp) -> Vec<SecretName> {
        self.observe(now);
        let ended = self.terms.iter().filter(|(_, term)| self.end_of(term) <= now);
        ended.map(|(name, _)| name.clone()).collect()
    }

    /// When the next lease lapses; `None` where nothing is held. May lie in the past.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.terms.values().map(|term| self.end_of(term)).min()
    }

    /// When the lease of one secret lapses; `None` where it is not held.
    #[must_use]
    pub fn deadline(&self, name: &SecretName) -> Option<Timestamp> {
        self.terms.get(name).map(|term| self.end_of(term))
    }

    /// What to keep durably, so that the next run knows what it finds. Written BEFORE a set is
    /// put in place and from time to time after a contact: an older record ends earlier, never
    /// later.
    #[must_use]
    pub fn record(&self, instance: InstanceId, secrets_dir: PathBuf) -> LeaseRecord {
        let expiries = self
            .terms
            .iter()
            .map(|(name, term)| Expiry { name: name.clone(), until_us: self.end_of(term) });
        LeaseRecord::new(instance, secrets_dir, self.seen, expiries.collect())
    }

    fn end_of(&self, term: &Term) -> Timestamp {
        let stale_max_ms = term.stale_max_ms.unwrap_or(self.stale_max_ms).max(0);
        let stale = self.contact.plus_millis(stale_max_ms);
        term.expires.map_or(stale, |expires| stale.min(expires))
    }

    /// Takes note of the time. Where the clock was set back since the last call, the last
    /// contact moves back with it, so that as much of the lease has passed as before.
    fn observe(&mut self, now: Timestamp) {
        if now < self.seen {
            let back = self.seen.as_micros().saturating_sub(now.as_micros());
            let contact = self.contact.as_micros().saturating_sub(back);
            self.contact = Timestamp::from_micros(contact);
        }
        self.seen = now;
    }
}

#[cfg(test)]
mod tests;
