//! Values of options.

use jiff::Timestamp as Instant;
use secretref_domain::clock::Timestamp;
use std::time::Duration;

/// How often something is looked at: 1s to 1h.
pub(crate) fn interval(given: &str) -> Result<Duration, String> {
    let taken = duration(given)?;
    let fits = (Duration::from_secs(1)..=Duration::from_hours(1)).contains(&taken);
    if fits { Ok(taken) } else { Err("it is looked every 1s to 1h".to_owned()) }
}

/// A duration such as `30s`, `10m`, `2h`, `90d` or `2w`.
pub(crate) fn duration(given: &str) -> Result<Duration, String> {
    let wrong = || {
        "a duration is a whole number and a unit: 30s, 10m, 2h, 90d or 2w, at most 100 years"
            .to_owned()
    };
    let unit = given.chars().next_back().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return Err(wrong()),
    };
    let digits = &given[..given.len() - 1];
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let seconds = number.checked_mul(seconds).filter(|&seconds| seconds <= SECONDS_MAX);
    seconds.map(Duration::from_secs).ok_or_else(wrong)
}

/// A point in time: RFC 3339 or a date.
pub(crate) fn moment(given: &str) -> Result<Timestamp, String> {
    Timestamp::parse(given).ok_or_else(|| {
        "a time is RFC 3339 (2027-03-08T04:12:00Z) or a date (2027-03-08)".to_owned()
    })
}

/// A point in time, or a duration before now.
pub(crate) fn since(given: &str) -> Result<Timestamp, String> {
    if let Ok(before) = duration(given) {
        return Ok(after_now(-i64::try_from(before.as_secs()).unwrap_or(i64::MAX)));
    }
    moment(given).map_err(|why| format!("{why}, or a duration before now (2h)"))
}

/// So many seconds from now.
pub(crate) fn after_now(seconds: i64) -> Timestamp {
    Timestamp::from_micros(Instant::now().as_microsecond()).plus_seconds(seconds)
}

/// A hundred years.
const SECONDS_MAX: u64 = 100 * 366 * 86_400;
