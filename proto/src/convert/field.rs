//! Parsing the fields of requests, and printing times.

use prost_types::Timestamp as Wire;
use secretref_domain::{
    clock::Timestamp,
    limit::{PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX},
    name::EnvironmentName,
};
use std::str::FromStr;

/// A field that is not valid: the message becomes `google.rpc.BadRequest`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct FieldError {
    /// The field.
    pub field: &'static str,
    /// What is wrong with it, and what is right.
    pub problem: String,
}

impl FieldError {
    /// A problem of a field.
    #[must_use]
    pub fn new(field: &'static str, problem: impl ToString) -> Self {
        Self { field, problem: problem.to_string() }
    }
}

/// A name that must be there.
///
/// # Errors
/// [`FieldError`] where it is not in its grammar.
pub fn name<N>(field: &'static str, given: &str) -> Result<N, FieldError>
where
    N: FromStr,
    N::Err: ToString,
{
    given.parse().map_err(|error: N::Err| FieldError::new(field, error))
}

/// A name that may be empty.
///
/// # Errors
/// [`FieldError`] where it is neither empty nor in its grammar.
pub fn optional<N>(field: &'static str, given: &str) -> Result<Option<N>, FieldError>
where
    N: FromStr,
    N::Err: ToString,
{
    if given.is_empty() { Ok(None) } else { name(field, given).map(Some) }
}

/// An environment; empty means the active one.
///
/// # Errors
/// [`FieldError`] where it is neither empty nor in its grammar.
pub fn environment(given: &str) -> Result<Option<EnvironmentName>, FieldError> {
    optional("environment", given)
}

/// A time that may be absent.
///
/// # Errors
/// [`FieldError`] where it lies outside the years 1970 to 9999.
pub fn time(field: &'static str, given: Option<&Wire>) -> Result<Option<Timestamp>, FieldError> {
    let Some(given) = given else { return Ok(None) };
    let valid =
        (0..=SECONDS_MAX).contains(&given.seconds) && (0..1_000_000_000).contains(&given.nanos);
    if !valid {
        return Err(FieldError::new(field, "a time lies in the years 1970 to 9999"));
    }
    let micros = given.seconds * 1_000_000 + i64::from(given.nanos) / 1000;
    Ok(Some(Timestamp::from_micros(micros)))
}

/// How many to list.
///
/// # Errors
/// [`FieldError`] where it is negative or too many.
pub fn page_size(given: i32) -> Result<usize, FieldError> {
    match usize::try_from(given) {
        Ok(0) => Ok(PAGE_SIZE_DEFAULT),
        Ok(size) if size <= PAGE_SIZE_MAX => Ok(size),
        _ => {
            let problem = format!("it is {given}; a page has 1 to {PAGE_SIZE_MAX}, 0 means 100");
            Err(FieldError::new("page_size", problem))
        }
    }
}

/// A time for the wire.
#[must_use]
pub fn to_time(at: Timestamp) -> Wire {
    let micros = at.as_micros();
    let nanos = i32::try_from(micros.rem_euclid(1_000_000) * 1000).unwrap_or_default();
    Wire { seconds: micros.div_euclid(1_000_000), nanos }
}

/// 9999-12-31T23:59:59Z.
const SECONDS_MAX: i64 = 253_402_300_799;
