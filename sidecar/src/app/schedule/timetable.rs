//! What is due when, and what became of it. Pure: the time is an argument.
//!
//! ```text
//! Waiting ── due ──▶ Begin: Running ── ended ──▶ Waiting
//!                      │ due again
//!                      ├─ it has not even begun ─▶ GiveUp: for the new one
//!                      └─ it runs ─▶ Skip │ Queue │ Replace
//! ```

use crate::config::{Overlap, ScheduleConfig};
use secretref_domain::{
    clock::Timestamp,
    limit::DETAIL_BYTES_MAX,
    schedule::{Outcome, Run, State, Told},
};

/// What is due when, and what became of it.
pub(super) struct Timetable {
    config: ScheduleConfig,
    /// What is due next comes after this.
    last_due: Timestamp,
    next: Option<Timestamp>,
    running: Option<Running>,
    /// A run that begins as soon as the one before it has ended.
    queued: Option<Timestamp>,
    last_run: Option<Run>,
    over: bool,
}

/// A run that began.
struct Running {
    due: Timestamp,
    /// When the program was started first.
    start: Option<Timestamp>,
    /// Why it was given up, where it was.
    given_up: Option<&'static str>,
}

/// What is to be done with a run that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// It begins.
    Begin,
    /// It is left out.
    Skip,
    /// It waits for the end of the one that runs.
    Queue,
    /// The one that runs is stopped for it.
    Replace,
    /// The one before it has not even begun, and is given up for it.
    GiveUp,
}

impl Timetable {
    /// A timetable from now on.
    pub(super) fn new(config: ScheduleConfig, now: Timestamp) -> Self {
        let next = config.schedule.next_after(now, &config.zone);
        let (running, queued, last_run) = (None, None, None);
        Self { config, last_due: now, next, running, queued, last_run, over: false }
    }

    /// How many milliseconds are left until the next run is due; nothing where none ever is. A
    /// clock that was set back by a little brings no run twice, and one that was set back by much
    /// was wrong before.
    pub(super) fn left_ms(&mut self, now: Timestamp) -> Option<i64> {
        if self.last_due.millis_since(now) > CORRECTION_MS {
            self.last_due = now;
            self.next = self.config.schedule.next_after(now, &self.config.zone);
        }
        self.next.map(|next| next.millis_since(now).max(0))
    }

    /// The next run is due. Those that were missed, as by a host that slept, are this one.
    pub(super) fn due(&mut self, now: Timestamp) -> Due {
        let due = self.next.unwrap_or(now);
        self.last_due = due.max(now);
        self.next = self.config.schedule.next_after(self.last_due, &self.config.zone);
        let Some(running) = &mut self.running else {
            self.running = Some(Running { due, start: None, given_up: None });
            return Due::Begin;
        };
        if running.start.is_none() {
            running.given_up = Some("it had not begun when the next run was due");
            self.queued = Some(due);
            return Due::GiveUp;
        }
        match self.config.overlap {
            Overlap::Skip => self.skip(due, "the run before it still runs", now),
            Overlap::Queue if self.queued.is_some() => {
                self.skip(due, "another one waits already for the run before it", now)
            }
            Overlap::Queue => {
                self.queued = Some(due);
                Due::Queue
            }
            Overlap::Replace => {
                self.queued = Some(due);
                Due::Replace
            }
        }
    }

    fn skip(&mut self, due: Timestamp, why: &str, now: Timestamp) -> Due {
        let (outcome, detail) = (Outcome::Skipped, why.to_owned());
        self.last_run = Some(Run { due, start: None, end: now, outcome, exit_code: 0, detail });
        Due::Skip
    }

    /// The program runs. That a rotation starts it again is no news.
    pub(super) fn started(&mut self, now: Timestamp) {
        if let Some(running) = &mut self.running {
            running.start.get_or_insert(now);
        }
    }

    /// The run is over. One that was given up was left out, however it ended.
    pub(super) fn ended(&mut self, outcome: Outcome, exit_code: u8, detail: &str, now: Timestamp) {
        let Some(Running { due, start, given_up }) = self.running.take() else { return };
        let (outcome, exit_code, detail) = match given_up {
            Some(why) => (Outcome::Skipped, 0, why),
            None => (outcome, exit_code, detail),
        };
        let detail = plain(detail);
        self.last_run = Some(Run { due, start, end: now, outcome, exit_code, detail });
    }

    /// Begins the run that waited for the one before it, where one did.
    pub(super) fn begin_queued(&mut self) -> bool {
        let Some(due) = self.queued.take() else { return false };
        self.running = Some(Running { due, start: None, given_up: None });
        true
    }

    /// Whether a run is under way.
    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Whether the program of a run was started.
    pub(super) fn is_started(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.start.is_some())
    }

    /// No run follows.
    pub(super) fn end(&mut self) {
        self.over = true;
        (self.next, self.queued) = (None, None);
    }

    /// When the next run is due.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.next
    }

    /// Whether no run follows.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// The last run that is over.
    #[cfg(test)]
    pub(super) fn last_run(&self) -> Option<&Run> {
        self.last_run.as_ref()
    }

    /// What the broker is told.
    pub(super) fn told(&self) -> Told {
        let state = match (&self.running, self.over) {
            (Some(_), _) => State::Running,
            (None, true) => State::Ended,
            (None, false) => State::Waiting,
        };
        Told {
            cron: self.config.schedule.as_str().to_owned(),
            time_zone: self.config.zone_name.clone(),
            state,
            next_run: self.next,
            running_since: self.running.as_ref().and_then(|running| running.start),
            last_run: self.last_run.clone(),
        }
    }
}

/// As much as a broker takes, on one line.
fn plain(detail: &str) -> String {
    let clean: String = detail.chars().map(|it| if it.is_control() { ' ' } else { it }).collect();
    clean[..clean.floor_char_boundary(DETAIL_BYTES_MAX)].to_owned()
}

/// A clock that is set back by more than this was wrong before: three hours, as cron has it.
const CORRECTION_MS: i64 = 3 * 3600 * 1000;

#[cfg(test)]
mod tests;
