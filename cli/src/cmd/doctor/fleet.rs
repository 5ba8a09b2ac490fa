//! Agents, their sidecars, refs and secrets.

use super::{
    distance,
    finding::{Finding, Severity},
};
use crate::{
    cmd::audit::findings::{self as audit, Severity as Care},
    print::{
        plain,
        schedule::{self, Mood},
        time,
    },
};
use prost_types::Timestamp;
use secretref_proto::v1::{self, AgentState};

/// Agents without a sidecar, sidecars of another time, and schedules that do not go as they should.
pub(super) fn agents(
    statuses: &[v1::AgentStatus],
    own: &str,
    now: &Timestamp,
    option: &str,
) -> Vec<Finding> {
    let mut found = Vec::new();
    for status in statuses.iter().filter(|status| status.state() == AgentState::Active) {
        let agent = &status.agent;
        let live: Vec<_> = status.instances.iter().filter(|it| it.connected).collect();
        let scheduled = schedules(status, now, option);
        let overdue = scheduled.iter().any(|finding| finding.code == "run-overdue");
        found.extend(scheduled);
        if live.is_empty() && !overdue && !schedule::waits(status, now) {
            let problem = match status.instances.len() {
                0 => "no sidecar has ever enrolled".to_owned(),
                count => format!("none of its {count} enrolled sidecars is connected"),
            };
            let fix = format!(
                "secretref agent token {agent}{option} > token; secretref-sidecar run --broker \
                 HOST:7443 --token-file token --state-dir DIR"
            );
            let code = "agent-without-sidecar";
            found.push(Finding::new(code, Severity::Warning, agent, problem, fix));
        }
        for instance in status.instances.iter().filter(|it| !it.trail_alarm.is_empty()) {
            let (uid, alarm) = (&instance.uid, plain(&instance.trail_alarm));
            let problem = format!("its instance {uid} finds the audit trail altered: {alarm}");
            let fix = "secretref audit verify; see docs/audit.md".to_owned();
            found.push(Finding::new("trail-alarm", Severity::Broken, agent, problem, fix));
        }
        for instance in live {
            let version = &instance.client_version;
            let code = match distance(version, own) {
                Some(..-1) => "sidecar-older",
                Some(2..) => "sidecar-newer",
                _ => continue,
            };
            let uid = &instance.uid;
            let problem = format!("its instance {uid} is of version {version}, and this is {own}");
            let fix = format!("install secretref-sidecar {own} there");
            found.push(Finding::new(code, Severity::Warning, agent, problem, fix));
        }
    }
    found
}

/// Runs that were due and not heard of, and the last run of each instance where it failed.
fn schedules(status: &v1::AgentStatus, now: &Timestamp, option: &str) -> Vec<Finding> {
    let agent = &status.agent;
    let mut found = Vec::new();
    for instance in &status.instances {
        let Some(schedule) = &instance.schedule else { continue };
        let uid = &instance.uid;
        let mood = schedule::mood(instance, now);
        if mood == Some(Mood::Overdue) {
            let due = time::moment(schedule.next_run_time.as_ref());
            let problem =
                format!("its instance {uid} was to run at {due} UTC and was not heard of");
            let fix = "look on its host whether secretref-sidecar runs, and start it again";
            found.push(Finding::new("run-overdue", Severity::Warning, agent, problem, fix));
        }
        let last = schedule.last_run.as_ref().filter(|run| schedule::is_failed(run));
        if let Some(run) = last.filter(|_| mood.is_some_and(|mood| mood != Mood::Ended)) {
            let problem = format!("last run of instance {uid}: {}", schedule::outcome(run, now));
            let fix = format!("secretref status --agent {agent} --secrets{option}; see its log");
            found.push(Finding::new("run-failed", Severity::Warning, agent, problem, fix));
        }
    }
    found
}

/// Refs that do not come to anything, as `secretref audit --secrets` finds them.
pub(super) fn refs(statuses: &[v1::AgentStatus], option: &str) -> Vec<Finding> {
    let all = audit::findings(statuses, &[], &Timestamp::default(), option);
    let ours = all.into_iter().filter_map(|finding| {
        let (code, severity) = match (finding.severity, finding.kind) {
            (Care::Unresolved, _) => ("ref-unresolved", Severity::Broken),
            (Care::Finding, "denied") => ("ref-denied", Severity::Warning),
            (Care::Finding, "failed") => ("ref-failed", Severity::Warning),
            _ => return None,
        };
        let agent = finding.agent.unwrap_or_default();
        let subject = format!("{agent} {}", finding.name);
        let look = format!("secretref status --agent {agent} --secrets{option}");
        Some(Finding::new(code, severity, subject, finding.detail, finding.fix.unwrap_or(look)))
    });
    ours.collect()
}

/// Secrets at their end.
pub(super) fn secrets(secrets: &[v1::Secret], now: &Timestamp, option: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    for secret in secrets {
        let name = &secret.name;
        if let Some(end) = &secret.expire_time {
            let left = time::micros(end).saturating_sub(time::micros(now));
            let problem = format!("its value is valid until {} UTC", time::moment(Some(end)));
            let fix = format!("secretref put {name} --ttl 90d{option}");
            let (code, severity) = match left {
                ..=0 => ("secret-expired", Severity::Broken),
                1..=EXPIRING_MICROS => ("secret-expires-soon", Severity::Warning),
                _ => ("", Severity::Note),
            };
            if !code.is_empty() {
                found.push(Finding::new(code, severity, name, problem, fix));
            }
        }
        let deprecated = secret.deprecation_time.as_ref();
        if let Some(from) = deprecated.filter(|it| time::micros(it) <= time::micros(now)) {
            let problem = format!("it should no longer be used from {} on", time::day(Some(from)));
            let fix = format!("secretref explain {name}{option}, and move who uses it");
            found.push(Finding::new("secret-deprecated", Severity::Warning, name, problem, fix));
        }
    }
    found
}

/// Seven days.
const EXPIRING_MICROS: i64 = 7 * 86_400 * 1_000_000;
