//! What became of secrets, as the broker is told it.

use secretref_domain::{
    clock::Timestamp, limit::DETAIL_BYTES_MAX, name::SecretName, schedule::Told, version::Version,
};
use secretref_proto::{
    convert::{field::to_time, to_schedule},
    v1::{
        Ack, Delivery, DeliveryWay, Evidence, Report, ResultState, RotationEffect, SecretResult,
        TrailWitness, WatchRequest, watch_request::Message,
    },
};

/// In place, as far as the evidence goes: `Written` says nothing of whether anybody read it.
#[must_use]
pub fn applied(
    name: &SecretName,
    version: Version,
    evidence: Evidence,
    at: Timestamp,
) -> SecretResult {
    result(name, version, ResultState::Applied, evidence, String::new(), at)
}

/// Not where it counts yet, and why.
#[must_use]
pub fn deferred(name: &SecretName, version: Version, detail: &str, at: Timestamp) -> SecretResult {
    let detail = cut(detail).to_owned();
    result(name, version, ResultState::Deferred, Evidence::Unspecified, detail, at)
}

/// A way by which an agent gets a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A file of the secrets folder.
    File,
    /// A variable in the environment of a program that the sidecar runs.
    Environment,
}

/// One way, and what is known of it: where, which version is really there, how that is known,
/// since when, and what the next rotation does to the agent's process.
#[must_use]
pub fn delivery(
    way: Way,
    place: &str,
    version: i64,
    evidence: Evidence,
    since: Option<Timestamp>,
    effect: RotationEffect,
) -> Delivery {
    let way = match way {
        Way::File => DeliveryWay::File,
        Way::Environment => DeliveryWay::Environment,
    };
    Delivery {
        way: way.into(),
        place: place.to_owned(),
        version,
        evidence: evidence.into(),
        since_time: since.map(to_time),
        effect: effect.into(),
    }
}

/// Adds the ways to a result, as many as a broker takes.
#[must_use]
pub fn by(mut result: SecretResult, mut ways: Vec<Delivery>) -> SecretResult {
    ways.truncate(DELIVERIES_MAX);
    result.deliveries = ways;
    result
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

/// What a scheduled program does now.
#[must_use]
pub fn scheduled(told: &Told) -> WatchRequest {
    let (results, schedule) = (Vec::new(), Some(to_schedule(told)));
    WatchRequest {
        message: Some(Message::Report(Report { results, schedule, ..Report::default() })),
    }
}

/// What is held of the audit trail.
#[must_use]
pub fn witnessed(witness: TrailWitness) -> WatchRequest {
    let report = Report { witness: Some(witness), ..Report::default() };
    WatchRequest { message: Some(Message::Report(report)) }
}

/// Names that were refused to programs of the agent.
#[must_use]
pub fn refused(refused_ids: Vec<String>) -> WatchRequest {
    let report = Report { refused_ids, ..Report::default() };
    WatchRequest { message: Some(Message::Report(report)) }
}

/// Results that nobody waits for.
#[must_use]
pub fn report(results: Vec<SecretResult>) -> WatchRequest {
    WatchRequest { message: Some(Message::Report(Report { results, ..Report::default() })) }
}

fn result(
    name: &SecretName,
    version: Version,
    state: ResultState,
    evidence: Evidence,
    detail: String,
    at: Timestamp,
) -> SecretResult {
    SecretResult {
        name: name.to_string(),
        version: version.get(),
        state: state.into(),
        evidence: evidence.into(),
        detail,
        apply_time: Some(to_time(at)),
        deliveries: Vec::new(),
    }
}

/// Ways of one secret.
const DELIVERIES_MAX: usize = 16;

/// At most as many bytes as the broker takes, and whole characters.
fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(DETAIL_BYTES_MAX)]
}

#[cfg(test)]
mod tests;
