//! How many connections one identity may hold.

use secretref_identity::{peer::Peer, subject::Subject};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Counts the connections of each identity.
#[derive(Clone)]
pub(super) struct Quota {
    held: Arc<Mutex<HashMap<Subject, usize>>>,
    max: usize,
}

/// A place that is held until it is dropped.
pub(super) struct Place {
    quota: Quota,
    subject: Option<Subject>,
}

impl Quota {
    pub(super) fn new(max: usize) -> Self {
        Self { held: Arc::default(), max }
    }

    /// A place for another connection; nothing where the identity holds as many as it may.
    /// Strangers have no identity: they are bound by the number of connections in all, and by
    /// what they can reach.
    pub(super) fn enter(&self, peer: Option<&Peer>) -> Option<Place> {
        let subject = peer.map(|peer| peer.subject);
        if let Some(subject) = subject {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            let count = held.entry(subject).or_insert(0);
            let max = match subject {
                Subject::Admin { .. } => ADMIN_CONNECTIONS_MAX,
                _ => self.max,
            };
            if *count >= max {
                return None;
            }
            *count += 1;
        }
        Some(Place { quota: self.clone(), subject })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(subject) = self.subject else { return };
        let mut held = self.quota.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&subject) {
            *count -= 1;
            if *count == 0 {
                held.remove(&subject);
            }
        }
    }
}

/// Connections of one administrator, whose scripts may be many.
const ADMIN_CONNECTIONS_MAX: usize = 256;
