//! Conditions, for people and for programs.

use super::edges::Edge;
use crate::print::{json::present, time};
use prost_types::Timestamp;
use secretref_proto::v1;
use serde::Serialize;

/// A condition as programs read it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Shown {
    /// What kind it is.
    pub(super) kind: String,
    /// How bad it is.
    pub(super) severity: String,
    environment: String,
    provider: Option<String>,
    #[serde(rename = "ref")]
    secret_ref: Option<String>,
    agent: Option<String>,
    tool: Option<String>,
    since: Option<String>,
    valid_until: Option<String>,
    reason: String,
    fix: Option<String>,
    #[serde(skip)]
    since_time: Option<Timestamp>,
    #[serde(skip)]
    expire_time: Option<Timestamp>,
}

/// That something began or is over, as programs read it.
#[derive(Serialize)]
pub(super) struct Told<'e> {
    time: String,
    state: &'static str,
    #[serde(flatten)]
    condition: &'e Shown,
}

impl<'e> Told<'e> {
    /// Of an edge that was seen at this time.
    pub(super) fn of(edge: &'e Edge, now: &Timestamp) -> Self {
        let state = if edge.is_over() { "resolved" } else { "firing" };
        Self { time: time::rfc3339(now), state, condition: edge.condition() }
    }
}

impl Shown {
    /// Of the wire.
    pub(super) fn of(condition: v1::Condition) -> Self {
        Self {
            kind: condition.kind,
            severity: condition.severity,
            environment: condition.environment,
            provider: present(condition.provider),
            secret_ref: present(condition.secret_ref),
            agent: present(condition.agent),
            tool: present(condition.tool),
            since: time::optional(condition.since_time.as_ref()),
            valid_until: time::optional(condition.expire_time.as_ref()),
            reason: condition.reason,
            fix: present(condition.fix),
            since_time: condition.since_time,
            expire_time: condition.expire_time,
        }
    }

    /// By what the broker knows it.
    pub(super) fn key(&self) -> v1::Condition {
        let text = |name: &Option<String>| name.clone().unwrap_or_default();
        v1::Condition {
            kind: self.kind.clone(),
            environment: self.environment.clone(),
            provider: text(&self.provider),
            secret_ref: text(&self.secret_ref),
            agent: text(&self.agent),
            tool: text(&self.tool),
            ..v1::Condition::default()
        }
    }

    /// What it is about, in a few words.
    fn subject(&self) -> String {
        let agent = self.agent.as_ref().map(|name| format!("agent {name}"));
        let tool = self.tool.as_ref().map(|name| format!("tool {name}"));
        let provider = self.provider.as_ref().map(|name| format!("provider {name}"));
        let parts =
            [self.secret_ref.as_ref().map(|name| format!("ref {name}")), provider, agent, tool];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// As one line.
    pub(super) fn line(&self, over: bool) -> String {
        // As `audit` and `status` say it: a ref by its name alone.
        let (kind, subject) = (&self.kind, self.subject());
        let subject = subject.trim_start_matches("ref ");
        if over {
            return format!("✅ {kind}: {subject}: it is over");
        }
        let icon = if self.severity == "error" { "❌" } else { "⚠️" };
        let fix = self.fix.as_ref().map(|fix| format!(". Fix: {fix}")).unwrap_or_default();
        match &self.expire_time {
            Some(end) => {
                let end = time::day(Some(end));
                format!("{icon} {kind}: {subject} (valid until {end}){fix}")
            }
            None => format!("{icon} {kind}: {subject}: {}{fix}", self.reason),
        }
    }
}

/// Conditions as a table; with the environment where there are several.
pub(super) fn table(
    conditions: &[Shown],
    environments: bool,
) -> (Vec<&'static str>, Vec<Vec<String>>) {
    let mut header = vec!["CONDITION", "SEVERITY", "ABOUT", "SINCE", "WHAT", "FIX"];
    if environments {
        header.insert(0, "ENVIRONMENT");
    }
    let row = |condition: &Shown| {
        let what = match &condition.expire_time {
            Some(end) => format!("valid until {}", time::day(Some(end))),
            None => condition.reason.clone(),
        };
        let mut row = vec![
            condition.kind.clone(),
            condition.severity.clone(),
            condition.subject(),
            time::moment(condition.since_time.as_ref()),
            what,
            condition.fix.clone().unwrap_or_default(),
        ];
        if environments {
            row.insert(0, condition.environment.clone());
        }
        row
    };
    (header, conditions.iter().map(row).collect())
}
