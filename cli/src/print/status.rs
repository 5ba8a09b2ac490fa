//! The status of agents: what each is owed, and what each instance says that it holds. What was
//! only written is never called "in use".

use super::{json, plain, time, version};
use prost_types::Timestamp;
use secretref_proto::v1::{self, RefState};
use serde::Serialize;

/// An agent for `--json`.
#[derive(Serialize)]
pub(crate) struct Agent {
    agent: String,
    environment: String,
    state: &'static str,
    instances: Vec<json::Instance>,
    refs: Vec<Ref>,
}

#[derive(Serialize)]
struct Ref {
    #[serde(rename = "ref")]
    secret_ref: String,
    env: Option<String>,
    file: String,
    state: &'static str,
    version: i64,
    applied_version: i64,
    valid_until: Option<String>,
    source: String,
    reason: String,
    instances: Vec<Word>,
}

#[derive(Serialize)]
struct Word {
    instance: String,
    version: i64,
    state: String,
    evidence: Option<String>,
    at: Option<String>,
    connected: bool,
    detail: Option<String>,
}

impl From<v1::AgentStatus> for Agent {
    fn from(status: v1::AgentStatus) -> Self {
        Self {
            state: json::agent_state(status.state()),
            agent: status.agent,
            environment: status.environment,
            instances: status.instances.into_iter().map(json::Instance::from).collect(),
            refs: status.refs.into_iter().map(Ref::from).collect(),
        }
    }
}

impl From<v1::RefStatus> for Ref {
    fn from(status: v1::RefStatus) -> Self {
        let word = |said: v1::InstanceRefStatus| Word {
            at: time::optional(said.report_time.as_ref()),
            instance: said.instance,
            version: said.version,
            state: said.state.to_ascii_lowercase(),
            evidence: json::present(said.evidence),
            connected: said.connected,
            detail: json::present(said.detail),
        };
        Self {
            state: state(status.state()),
            valid_until: time::optional(status.valid_until.as_ref()),
            secret_ref: status.secret_ref,
            env: json::present(status.env_var),
            file: status.file,
            version: status.version,
            applied_version: status.applied_version,
            source: status.source,
            reason: status.reason,
            instances: status.instances.into_iter().map(word).collect(),
        }
    }
}

/// Name of a state.
pub(crate) fn state(state: RefState) -> &'static str {
    match state {
        RefState::Unspecified => "unknown",
        RefState::Injected => "injected",
        RefState::Pending => "pending",
        RefState::Failed => "failed",
        RefState::Denied => "denied",
        RefState::Unresolved => "unresolved",
        RefState::Waiting => "waiting",
    }
}

/// What people call a ref: its environment variable, else its file.
pub(crate) fn label(status: &v1::RefStatus) -> &str {
    if status.env_var.is_empty() { &status.file } else { &status.env_var }
}

/// A ref as people read it, and below it what each instance said last.
pub(crate) fn lines(status: &v1::RefStatus, now: &Timestamp) -> Vec<String> {
    let mut lines = vec![plain(&headline(status, now))];
    let words = status.instances.iter().map(|said| word(said, now));
    lines.extend(words.map(|word| format!("     {}", plain(&word))));
    lines
}

fn headline(status: &v1::RefStatus, now: &Timestamp) -> String {
    let label = label(status);
    let why = |otherwise: &str| match status.reason.as_str() {
        "" => otherwise.to_owned(),
        reason => reason.to_owned(),
    };
    match status.state() {
        RefState::Injected => injected(status, now),
        RefState::Pending => {
            let from = match status.applied_version {
                0 => "none".to_owned(),
                applied => version(applied),
            };
            let to = version(status.version);
            let reason = match status.reason.as_str() {
                "" => String::new(),
                reason => format!(", {reason}"),
            };
            format!("⚠️ {label}: pending ({from} → {to}{reason})")
        }
        RefState::Waiting => {
            let to = version(status.version);
            format!("⚠️ {label}: waiting ({to}: {})", why("no instance has connected"))
        }
        RefState::Failed => {
            let which = version(status.version);
            format!("❌ {label}: failed ({which}: {})", why("an instance could not apply it"))
        }
        RefState::Denied => format!("❌ {label}: denied ({})", why("the agent may not have it")),
        RefState::Unresolved => format!("❌ {label}: unresolved ({})", why("it has no value")),
        RefState::Unspecified => {
            format!(
                "⚠️ {label}: in a state that this secretref does not know; it is older than \
                     the broker"
            )
        }
    }
}

fn injected(status: &v1::RefStatus, now: &Timestamp) -> String {
    let until = match &status.valid_until {
        Some(until) => format!("valid until {}", time::day(Some(until))),
        None => "no expiry".to_owned(),
    };
    let newest = status
        .instances
        .iter()
        .filter(|said| said.version == status.applied_version && said.state == "APPLIED")
        .filter_map(|said| said.report_time.as_ref())
        .max_by_key(|at| time::micros(at));
    let applied = match newest {
        Some(at) => format!("{} applied {}", version(status.applied_version), time::clock(at, now)),
        None => format!("{} applied", version(status.applied_version)),
    };
    let source = match status.source.as_str() {
        "" => String::new(),
        source => format!(", {source}"),
    };
    format!("✅ {}: injected ({until})   {applied}, file{source}", label(status))
}

/// What one instance said last, in its own terms.
fn word(said: &v1::InstanceRefStatus, now: &Timestamp) -> String {
    let short: String = said.instance.chars().take(8).collect();
    let which = version(said.version);
    let what = match (said.state.as_str(), said.evidence.as_str()) {
        ("APPLIED", "") => format!("{which} applied, without evidence"),
        ("APPLIED", evidence) => format!("{which} {evidence}"),
        ("FAILED", _) => format!("{which} failed: {}", said.detail),
        (other, _) => format!("{which} {}", other.to_ascii_lowercase()),
    };
    let at = match &said.report_time {
        Some(at) => format!(" {}", time::clock(at, now)),
        None => String::new(),
    };
    let link = if said.connected { "connected" } else { "not connected" };
    format!("instance {short}: {what}{at}, {link}")
}

#[cfg(test)]
mod tests;
