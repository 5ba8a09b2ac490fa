//! What `--json` prints. The keys are a contract with scripts: they may be added to, never
//! renamed. An absent time is `null`; states are lower-case words.

use super::{schedule::Schedule, time};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use secretref_domain::hash::hex;
use secretref_proto::v1;
use serde::Serialize;
use std::collections::BTreeMap;

/// Metadata of a secret.
#[derive(Serialize)]
pub(crate) struct Secret {
    name: String,
    environment: String,
    uid: String,
    current_version: i64,
    service: String,
    labels: BTreeMap<String, String>,
    create_time: Option<String>,
    update_time: Option<String>,
    expire_time: Option<String>,
    deprecation_time: Option<String>,
    delete_time: Option<String>,
}

impl From<v1::Secret> for Secret {
    fn from(secret: v1::Secret) -> Self {
        Self {
            create_time: time::optional(secret.create_time.as_ref()),
            update_time: time::optional(secret.update_time.as_ref()),
            expire_time: time::optional(secret.expire_time.as_ref()),
            deprecation_time: time::optional(secret.deprecation_time.as_ref()),
            delete_time: time::optional(secret.delete_time.as_ref()),
            name: secret.name,
            environment: secret.environment,
            uid: secret.uid,
            current_version: secret.current_version,
            service: secret.service,
            labels: secret.labels.into_iter().collect(),
        }
    }
}

/// Metadata of a version.
#[derive(Serialize)]
pub(crate) struct Version {
    version: i64,
    state: String,
    create_time: Option<String>,
    expire_time: Option<String>,
    size_bytes: i64,
    activated_from: Option<i64>,
    looks_like_example: bool,
}

impl From<&v1::SecretVersion> for Version {
    fn from(version: &v1::SecretVersion) -> Self {
        Self {
            version: version.version,
            state: version_state(version).to_owned(),
            create_time: time::optional(version.create_time.as_ref()),
            expire_time: time::optional(version.expire_time.as_ref()),
            size_bytes: version.size_bytes,
            activated_from: Some(version.activated_from).filter(|&from| from != 0),
            looks_like_example: version.looks_like_example,
        }
    }
}

/// A version together with the secret that it belongs to.
#[derive(Serialize)]
pub(crate) struct Written {
    name: String,
    environment: String,
    #[serde(flatten)]
    version: Version,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<i64>,
}

impl Written {
    /// Of a change that the broker committed.
    pub(crate) fn new(
        secret: v1::Secret,
        version: &v1::SecretVersion,
        revision: Option<i64>,
    ) -> Self {
        let version = Version::from(version);
        Self { name: secret.name, environment: secret.environment, version, revision }
    }
}

/// An agent as its manifest describes it.
#[derive(Serialize)]
pub(crate) struct Agent {
    agent: String,
    environment: String,
    uid: String,
    state: String,
    name: String,
    description: String,
    runtime: String,
    groups: Vec<String>,
    capabilities: Vec<String>,
    bindings: Vec<Binding>,
    instances: Vec<Instance>,
    create_time: Option<String>,
    update_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quarantine_time: Option<String>,
}

#[derive(Serialize)]
struct Binding {
    tool: String,
    key: String,
    #[serde(rename = "ref")]
    secret_ref: String,
    file: String,
    env: Option<String>,
    required: bool,
    group: Option<String>,
}

/// One running copy of an agent.
#[derive(Serialize)]
pub(crate) struct Instance {
    instance: String,
    connected: bool,
    enrol_time: Option<String>,
    certificate_expire_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<Schedule>,
    #[serde(skip_serializing_if = "String::is_empty")]
    trail_alarm: String,
}

impl From<v1::Instance> for Instance {
    fn from(instance: v1::Instance) -> Self {
        Self {
            connected: instance.connected,
            enrol_time: time::optional(instance.enrol_time.as_ref()),
            certificate_expire_time: time::optional(instance.certificate_expire_time.as_ref()),
            schedule: instance.schedule.map(Schedule::from),
            trail_alarm: instance.trail_alarm,
            instance: instance.uid,
        }
    }
}

impl From<v1::Agent> for Agent {
    fn from(agent: v1::Agent) -> Self {
        let binding = |binding: v1::Binding| Binding {
            tool: binding.tool,
            key: binding.key,
            secret_ref: binding.secret_ref,
            file: binding.file,
            env: present(binding.env_var),
            required: binding.required,
            group: present(binding.group),
        };
        Self {
            state: agent_state(agent.state()).to_owned(),
            create_time: time::optional(agent.create_time.as_ref()),
            quarantine_time: time::optional(agent.quarantine_time.as_ref()),
            update_time: time::optional(agent.update_time.as_ref()),
            agent: agent.name,
            environment: agent.environment,
            uid: agent.uid,
            name: agent.display_name,
            description: agent.description,
            runtime: agent.runtime,
            groups: agent.groups,
            capabilities: agent.capabilities,
            bindings: agent.bindings.into_iter().map(binding).collect(),
            instances: agent.instances.into_iter().map(Instance::from).collect(),
        }
    }
}

/// An entry of the audit trail.
#[derive(Serialize)]
pub(crate) struct Entry {
    lane: String,
    seq: i64,
    time: Option<String>,
    environment: Option<String>,
    actor: String,
    action: String,
    object_kind: String,
    object: String,
    object_uid: Option<String>,
    version: Option<i64>,
    decision: String,
    reason: String,
    peer: Option<String>,
    revision: Option<i64>,
    recipients: Vec<String>,
    request_id: Option<String>,
    canonical_base64: String,
    hash: String,
}

impl From<v1::AuditEntry> for Entry {
    fn from(entry: v1::AuditEntry) -> Self {
        Self {
            time: time::optional(entry.time.as_ref()),
            lane: entry.lane,
            seq: entry.seq,
            environment: present(entry.environment),
            actor: entry.actor,
            action: entry.action,
            object_kind: entry.object_kind,
            object: entry.object,
            object_uid: present(entry.object_uid),
            version: Some(entry.version).filter(|&version| version != 0),
            decision: entry.decision,
            reason: entry.reason,
            peer: present(entry.peer),
            revision: Some(entry.revision).filter(|&revision| revision != 0),
            recipients: entry.recipients,
            request_id: present(entry.request_id),
            canonical_base64: BASE64_STANDARD.encode(&entry.canonical),
            hash: hex(&entry.hash),
        }
    }
}

/// State of a version as a word.
pub(crate) fn version_state(version: &v1::SecretVersion) -> &'static str {
    match version.state() {
        v1::VersionState::Unspecified => "unknown",
        v1::VersionState::Current => "current",
        v1::VersionState::Previous => "previous",
        v1::VersionState::Destroyed => "destroyed",
        v1::VersionState::Pending => "pending",
    }
}

/// State of an agent as a word.
pub(crate) fn agent_state(state: v1::AgentState) -> &'static str {
    match state {
        v1::AgentState::Unspecified => "unknown",
        v1::AgentState::Active => "active",
        v1::AgentState::Revoked => "revoked",
        v1::AgentState::Quarantined => "quarantined",
    }
}

/// What an empty text on the wire means: nothing.
pub(crate) fn present(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}
