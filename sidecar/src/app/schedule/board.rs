//! The timetable where it is read and written: what changes on it, the broker is told.

use super::timetable::{Due, Timetable};
use crate::{
    config::ScheduleConfig,
    sinks::process::{Ended, NotStarted},
};
use secretref_domain::{
    clock::{Clock, Timestamp},
    schedule::{Outcome, Told},
};
use std::{
    future::pending,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::watch, time::sleep};

/// A timetable and whoever follows it. Its clones are one.
#[derive(Clone)]
pub(super) struct Board {
    table: Arc<Mutex<Timetable>>,
    told: watch::Sender<Told>,
    clock: Arc<dyn Clock>,
}

impl Board {
    /// A board, and what the broker is to be told of it.
    pub(super) fn new(
        config: ScheduleConfig,
        clock: Arc<dyn Clock>,
    ) -> (Self, watch::Receiver<Told>) {
        let table = Timetable::new(config, clock.now());
        let (told, follow) = watch::channel(table.told());
        (Self { table: Arc::new(Mutex::new(table)), told, clock }, follow)
    }

    /// The next run is due: what is to be done about it.
    pub(super) fn due(&self) -> Due {
        let due = self.change(Timetable::due);
        match due {
            Due::Begin => tracing::info!("a run is due"),
            Due::Skip => tracing::warn!("a run is left out: the one before it still runs"),
            Due::Queue => tracing::info!("a run waits for the one before it to end"),
            Due::Replace => tracing::info!("the run before is stopped for the one that is due"),
            Due::GiveUp => tracing::warn!("a run that did not begin is given up for the next"),
        }
        due
    }

    /// How long until the next run is due; nothing where none ever is.
    pub(super) fn left(&self) -> Option<Duration> {
        let left = self.lock().left_ms(self.clock.now())?;
        Some(Duration::from_millis(left.unsigned_abs()))
    }

    /// Waits until the next run is due. It is looked again every second, because clocks are set.
    pub(super) async fn until_due(&self) {
        loop {
            match self.left() {
                Some(Duration::ZERO) => return,
                Some(left) => sleep(left.min(super::LOOK)).await,
                None => pending().await,
            }
        }
    }

    /// The program of the run is started.
    pub(super) fn started(&self) {
        self.change(Timetable::started);
    }

    /// The program of the run ended, or will not be started.
    pub(super) fn ended(&self, ended: &Ended) {
        // One that ended at once was hardly seen to run.
        if let Ended::Child(_) | Ended::Gate(_) = ended {
            self.started();
        }
        match ended {
            Ended::Child(end) => {
                tracing::info!(%end, "the run is over");
                self.over(Outcome::Ended, end.code(), "");
            }
            Ended::NotStarted(error @ NotStarted { .. }) => {
                self.over(Outcome::NotStarted, error.code(), &error.to_string());
            }
            Ended::Unresolved(lines) => {
                lines.iter().for_each(|line| tracing::error!("{line}"));
                self.over(Outcome::Skipped, 0, &lines.join("; "));
            }
            Ended::Gate(why) => self.over(Outcome::Ended, GATE_CODE, why),
            Ended::NoCommand => {
                self.over(Outcome::Skipped, 0, "the agent's manifest names no command");
            }
            // Whoever asked says why.
            Ended::Told => {}
        }
    }

    /// The run is over, if it was not before.
    pub(super) fn over(&self, outcome: Outcome, exit_code: u8, why: &str) {
        if !self.is_running() {
            return;
        }
        match outcome {
            Outcome::Ended if exit_code == 0 => {}
            Outcome::Ended => tracing::warn!(exit_code, why, "the run failed"),
            Outcome::Skipped => tracing::warn!(why, "the run is left out"),
            Outcome::NotStarted => tracing::error!(why, "the program was not started"),
        }
        self.change(|table, now| table.ended(outcome, exit_code, why, now));
    }

    /// Begins the run that waited for the one before it, where one did.
    pub(super) fn begin_queued(&self) -> bool {
        self.change(|table, _| table.begin_queued())
    }

    /// No run follows.
    pub(super) fn end(&self) {
        self.change(|table, _| table.end());
    }

    /// Whether no run follows.
    pub(super) fn is_over(&self) -> bool {
        self.lock().is_over()
    }

    /// Whether a run is under way.
    pub(super) fn is_running(&self) -> bool {
        self.lock().is_running()
    }

    /// Whether its program was started.
    pub(super) fn is_started(&self) -> bool {
        self.lock().is_started()
    }

    /// When the next run is due.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.lock().next()
    }

    fn change<T>(&self, change: impl FnOnce(&mut Timetable, Timestamp) -> T) -> T {
        let mut table = self.lock();
        let outcome = change(&mut table, self.clock.now());
        self.told.send_replace(table.told());
        outcome
    }

    /// A poisoned lock is taken all the same: a timetable is whole after every change.
    fn lock(&self) -> MutexGuard<'_, Timetable> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a program that did not pass its gate comes to, as without a schedule.
const GATE_CODE: u8 = 1;
