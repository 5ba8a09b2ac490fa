//! What a sidecar tells of a program that it runs by a schedule.

use crate::{
    clock::Timestamp,
    limit::{DETAIL_BYTES_MAX, SCHEDULE_BYTES_MAX},
    schedule::is_zone_name,
};
use serde::{Deserialize, Serialize};

/// What a sidecar tells of a program that it runs by a schedule. Informs, and decides nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The cron expression, as it was given.
    pub cron: String,
    /// The time zone, as IANA names it.
    pub time_zone: String,
    /// What the program does.
    pub state: State,
    /// When the next run is due; nothing where none is.
    pub next_run: Option<Timestamp>,
    /// Since when it runs, where it does.
    pub running_since: Option<Timestamp>,
    /// The last run that is over.
    pub last_run: Option<Run>,
}

/// What a program that runs by a schedule does. Numbers as on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It waits for its next run; the sidecar holds nothing and no stream.
    Waiting = 1,
    /// It runs, or is about to.
    Running = 2,
    /// The schedule is over: the sidecar ended.
    Ended = 3,
}

/// A run that is over, or never was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// When it was due.
    pub due: Timestamp,
    /// When the program was started; nothing where it was not.
    pub start: Option<Timestamp>,
    /// When it was over.
    pub end: Timestamp,
    /// What became of it.
    pub outcome: Outcome,
    /// The program's exit code, 128 and more for a signal; 0 where it did not run.
    pub exit_code: u8,
    /// Why, where it did not run or did not end by itself; at most [`DETAIL_BYTES_MAX`] bytes.
    pub detail: String,
}

/// What became of a run. Numbers as on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The program ran, and ended with its code.
    Ended = 1,
    /// It was not started: what it needs was not there, or another run was in its way.
    Skipped = 2,
    /// It could not be started.
    NotStarted = 3,
}

impl Told {
    /// Whether everything is within its limits.
    #[must_use]
    pub fn is_plausible(&self) -> bool {
        let text =
            |given: &str, max: usize| given.len() <= max && !given.chars().any(char::is_control);
        text(&self.cron, SCHEDULE_BYTES_MAX)
            && !self.cron.is_empty()
            && is_zone_name(&self.time_zone)
            && self.last_run.as_ref().is_none_or(|run| text(&run.detail, DETAIL_BYTES_MAX))
    }

    /// In words, for the audit trail.
    #[must_use]
    pub fn words(&self) -> String {
        let next = match self.next_run {
            Some(next) => format!(", next run {next}"),
            None => String::new(),
        };
        let last = match &self.last_run {
            Some(run) => format!(", last run {}", run.words()),
            None => String::new(),
        };
        let state = match self.state {
            State::Waiting => "waiting",
            State::Running => "running",
            State::Ended => "ended",
        };
        format!("{state}{next}{last}")
    }
}

impl Run {
    /// In words.
    #[must_use]
    pub fn words(&self) -> String {
        let detail = match self.detail.as_str() {
            "" => String::new(),
            detail => format!(" ({detail})"),
        };
        match self.outcome {
            Outcome::Ended => format!("exit {}{detail}", self.exit_code),
            Outcome::Skipped => format!("skipped{detail}"),
            Outcome::NotStarted => format!("not started{detail}"),
        }
    }
}

impl State {
    /// The state of a number.
    #[must_use]
    pub fn of(number: i64) -> Option<Self> {
        [Self::Waiting, Self::Running, Self::Ended].into_iter().find(|it| *it as i64 == number)
    }
}

impl Outcome {
    /// The outcome of a number.
    #[must_use]
    pub fn of(number: i64) -> Option<Self> {
        [Self::Ended, Self::Skipped, Self::NotStarted].into_iter().find(|it| *it as i64 == number)
    }
}
