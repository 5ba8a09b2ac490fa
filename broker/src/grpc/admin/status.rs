//! The truth about an agent: what it is owed, and what each of its instances last said it holds.

use crate::custody::{AgentReport, AgentSchedule, Custody, ReportState};
use secretref_domain::{
    clock::Timestamp,
    delivery::Delivery,
    id::SecretId,
    ledger::{Agent, Desired, DesiredSecret, DesiredTarget, Resolved},
    schedule::State,
    version::Version,
};
use secretref_proto::{
    convert::{field::to_time, to_schedule},
    v1,
};
use std::collections::HashMap;

pub(super) fn of(
    custody: &Custody,
    agent: &Agent,
    desired: &Desired,
    reports: Vec<AgentReport>,
    mut schedules: Vec<AgentSchedule>,
) -> v1::AgentStatus {
    schedules.retain(|schedule| is_newest(schedule, &reports));
    let due = next_run(&schedules, custody.now());
    let mut said: HashMap<SecretId, Vec<AgentReport>> = HashMap::new();
    for report in reports {
        if agent.instances.contains_key(&report.instance) {
            said.entry(report.secret).or_default().push(report);
        }
    }
    let mut instances = instances(custody, agent);
    for instance in &mut instances {
        let mut of_it = schedules.iter().filter(|it| it.instance.to_string() == instance.uid);
        instance.schedule = of_it.next().map(|schedule| to_schedule(&schedule.told));
    }
    let mut refs = Vec::new();
    for secret in &desired.secrets {
        let said = said.get(&secret.secret).map(Vec::as_slice).unwrap_or_default();
        for target in &secret.targets {
            refs.push(owed(secret, target, said, &instances, due));
        }
    }
    for missing in &desired.missing {
        let state = if missing.denied { v1::RefState::Denied } else { v1::RefState::Unresolved };
        let (reason, fix) = (missing.reason.clone(), missing.fix.clone());
        refs.push(v1::RefStatus { state: state.into(), reason, fix, ..blank(&missing.target) });
    }
    refs.sort_by(|one, other| one.file.cmp(&other.file));
    v1::AgentStatus {
        agent: agent.name.to_string(),
        environment: agent.environment.to_string(),
        state: agent_state(agent).into(),
        refs,
        instances,
    }
}

pub(super) fn agent_state(agent: &Agent) -> v1::AgentState {
    match agent.quarantined_at {
        Some(_) => v1::AgentState::Quarantined,
        None if agent.active => v1::AgentState::Active,
        None => v1::AgentState::Revoked,
    }
}

pub(super) fn instances(custody: &Custody, agent: &Agent) -> Vec<v1::Instance> {
    let live = custody.feed().versions(agent.id);
    let mut alarms = custody.feed().alarms(agent.id);
    let mut instances: Vec<_> = agent.instances.iter().collect();
    instances.sort_by_key(|(id, instance)| (instance.enrolled_at, **id));
    let instance = |(id, instance): (&_, &secretref_domain::ledger::Instance)| v1::Instance {
        uid: ToString::to_string(id),
        enrol_time: Some(to_time(instance.enrolled_at)),
        certificate_expire_time: Some(to_time(instance.not_after())),
        connected: live.contains_key(id) || custody.is_elsewhere(id),
        client_version: live.get(id).cloned().unwrap_or_default(),
        schedule: None,
        trail_alarm: alarms.remove(id).unwrap_or_default(),
    };
    instances.into_iter().map(instance).collect()
}

fn blank(target: &DesiredTarget) -> v1::RefStatus {
    v1::RefStatus {
        secret_ref: target.reference.to_string(),
        env_var: target.env_var.as_ref().map(ToString::to_string).unwrap_or_default(),
        file: target.file.to_string(),
        source: target.source.as_ref().map(Resolved::describe).unwrap_or_default(),
        ..v1::RefStatus::default()
    }
}

fn owed(
    secret: &DesiredSecret,
    target: &DesiredTarget,
    said: &[AgentReport],
    instances: &[v1::Instance],
    due: Option<Timestamp>,
) -> v1::RefStatus {
    let connected = |report: &AgentReport| {
        let uid = report.instance.to_string();
        instances.iter().any(|instance| instance.connected && instance.uid == uid)
    };
    let live = instances.iter().filter(|instance| instance.connected).count();
    let of_live: Vec<_> = said.iter().filter(|report| connected(report)).collect();
    let holds = |report: &&&AgentReport| report.state == ReportState::Applied;
    let lowest = of_live.iter().filter(holds).map(|report| report.version).min();
    let (state, reason) = match due {
        Some(due) if live == 0 => (v1::RefState::Scheduled, format!("next run {due}")),
        _ => judge(secret.version, live, &of_live, said.is_empty()),
    };
    let instances = said
        .iter()
        .map(|report| v1::InstanceRefStatus {
            instance: report.instance.to_string(),
            version: report.version,
            state: report.state.as_str().to_owned(),
            evidence: report.evidence.as_str().to_owned(),
            detail: report.detail.clone(),
            report_time: Some(to_time(report.at)),
            connected: connected(report),
            deliveries: report.deliveries.iter().map(delivery).collect(),
        })
        .collect();
    v1::RefStatus {
        state: state.into(),
        reason,
        version: secret.version.get(),
        applied_version: lowest.filter(|_| of_live.len() == live).unwrap_or(0),
        valid_until: secret.expires_at.map(to_time),
        instances,
        ..blank(target)
    }
}

/// One word for all live instances. What none of them has said is never called injected.
fn judge(
    current: Version,
    live: usize,
    said: &[&AgentReport],
    never: bool,
) -> (v1::RefState, String) {
    if let Some(failed) = said.iter().find(|report| report.state == ReportState::Failed) {
        let reason = format!("instance {}: {}", failed.instance, failed.detail);
        return (v1::RefState::Failed, reason);
    }
    if live == 0 {
        let reason = if never { "no instance has connected" } else { "no instance is connected" };
        return (v1::RefState::Waiting, reason.to_owned());
    }
    let applied = said
        .iter()
        .filter(|it| it.state == ReportState::Applied && it.version == current.get())
        .count();
    if applied == live {
        return (v1::RefState::Injected, String::new());
    }
    (v1::RefState::Pending, format!("{applied} of {live} instances have applied {current}"))
}

/// Whether an instance runs by this schedule still: a later process of it said nothing since.
fn is_newest(schedule: &AgentSchedule, reports: &[AgentReport]) -> bool {
    let mut of_it = reports.iter().filter(|report| report.instance == schedule.instance);
    !of_it.any(|report| report.boot != schedule.boot && report.at > schedule.at)
}

/// When the next run of an agent is due, where it waits for one. A run that nobody has heard of
/// when it was due is none: whoever was to begin it may be gone.
fn next_run(schedules: &[AgentSchedule], now: Timestamp) -> Option<Timestamp> {
    let waiting = schedules.iter().filter(|it| it.told.state == State::Waiting);
    let next = waiting.filter_map(|it| it.told.next_run);
    next.filter(|next| now <= next.plus_seconds(OVERDUE_SECONDS)).min()
}

fn delivery(delivery: &Delivery) -> v1::Delivery {
    // The domain's numbers are the wire's.
    v1::Delivery {
        way: delivery.way as i32,
        place: delivery.place.clone(),
        version: delivery.version,
        evidence: delivery.evidence as i32,
        since_time: Some(to_time(delivery.since)),
        effect: delivery.effect as i32,
    }
}

/// How long after a run was due it is taken for one that is about to begin.
const OVERDUE_SECONDS: i64 = 60;
