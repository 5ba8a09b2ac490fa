use super::*;

fn at(text: &str) -> Wire {
    wire(Timestamp::parse(text).unwrap())
}

#[test]
fn microseconds_survive_the_way_to_the_wire_and_back() {
    for number in [0, 1, -1, 1_700_000_000_123_456, -1_500_001] {
        assert_eq!(micros(&wire(Timestamp::from_micros(number))), number);
    }
}

#[test]
fn today_needs_no_day() {
    let now = at("2026-11-23T14:00:00Z");
    assert_eq!(clock(&at("2026-11-23T12:03:11Z"), &now), "12:03:11");
    assert_eq!(clock(&at("2026-11-22T12:03:11Z"), &now), "2026-11-22 12:03:11");
}

#[test]
fn how_far_ahead_is_said_in_the_largest_unit() {
    let now = at("2026-11-26T18:00:00Z");
    let table = [
        ("2026-11-26T18:00:00Z", "now"),
        ("2026-11-26T17:00:00Z", "now"),
        ("2026-11-26T18:00:59Z", "in 59 s"),
        ("2026-11-26T18:01:59Z", "in 1 min"),
        ("2026-11-26T18:59:59Z", "in 59 min"),
        ("2026-11-27T09:00:00Z", "in 15 h"),
        ("2026-11-28T17:59:00Z", "in 47 h"),
        ("2026-11-28T18:00:00Z", "in 2 days"),
    ];
    for (then, words) in table {
        assert_eq!(ahead(&at(then), &now), words, "{then}");
    }
    assert_eq!(minute(&at("2026-11-27T09:00:00Z")), "2026-11-27 09:00");
    assert_eq!(minute(&at("2026-11-27T09:00:05Z")), "2026-11-27 09:00:05");
}

#[test]
fn days_and_absences() {
    assert_eq!(day(Some(&at("2027-03-08"))), "2027-03-08");
    assert_eq!(day(None), "");
    assert_eq!(moment(None), "");
    assert_eq!(rfc3339(&at("2027-03-08")), "2027-03-08T00:00:00Z");
}

#[test]
fn a_time_beyond_the_calendar_is_still_printed() {
    let beyond = Wire { seconds: i64::MAX, nanos: 0 };
    assert!(!moment(Some(&beyond)).is_empty());
    assert!(!rfc3339(&beyond).is_empty());
}
