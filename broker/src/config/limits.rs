//! `[limits]` of `broker.toml`: how much of the broker anyone gets. `docs/limits.md` explains each.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How much of the broker anyone gets. What is not named has its default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Connections in all, for each port: 16 to 100,000.
    pub connections_max: u32,
    /// TLS handshakes under way at once, for each port: 8 to 10,000. One more ends the oldest of
    /// the address that has the most.
    pub handshakes_max: u32,
    /// Connections of one instance of an agent: 2 to 64.
    pub connections_per_instance_max: u32,
    /// Connections of one administrator: 1 to 10,000.
    pub connections_per_admin_max: u32,
    /// Connections that show no certificate, in all: 1 to 10,000.
    pub strangers_max: u32,
    /// Connections from one address that show no certificate: 1 to 10,000.
    pub strangers_per_address_max: u32,
    /// Requests and stream messages of one instance of an agent, a second: 1 to 10,000.
    pub requests_per_second: u32,
    /// How many of them may come at once: 1 to 100,000.
    pub requests_burst: u32,
    /// Requests of one administrator, a second: 1 to 100,000.
    pub admin_requests_per_second: u32,
    /// How many of them may come at once: 1 to 1,000,000.
    pub admin_requests_burst: u32,
    /// Enrolments from one address that fail, a minute: 1 to 60,000.
    pub failed_enrolments_per_minute: u32,
    /// How many of them may come at once: 1 to 100,000.
    pub failed_enrolments_burst: u32,
    /// Enrolments in all, a second: 1 to 10,000.
    pub enrolments_per_second: u32,
    /// How many of them may come at once: 1 to 100,000.
    pub enrolments_burst: u32,
    /// Watch streams that are opened, a second: 1 to 100,000.
    pub streams_per_second: u32,
    /// How many of them may come at once: 1 to 1,000,000.
    pub streams_burst: u32,
    /// Age at which a stream is asked to be opened anew, ± 20 %, in seconds: 60 to 86,400.
    pub stream_age_seconds: u32,
    /// How long streams and requests go on after SIGTERM, in seconds: 0 to 300.
    pub drain_seconds: u32,
}

/// A limit out of its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("limits.{name} is {given}; it lies in {least} to {most}")]
pub struct LimitError {
    name: &'static str,
    given: u32,
    least: u32,
    most: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            handshakes_max: 256,
            connections_per_instance_max: 4,
            connections_per_admin_max: 256,
            strangers_max: 256,
            strangers_per_address_max: 64,
            requests_per_second: 20,
            requests_burst: 100,
            admin_requests_per_second: 20_000,
            admin_requests_burst: 40_000,
            failed_enrolments_per_minute: 5,
            failed_enrolments_burst: 20,
            enrolments_per_second: 200,
            enrolments_burst: 1_000,
            streams_per_second: 1_000,
            streams_burst: 2_000,
            stream_age_seconds: 2_700,
            drain_seconds: 5,
        }
    }
}

impl Limits {
    /// Whether these are the defaults.
    #[must_use]
    pub fn are_default(&self) -> bool {
        *self == Self::default()
    }

    /// How long streams and requests go on after SIGTERM.
    #[must_use]
    pub fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds.into())
    }

    /// Whether each lies in its range.
    ///
    /// # Errors
    /// Which does not, and what it may be.
    pub fn check(&self) -> Result<(), LimitError> {
        for (name, given, (least, most)) in [
            ("connections_max", self.connections_max, (16, 100_000)),
            ("handshakes_max", self.handshakes_max, (8, 10_000)),
            ("connections_per_instance_max", self.connections_per_instance_max, (2, 64)),
            ("connections_per_admin_max", self.connections_per_admin_max, (1, 10_000)),
            ("strangers_max", self.strangers_max, (1, 10_000)),
            ("strangers_per_address_max", self.strangers_per_address_max, (1, 10_000)),
            ("requests_per_second", self.requests_per_second, (1, 10_000)),
            ("requests_burst", self.requests_burst, (1, 100_000)),
            ("admin_requests_per_second", self.admin_requests_per_second, (1, 100_000)),
            ("admin_requests_burst", self.admin_requests_burst, (1, 1_000_000)),
            ("failed_enrolments_per_minute", self.failed_enrolments_per_minute, (1, 60_000)),
            ("failed_enrolments_burst", self.failed_enrolments_burst, (1, 100_000)),
            ("enrolments_per_second", self.enrolments_per_second, (1, 10_000)),
            ("enrolments_burst", self.enrolments_burst, (1, 100_000)),
            ("streams_per_second", self.streams_per_second, (1, 100_000)),
            ("streams_burst", self.streams_burst, (1, 1_000_000)),
            ("stream_age_seconds", self.stream_age_seconds, (60, 86_400)),
            ("drain_seconds", self.drain_seconds, (0, 300)),
        ] {
            if !(least..=most).contains(&given) {
                return Err(LimitError { name, given, least, most });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
