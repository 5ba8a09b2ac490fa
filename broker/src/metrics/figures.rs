//! What there is and what is so, as gauges: every label is set at each look, so that what is over
//! reads 0 and not what it was.

use super::Instruments;
use opentelemetry::KeyValue;
use secretref_domain::condition::{Condition, ConditionKind};
use std::collections::HashMap;

/// How many there are of what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// Sidecars connected to this broker.
    pub streams: u64,
    /// Agents that may come in.
    pub active: u64,
    /// Agents that may not, and are no longer wanted.
    pub revoked: u64,
    /// Agents that may not until somebody has looked at their host.
    pub quarantined: u64,
    /// Secrets.
    pub secrets: u64,
    /// Rotations under way, by their phase.
    pub rotations: HashMap<&'static str, u64>,
    /// The revision that is followed.
    pub revision: u64,
    /// Whether values may leave.
    pub fresh: bool,
}

impl Instruments {
    pub(super) fn look(&self, figures: &Figures) {
        self.streams.record(figures.streams, &[]);
        for (state, count) in [
            ("active", figures.active),
            ("revoked", figures.revoked),
            ("quarantined", figures.quarantined),
        ] {
            self.agents.record(count, &[KeyValue::new("secretref.state", state)]);
        }
        self.secrets.record(figures.secrets, &[]);
        for phase in PHASES {
            let count = figures.rotations.get(phase).copied().unwrap_or(0);
            self.rotations.record(count, &[KeyValue::new("secretref.phase", phase)]);
        }
        self.revision.record(figures.revision, &[]);
        self.fresh.record(u64::from(figures.fresh), &[]);
    }

    pub(super) fn looked(&self, so: &[Condition]) {
        for (word, kind) in ConditionKind::ALL {
            let count = so.iter().filter(|condition| condition.key.kind == kind).count();
            let count = u64::try_from(count).unwrap_or(u64::MAX);
            self.conditions.record(count, &[KeyValue::new("secretref.kind", word)]);
        }
    }
}

/// Phases of a rotation that is under way.
const PHASES: [&str; 8] = [
    "minting",
    "setting",
    "testing",
    "pushing",
    "promoting",
    "draining",
    "revoking",
    "withdrawing",
];
