use super::*;
use crate::{id::BrokerId, version::Revision};
use uuid::Uuid;

const T: i64 = 1_000;

fn at(number: i64) -> Timestamp {
    Timestamp::from_micros(number)
}

fn instance(number: u128) -> InstanceId {
    InstanceId(Uuid::from_u128(number))
}

fn secret(number: u128) -> SecretId {
    SecretId(Uuid::from_u128(number))
}

fn environment() -> EnvironmentName {
    EnvironmentName::parse("default").unwrap()
}

/// An entry of a time about a version of a secret, with instances of agent 1.
fn entry(time: i64, action: &str, of: u128, version: i64, instances: &[u128]) -> DecodedEntry {
    let recipient = |number: &u128| Recipient {
        agent: AgentId(Uuid::from_u128(1)),
        name: "worker".to_owned(),
        instance: instance(*number),
    };
    DecodedEntry {
        lane: BrokerId(Uuid::nil()),
        seq: 1,
        at: at(time),
        revision: Revision(1),
        authority_mac: [0; 32],
        environment: "default".to_owned(),
        actor: "broker:x".to_owned(),
        action: action.to_owned(),
        object_kind: "secret".to_owned(),
        object: format!("secret-{of}"),
        object_id: secret(of).0,
        version,
        decision: Decision::Allowed,
        reason: "why".to_owned(),
        peer: String::new(),
        request_id: String::new(),
        recipients: instances.iter().map(recipient).collect(),
    }
}

/// What the agent has held since `T`, by a trail that is given oldest first.
fn held(trail: &[DecodedEntry]) -> Vec<(u128, i64, i64, i64)> {
    let name = AgentName::parse("worker").unwrap();
    let mut trace = AgentTrace::of(environment(), name, None, at(T));
    trail.iter().rev().for_each(|entry| trace.see(entry));
    let row = |((secret, version), held): (&(SecretId, i64), &Held)| {
        (secret.0.as_u128(), *version, held.first.as_micros(), held.last.as_micros())
    };
    trace.held().iter().map(row).collect()
}

#[test]
fn what_it_had_at_the_time_counts_and_what_it_had_before_does_not() {
    let trail = [
        entry(100, "secret.deliver", 1, 1, &[1]),
        entry(200, "secret.deliver", 1, 2, &[1]),
        entry(T + 100, "secret.deliver", 1, 3, &[1]),
    ];
    assert_eq!(held(&trail), [(1, 2, 200, 200), (1, 3, T + 100, T + 100)]);
    assert_eq!(held(&trail[..2]), [(1, 2, 200, 200)]);
    assert_eq!(held(&[entry(T, "secret.deliver", 1, 1, &[1])]), [(1, 1, T, T)]);
}

#[test]
fn what_was_wiped_before_is_not_held_and_what_was_wiped_since_is() {
    let sent = entry(100, "secret.deliver", 1, 1, &[1]);
    assert_eq!(held(&[sent.clone(), entry(200, "secret.wiped", 1, 1, &[1])]), []);
    let wiped_since = entry(T + 1, "secret.wiped", 1, 1, &[1]);
    assert_eq!(held(&[sent.clone(), wiped_since]), [(1, 1, 100, 100)]);
    // Another instance of it, or another secret, may have its own all the same.
    assert_eq!(held(&[sent.clone(), entry(200, "secret.wiped", 1, 1, &[2])]), [(1, 1, 100, 100)]);
    assert_eq!(held(&[sent, entry(200, "secret.wiped", 2, 1, &[1])]), [(1, 1, 100, 100)]);
}

#[test]
fn each_instance_has_its_own_past() {
    let trail = [
        entry(100, "secret.deliver", 1, 1, &[1, 2]),
        entry(200, "secret.deliver", 1, 2, &[1]),
        entry(T + 5, "secret.deliver", 1, 2, &[2]),
        entry(T + 9, "secret.deliver", 1, 2, &[2]),
    ];
    assert_eq!(held(&trail), [(1, 1, 100, 100), (1, 2, 200, T + 9)]);
}

#[test]
fn an_agent_is_known_by_its_identity_or_by_name_and_environment() {
    let other = AgentName::parse("renamed").unwrap();
    let sent = entry(T, "secret.deliver", 1, 1, &[1]);
    let seen = |name: AgentName, environment: &str, agent: Option<u128>| {
        let environment = EnvironmentName::parse(environment).unwrap();
        let agent = agent.map(|number| AgentId(Uuid::from_u128(number)));
        let mut trace = AgentTrace::of(environment, name, agent, at(0));
        trace.see(&sent);
        (trace.is_known(), trace.held().len())
    };
    let worker = || AgentName::parse("worker").unwrap();
    assert_eq!(seen(worker(), "default", None), (true, 1));
    assert_eq!(seen(worker(), "staging", None), (false, 0));
    assert_eq!(seen(worker(), "staging", Some(1)), (true, 1));
    assert_eq!(seen(other.clone(), "default", Some(1)), (true, 1));
    assert_eq!(seen(other.clone(), "default", Some(2)), (true, 0));
    assert_eq!(seen(other, "default", None), (false, 0));
}

#[test]
fn a_denial_delivers_nothing() {
    let mut denied = entry(T, "secret.deliver", 1, 1, &[1]);
    denied.decision = Decision::Denied;
    assert_eq!(held(std::slice::from_ref(&denied)), []);
    let mut trace = secret_trace();
    trace.see(&denied);
    denied.action = "secret.access".to_owned();
    trace.see(&denied);
    assert!(trace.recipients().0.is_empty() && trace.readings().0.is_empty());
}

fn secret_trace() -> SecretTrace {
    SecretTrace::of(secret(1), environment(), SecretName::parse("secret-1").unwrap())
}

#[test]
fn a_secret_has_its_recipients_and_readers() {
    let mut trace = secret_trace();
    let unnumbered =
        DecodedEntry { object_id: Uuid::nil(), ..entry(3, "secret.access", 1, 1, &[]) };
    let trail = [
        entry(9, "secret.deliver", 1, 2, &[1]),
        entry(8, "secret.applied", 1, 2, &[7]),
        entry(7, "secret.use", 1, 2, &[]),
        entry(6, "secret.deliver", 2, 1, &[3]),
        entry(5, "secret.access", 2, 1, &[]),
        entry(4, "secret.deliver", 1, 1, &[2, 1]),
        unnumbered,
    ];
    trail.iter().for_each(|entry| trace.see(entry));
    let (recipients, more) = trace.recipients();
    let rows: Vec<_> = recipients
        .iter()
        .map(|(instance, sent)| {
            let times = (sent.first.as_micros(), sent.last.as_micros());
            let versions: Vec<i64> = sent.versions.iter().copied().collect();
            (instance.0.as_u128(), versions, times, sent.deliveries)
        })
        .collect();
    assert_eq!(rows, [(1, vec![1, 2], (4, 9), 2), (2, vec![1], (4, 4), 1)]);
    assert_eq!(more, 0);
    let (readings, more) = trace.readings();
    let read: Vec<_> = readings.iter().map(|it| (it.action.as_str(), it.version)).collect();
    assert_eq!((read, more), (vec![("secret.use", 2), ("secret.access", 1)], 0));
}

#[test]
fn what_is_beyond_the_limits_is_counted() {
    let mut trace = secret_trace();
    let all: Vec<u128> = (0..RECIPIENTS_MAX as u128 + 3).collect();
    trace.see(&entry(9, "secret.deliver", 1, 1, &all));
    for time in 0..=i64::try_from(READINGS_MAX).unwrap() {
        trace.see(&entry(time, "secret.access", 1, 1, &[]));
    }
    let (recipients, more) = trace.recipients();
    assert_eq!((recipients.len(), more), (RECIPIENTS_MAX, 3));
    let (readings, more) = trace.readings();
    assert_eq!((readings.len(), more), (READINGS_MAX, 1));
}
