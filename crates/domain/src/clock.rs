//! Time as an argument.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A point in time: microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Takes microseconds since the epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// This many seconds later (or earlier); stops at the ends of time.
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }

    /// This many milliseconds later (or earlier); stops at the ends of time.
    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis.saturating_mul(1_000)))
    }

    /// Milliseconds from `earlier` to this; negative where it is later.
    #[must_use]
    pub const fn millis_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0) / 1000
    }

    /// Takes RFC 3339 (`2027-03-08T04:12:00Z`) or a date (`2027-03-08`, its first moment in UTC).
    #[must_use]
    pub fn parse(given: &str) -> Option<Self> {
        if let Ok(at) = given.parse::<jiff::Timestamp>() {
            return Some(Self(at.as_microsecond()));
        }
        // A date alone: jiff also takes a time without a zone for one, and drops the time.
        let date: jiff::civil::Date = (given.len() == 10).then(|| given.parse().ok())??;
        let at = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(Self(at.timestamp().as_microsecond()))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(at) => at.fmt(f),
            Err(_) => write!(f, "{} µs", self.0),
        }
    }
}

/// Something that knows the time. The domain only names it; binaries pass the system's, tests a
/// manual one.
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Timestamp;
}
