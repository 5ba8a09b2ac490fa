//! What became of secrets, as the broker is told it.

use secretref_domain::{
    clock::Timestamp, limit::DETAIL_BYTES_MAX, name::SecretName, version::Version,
};
use secretref_proto::v1::{
    Ack, Evidence, Report, ResultState, SecretResult, WatchRequest, watch_request::Message,
};

/// In place: the files are written and swapped. Nothing is said of whether anybody read them.
#[must_use]
pub fn applied(name: &SecretName, version: Version, at: Timestamp) -> SecretResult {
    result(name, version, ResultState::Applied, Evidence::Written, String::new(), at)
}

/// Not in place; what was there before stays.
#[must_use]
pub fn failed(name: &SecretName, version: Version, detail: &str, at: Timestamp) -> SecretResult {
    let detail = cut(detail).to_owned();
    result(name, version, ResultState::Failed, Evidence::Unspecified, detail, at)
}

/// Taken away.
#[must_use]
pub fn wiped(name: &SecretName, version: Version, at: Timestamp) -> SecretResult {
    result(name, version, ResultState::Wiped, Evidence::Unspecified, String::new(), at)
}

/// The answer to a manifest or a revocation. Without results: it was received, and they follow.
#[must_use]
pub fn ack(nonce: i64, results: Vec<SecretResult>) -> WatchRequest {
    WatchRequest { message: Some(Message::Ack(Ack { nonce, results })) }
}

/// Results that nobody waits for.
#[must_use]
pub fn report(results: Vec<SecretResult>) -> WatchRequest {
    WatchRequest { message: Some(Message::Report(Report { results })) }
}

fn result(
    name: &SecretName,
    version: Version,
    state: ResultState,
    evidence: Evidence,
    detail: String,
    at: Timestamp,
) -> SecretResult {
    let micros = at.as_micros();
    let nanos = i32::try_from(micros.rem_euclid(1_000_000) * 1000).unwrap_or_default();
    SecretResult {
        name: name.to_string(),
        version: version.get(),
        state: state.into(),
        evidence: evidence.into(),
        detail,
        apply_time: Some(prost_types::Timestamp { seconds: micros.div_euclid(1_000_000), nanos }),
        deliveries: Vec::new(),
    }
}

/// At most as many bytes as the broker takes, and whole characters.
fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(DETAIL_BYTES_MAX)]
}

#[cfg(test)]
mod tests;
