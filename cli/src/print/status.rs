//! The status of agents: what each is owed, and what each instance says that it holds. What was
//! only written is never called "in use".

use super::{json, plain, time, version};
use prost_types::Timestamp;
use secretref_proto::v1::{self, DeliveryWay, Evidence, RefState, RotationEffect};
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
    fix: Option<String>,
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
    deliveries: Vec<Delivery>,
}

#[derive(Serialize)]
struct Delivery {
    way: &'static str,
    place: String,
    version: i64,
    evidence: Option<String>,
    since: Option<String>,
    on_rotation: &'static str,
}

impl Agent {
    /// One that is no longer there.
    pub(crate) fn gone(agent: &str, environment: &str) -> Self {
        let (agent, environment) = (agent.to_owned(), environment.to_owned());
        let (instances, refs) = (Vec::new(), Vec::new());
        Self { agent, environment, state: "removed", instances, refs }
    }
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
            deliveries: said.deliveries.into_iter().map(Delivery::from).collect(),
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
            fix: json::present(status.fix),
            instances: status.instances.into_iter().map(word).collect(),
        }
    }
}

impl From<v1::Delivery> for Delivery {
    fn from(delivery: v1::Delivery) -> Self {
        Self {
            way: way(&delivery),
            version: delivery.version,
            evidence: json::present(evidence(&delivery).to_owned()),
            since: time::optional(delivery.since_time.as_ref()),
            on_rotation: match delivery.effect() {
                RotationEffect::Signal => "signal",
                RotationEffect::Hook => "hook",
                RotationEffect::Restart => "restart",
                RotationEffect::HandOver => "hand-over",
                RotationEffect::Nothing | RotationEffect::Unspecified => "nothing",
            },
            place: delivery.place,
        }
    }
}

fn way(delivery: &v1::Delivery) -> &'static str {
    match delivery.way() {
        DeliveryWay::File => "file",
        DeliveryWay::Socket => "socket",
        DeliveryWay::Environment => "environment",
        DeliveryWay::Unspecified => "unknown way",
    }
}

fn evidence(delivery: &v1::Delivery) -> &'static str {
    match delivery.evidence() {
        Evidence::Written => "written",
        Evidence::Read => "read",
        Evidence::Reloaded => "reloaded",
        Evidence::Gated => "gated",
        Evidence::Confirmed => "confirmed",
        Evidence::Unspecified => "",
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
        RefState::Scheduled => "scheduled",
    }
}

/// What people call a ref: its environment variable, else its file.
pub(crate) fn label(status: &v1::RefStatus) -> &str {
    if status.env_var.is_empty() { &status.file } else { &status.env_var }
}

/// A ref as people read it; below it what each instance said last, and which ways it has it.
pub(crate) fn lines(status: &v1::RefStatus, now: &Timestamp) -> Vec<String> {
    let mut lines = vec![plain(&headline(status, now))];
    if !status.fix.is_empty() {
        lines.push(format!("     Fix: {}", plain(&status.fix)));
    }
    for said in &status.instances {
        lines.push(format!("     {}", plain(&word(said, now))));
        let rungs = said.deliveries.iter().map(|delivery| rung(delivery, now));
        lines.extend(rungs.map(|rung| format!("       {}", plain(&rung))));
    }
    lines
}

/// A ref in one line.
pub(crate) fn headline(status: &v1::RefStatus, now: &Timestamp) -> String {
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
        RefState::Scheduled => {
            let to = version(status.version);
            format!("⏳ {label}: waiting ({to}, {})", why("the next run is not known"))
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
    format!("✅ {}: injected ({until})   {applied}, {}{source}", label(status), ways(status))
}

/// The ways by which instances have it, each named once: `env` where a process has it.
fn ways(status: &v1::RefStatus) -> String {
    let mut ways: Vec<_> = status
        .instances
        .iter()
        .flat_map(|said| &said.deliveries)
        .map(|delivery| match delivery.way() {
            DeliveryWay::Environment => "env",
            _ => way(delivery),
        })
        .collect();
    ways.sort_unstable();
    ways.dedup();
    if ways.is_empty() { "file".to_owned() } else { ways.join(" and ") }
}

/// One way: what is really there, since when, how that is known, and what a rotation will do.
fn rung(delivery: &v1::Delivery, now: &Timestamp) -> String {
    let holds = match delivery.version {
        0 => "nothing".to_owned(),
        held => version(held),
    };
    let since = delivery.since_time.as_ref();
    let since = since.map(|at| format!(" since {}", time::clock(at, now))).unwrap_or_default();
    let known = match evidence(delivery) {
        "" => "without evidence",
        known => known,
    };
    let effect = match delivery.effect() {
        RotationEffect::Signal => "a rotation signals the process",
        RotationEffect::Hook => "a rotation calls its hook",
        RotationEffect::Restart => "a rotation restarts the process",
        RotationEffect::HandOver => "a rotation starts the next process, then stops this one",
        RotationEffect::Nothing => "a rotation leaves the process alone",
        RotationEffect::Unspecified => "what a rotation does is not known",
    };
    format!("{} {}: {holds}{since}, {known}; {effect}", way(delivery), delivery.place)
}

/// What sidecars of an agent found wrong with the broker's audit trail, a line for each.
pub(crate) fn trail_alarms(found: &v1::AgentStatus) -> Vec<String> {
    let alarming = found.instances.iter().filter(|instance| !instance.trail_alarm.is_empty());
    let line = |instance: &v1::Instance| {
        let short: String = instance.uid.chars().take(8).collect();
        let alarm = plain(&instance.trail_alarm);
        format!("❌ audit trail, says instance {short}: {alarm}. Fix: secretref audit verify")
    };
    alarming.map(line).collect()
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
