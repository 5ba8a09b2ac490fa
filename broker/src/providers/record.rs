//! Records: a value with what is known of it, as `secrets.json` has them.
//!
//! ```json
//! {"value": "sk_live_…", "provider": "openclaw",
//!  "createdAt": "2026-03-08T04:12:00Z", "expiresAt": "2027-03-08T04:12:00Z"}
//! ```
//! `provider` says who issued it and is only a label. Other keys are somebody else's.

use super::{Found, ProviderError};
use secretref_domain::{clock::Timestamp, fault::Fault, value::SecretValue, version::Ahead};
use serde_json::{Map, Value};
use std::time::{SystemTime, UNIX_EPOCH};

/// A value out of JSON: a text, or a record.
///
/// # Errors
/// [`Fault::Malformed`] where it is neither, [`Fault::TooLarge`] where it is too long.
pub fn found(json: Value, what: &str, version: String) -> Result<Found, ProviderError> {
    match json {
        Value::String(text) => plain(text.into_bytes(), what, version),
        Value::Object(members) => record(members, what, version),
        _ => Err(malformed(what, "neither a text nor a record with a `value`")),
    }
}

/// A value as it is.
///
/// # Errors
/// [`Fault::Malformed`] where it is empty, [`Fault::TooLarge`] where it is too long.
pub fn plain(bytes: Vec<u8>, what: &str, version: String) -> Result<Found, ProviderError> {
    let empty = bytes.is_empty();
    let value = SecretValue::new(bytes).map_err(|error| {
        let fault = if empty { Fault::Malformed } else { Fault::TooLarge };
        ProviderError::new(fault, format!("has {what}, and {error}"), "correct it there")
    })?;
    Ok(Found { value, expires_at: None, created_at: None, version, pending: Ahead::Unknown })
}

fn record(
    mut members: Map<String, Value>,
    what: &str,
    version: String,
) -> Result<Found, ProviderError> {
    let Some(Value::String(value)) = members.remove("value") else {
        return Err(malformed(what, "a record without a text as its `value`"));
    };
    let mut time = |key: &str| match members.remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => match Timestamp::parse(&text) {
            Some(at) => Ok(Some(at)),
            None => Err(malformed(what, &format!("a record whose `{key}` is no time"))),
        },
        Some(_) => Err(malformed(what, &format!("a record whose `{key}` is no text"))),
    };
    let (expires_at, created_at) = (time("expiresAt")?, time("createdAt")?);
    Ok(Found { expires_at, created_at, ..plain(value.into_bytes(), what, version)? })
}

/// A value as a text, which is all that JSON can have.
///
/// # Errors
/// [`Fault::Misconfigured`] where it is none.
pub(super) fn text<'v>(value: &'v [u8], what: &str) -> Result<&'v str, ProviderError> {
    str::from_utf8(value).map_err(|_| {
        let fix = "let its rotator make texts, or have the value in a file of its own";
        let message = format!("can have a text only as {what}, and the new value is none");
        ProviderError::new(Fault::Misconfigured, message, fix)
    })
}

/// The time now, in whole seconds: when a record was made.
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(0).plus_seconds(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

pub(super) fn malformed(what: &str, why: &str) -> ProviderError {
    let fix = "write a text, or {\"value\": \"…\", \"expiresAt\": \"2027-03-08T04:12:00Z\"}";
    ProviderError::new(Fault::Malformed, format!("has {what}, and it is {why}"), fix)
}
