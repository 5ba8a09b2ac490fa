//! A scheduled program: wire ↔ domain.

use super::field::{FieldError, time, to_time};
use crate::v1;
use secretref_domain::schedule::{Outcome, Run, State, Told};

/// What is told of a scheduled program, for the wire.
#[must_use]
pub fn to_schedule(told: &Told) -> v1::Schedule {
    let run = |run: &Run| v1::ScheduledRun {
        due_time: Some(to_time(run.due)),
        start_time: run.start.map(to_time),
        end_time: Some(to_time(run.end)),
        // The domain's numbers are the wire's.
        outcome: run.outcome as i32,
        exit_code: run.exit_code.into(),
        detail: run.detail.clone(),
    };
    v1::Schedule {
        cron: told.cron.clone(),
        time_zone: told.time_zone.clone(),
        state: told.state as i32,
        next_run_time: told.next_run.map(to_time),
        running_since_time: told.running_since.map(to_time),
        last_run: told.last_run.as_ref().map(run),
    }
}

/// What is told of a scheduled program, from the wire.
///
/// # Errors
/// [`FieldError`] for the first field that is not within its limits.
pub fn from_schedule(given: &v1::Schedule) -> Result<Told, FieldError> {
    let wrong = |field, problem: &str| FieldError::new(field, problem);
    let state = State::of(given.state.into())
        .ok_or_else(|| wrong("schedule.state", "it is none that is known"))?;
    let told = Told {
        cron: given.cron.clone(),
        time_zone: given.time_zone.clone(),
        state,
        next_run: time("schedule.next_run_time", given.next_run_time.as_ref())?,
        running_since: time("schedule.running_since_time", given.running_since_time.as_ref())?,
        last_run: given.last_run.as_ref().map(from_run).transpose()?,
    };
    match told.is_plausible() {
        true => Ok(told),
        false => Err(wrong("schedule", "a text in it is empty, too long or not plain")),
    }
}

fn from_run(given: &v1::ScheduledRun) -> Result<Run, FieldError> {
    let must = |field, at: Option<_>| at.ok_or_else(|| FieldError::new(field, "it is missing"));
    let due = time("schedule.last_run.due_time", given.due_time.as_ref())?;
    let end = time("schedule.last_run.end_time", given.end_time.as_ref())?;
    let outcome = Outcome::of(given.outcome.into())
        .ok_or_else(|| FieldError::new("schedule.last_run.outcome", "it is none that is known"))?;
    let exit_code = u8::try_from(given.exit_code)
        .map_err(|_| FieldError::new("schedule.last_run.exit_code", "it lies in 0 to 255"))?;
    Ok(Run {
        due: must("schedule.last_run.due_time", due)?,
        start: time("schedule.last_run.start_time", given.start_time.as_ref())?,
        end: must("schedule.last_run.end_time", end)?,
        outcome,
        exit_code,
        detail: given.detail.clone(),
    })
}

#[cfg(test)]
mod tests;
