//! What a verb wants to happen, worked out against a ledger before anything happens.

use super::CustodyError;
use crate::store::SealedRow;
use secretref_domain::{
    audit::{Decision, Event},
    caller::Caller,
    change::Change,
    clock::Timestamp,
    id::SecretId,
    ledger::Ledger,
    version::{Revision, Version},
};
use std::sync::Arc;
use uuid::Uuid;

use super::bodies::Body;

/// What a plan may look at. A plan has no effect; the writer brings its effects about.
pub(super) struct Ground<'a> {
    /// The ledger with everything that comes before this plan.
    pub(super) ledger: &'a Ledger,
    /// The time of the batch.
    pub(super) at: Timestamp,
}

/// The effects that a plan asks for, and what to answer once they are durable.
pub(super) struct Planned<T> {
    pub(super) effects: Effects,
    pub(super) answer: T,
}

/// What becomes durable together.
#[derive(Default)]
pub(super) struct Effects {
    pub(super) changes: Vec<Change>,
    pub(super) sealed: Vec<SealedRow>,
    pub(super) shredded: Vec<(SecretId, Version)>,
    pub(super) events: Vec<Event>,
    /// Values that a push is about to need.
    pub(super) bodies: Vec<((SecretId, Version), Arc<Body>)>,
}

impl Effects {
    /// Adds what comes after.
    pub(super) fn extend(&mut self, more: Self) {
        self.changes.extend(more.changes);
        self.sealed.extend(more.sealed);
        self.shredded.extend(more.shredded);
        self.events.extend(more.events);
        self.bodies.extend(more.bodies);
    }
}

/// An answer with the revision and time at which it became durable.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Committed<T> {
    /// What was answered.
    pub answer: T,
    /// The revision.
    pub revision: Revision,
    /// The time, by the broker's clock.
    pub at: Timestamp,
}

/// Names a request for idempotent retries.
#[derive(Debug, Clone, Copy)]
pub struct RequestKey {
    /// The id that the caller chose.
    pub id: Uuid,
    /// Keyed hash of caller, method and content.
    pub fingerprint: [u8; 32],
}

/// The plan of one verb.
pub(super) type Plan<T> =
    Box<dyn FnOnce(&Ground<'_>) -> Result<Planned<T>, CustodyError> + Send + 'static>;

/// An event of a caller; the verb fills in the object.
pub(super) fn event(caller: &Caller, action: &'static str) -> Event {
    Event {
        environment: String::new(),
        actor: caller.to_string(),
        action,
        object_kind: "",
        object: String::new(),
        object_id: Uuid::nil(),
        version: 0,
        decision: Decision::Allowed,
        reason: String::new(),
        peer: caller.peer().map(|peer| peer.to_string()).unwrap_or_default(),
        request_id: String::new(),
        recipients: Vec::new(),
    }
}
