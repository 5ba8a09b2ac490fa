use super::*;
use proptest::prelude::*;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn berlin() -> TimeZone {
    TimeZone::get("Europe/Berlin").unwrap()
}

/// The next times after a moment, in UTC.
fn next(schedule: &str, zone: &TimeZone, after: &str, count: usize) -> Vec<String> {
    let schedule = Schedule::parse(schedule).unwrap();
    let mut times = Vec::new();
    let mut after = at(after);
    for _ in 0..count {
        after = schedule.next_after(after, zone).unwrap();
        times.push(after.to_string());
    }
    times
}

#[test]
fn the_articles_schedule_is_nine_oclock_from_monday_to_friday() {
    // 2026-11-26 is a Thursday.
    let times = next("0 9 * * 1-5", &TimeZone::UTC, "2026-11-26T09:00:00Z", 2);
    assert_eq!(times, ["2026-11-27T09:00:00Z", "2026-11-30T09:00:00Z"]);
    let times = next("0 9 * * MON-FRI", &berlin(), "2026-11-26T08:59:59.9Z", 1);
    assert_eq!(times, ["2026-11-27T08:00:00Z"]);
}

#[test]
fn it_comes_strictly_after_the_moment() {
    let every_second = Schedule::parse("* * * * * *").unwrap();
    let next = |after| every_second.next_after(at(after), &TimeZone::UTC).unwrap();
    assert_eq!(next("2026-11-26T09:00:00Z"), at("2026-11-26T09:00:01Z"));
    assert_eq!(next("2026-11-26T09:00:00.000001Z"), at("2026-11-26T09:00:01Z"));
    assert_eq!(next("2026-11-26T09:00:00.999999Z"), at("2026-11-26T09:00:01Z"));
}

#[test]
fn seconds_and_nicknames_are_taken() {
    let utc = TimeZone::UTC;
    let times = next("*/20 * * * * *", &utc, "2026-11-26T09:00:00Z", 3);
    assert_eq!(times, ["2026-11-26T09:00:20Z", "2026-11-26T09:00:40Z", "2026-11-26T09:01:00Z"]);
    assert_eq!(next("@daily", &utc, "2026-11-26T09:00:00Z", 1), ["2026-11-27T00:00:00Z"]);
    assert_eq!(next("0 0 29 2 *", &utc, "2026-11-26", 1), ["2028-02-29T00:00:00Z"]);
    assert_eq!(next("0 0 L * *", &utc, "2026-11-26", 1), ["2026-11-30T00:00:00Z"]);
}

#[test]
fn a_time_that_is_left_out_in_spring_comes_right_after_the_gap() {
    // 2027-03-28: 02:00 becomes 03:00, which is 01:00 UTC.
    let fixed = next("30 2 * * *", &berlin(), "2027-03-27T12:00:00Z", 2);
    assert_eq!(fixed, ["2027-03-28T01:00:00Z", "2027-03-29T00:30:00Z"]);
    let repeated = next("*/30 2-3 * * *", &berlin(), "2027-03-27T23:00:00Z", 3);
    assert_eq!(repeated, ["2027-03-28T01:00:00Z", "2027-03-28T01:30:00Z", "2027-03-29T00:00:00Z"]);
}

#[test]
fn a_time_that_comes_twice_in_autumn_is_due_once_and_what_repeats_twice() {
    // 2026-10-25: 03:00 becomes 02:00, which is 01:00 UTC.
    let fixed = next("30 2 * * *", &berlin(), "2026-10-24T12:00:00Z", 2);
    assert_eq!(fixed, ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
    let repeated = next("*/30 2 * * *", &berlin(), "2026-10-24T12:00:00Z", 5);
    assert_eq!(
        repeated,
        [
            "2026-10-25T00:00:00Z",
            "2026-10-25T00:30:00Z",
            "2026-10-25T01:00:00Z",
            "2026-10-25T01:30:00Z",
            "2026-10-26T01:00:00Z"
        ]
    );
}

#[test]
fn what_is_no_schedule_is_refused_with_the_reason() {
    let table = [
        ("", "empty"),
        ("   ", "empty"),
        ("9", "1 fields"),
        ("0 9 * *", "4 fields"),
        ("0 0 9 * * 1-5 2027", "7 fields"),
        ("@daily 9", "2 fields"),
        ("61 9 * * *", "out of bounds"),
        ("0 25 * * *", "out of bounds"),
        ("0 9 * * 1-9", "out of bounds"),
        ("0 9 32 * *", "out of bounds"),
        ("0 9 * * FOO", "illegal"),
        ("@never", "fields"),
        ("0 9 30 2 *", "no such day"),
        ("0\t9 * * 1-5", "not plain"),
        ("0 9 * * 1-5\n", "not plain"),
        ("٠ 9 * * 1-5", "not plain"),
        (&"*".repeat(129), "longer than 128"),
    ];
    for (given, why) in table {
        let error = Schedule::parse(given).unwrap_err();
        assert!(error.why.contains(why), "{given:?}: {}", error.why);
        assert!(!error.why.ends_with('.') && error.to_string().contains("0 9 * * 1-5"), "{error}");
    }
}

#[test]
fn zones_have_plain_names() {
    for name in ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5"] {
        assert!(is_zone_name(name), "{name}");
    }
    for name in ["", "/etc/passwd", "../x", "Europe//Berlin", "a b", "Europe/", &"z".repeat(65)] {
        assert!(!is_zone_name(name), "{name}");
    }
}

fn told() -> Told {
    let run = Run {
        due: at("2026-11-26T09:00:00Z"),
        start: None,
        end: at("2026-11-26T09:00:41Z"),
        outcome: Outcome::Ended,
        exit_code: 3,
        detail: String::new(),
    };
    Told {
        cron: "0 9 * * 1-5".to_owned(),
        time_zone: "UTC".to_owned(),
        state: State::Waiting,
        next_run: Some(at("2026-11-27T09:00:00Z")),
        running_since: None,
        last_run: Some(run),
    }
}

#[test]
fn what_is_told_has_words_and_limits() {
    let first = told();
    assert_eq!(first.words(), "waiting, next run 2026-11-27T09:00:00Z, last run exit 3");
    assert!(first.is_plausible());
    let run = |outcome, detail: &str| {
        let last = first.last_run.clone().unwrap();
        Told { last_run: Some(Run { outcome, detail: detail.to_owned(), ..last }), ..told() }
    };
    assert!(run(Outcome::Skipped, "why").words().ends_with("last run skipped (why)"));
    assert!(run(Outcome::NotStarted, "why").words().ends_with("last run not started (why)"));
    for wrong in [
        run(Outcome::Skipped, &"x".repeat(257)),
        run(Outcome::Skipped, "a\nb"),
        Told { cron: String::new(), ..told() },
        Told { cron: "x".repeat(129), ..told() },
        Told { time_zone: "no zone".to_owned(), ..told() },
    ] {
        assert!(!wrong.is_plausible(), "{wrong:?}");
    }
    let kept: Told = serde_json::from_str(&serde_json::to_string(&first).unwrap()).unwrap();
    assert_eq!(kept, first);
}

/// With hours that are left out and come twice, and one with half of one.
const ZONES: &[&str] = &["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"];

proptest! {
    #[test]
    fn whatever_is_given_is_taken_or_refused(
        given in "[ 0-9A-Z*/,#@?+-]{0,40}",
        seconds in 0i64..4_000_000_000,
    ) {
        let after = Timestamp::from_micros(seconds * 1_000_000);
        if let Ok(schedule) = Schedule::parse(&given)
            && let Some(next) = schedule.next_after(after, &TimeZone::UTC)
        {
            prop_assert!(next > after);
        }
    }

    #[test]
    fn times_grow_in_any_zone(
        fields in "([0-9]|[1-5][0-9]|\\*|\\*/[1-9]) ([0-9]|1[0-9]|2[0-3]|\\*) \\* \\* (\\*|[0-6])",
        seconds in 1_700_000_000i64..2_000_000_000,
        zone in prop::sample::select(ZONES),
    ) {
        let zone = TimeZone::get(zone).unwrap();
        let schedule = Schedule::parse(&fields).unwrap();
        let mut after = Timestamp::from_micros(seconds * 1_000_000);
        for _ in 0..5 {
            let next = schedule.next_after(after, &zone).unwrap();
            prop_assert!(next > after, "{fields}: {next} after {after}");
            after = next;
        }
    }
}
