use super::*;
use jiff::tz::TimeZone;
use secretref_domain::schedule::Schedule;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(&format!("2026-11-26T{text}Z")).unwrap()
}

/// Every hour, on the hour, from 08:30 on.
fn hourly(overlap: Overlap) -> Timetable {
    let config = ScheduleConfig {
        schedule: Schedule::parse("@hourly").unwrap(),
        zone: TimeZone::UTC,
        zone_name: "UTC".to_owned(),
        overlap,
    };
    Timetable::new(config, at("08:30:00"))
}

/// One whose nine o'clock run runs.
fn running(overlap: Overlap) -> Timetable {
    let mut table = hourly(overlap);
    assert_eq!(table.due(at("09:00:00")), Due::Begin);
    table.started(at("09:00:01"));
    table
}

fn last(table: &Timetable) -> (Timestamp, Outcome, u8, &str) {
    let run = table.last_run().unwrap();
    (run.due, run.outcome, run.exit_code, &run.detail)
}

#[test]
fn a_run_begins_when_it_is_due_and_its_end_is_told() {
    let mut table = hourly(Overlap::Skip);
    assert_eq!(table.left_ms(at("08:30:00")), Some(1_800_000));
    assert_eq!((table.told().state, table.told().next_run), (State::Waiting, Some(at("09:00:00"))));
    assert_eq!(table.left_ms(at("09:00:00")), Some(0));
    assert_eq!(table.due(at("09:00:00")), Due::Begin);
    assert!(table.is_running() && !table.is_started());
    assert_eq!((table.told().state, table.told().running_since), (State::Running, None));
    table.started(at("09:00:01"));
    table.started(at("09:00:02"));
    assert!(table.is_started());
    assert_eq!(table.told().running_since, Some(at("09:00:01")));
    table.ended(Outcome::Ended, 3, "", at("09:00:41"));
    let told = table.told();
    assert_eq!((told.state, told.next_run), (State::Waiting, Some(at("10:00:00"))));
    let run = Run {
        due: at("09:00:00"),
        start: Some(at("09:00:01")),
        end: at("09:00:41"),
        outcome: Outcome::Ended,
        exit_code: 3,
        detail: String::new(),
    };
    assert_eq!(told.last_run, Some(run));
    assert!(told.is_plausible());
    assert!(!table.begin_queued());
}

#[test]
fn a_run_that_is_due_while_one_runs_is_left_out() {
    let mut table = running(Overlap::Skip);
    assert_eq!(table.due(at("10:00:00")), Due::Skip);
    assert_eq!(last(&table), (at("10:00:00"), Outcome::Skipped, 0, "the run before it still runs"));
    assert_eq!(table.told().state, State::Running);
    table.ended(Outcome::Ended, 0, "", at("10:30:00"));
    assert_eq!(last(&table), (at("09:00:00"), Outcome::Ended, 0, ""));
    assert!(!table.begin_queued());
    assert_eq!(table.left_ms(at("10:30:00")), Some(1_800_000));
}

#[test]
fn or_waits_for_its_end_and_another_one_does_not() {
    let mut table = running(Overlap::Queue);
    assert_eq!(table.due(at("10:00:00")), Due::Queue);
    assert_eq!(table.due(at("11:00:00")), Due::Skip);
    assert_eq!(last(&table).0, at("11:00:00"));
    table.ended(Outcome::Ended, 0, "", at("11:30:00"));
    assert!(table.begin_queued() && table.is_running());
    table.ended(Outcome::Ended, 0, "", at("11:31:00"));
    assert_eq!(last(&table).0, at("10:00:00"));
    assert!(!table.begin_queued());
}

#[test]
fn or_takes_its_place() {
    let mut table = running(Overlap::Replace);
    assert_eq!(table.due(at("10:00:00")), Due::Replace);
    table.ended(Outcome::Ended, 143, "", at("10:00:01"));
    assert_eq!(last(&table), (at("09:00:00"), Outcome::Ended, 143, ""));
    assert!(table.begin_queued());
    assert_eq!(table.told().state, State::Running);
}

#[test]
fn a_run_that_has_not_begun_is_given_up_for_the_next() {
    for overlap in [Overlap::Skip, Overlap::Queue, Overlap::Replace] {
        let mut table = hourly(overlap);
        assert_eq!(table.due(at("09:00:00")), Due::Begin);
        assert_eq!(table.due(at("10:00:00")), Due::GiveUp);
        table.ended(Outcome::NotStarted, 69, "whatever", at("10:00:00"));
        let why = "it had not begun when the next run was due";
        assert_eq!(last(&table), (at("09:00:00"), Outcome::Skipped, 0, why));
        assert!(table.begin_queued());
    }
}

#[test]
fn what_was_missed_is_one_run() {
    let mut table = hourly(Overlap::Skip);
    assert_eq!(table.left_ms(at("12:30:00")), Some(0));
    assert_eq!(table.due(at("12:30:00")), Due::Begin);
    assert_eq!(table.next(), Some(at("13:00:00")));
    table.ended(Outcome::Ended, 0, "", at("12:30:05"));
    assert_eq!(last(&table).0, at("09:00:00"));
}

#[test]
fn a_clock_that_is_set_back_brings_no_run_twice() {
    let mut table = running(Overlap::Skip);
    table.ended(Outcome::Ended, 0, "", at("09:00:05"));
    assert_eq!(table.left_ms(at("08:59:59")), Some(3_601_000));
    assert_eq!(table.left_ms(at("06:30:00")), Some(12_600_000), "10:00 is the next");
    // Unless it was wrong before.
    assert_eq!(table.left_ms(at("05:59:59")), Some(1_000), "06:00 is the next");
    assert_eq!(table.due(at("06:00:00")), Due::Begin);
}

#[test]
fn the_end_is_the_end() {
    let mut table = running(Overlap::Queue);
    table.due(at("10:00:00"));
    table.end();
    assert_eq!((table.left_ms(at("10:00:00")), table.told().state), (None, State::Running));
    table.ended(Outcome::Ended, 143, "", at("10:00:01"));
    let told = table.told();
    assert_eq!((told.state, told.next_run), (State::Ended, None));
    assert!(!table.begin_queued());
}

#[test]
fn a_detail_is_one_line_that_the_broker_takes() {
    let mut table = hourly(Overlap::Skip);
    table.due(at("09:00:00"));
    let long = format!("a\nb{}", "ü".repeat(200));
    table.ended(Outcome::Skipped, 0, &long, at("09:00:00"));
    let told = table.told();
    assert!(told.is_plausible());
    assert!(told.last_run.unwrap().detail.starts_with("a bü"));
}
