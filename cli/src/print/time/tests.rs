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
