//! What stands and people ought to know.

use super::{rotations::rotation, *};
use crate::{
    alert::{Alert, AlertKind},
    change::{Failing, Observed},
    fault::Fault,
    reference::Source,
    rotation::{Phase, RotationPolicy},
};

/// What stands at a time, each by its kind, what it is about, and why.
fn stands(log: &Log, seconds: i64) -> Vec<(AlertKind, String, String)> {
    let found = log.ledger.conditions(&env(), at(seconds), 7 * DAY);
    let shown = |it: Alert| (it.kind, it.subject(), it.reason);
    found.into_iter().map(shown).collect()
}

fn kinds(log: &Log, seconds: i64) -> Vec<AlertKind> {
    stands(log, seconds).into_iter().map(|it| it.0).collect()
}

fn rotated(before_expiry_seconds: i64) -> Reference {
    let rotator = name("r");
    let rotation = Some(RotationPolicy { before_expiry_seconds, ..RotationPolicy::of(rotator) });
    Reference { rotation, ..Reference::default() }
}

#[test]
fn an_end_is_told_of_a_week_ahead_and_when_it_is_over() {
    let mut log = Log::default();
    log.agent(1, "a", bound(&["s"]));
    log.put_until(1, "s", 1, Some(at(10 * DAY)));
    assert_eq!(stands(&log, 3 * DAY - 1), []);
    let [(kind, subject, reason)] = stands(&log, 3 * DAY).try_into().unwrap();
    assert_eq!((kind, subject.as_str()), (AlertKind::Expiring, "ref s"));
    // The words are the same for as long as it stands.
    assert_eq!(reason, format!("its value ends {}", at(10 * DAY)));
    assert_eq!(stands(&log, 10 * DAY - 1)[0].2, reason);
    assert_eq!(kinds(&log, 10 * DAY), [AlertKind::Expired]);
    // A value that lasts is the end of it.
    log.put_until(1, "s", 2, Some(at(100 * DAY)));
    assert_eq!(stands(&log, 10 * DAY), []);
}

#[test]
fn an_end_that_only_the_ref_names_counts_too() {
    let mut log = Log::default();
    log.reference("s", Reference { expires_at: Some(at(5 * DAY)), ..Reference::default() });
    log.put(1, "s", 1);
    assert_eq!(kinds(&log, DAY), [AlertKind::Expiring]);
}

#[test]
fn what_is_rotated_by_itself_is_told_of_in_its_last_day() {
    let mut log = Log::default();
    log.reference("s", rotated(7 * DAY));
    log.put_until(1, "s", 1, Some(at(10 * DAY)));
    assert_eq!(stands(&log, 9 * DAY - 1), []);
    assert_eq!(kinds(&log, 9 * DAY), [AlertKind::Expiring]);
    // One that is only rotated when somebody asks is as any other.
    log.reference("s", rotated(0));
    assert_eq!(kinds(&log, 3 * DAY), [AlertKind::Expiring]);
}

#[test]
fn a_rotation_that_failed_stands_until_somebody_puts_a_value() {
    let mut log = Log::default();
    log.put(1, "s", 1);
    let failed = Phase::Failed { why: "it was refused".into() };
    log.write(Change::RotationSet { rotation: Box::new(rotation(failed)) });
    let found = stands(&log, 5);
    let wanted = (AlertKind::RotationFailed, "ref s".to_owned(), "it was refused".to_owned());
    assert_eq!(found, [wanted]);
    log.put(1, "s", 3);
    assert_eq!(stands(&log, 10), []);
}

#[test]
fn one_that_an_operator_gave_up_is_no_trouble() {
    let mut log = Log::default();
    log.put(1, "s", 1);
    let aborted = Phase::Aborted { why: "by admin:ada".into() };
    log.write(Change::RotationSet { rotation: Box::new(rotation(aborted)) });
    assert_eq!(stands(&log, 9 * DAY), []);
}

#[test]
fn a_rotation_is_stuck_when_its_phase_lasts_longer_than_it_was_given() {
    let mut log = Log::default();
    log.put(1, "s", 1);
    log.write(Change::RotationSet { rotation: Box::new(rotation(Phase::Pushing { wave: 0 })) });
    assert_eq!(stands(&log, 3600), []);
    let [(kind, _, reason)] = stands(&log, 3601).try_into().unwrap();
    assert_eq!(
        (kind, reason),
        (AlertKind::RotationStuck, format!("it is pushing since {}", at(1)))
    );
    // The overlap that it was given is no delay.
    let draining = Phase::Draining { until: at(DAY) };
    log.write(Change::RotationSet { rotation: Box::new(rotation(draining)) });
    assert_eq!(stands(&log, DAY + 3599), []);
    assert_eq!(kinds(&log, DAY + 3600), [AlertKind::RotationStuck]);
}

#[test]
fn a_provider_that_fails_is_one_trouble_and_a_thing_that_it_lacks_another() {
    let mut log = Log::default();
    let observe = |log: &mut Log, called: &str, fault: Fault| {
        let failing =
            Failing { fault, message: format!("{called} is {fault}"), fix: "mend it".into() };
        log.write(Change::SourceObserved {
            environment: env(),
            reference: name(called),
            source: Source { provider: name("vault"), target: None, path: None },
            observed: Observed::Fails(failing),
        });
    };
    for called in ["one", "two", "three"] {
        log.reference(called, in_provider("vault", None));
        observe(&mut log, called, Fault::Unreachable);
    }
    let whole =
        (AlertKind::ProviderDegraded, "provider vault".to_owned(), "it is unreachable".to_owned());
    assert_eq!(stands(&log, 1), std::slice::from_ref(&whole));
    observe(&mut log, "two", Fault::Denied);
    let one = (
        AlertKind::ProviderDegraded,
        "ref two, provider vault".to_owned(),
        "denied: two is denied".to_owned(),
    );
    assert_eq!(stands(&log, 1), [whole, one]);
    for called in ["one", "two", "three"] {
        log.write(Change::SourceObserved {
            environment: env(),
            reference: name(called),
            source: Source { provider: name("vault"), target: None, path: None },
            observed: Observed::Holds(Version::FIRST),
        });
    }
    assert_eq!(stands(&log, 1), []);
}
