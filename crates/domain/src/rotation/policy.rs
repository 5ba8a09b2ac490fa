//! When and how a ref is rotated.

use crate::{
    clock::Timestamp,
    name::{RotatorAlias, SecretName},
    schedule::Schedule,
};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How a ref is rotated, as its manifest says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotationPolicy {
    /// Who knows how.
    pub rotator: RotatorAlias,
    /// How long before the value ends it is rotated by itself, in seconds; 0: never for that.
    pub before_expiry_seconds: i64,
    /// When it is rotated besides: a cron expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// The longest time by which a scheduled one is put off, in seconds, so that not all of them
    /// begin in one moment.
    pub jitter_seconds: i64,
    /// When one that is due may begin: a cron expression, which these minutes match. One that is
    /// asked for by an operator, and one of a value that ends soon, do not wait for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<String>,
    /// Time zone of schedule and window, as IANA names it.
    pub time_zone: String,
    /// How long the old credential stays valid after everybody is on the new one, in seconds.
    pub overlap_seconds: i64,
    /// How many agents of one kind are restarted at a time.
    pub restarts_at_once: usize,
}

/// When a rotation that is due may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// Now.
    Open,
    /// Not before this; none where it never opens again.
    Closed(Option<Timestamp>),
}

/// What set a rotation off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// Somebody asked.
    Asked,
    /// The value ends soon.
    Expiry,
    /// It was due.
    Schedule,
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Asked => "asked for",
            Self::Expiry => "the value ends soon",
            Self::Schedule => "due",
        })
    }
}

/// Where a policy says nothing: a week before the end, as people expect of certificates.
pub(crate) const BEFORE_EXPIRY_SECONDS_DEFAULT: i64 = 7 * 24 * 3600;
/// Where a policy says nothing: an hour, in which whoever is late is noticed.
pub(crate) const OVERLAP_SECONDS_DEFAULT: i64 = 3600;
/// Where a policy says nothing.
pub(crate) const JITTER_SECONDS_DEFAULT: i64 = 300;
/// Where a policy says nothing.
pub(crate) const RESTARTS_AT_ONCE_DEFAULT: usize = 10;
/// A value that ends within this time is rotated whatever the window says, in seconds.
pub(crate) const IMMINENT_SECONDS: i64 = 24 * 3600;
/// After the first one that came to nothing: a quarter of an hour.
const REST_SECONDS: i64 = 900;
/// After many: a day.
const REST_SECONDS_MAX: i64 = 24 * 3600;

impl RotationPolicy {
    /// The policy that names a rotator and says nothing else.
    #[must_use]
    pub fn of(rotator: RotatorAlias) -> Self {
        Self {
            rotator,
            before_expiry_seconds: BEFORE_EXPIRY_SECONDS_DEFAULT,
            schedule: None,
            jitter_seconds: JITTER_SECONDS_DEFAULT,
            window: None,
            time_zone: "UTC".to_owned(),
            overlap_seconds: OVERLAP_SECONDS_DEFAULT,
            restarts_at_once: RESTARTS_AT_ONCE_DEFAULT,
        }
    }

    /// What sets a rotation off by itself at a time; nothing where it is not due. `last` is when
    /// the version was made, `ends` when its value ends, and `jitter` between 0 and 1 is the
    /// secret's own.
    #[must_use]
    pub fn due(
        &self,
        last: Timestamp,
        ends: Option<Timestamp>,
        jitter: f64,
        now: Timestamp,
    ) -> Option<Trigger> {
        let zone = self.zone();
        let before = self.before_expiry_seconds;
        if before > 0 && ends.is_some_and(|end| end <= now.plus_seconds(before)) {
            let imminent = ends.is_some_and(|end| end <= now.plus_seconds(IMMINENT_SECONDS));
            if imminent || self.window(now) == Window::Open {
                return Some(Trigger::Expiry);
            }
        }
        let schedule = Schedule::parse(self.schedule.as_deref()?).ok()?;
        #[expect(clippy::cast_possible_truncation, reason = "a jitter of some minutes")]
        #[expect(clippy::cast_precision_loss, reason = "a jitter of some minutes")]
        let put_off = (self.jitter_seconds as f64 * jitter.clamp(0.0, 1.0)) as i64;
        let at = schedule.next_after(last, &zone)?.plus_seconds(put_off);
        (at <= now && self.window(now) == Window::Open).then_some(Trigger::Schedule)
    }

    /// Whether one that is due may begin at a time.
    #[must_use]
    pub fn window(&self, now: Timestamp) -> Window {
        let Some(window) = self.window.as_deref().and_then(|it| Schedule::parse(it).ok()) else {
            return Window::Open;
        };
        let zone = self.zone();
        match window.matches(now, &zone) {
            true => Window::Open,
            false => Window::Closed(window.next_after(now, &zone)),
        }
    }

    fn zone(&self) -> TimeZone {
        // One that was accepted and is not known any more: the time zones of this broker are older.
        TimeZone::get(&self.time_zone).unwrap_or(TimeZone::UTC)
    }
}

/// How long none begins by itself after so many in a row that came to nothing, in seconds: each
/// makes a credential at the service and takes it back, and moves every agent twice.
#[must_use]
pub(crate) fn rest_seconds(in_vain: usize) -> i64 {
    let doubled = u32::try_from(in_vain.saturating_sub(1)).unwrap_or(u32::MAX);
    let rest = 2_i64.checked_pow(doubled).and_then(|times| times.checked_mul(REST_SECONDS));
    rest.unwrap_or(i64::MAX).min(REST_SECONDS_MAX)
}

/// What kind of rotator an alias names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RotatorKind {
    /// A random value, for secrets that both sides read from here.
    Random,
    /// The password of a role of a Postgres, or of two that take turns.
    PostgresRole,
    /// A value or a database role behind Vault or OpenBao.
    Vault,
    /// AWS Secrets Manager's own rotation.
    AwsSecretsmanager,
    /// The requests of a service, as a file describes them.
    Http,
    /// A program of the operator's.
    Exec,
}

impl RotatorKind {
    /// Every kind with the name that manifests use.
    pub const ALL: [(&'static str, Self); 6] = [
        ("random", Self::Random),
        ("postgres-role", Self::PostgresRole),
        ("vault", Self::Vault),
        ("aws-secretsmanager", Self::AwsSecretsmanager),
        ("http", Self::Http),
        ("exec", Self::Exec),
    ];

    /// The name that manifests use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }

    /// The kind of this name.
    #[must_use]
    pub fn parse(given: &str) -> Option<Self> {
        Self::ALL.iter().find(|(name, _)| *name == given).map(|(_, kind)| *kind)
    }
}

/// A rotator as a manifest sets it up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotatorSpec {
    /// What kind it is.
    pub kind: RotatorKind,
    /// Its settings, checked against the kind's keys; never a secret.
    pub settings: serde_json::Map<String, serde_json::Value>,
}

impl RotatorSpec {
    /// The secrets that it needs for itself: those of `secrets`, by the names that the rotator
    /// calls them by.
    #[must_use]
    pub fn own_secrets(&self) -> Vec<(String, SecretName)> {
        let secrets = self.settings.get("secrets").and_then(serde_json::Value::as_object);
        let named = secrets.into_iter().flatten().filter_map(|(name, value)| {
            let reference = value.get("secretRef")?.as_str()?;
            Some((name.clone(), SecretName::parse(reference).ok()?))
        });
        named.collect()
    }
}
