use super::*;

const DAY: i64 = 86_400;

fn ending(life_days: i64, left_seconds: i64) -> Ending {
    Ending { not_before: 0, not_after: life_days * DAY, now: life_days * DAY - left_seconds }
}

#[test]
fn it_is_said_in_the_last_fortnight_and_not_before() {
    assert_eq!(ending(90, 14 * DAY).as_warning(), None);
    let soon = ending(90, 14 * DAY - 1).as_warning().unwrap();
    assert!(soon.contains("ends in 13 days, on 1970-04-01 00:00:00 UTC"), "{soon}");
    assert!(ending(90, 7200).as_warning().unwrap().contains("in 2 hours"));
    assert!(ending(90, 7199).as_warning().unwrap().contains("in 119 minutes"));
}

#[test]
fn a_short_life_has_a_short_warning() {
    assert_eq!(ending(3, DAY).as_warning(), None);
    assert!(ending(3, DAY - 1).as_warning().is_some());
}

#[test]
fn what_has_ended_is_a_failure_and_no_warning() {
    let over = ending(90, -1);
    assert!(over.is_over() && over.as_warning().is_none());
    assert!(over.as_failure().unwrap().to_string().contains("ended on 1970-04-01"));
    assert!(ending(90, 0).as_failure().is_none());
}

#[test]
fn what_is_no_certificate_has_no_end() {
    assert_eq!(Ending::read("hello", 0), None);
    assert!(spiffe_id("hello").unwrap_err().contains("not PEM"));
}
