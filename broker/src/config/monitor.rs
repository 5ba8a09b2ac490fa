//! `[monitor]` of `broker.toml`: from when on people are told of what is so. `docs/alerts.md`
//! explains each.

use secretref_domain::condition::Bounds;
use serde::{Deserialize, Serialize};

/// From when on people are told. What is not named has its default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Monitor {
    /// How long before its end a value ends soon, in days: 1 to 365.
    pub expiring_days: u32,
    /// How long a provider fails before it is degraded, in seconds: 0 to 86,400.
    pub degraded_seconds: u32,
    /// How long a rotation stands still before it is stuck, in seconds: 0 to 2,592,000.
    pub stuck_seconds: u32,
    /// How long a connected instance is behind before it lags, in seconds: 0 to 86,400.
    pub lagging_seconds: u32,
    /// How long nobody takes a bound secret before it is never used, in seconds: 0 to 31,536,000.
    pub unused_seconds: u32,
    /// How long people are left alone with what comes and goes, in seconds: 0 to 604,800.
    pub quiet_seconds: u32,
    /// How often a credential is tested at its service, in seconds: 60 to 2,592,000.
    pub test_seconds: u32,
}

/// A bound out of its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("monitor.{name} is {given}; it lies in {least} to {most}")]
pub struct MonitorError {
    name: &'static str,
    given: u32,
    least: u32,
    most: u32,
}

impl Default for Monitor {
    fn default() -> Self {
        let bounds = Bounds::DEFAULT;
        let seconds = |seconds: i64| u32::try_from(seconds).unwrap_or(u32::MAX);
        Self {
            expiring_days: seconds(bounds.expiring_seconds / DAY_SECONDS),
            degraded_seconds: seconds(bounds.degraded_seconds),
            stuck_seconds: seconds(bounds.stuck_seconds),
            lagging_seconds: seconds(bounds.lagging_seconds),
            unused_seconds: seconds(bounds.unused_seconds),
            quiet_seconds: 3600,
            test_seconds: 86_400,
        }
    }
}

impl Monitor {
    /// Whether these are the defaults.
    #[must_use]
    pub fn are_default(&self) -> bool {
        *self == Self::default()
    }

    /// As the domain knows them.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        Bounds {
            expiring_seconds: i64::from(self.expiring_days) * DAY_SECONDS,
            trusts_rotation: true,
            degraded_seconds: self.degraded_seconds.into(),
            stuck_seconds: self.stuck_seconds.into(),
            lagging_seconds: self.lagging_seconds.into(),
            unused_seconds: self.unused_seconds.into(),
        }
    }

    /// Whether each lies in its range.
    ///
    /// # Errors
    /// The first that does not.
    pub fn check(&self) -> Result<(), MonitorError> {
        let all = [
            ("expiring_days", self.expiring_days, 1, 365),
            ("degraded_seconds", self.degraded_seconds, 0, 86_400),
            ("stuck_seconds", self.stuck_seconds, 0, 2_592_000),
            ("lagging_seconds", self.lagging_seconds, 0, 86_400),
            ("unused_seconds", self.unused_seconds, 0, 31_536_000),
            ("quiet_seconds", self.quiet_seconds, 0, 604_800),
            ("test_seconds", self.test_seconds, 60, 2_592_000),
        ];
        let wrong =
            all.into_iter().find(|(_, given, least, most)| !(least..=most).contains(&given));
        match wrong {
            Some((name, given, least, most)) => Err(MonitorError { name, given, least, most }),
            None => Ok(()),
        }
    }
}

const DAY_SECONDS: i64 = 24 * 3600;

#[cfg(test)]
mod tests;
