//! Rotations in the ledger: who gets which version, and what is due.

use super::*;
use crate::{
    id::RotationId,
    name::RotatorAlias,
    rotation::{Asked, Phase, Rotation, RotationPolicy, Trigger, Wave},
};

pub(super) fn rotation(phase: Phase) -> Rotation {
    Rotation {
        id: RotationId(Uuid::from_u128(1)),
        environment: env(),
        reference: name("s"),
        secret: secret_id(1),
        name: name("s"),
        rotator: name("r"),
        old: Version::FIRST,
        new: Version::new(2),
        phase,
        asked: Asked {
            by: "admin:ada".into(),
            reason: String::new(),
            trigger: Trigger::Asked,
            force: false,
        },
        began_at: at(1),
        since: at(1),
        overlap_seconds: 0,
        overlaps: true,
        waves: vec![Wave { agents: vec![agent_id(1)] }, Wave { agents: vec![agent_id(2)] }],
        evicted: BTreeSet::new(),
        proofs: Vec::new(),
        trouble: None,
    }
}

impl Log {
    fn stage(&mut self, secret: u128, called: &str, version: i64) {
        self.write(Change::SecretPut {
            environment: env(),
            secret: secret_id(secret),
            name: name(called),
            version: Version::new(version).unwrap(),
            digest: digest(2),
            size: 10,
            expires_at: None,
            activated_from: None,
            metadata: SecretMetadata::default(),
            traits: ValueTraits::default(),
            staged: true,
        });
    }
}

/// Two agents with a secret of which version 2 is staged.
fn staged() -> Log {
    let mut log = Log::default();
    log.agent(1, "one", bound(&["s"]));
    log.agent(2, "two", bound(&["s"]));
    log.put(1, "s", 1);
    log.stage(1, "s", 2);
    log
}

fn set(log: &mut Log, phase: Phase) -> Touched {
    log.write(Change::RotationSet { rotation: Box::new(rotation(phase)) })
}

fn owed(log: &Log, agent: u128) -> i64 {
    let desired = log.ledger.desired(agent_id(agent), at(5), None);
    desired.secrets[0].version.get()
}

#[test]
fn a_staged_version_is_nobodys_until_its_wave() {
    let mut log = staged();
    assert_eq!((owed(&log, 1), owed(&log, 2)), (1, 1));
    set(&mut log, Phase::Testing);
    assert_eq!((owed(&log, 1), owed(&log, 2)), (1, 1));
    let touched = set(&mut log, Phase::Pushing { wave: 0 });
    assert_eq!(touched.agents.len(), 2, "whoever may get another version is woken");
    assert_eq!((owed(&log, 1), owed(&log, 2)), (2, 1));
    set(&mut log, Phase::Pushing { wave: 1 });
    assert_eq!((owed(&log, 1), owed(&log, 2)), (2, 2));
    log.write(Change::VersionPromoted { secret: secret_id(1), version: Version::new(2).unwrap() });
    set(&mut log, Phase::Finished);
    assert_eq!((owed(&log, 1), owed(&log, 2)), (2, 2));
    assert!(log.ledger.rotation_of(secret_id(1)).is_none());
    assert!(!log.ledger.secret(secret_id(1)).unwrap().versions[&Version::new(2).unwrap()].staged);
}

#[test]
fn what_is_put_meanwhile_is_what_everybody_gets() {
    let mut log = staged();
    set(&mut log, Phase::Pushing { wave: 1 });
    log.put(1, "s", 3);
    assert_eq!((owed(&log, 1), owed(&log, 2)), (3, 3));
}

#[test]
fn a_version_that_was_never_there_is_not_promoted() {
    let mut log = staged();
    let promoted =
        Change::VersionPromoted { secret: secret_id(1), version: Version::new(9).unwrap() };
    assert!(log.try_write(promoted).is_err());
}

#[test]
fn the_current_version_is_never_pushed_out_by_staged_ones() {
    let mut log = staged();
    let most = i64::try_from(crate::limit::VERSIONS_MAX).unwrap();
    for version in 3..most + 5 {
        log.stage(1, "s", version);
    }
    let secret = log.ledger.secret(secret_id(1)).unwrap();
    assert_eq!(secret.versions.len(), crate::limit::VERSIONS_MAX);
    assert!(secret.versions.contains_key(&secret.current), "the current one is gone");
    assert_eq!(secret.current, Version::FIRST);
}

#[test]
fn what_is_over_is_forgotten_and_what_is_under_way_is_not() {
    let mut log = staged();
    set(&mut log, Phase::Testing);
    for number in 2..crate::limit::ROTATIONS_KEPT_MAX as u128 + 10 {
        let mut over = rotation(Phase::Finished);
        over.id = RotationId(Uuid::from_u128(number));
        over.secret = secret_id(7);
        log.write(Change::RotationSet { rotation: Box::new(over) });
    }
    assert_eq!(log.ledger.rotations().count(), crate::limit::ROTATIONS_KEPT_MAX);
    assert!(log.ledger.rotation_of(secret_id(1)).is_some());
}

fn due(policy: RotationPolicy, ends: Option<Timestamp>, now: i64) -> Vec<Trigger> {
    let mut log = Log::default();
    log.agent(1, "one", bound(&["s"]));
    log.put_until(1, "s", 1, ends);
    log.reference("s", Reference { rotation: Some(policy), ..Reference::default() });
    let found = log.ledger.due_rotations(at(now), |_| 0.5);
    found.into_iter().map(|(_, _, trigger)| trigger).collect()
}

fn policy() -> RotationPolicy {
    RotationPolicy::of(RotatorAlias::parse("r").unwrap())
}

const HOUR: i64 = 3600;

#[test]
fn a_value_is_due_a_week_before_it_ends_unless_the_policy_says_otherwise() {
    let ends = Some(at(30 * DAY));
    assert!(due(policy(), ends, 22 * DAY).is_empty());
    assert_eq!(due(policy(), ends, 23 * DAY), [Trigger::Expiry]);
    let later = RotationPolicy { before_expiry_seconds: DAY, ..policy() };
    assert!(due(later, ends, 28 * DAY).is_empty());
    let never = RotationPolicy { before_expiry_seconds: 0, ..policy() };
    assert!(due(never, ends, 30 * DAY).is_empty());
    assert!(due(policy(), None, 999 * DAY).is_empty());
}

#[test]
fn a_window_is_waited_for_unless_the_value_is_about_to_end() {
    // From three to four in the morning.
    let window = RotationPolicy { window: Some("* 3 * * *".into()), ..policy() };
    let ends = Some(at(30 * DAY));
    assert!(due(window.clone(), ends, 25 * DAY + 2 * HOUR).is_empty());
    assert_eq!(due(window.clone(), ends, 25 * DAY + 3 * HOUR + 90), [Trigger::Expiry]);
    assert!(due(window.clone(), ends, 25 * DAY + 4 * HOUR).is_empty());
    assert_eq!(due(window, ends, 29 * DAY + HOUR), [Trigger::Expiry]);
}

#[test]
fn a_schedule_counts_from_the_version_and_is_put_off_by_its_own_part_of_the_jitter() {
    let daily =
        RotationPolicy { schedule: Some("0 3 * * *".into()), jitter_seconds: 600, ..policy() };
    // The version was made in the first second, so that the first one is due at three.
    assert!(due(daily.clone(), None, 3 * HOUR + 299).is_empty());
    assert_eq!(due(daily.clone(), None, 3 * HOUR + 301), [Trigger::Schedule]);
    // It is not forgotten where nobody was there at three.
    assert_eq!(due(daily, None, 20 * HOUR), [Trigger::Schedule]);
}

#[test]
fn one_that_is_under_way_is_not_due_again() {
    let mut log = staged();
    log.reference("s", Reference { rotation: Some(policy()), ..Reference::default() });
    log.put_until(1, "s", 2, Some(at(DAY)));
    assert_eq!(log.ledger.due_rotations(at(5), |_| 0.0).len(), 1);
    set(&mut log, Phase::Minting);
    assert!(log.ledger.due_rotations(at(5), |_| 0.0).is_empty());
}

#[test]
fn the_service_of_a_ref_is_said_or_seen_or_in_its_name() {
    let mut log = staged();
    assert_eq!(log.ledger.service_of(&env(), &name("s")), "s");
    let traits = ValueTraits { service: Some("stripe".into()), ..ValueTraits::default() };
    log.put_with(1, "s", traits);
    assert_eq!(log.ledger.service_of(&env(), &name("s")), "stripe");
    log.reference("s", Reference { service: Some("github".into()), ..Reference::default() });
    assert_eq!(log.ledger.service_of(&env(), &name("s")), "github");
}

#[test]
fn one_that_came_to_nothing_rests_before_it_begins_by_itself_again() {
    let mut log = Log::default();
    log.agent(1, "one", bound(&["s"]));
    log.put_until(1, "s", 1, Some(at(HOUR)));
    let rotation_of_s = Reference { rotation: Some(policy()), ..Reference::default() };
    log.reference("s", rotation_of_s);
    let over = |log: &mut Log, number: u128, phase: Phase, since: i64| {
        let mut over = rotation(phase);
        (over.id, over.since) = (RotationId(Uuid::from_u128(number)), at(since));
        log.write(Change::RotationSet { rotation: Box::new(over) });
    };
    let is_due = |log: &Log, now: i64| !log.ledger.due_rotations(at(now), |_| 0.0).is_empty();
    let failed = || Phase::Failed { why: String::new() };
    assert!(is_due(&log, 5));
    over(&mut log, 1, failed(), 10);
    assert!(!is_due(&log, 10 + 899) && is_due(&log, 10 + 900));
    // Twice as long each time, a day at most.
    over(&mut log, 2, Phase::Aborted { why: String::new() }, 2_000);
    assert!(!is_due(&log, 2_000 + 1_799) && is_due(&log, 2_000 + 1_800));
    for number in 3..80 {
        over(&mut log, number, failed(), 5_000);
    }
    assert!(!is_due(&log, 5_000 + 24 * HOUR - 1) && is_due(&log, 5_000 + 24 * HOUR));
    // What came to something is the end of it.
    over(&mut log, 80, Phase::Finished, 6_000);
    assert!(is_due(&log, 6_001));
}
