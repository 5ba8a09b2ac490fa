//! A program that runs by a schedule, as people and programs read it.

use super::{json, plain, time};
use prost_types::Timestamp;
use secretref_proto::v1::{self, RunOutcome, ScheduleState};
use serde::Serialize;

/// A schedule for `--json`.
#[derive(Serialize)]
pub(crate) struct Schedule {
    cron: String,
    time_zone: String,
    state: &'static str,
    next_run: Option<String>,
    running_since: Option<String>,
    last_run: Option<Run>,
}

#[derive(Serialize)]
struct Run {
    due: Option<String>,
    start: Option<String>,
    end: Option<String>,
    outcome: &'static str,
    exit_code: i32,
    detail: Option<String>,
}

impl From<v1::Schedule> for Schedule {
    fn from(schedule: v1::Schedule) -> Self {
        let run = |run: v1::ScheduledRun| Run {
            due: time::optional(run.due_time.as_ref()),
            start: time::optional(run.start_time.as_ref()),
            end: time::optional(run.end_time.as_ref()),
            outcome: match run.outcome() {
                RunOutcome::Unspecified => "unknown",
                RunOutcome::Ended => "ended",
                RunOutcome::Skipped => "skipped",
                RunOutcome::NotStarted => "not-started",
            },
            exit_code: run.exit_code,
            detail: json::present(run.detail),
        };
        Self {
            state: match schedule.state() {
                ScheduleState::Unspecified => "unknown",
                ScheduleState::Waiting => "waiting",
                ScheduleState::Running => "running",
                ScheduleState::Ended => "ended",
            },
            next_run: time::optional(schedule.next_run_time.as_ref()),
            running_since: time::optional(schedule.running_since_time.as_ref()),
            cron: schedule.cron,
            time_zone: schedule.time_zone,
            last_run: schedule.last_run.map(run),
        }
    }
}

/// What is to be thought of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// It waits for its next run, as it should.
    Waits,
    /// A run was due, and nothing was heard of it.
    Overdue,
    /// It runs.
    Runs,
    /// It ran when it was last heard of.
    Lost,
    /// It is over.
    Ended,
}

/// What is to be thought of an instance that runs by a schedule; nothing of one that does not.
pub(crate) fn mood(instance: &v1::Instance, now: &Timestamp) -> Option<Mood> {
    let schedule = instance.schedule.as_ref()?;
    let due = schedule.next_run_time.as_ref().map(time::micros);
    let overdue = due.is_some_and(|due| due.saturating_add(OVERDUE_MICROS) < time::micros(now));
    Some(match schedule.state() {
        ScheduleState::Unspecified | ScheduleState::Ended => Mood::Ended,
        ScheduleState::Waiting if overdue && !instance.connected => Mood::Overdue,
        ScheduleState::Waiting => Mood::Waits,
        ScheduleState::Running if instance.connected => Mood::Runs,
        ScheduleState::Running => Mood::Lost,
    })
}

/// Whether an agent is right not to be connected: it waits for its next run.
pub(crate) fn waits(status: &v1::AgentStatus, now: &Timestamp) -> bool {
    status.instances.iter().any(|instance| mood(instance, now) == Some(Mood::Waits))
}

/// A line for each instance that runs by a schedule that is not over.
pub(crate) fn lines(status: &v1::AgentStatus, now: &Timestamp) -> Vec<String> {
    let lines = status.instances.iter().filter_map(|instance| {
        let (schedule, mood) = (instance.schedule.as_ref()?, mood(instance, now)?);
        line(schedule, mood, now)
    });
    lines.map(|line| plain(&line)).collect()
}

fn line(schedule: &v1::Schedule, mood: Mood, now: &Timestamp) -> Option<String> {
    let next = schedule.next_run_time.as_ref();
    let next_run =
        |next| format!("next run {} UTC ({})", time::minute(next), time::ahead(next, now));
    let last = schedule.last_run.as_ref();
    let failed = last.is_some_and(is_failed);
    let since = schedule.running_since_time.as_ref();
    let since = since.map(|at| format!(" since {}", time::clock(at, now))).unwrap_or_default();
    let (icon, what) = match mood {
        Mood::Ended => return None,
        Mood::Waits => (if failed { "⚠️" } else { "⏳" }, next.map(next_run)),
        Mood::Overdue => {
            let due = next.map(time::minute).unwrap_or_default();
            ("⚠️", Some(format!("the run of {due} UTC was due, and nothing was heard of it")))
        }
        Mood::Runs => ("▶️", Some(format!("runs{since}"))),
        Mood::Lost => ("⚠️", Some(format!("ran{since}, and is not connected"))),
    };
    let what = what.unwrap_or_else(|| "no next run".to_owned());
    let next = match mood {
        Mood::Runs | Mood::Lost => next.map(|next| format!(", {}", next_run(next))),
        _ => None,
    };
    let last = last.map(|run| format!(", last run {}", outcome(run, now)));
    let zone = match schedule.time_zone.as_str() {
        "UTC" => String::new(),
        zone => format!(" {zone}"),
    };
    let cron = &schedule.cron;
    let (next, last) = (next.unwrap_or_default(), last.unwrap_or_default());
    Some(format!("{icon} {what}{next}{last}   \"{cron}\"{zone}"))
}

/// Whether a run came to nothing good.
pub(crate) fn is_failed(run: &v1::ScheduledRun) -> bool {
    run.outcome() != RunOutcome::Ended || run.exit_code != 0
}

/// What became of a run, and when.
pub(crate) fn outcome(run: &v1::ScheduledRun, now: &Timestamp) -> String {
    let what = match run.outcome() {
        RunOutcome::Ended => format!("exit {}", run.exit_code),
        RunOutcome::Skipped => "skipped".to_owned(),
        RunOutcome::NotStarted => "not started".to_owned(),
        RunOutcome::Unspecified => "unknown".to_owned(),
    };
    let at = run.end_time.as_ref().map(|at| format!(" at {}", time::clock(at, now)));
    let why = match run.detail.as_str() {
        "" => String::new(),
        detail => format!(" ({detail})"),
    };
    format!("{what}{}{why}", at.unwrap_or_default())
}

/// How long after a run was due it is taken for one that is about to begin: a minute, as the broker
/// does.
const OVERDUE_MICROS: i64 = 60 * 1_000_000;

#[cfg(test)]
mod tests;
