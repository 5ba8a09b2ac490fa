use super::{Lease, Term};
use secretref_domain::{clock::Timestamp, id::InstanceId, name::SecretName};
use std::collections::BTreeMap;
use uuid::Uuid;

const MINUTE: i64 = 60_000;

/// So many minutes into the story.
fn at(minutes: i64) -> Timestamp {
    Timestamp::from_micros(1_773_000_000_000_000).plus_millis(minutes * MINUTE)
}

fn name(given: &str) -> SecretName {
    SecretName::parse(given).unwrap()
}

fn terms(given: &[(&str, Option<i64>, Option<Timestamp>)]) -> BTreeMap<SecretName, Term> {
    given
        .iter()
        .map(|(secret, minutes, expires)| {
            let stale_max_ms = minutes.map(|minutes| minutes * MINUTE);
            (name(secret), Term { stale_max_ms, expires: *expires })
        })
        .collect()
}

fn names(lapsed: &[SecretName]) -> Vec<&str> {
    lapsed.iter().map(SecretName::as_str).collect()
}

#[test]
fn each_secret_lapses_by_itself() {
    let mut lease = Lease::new(10 * MINUTE, at(0));
    lease.hold(terms(&[
        ("short", Some(2), None),
        ("default", None, None),
        ("long", Some(60), None),
    ]));
    assert_eq!(lease.next_deadline(), Some(at(2)));
    assert_eq!(names(&lease.lapsed(at(1))), Vec::<&str>::new());
    assert_eq!(names(&lease.lapsed(at(2))), ["short"]);
    assert_eq!(names(&lease.lapsed(at(10))), ["default", "short"]);
    assert_eq!(names(&lease.lapsed(at(60))), ["default", "long", "short"]);
}

#[test]
fn the_last_microsecond_still_counts() {
    let mut lease = Lease::new(10 * MINUTE, at(0));
    lease.hold(terms(&[("a", None, None)]));
    let before = Timestamp::from_micros(at(10).as_micros() - 1);
    assert!(lease.lapsed(before).is_empty());
    assert_eq!(names(&lease.lapsed(at(10))), ["a"]);
}

#[test]
fn a_contact_renews_every_lease_but_no_expired_value() {
    let mut lease = Lease::new(10 * MINUTE, at(0));
    lease.hold(terms(&[("a", None, None), ("b", Some(5), None), ("c", Some(60), Some(at(7)))]));
    lease.contact(at(4));
    assert_eq!(lease.deadline(&name("a")), Some(at(14)));
    assert_eq!(lease.deadline(&name("b")), Some(at(9)));
    assert_eq!(lease.deadline(&name("c")), Some(at(7)), "capped by the value's expiry");
    assert_eq!(lease.next_deadline(), Some(at(7)));

    lease.contact(at(8));
    assert_eq!(names(&lease.lapsed(at(8))), ["c"]);
}

#[test]
fn what_lapsed_is_named_until_it_is_gone() {
    let mut lease = Lease::new(10 * MINUTE, at(0));
    lease.hold(terms(&[("a", None, None), ("b", Some(60), None)]));
    assert_eq!(names(&lease.lapsed(at(11))), ["a"]);
    assert_eq!(names(&lease.lapsed(at(11))), ["a"], "the wipe may have failed");
    lease.hold(terms(&[("b", Some(60), None)]));
    assert!(lease.lapsed(at(11)).is_empty());
    assert_eq!(lease.next_deadline(), Some(at(60)));
    lease.hold(BTreeMap::new());
    assert_eq!(lease.next_deadline(), None);
}

#[test]
fn the_streams_lease_can_change() {
    let mut lease = Lease::new(10 * MINUTE, at(0));
    lease.hold(terms(&[("a", None, None), ("b", Some(3), None)]));
    lease.set_default(MINUTE);
    assert_eq!(lease.deadline(&name("a")), Some(at(1)));
    assert_eq!(lease.deadline(&name("b")), Some(at(3)));
    assert_eq!(lease.deadline(&name("c")), None);
}

#[test]
fn a_clock_set_back_lengthens_no_lease() {
    let mut lease = Lease::new(10 * MINUTE, at(0));
    lease.hold(terms(&[("a", None, None), ("b", Some(9_000), Some(at(6)))]));
    assert!(lease.lapsed(at(4)).is_empty());
    // An hour back: 4 minutes had passed, so 6 are left.
    assert!(lease.lapsed(at(4 - 60)).is_empty());
    assert_eq!(lease.deadline(&name("a")), Some(at(10 - 60)));
    assert!(lease.lapsed(at(9 - 60)).is_empty());
    assert_eq!(names(&lease.lapsed(at(10 - 60))), ["a"]);
    // A value's expiry is a date, so it stands where it stood.
    assert_eq!(lease.deadline(&name("b")), Some(at(6)));
    assert_eq!(names(&lease.lapsed(at(6))), ["a", "b"]);
}

#[test]
fn a_contact_after_the_clock_was_set_back_counts_from_there() {
    let mut lease = Lease::new(10 * MINUTE, at(0));
    lease.hold(terms(&[("a", None, None)]));
    lease.contact(at(-60));
    assert_eq!(lease.next_deadline(), Some(at(-50)));
}

#[test]
fn extremes_do_not_wrap() {
    let mut lease = Lease::new(i64::MAX, Timestamp::from_micros(i64::MAX - 1));
    lease.hold(terms(&[("a", None, None)]));
    assert_eq!(lease.next_deadline(), Some(Timestamp::from_micros(i64::MAX)));
    let _ = lease.lapsed(Timestamp::from_micros(i64::MIN));
    lease.set_default(-5);
    lease.contact(at(0));
    assert_eq!(names(&lease.lapsed(at(0))), ["a"], "a lease below nothing ends at once");
}

#[test]
fn the_record_has_the_ends() {
    let mut lease = Lease::new(10 * MINUTE, at(0));
    lease.hold(terms(&[("a", None, None), ("b", Some(60), Some(at(30)))]));
    lease.contact(at(5));
    let record = lease.record(InstanceId(Uuid::nil()), "/run/secretref".into());
    assert_eq!(record.recorded_us, at(5));
    assert_eq!(record.lease_until_us, Some(at(15)));
    let ends: Vec<_> =
        record.expiries.iter().map(|end| (end.name.as_str(), end.until_us)).collect();
    assert_eq!(ends, [("a", at(15)), ("b", at(30))]);
    assert!(!record.lapsed(at(14)));
    assert!(record.lapsed(at(15)));
}
