//! Times: RFC 3339 in UTC for programs, short and in UTC for people.

use prost_types::Timestamp as Wire;
use secretref_domain::clock::Timestamp;

/// Microseconds since 1970-01-01T00:00:00Z.
pub(crate) fn micros(at: &Wire) -> i64 {
    at.seconds.saturating_mul(1_000_000).saturating_add(i64::from(at.nanos / 1_000))
}

/// For the wire.
pub(crate) fn wire(at: Timestamp) -> Wire {
    let micros = at.as_micros();
    let nanos = i32::try_from(micros.rem_euclid(1_000_000) * 1_000).unwrap_or(0);
    Wire { seconds: micros.div_euclid(1_000_000), nanos }
}

/// RFC 3339, such as `2027-03-08T04:12:00Z`.
pub(crate) fn rfc3339(at: &Wire) -> String {
    Timestamp::from_micros(micros(at)).to_string()
}

/// RFC 3339, where there is one.
pub(crate) fn optional(at: Option<&Wire>) -> Option<String> {
    at.map(rfc3339)
}

/// The day, such as `2027-03-08`; empty where there is none.
pub(crate) fn day(at: Option<&Wire>) -> String {
    at.map(|at| shown(at, "%Y-%m-%d")).unwrap_or_default()
}

/// Day and time to the second; empty where there is none.
pub(crate) fn moment(at: Option<&Wire>) -> String {
    at.map(|at| shown(at, "%Y-%m-%d %H:%M:%S")).unwrap_or_default()
}

/// The time alone where it is of the same day as `now`, else with its day.
pub(crate) fn clock(at: &Wire, now: &Wire) -> String {
    let today = day(Some(at)) == day(Some(now));
    shown(at, if today { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" })
}

/// Day and time to the minute; to the second where it is not a whole minute.
pub(crate) fn minute(at: &Wire) -> String {
    shown(at, if at.seconds % 60 == 0 { "%Y-%m-%d %H:%M" } else { "%Y-%m-%d %H:%M:%S" })
}

/// How far ahead it lies, in its largest whole unit, such as `in 15 h`; `now` where it does not.
pub(crate) fn ahead(at: &Wire, now: &Wire) -> String {
    let seconds = micros(at).saturating_sub(micros(now)) / 1_000_000;
    match seconds {
        ..=0 => "now".to_owned(),
        1..60 => format!("in {seconds} s"),
        60..3_600 => format!("in {} min", seconds / 60),
        3_600..172_800 => format!("in {} h", seconds / 3_600),
        _ => format!("in {} days", seconds / 86_400),
    }
}

/// The time by this machine's clock.
pub(crate) fn now() -> Wire {
    wire(Timestamp::from_micros(jiff::Timestamp::now().as_microsecond()))
}

fn shown(at: &Wire, format: &str) -> String {
    match jiff::Timestamp::from_microsecond(micros(at)) {
        Ok(at) => at.strftime(format).to_string(),
        Err(_) => format!("{} s after 1970", at.seconds),
    }
}

#[cfg(test)]
mod tests;
