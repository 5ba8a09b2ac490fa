//! How the sidecar is doing, for health checks and for whoever runs one in the same process.

use secretref_domain::{name::SecretName, version::Version};
use std::collections::BTreeMap;
use uuid::Uuid;

/// How the sidecar is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Which copy of the agent it is, once it is somebody.
    pub instance: Option<Uuid>,
    /// Whether a stream is open and the broker has said welcome on it.
    pub connected: bool,
    /// Streams that were opened in all.
    pub streams: u64,
    /// Whether the broker revoked this identity, as far as is known.
    pub revoked: bool,
    /// Whether a first whole set was put in place.
    pub complete: bool,
    /// Whether something that the set has is not in place, because its lease lapsed.
    pub lapsed: bool,
    /// Revision of the set that is in place.
    pub revision: i64,
    /// What is in place, by name.
    pub applied: BTreeMap<SecretName, Version>,
    /// What could not be put in place, and why, by name.
    pub failed: BTreeMap<SecretName, String>,
    /// The program that it runs, where it runs one.
    pub program: Program,
    /// What is wrong with the broker's audit trail.
    pub trail_alarm: Option<String>,
}

/// A program that a sidecar runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Program {
    /// It runs none.
    #[default]
    None,
    /// It runs.
    Running,
    /// It should run, and does not: it waits for its first set, ended by itself, or may not have
    /// what it needs.
    Stopped,
    /// It waits for its next run, and nothing is held.
    Scheduled,
}

impl Status {
    /// Whether an agent can start, or runs, or waits for its next run: the first whole set is in
    /// place, nothing of it lapsed, and a program that should run does.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        match self.program {
            Program::Scheduled => !self.revoked,
            Program::Stopped => false,
            _ => self.complete && !self.lapsed && !self.revoked,
        }
    }

    /// How it is in one word: `ready`, `scheduled`, `revoked`, `waiting`, `stopped` or `lapsed`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self { program: Program::Scheduled, revoked: false, .. } => "scheduled",
            status if status.is_ready() => "ready",
            Self { revoked: true, .. } => "revoked",
            Self { complete: false, .. } => "waiting",
            Self { program: Program::Stopped, .. } => "stopped",
            _ => "lapsed",
        }
    }
}
