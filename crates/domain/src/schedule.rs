//! When something is due, by a cron expression, and what is told of a program that runs by one.
//! Pure: the time and the zone are arguments.

mod told;

pub use told::{Outcome, Run, State, Told};

use crate::{
    clock::Timestamp,
    limit::{SCHEDULE_BYTES_MAX, TIME_ZONE_BYTES_MAX},
};
use croner::{
    errors::CronError,
    parser::{CronParser, Seconds, Year},
};
use jiff::tz::TimeZone;
use std::{fmt, sync::Arc};

/// A cron expression: minute, hour, day of the month, month, day of the week; with a sixth field,
/// which stands first, the second.
///
/// Where clocks are set forward, a time of the day that is left out comes with the first moment
/// after the gap, and what repeats within the gap (`*/5`) does not come in it. Where they are set
/// back, a time of the day comes once, at its first occurrence, and what repeats comes in both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    given: Arc<str>,
    cron: croner::Cron,
}

/// Why a schedule was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{given:?} is no schedule: {why}. One has five fields, minute, hour, day of the month, month \
     and day of the week, as \"0 9 * * 1-5\" for nine o'clock from Monday to Friday; or the second \
     before them, or is @hourly, @daily, @weekly, @monthly or @yearly"
)]
pub struct ScheduleError {
    /// What was given, cut to 128 characters.
    pub given: String,
    /// What is wrong with it.
    pub why: String,
}

impl Schedule {
    /// Takes a cron expression of at most [`SCHEDULE_BYTES_MAX`] bytes.
    ///
    /// # Errors
    /// [`ScheduleError`] where it is none, or is one that never comes.
    pub fn parse(given: &str) -> Result<Self, ScheduleError> {
        let refuse = |why: &dyn fmt::Display| ScheduleError {
            given: given.chars().take(128).collect(),
            why: why.to_string(),
        };
        if given.len() > SCHEDULE_BYTES_MAX {
            return Err(refuse(&format!("it is longer than {SCHEDULE_BYTES_MAX} bytes")));
        }
        // Digits and letters of other scripts, and blanks that are none, are nobody's intention.
        if !given.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
            return Err(refuse(&"it has a character that is not plain"));
        }
        let fields = given.split_whitespace().count();
        match (given.trim_start().starts_with('@'), fields) {
            (true, 1) | (false, 0 | 5 | 6) => {}
            (..) => return Err(refuse(&format!("it has {fields} fields"))),
        }
        let parser =
            CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
        let cron = parser.parse(given).map_err(|error| refuse(&why(error)))?;
        let schedule = Self { given: given.into(), cron };
        let comes = schedule.next_after(Timestamp::from_micros(0), &TimeZone::UTC).is_some();
        if comes { Ok(schedule) } else { Err(refuse(&"there is no such day")) }
    }

    /// As it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.given
    }

    /// When it is due next after a moment, by the clocks of a zone; nothing at the end of time.
    #[must_use]
    pub fn next_after(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let after = jiff::Timestamp::from_microsecond(after.as_micros()).ok()?;
        let next = self.cron.find_next_occurrence(&after.to_zoned(zone.clone()), false).ok()?;
        Some(Timestamp::from_micros(next.timestamp().as_microsecond()))
    }

    /// Whether a moment is one of its own, by the clocks of a zone: to the second where it has
    /// seconds, else to the minute.
    #[must_use]
    pub fn matches(&self, at: Timestamp, zone: &TimeZone) -> bool {
        let Ok(at) = jiff::Timestamp::from_microsecond(at.as_micros()) else { return false };
        let at = at.to_zoned(zone.clone());
        // Without seconds in it, a pattern means the first one of each minute.
        let at = match self.given.split_whitespace().count() {
            6 => at,
            _ => at.with().second(0).subsec_nanosecond(0).build().unwrap_or(at),
        };
        self.cron.is_time_matching(&at).unwrap_or(false)
    }
}

/// Whether a name can be that of a time zone; whether there is such a zone the system knows.
#[must_use]
pub fn is_zone_name(given: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/_+-".contains(&byte);
    (1..=TIME_ZONE_BYTES_MAX).contains(&given.len())
        && given.bytes().all(plain)
        && given.split('/').all(|part| !part.is_empty())
}

/// What is wrong, as the middle of a sentence.
fn why(error: CronError) -> String {
    let text = match error {
        CronError::EmptyPattern => return "it is empty".to_owned(),
        CronError::InvalidPattern(text)
        | CronError::IllegalCharacters(text)
        | CronError::ComponentError(text) => text,
        other => other.to_string(),
    };
    let mut letters = text.trim_end_matches('.').chars();
    let first = letters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests;
