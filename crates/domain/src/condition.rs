//! Conditions: what is so for a while and people should know of, such as a value that ends soon.
//! Pure: [`crate::ledger::Ledger::conditions_of`] says what is so, and [`Book`] whom it is news to.
//!
//! ```text
//! ledger, reports, tests, clock ─▶ conditions ─▶ book ─▶ an edge: began, got worse, is over
//!                                  what is so    what people were told
//! ```

mod book;

pub use book::{Book, Edge, Entry, Turn};

use crate::{
    alert::{Alert, AlertKind, AlertState, Severity},
    clock::Timestamp,
    id::{AgentId, InstanceId, RotationId, SecretId},
    name::{AgentName, EnvironmentName, ProviderAlias, SecretName, ToolName},
    rotation::Waiting,
    version::Version,
};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};

/// What kind of condition it is. The words are stable: scripts rely on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConditionKind {
    /// A sidecar finds the audit trail altered.
    TrailAlarm,
    /// A value has ended.
    Expired,
    /// The service refuses the credential.
    Refused,
    /// An agent may not have a credential that one of its tools is bound to.
    Denied,
    /// A bound ref comes to nothing.
    Unresolved,
    /// The last rotation failed, and everybody is on the old credential.
    RotationFailed,
    /// A provider does not answer, or has no value for a ref that it had one for.
    ProviderDegraded,
    /// A rotation has stood still for long.
    RotationStuck,
    /// A connected instance is not on the current version.
    ConsumerLagging,
    /// A value ends soon.
    Expiring,
    /// A bound secret has never been taken by any instance.
    NeverUsed,
}

/// What a condition is of: two with the same key are one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConditionKey {
    /// What kind it is.
    pub kind: ConditionKind,
    /// Environment: its channels are told.
    pub environment: EnvironmentName,
    /// Provider, where it is of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderAlias>,
    /// Ref, where it is of one.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<SecretName>,
    /// Agent, where it is of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentName>,
    /// Tool of the agent, where it is of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<ToolName>,
}

/// Something that is so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What it is of.
    pub key: ConditionKey,
    /// How bad it is.
    pub severity: Severity,
    /// Since when it is so.
    pub since: Timestamp,
    /// When the value ends or has ended, where it is about that.
    pub ends: Option<Timestamp>,
    /// What is so, in words.
    pub message: String,
    /// The command or change that helps.
    pub fix: String,
}

/// From when on something is worth telling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// How long before its end a value ends soon, in seconds.
    pub expiring_seconds: i64,
    /// Whether a value that is rotated by itself is given half of its `beforeExpiry` first.
    pub trusts_rotation: bool,
    /// How long a provider fails before it is degraded, in seconds.
    pub degraded_seconds: i64,
    /// How long a rotation stands still before it is stuck, in seconds.
    pub stuck_seconds: i64,
    /// How long an instance is behind before it lags, in seconds.
    pub lagging_seconds: i64,
    /// How long nobody takes a secret before it is never used, in seconds.
    pub unused_seconds: i64,
}

/// What conditions depend on that the ledger does not know.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// What rotations wait for.
    pub waits: HashMap<RotationId, Vec<Waiting>>,
    /// Secrets that some instance has taken at some time.
    pub taken: HashSet<SecretId>,
    /// Instances that are connected and behind.
    pub behind: HashMap<SecretId, Vec<Behind>>,
    /// What connected sidecars find wrong with the audit trail.
    pub alarms: HashMap<AgentId, Vec<TrailAlarm>>,
    /// Credentials that their service refuses.
    pub refused: HashMap<SecretId, Refusal>,
    /// What people were told of and not yet that it is over: whoever lags does so until he is
    /// behind no more, though it is not known since when.
    pub told: HashSet<ConditionKey>,
}

/// An instance that is connected and is not on the current version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// The agent.
    pub agent: AgentId,
    /// The instance.
    pub instance: InstanceId,
    /// Since when it has been seen so.
    pub since: Timestamp,
    /// Where it stands, in words: `is on v3`.
    pub stands: String,
}

/// What the sidecar of an instance finds wrong with the audit trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailAlarm {
    /// The instance.
    pub instance: InstanceId,
    /// Since when it says so on its stream.
    pub since: Timestamp,
    /// What, in its words.
    pub what: String,
}

/// A credential that its service refuses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// When it was refused first.
    pub since: Timestamp,
    /// What was tried and how it was answered; never a value.
    pub message: String,
}

/// What the last test of a credential at its service came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// The version that was tested.
    pub version: Version,
    /// When.
    pub at: Timestamp,
    /// Where the service refused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refusal>,
}

impl Bounds {
    /// What holds where nobody says otherwise.
    pub const DEFAULT: Self = Self {
        expiring_seconds: 7 * DAY_SECONDS,
        trusts_rotation: true,
        degraded_seconds: 60,
        stuck_seconds: 3600,
        lagging_seconds: 300,
        unused_seconds: 30 * DAY_SECONDS,
    };
}

impl ConditionKind {
    /// Every kind with its word, the worst first.
    pub const ALL: [(&'static str, Self); 11] = [
        ("trail-alarm", Self::TrailAlarm),
        ("expired", Self::Expired),
        ("refused", Self::Refused),
        ("denied", Self::Denied),
        ("unresolved", Self::Unresolved),
        ("rotation-failed", Self::RotationFailed),
        ("provider-degraded", Self::ProviderDegraded),
        ("rotation-stuck", Self::RotationStuck),
        ("consumer-lagging", Self::ConsumerLagging),
        ("expiring", Self::Expiring),
        ("never-used", Self::NeverUsed),
    ];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(word, _)| word)
    }

    /// The kind of this word.
    #[must_use]
    pub fn parse(given: &str) -> Option<Self> {
        Self::ALL.iter().find(|(word, _)| *word == given).map(|(_, kind)| *kind)
    }

    /// Whether people are told of it when an agent comes with it, rather than by the book: of what
    /// it may not have by its failure policy, and of a trail that its sidecar finds altered.
    #[must_use]
    pub fn is_told_on_arrival(self) -> bool {
        matches!(self, Self::TrailAlarm | Self::Denied | Self::Unresolved)
    }

    /// What it turns into when it gets worse: its end is no good news then.
    #[must_use]
    pub fn turns_into(self) -> Option<Self> {
        match self {
            Self::Expiring => Some(Self::Expired),
            Self::RotationStuck => Some(Self::RotationFailed),
            _ => None,
        }
    }
}

impl ConditionKey {
    /// Of an environment alone.
    #[must_use]
    pub fn of(kind: ConditionKind, environment: EnvironmentName) -> Self {
        Self { kind, environment, provider: None, reference: None, agent: None, tool: None }
    }

    /// What people are told of it.
    #[must_use]
    pub fn alert(
        &self,
        state: AlertState,
        severity: Severity,
        since: Timestamp,
        reason: String,
        fix: String,
    ) -> Alert {
        Alert {
            kind: AlertKind::Condition(self.kind),
            state,
            severity,
            environment: self.environment.clone(),
            provider: self.provider.clone(),
            agent: self.agent.clone(),
            tool: self.tool.clone(),
            reference: self.reference.clone(),
            since: Some(since),
            reason,
            fix,
        }
    }
}

impl Condition {
    /// What people are told as long as it is so.
    #[must_use]
    pub fn alert(&self) -> Alert {
        let (reason, fix) = (self.message.clone(), self.fix.clone());
        self.key.alert(AlertState::Firing, self.severity, self.since, reason, fix)
    }

    /// What people are told once it is over.
    #[must_use]
    pub fn over(key: &ConditionKey, since: Timestamp, was: &str) -> Alert {
        let reason = match was {
            "" => "it is over".to_owned(),
            was => format!("it is over; it was so since {since}: {was}"),
        };
        key.alert(AlertState::Resolved, Severity::Info, since, reason, String::new())
    }
}

const DAY_SECONDS: i64 = 24 * 3600;

#[cfg(test)]
mod tests;
