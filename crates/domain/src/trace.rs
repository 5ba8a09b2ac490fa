//! The trail, followed after an incident: whom a secret reached, and what an agent has held. Pure:
//! whoever reads the trail shows each entry, the newest first.

use crate::{
    audit::{Decision, DecodedEntry, Recipient},
    clock::Timestamp,
    id::{AgentId, InstanceId, SecretId},
    name::{AgentName, EnvironmentName, SecretName},
};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Whom a secret reached.
#[derive(Debug, Clone)]
pub struct SecretTrace {
    secret: SecretId,
    environment: EnvironmentName,
    name: SecretName,
    recipients: BTreeMap<(AgentId, InstanceId), Sent>,
    readings: Vec<Reading>,
    more_recipients: usize,
    more_readings: usize,
}

/// What an instance was sent of one secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Name of the agent when it was sent last.
    pub agent: String,
    /// Versions.
    pub versions: BTreeSet<i64>,
    /// When it was sent one first.
    pub first: Timestamp,
    /// When it was sent one last.
    pub last: Timestamp,
    /// How many times it was sent one.
    pub deliveries: u64,
}

/// One reading of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What it was: an action of the trail.
    pub action: String,
    /// Version.
    pub version: i64,
    /// What for.
    pub reason: String,
    /// From where.
    pub peer: String,
}

/// What an agent has held since a time: what it had then, and what it was sent from then on.
#[derive(Debug, Clone)]
pub struct AgentTrace {
    environment: EnvironmentName,
    name: AgentName,
    /// Its identity, where the broker knows it: an agent that moved to another environment, or has
    /// another name, is the same one.
    agent: Option<AgentId>,
    since: Timestamp,
    known: bool,
    held: BTreeMap<(SecretId, i64), Held>,
    /// Of whom it is known what it had at `since`.
    settled: HashSet<(InstanceId, SecretId)>,
}

/// A version that an agent held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Environment of the secret when it was sent last.
    pub environment: String,
    /// Name of the secret when it was sent last.
    pub name: String,
    /// When it was sent first.
    pub first: Timestamp,
    /// When it was sent last.
    pub last: Timestamp,
    /// Instances that it was sent to.
    pub instances: BTreeSet<InstanceId>,
}

impl SecretTrace {
    /// Nobody yet.
    #[must_use]
    pub fn of(secret: SecretId, environment: EnvironmentName, name: SecretName) -> Self {
        Self {
            secret,
            environment,
            name,
            recipients: BTreeMap::new(),
            readings: Vec::new(),
            more_recipients: 0,
            more_readings: 0,
        }
    }

    /// Takes an entry, which is older than those before.
    pub fn see(&mut self, entry: &DecodedEntry) {
        if entry.decision != Decision::Allowed || !self.is_ours(entry) {
            return;
        }
        match entry.action.as_str() {
            DELIVER => entry.recipients.iter().for_each(|to| self.sent(entry, to)),
            "secret.access" | "secret.use" if self.readings.len() == READINGS_MAX => {
                self.more_readings += 1;
            }
            "secret.access" | "secret.use" => self.readings.push(Reading {
                at: entry.at,
                actor: entry.actor.clone(),
                action: entry.action.clone(),
                version: entry.version,
                reason: entry.reason.clone(),
                peer: entry.peer.clone(),
            }),
            _ => {}
        }
    }

    /// By its identity; by its name, where an entry was written without that.
    fn is_ours(&self, entry: &DecodedEntry) -> bool {
        let named =
            entry.object == self.name.as_str() && entry.environment == self.environment.as_str();
        entry.object_id == self.secret.0 || entry.object_id.is_nil() && named
    }

    fn sent(&mut self, entry: &DecodedEntry, to: &Recipient) {
        let key = (to.agent, to.instance);
        if self.recipients.len() >= RECIPIENTS_MAX && !self.recipients.contains_key(&key) {
            self.more_recipients += 1;
            return;
        }
        let sent = self.recipients.entry(key).or_insert_with(|| Sent {
            agent: to.name.clone(),
            versions: BTreeSet::new(),
            first: entry.at,
            last: entry.at,
            deliveries: 0,
        });
        sent.versions.insert(entry.version);
        sent.first = sent.first.min(entry.at);
        sent.last = sent.last.max(entry.at);
        sent.deliveries += 1;
    }

    /// Who was sent it, ordered by the agent's name and the instance; and deliveries to instances
    /// beyond those that are kept.
    #[must_use]
    pub fn recipients(&self) -> (Vec<(InstanceId, &Sent)>, usize) {
        let mut found: Vec<_> =
            self.recipients.iter().map(|((_, instance), sent)| (*instance, sent)).collect();
        found.sort_by(|one, other| (&one.1.agent, one.0).cmp(&(&other.1.agent, other.0)));
        (found, self.more_recipients)
    }

    /// Who read it, the newest first, and how many more did.
    #[must_use]
    pub fn readings(&self) -> (&[Reading], usize) {
        (&self.readings, self.more_readings)
    }
}

impl AgentTrace {
    /// Nothing yet.
    #[must_use]
    pub fn of(
        environment: EnvironmentName,
        name: AgentName,
        agent: Option<AgentId>,
        since: Timestamp,
    ) -> Self {
        let (held, settled) = (BTreeMap::new(), HashSet::new());
        Self { environment, name, agent, since, known: agent.is_some(), held, settled }
    }

    /// Takes an entry, which is older than those before.
    pub fn see(&mut self, entry: &DecodedEntry) {
        let ours: Vec<&Recipient> =
            entry.recipients.iter().filter(|to| self.is_ours(entry, to)).collect();
        self.known |= !ours.is_empty();
        if entry.decision != Decision::Allowed || entry.object_kind != "secret" {
            return;
        }
        let secret = SecretId(entry.object_id);
        let before = entry.at < self.since;
        for to in ours {
            match entry.action.as_str() {
                // Of what was before, only the last word counts.
                DELIVER if !before || self.settled.insert((to.instance, secret)) => {
                    self.hold(secret, entry, to.instance);
                }
                WIPED if before => {
                    self.settled.insert((to.instance, secret));
                }
                _ => {}
            }
        }
    }

    fn is_ours(&self, entry: &DecodedEntry, to: &Recipient) -> bool {
        let named = to.name == self.name.as_str() && entry.environment == self.environment.as_str();
        named || self.agent == Some(to.agent)
    }

    fn hold(&mut self, secret: SecretId, entry: &DecodedEntry, instance: InstanceId) {
        let held = self.held.entry((secret, entry.version)).or_insert_with(|| Held {
            environment: entry.environment.clone(),
            name: entry.object.clone(),
            first: entry.at,
            last: entry.at,
            instances: BTreeSet::new(),
        });
        held.first = held.first.min(entry.at);
        held.last = held.last.max(entry.at);
        held.instances.insert(instance);
    }

    /// Whether anybody knows of the agent: the broker, or the trail.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.known
    }

    /// What it held, by secret and version.
    #[must_use]
    pub fn held(&self) -> &BTreeMap<(SecretId, i64), Held> {
        &self.held
    }
}

const DELIVER: &str = "secret.deliver";
const WIPED: &str = "secret.wiped";
/// Instances that are kept of one secret.
const RECIPIENTS_MAX: usize = 10_000;
/// Readings that are kept of one secret.
const READINGS_MAX: usize = 1_000;

#[cfg(test)]
mod tests;
