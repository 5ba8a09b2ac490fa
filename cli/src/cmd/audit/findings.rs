//! What is worth a look among the refs of all agents: pure, from what the broker says of them.

use crate::print::{status, time, version};
use prost_types::Timestamp;
use secretref_proto::v1::{self, AgentState, RefState};
use serde::Serialize;

/// How much care a finding needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::cmd) enum Severity {
    /// None: only shown to who asks for all.
    Well,
    /// Somebody should look.
    Finding,
    /// A ref has no value.
    Unresolved,
}

/// One ref of one agent, or one secret.
#[derive(Debug, Serialize)]
pub(in crate::cmd) struct Finding {
    /// How much care it needs.
    pub(in crate::cmd) severity: Severity,
    /// What kind: a state of a ref, `expired`, `expiring`, `deprecated`.
    pub(in crate::cmd) kind: &'static str,
    /// The ref or secret.
    #[serde(rename = "ref")]
    pub(in crate::cmd) name: String,
    /// The agent; absent where it is about the secret alone.
    pub(in crate::cmd) agent: Option<String>,
    /// In words.
    pub(in crate::cmd) detail: String,
    /// Command that mends it; absent where there is nothing to mend.
    pub(in crate::cmd) fix: Option<String>,
}

/// Looks at every ref of every agent that may come in, and at every secret. `option` ends the
/// commands that mend.
pub(in crate::cmd) fn findings(
    statuses: &[v1::AgentStatus],
    secrets: &[v1::Secret],
    now: &Timestamp,
    option: &str,
) -> Vec<Finding> {
    let mut found = Vec::new();
    let active = statuses.iter().filter(|status| status.state() != AgentState::Revoked);
    for agent in active {
        for one in &agent.refs {
            found.push(of_ref(&agent.agent, one, option));
            found.extend(of_expiry(&agent.agent, one, now, option));
        }
    }
    found.extend(secrets.iter().filter_map(|secret| of_deprecation(secret, now)));
    found
}

fn of_ref(agent: &str, one: &v1::RefStatus, option: &str) -> Finding {
    let state = one.state();
    let (severity, fix) = match state {
        RefState::Injected => (Severity::Well, None),
        RefState::Pending | RefState::Waiting | RefState::Scheduled => (Severity::Well, None),
        RefState::Unresolved => {
            let put = || format!("secretref put {}", one.secret_ref);
            let is_ours = matches!(&*one.source, "" | "store");
            let fix = said(one).or_else(|| is_ours.then(put));
            (Severity::Unresolved, fix.map(|fix| whole(fix, option)))
        }
        RefState::Denied => {
            let show = || format!("secretref agent show {agent}");
            (Severity::Finding, Some(whole(said(one).unwrap_or_else(show), option)))
        }
        RefState::Failed | RefState::Unspecified => {
            let look = format!("secretref status --agent {agent} --secrets{option}");
            (Severity::Finding, Some(look))
        }
    };
    let detail = match (one.reason.as_str(), state) {
        ("", RefState::Unresolved) => "it has no value".to_owned(),
        ("", RefState::Waiting) => "no instance has connected".to_owned(),
        ("", _) => format!("{} applied of {}", version(one.applied_version), version(one.version)),
        (reason, _) => reason.to_owned(),
    };
    Finding {
        severity,
        kind: status::state(state),
        name: one.secret_ref.clone(),
        agent: Some(agent.to_owned()),
        detail,
        fix,
    }
}

/// What the broker says would help.
fn said(one: &v1::RefStatus) -> Option<String> {
    Some(one.fix.clone()).filter(|fix| !fix.is_empty())
}

/// A command of ours, with the option that it needs here.
fn whole(fix: String, option: &str) -> String {
    if fix.starts_with("secretref ") { format!("{fix}{option}") } else { fix }
}

fn of_expiry(agent: &str, one: &v1::RefStatus, now: &Timestamp, option: &str) -> Option<Finding> {
    let until = one.valid_until.as_ref()?;
    let left = time::micros(until).saturating_sub(time::micros(now));
    if left > EXPIRING_MICROS {
        return None;
    }
    let kind = if left <= 0 { "expired" } else { "expiring" };
    Some(Finding {
        severity: Severity::Finding,
        kind,
        name: one.secret_ref.clone(),
        agent: Some(agent.to_owned()),
        detail: format!("valid until {}", time::moment(Some(until))),
        fix: Some(format!("secretref put {} --ttl 90d{option}", one.secret_ref)),
    })
}

fn of_deprecation(secret: &v1::Secret, now: &Timestamp) -> Option<Finding> {
    let from = secret.deprecation_time.as_ref()?;
    let due = time::micros(from) <= time::micros(now);
    due.then(|| Finding {
        severity: Severity::Finding,
        kind: "deprecated",
        name: secret.name.clone(),
        agent: None,
        detail: format!("should no longer be used from {} on", time::day(Some(from))),
        fix: None,
    })
}

/// Seven days.
const EXPIRING_MICROS: i64 = 7 * 86_400 * 1_000_000;

#[cfg(test)]
mod tests;
