//! What the trail says after an incident, for people and for programs.

use super::{json::present, time};
use secretref_proto::v1::{self, TracedVersionState};
use serde::Serialize;

/// Whom a secret reached, as programs read it.
#[derive(Serialize)]
pub(crate) struct Impact {
    secret: String,
    environment: String,
    current_version: i64,
    holders: Vec<Holder>,
    recipients: Vec<Recipient>,
    more_recipients: i32,
    readings: Vec<Reading>,
    more_readings: i32,
    uses: Vec<Use>,
    examined_since: Option<String>,
    examined_entries: i64,
}

#[derive(Serialize)]
struct Holder {
    agent: String,
    instance: String,
    version: i64,
    state: String,
    evidence: Option<String>,
    since_time: Option<String>,
    connected: bool,
}

#[derive(Serialize)]
struct Recipient {
    agent: String,
    instance: String,
    versions: Vec<i64>,
    first_time: Option<String>,
    last_time: Option<String>,
    deliveries: i64,
}

#[derive(Serialize)]
struct Reading {
    time: Option<String>,
    actor: String,
    action: String,
    version: i64,
    reason: String,
    peer: Option<String>,
}

#[derive(Serialize)]
struct Use {
    agent: String,
    tool: String,
    key: String,
    #[serde(rename = "ref")]
    secret_ref: String,
    file: String,
    env: Option<String>,
    group: Option<String>,
}

/// A secret that an agent held, as programs read it.
#[derive(Serialize)]
pub(crate) struct Held {
    secret: String,
    environment: String,
    rotated_by_ref: Option<String>,
    reason: Option<String>,
    fix: String,
    versions: Vec<HeldVersion>,
}

#[derive(Serialize)]
struct HeldVersion {
    version: i64,
    state: &'static str,
    first_time: Option<String>,
    last_time: Option<String>,
    instances: i32,
}

impl From<v1::TraceSecretResponse> for Impact {
    fn from(found: v1::TraceSecretResponse) -> Self {
        Self {
            secret: found.secret,
            environment: found.environment,
            current_version: found.current_version,
            holders: found.holders.into_iter().map(holder).collect(),
            recipients: found.recipients.into_iter().map(recipient).collect(),
            more_recipients: found.more_recipients,
            readings: found.readings.into_iter().map(reading).collect(),
            more_readings: found.more_readings,
            uses: found.uses.into_iter().map(bound).collect(),
            examined_since: time::optional(found.examined_since.as_ref()),
            examined_entries: found.examined_entries,
        }
    }
}

fn holder(found: v1::SecretHolder) -> Holder {
    Holder {
        agent: found.agent,
        instance: found.instance,
        version: found.version,
        state: found.state,
        evidence: present(found.evidence),
        since_time: time::optional(found.since_time.as_ref()),
        connected: found.connected,
    }
}

fn recipient(found: v1::SecretRecipient) -> Recipient {
    Recipient {
        agent: found.agent,
        instance: found.instance,
        versions: found.versions,
        first_time: time::optional(found.first_time.as_ref()),
        last_time: time::optional(found.last_time.as_ref()),
        deliveries: found.deliveries,
    }
}

fn reading(found: v1::SecretReading) -> Reading {
    Reading {
        time: time::optional(found.time.as_ref()),
        actor: found.actor,
        action: found.action,
        version: found.version,
        reason: found.reason,
        peer: present(found.peer),
    }
}

fn bound(found: v1::SecretUse) -> Use {
    Use {
        agent: found.agent,
        tool: found.tool,
        key: found.key,
        secret_ref: found.secret_ref,
        file: found.file,
        env: present(found.env_var),
        group: present(found.group),
    }
}

impl From<&v1::TracedSecret> for Held {
    fn from(found: &v1::TracedSecret) -> Self {
        let version = |it: &v1::TracedVersion| HeldVersion {
            version: it.version,
            state: fate(it.state()),
            first_time: time::optional(it.first_time.as_ref()),
            last_time: time::optional(it.last_time.as_ref()),
            instances: it.instances,
        };
        Self {
            secret: found.secret.clone(),
            environment: found.environment.clone(),
            rotated_by_ref: present(found.rotated_by_ref.clone()),
            reason: present(found.reason.clone()),
            fix: found.fix.clone(),
            versions: found.versions.iter().map(version).collect(),
        }
    }
}

/// What became of a version, in one word.
pub(crate) fn fate(state: TracedVersionState) -> &'static str {
    match state {
        TracedVersionState::Unspecified => "unknown",
        TracedVersionState::Current => "current",
        TracedVersionState::Pending => "pending",
        TracedVersionState::Draining => "draining",
        TracedVersionState::Previous => "previous",
        TracedVersionState::Destroyed => "destroyed",
    }
}
