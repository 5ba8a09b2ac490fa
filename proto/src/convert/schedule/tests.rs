use super::*;
use secretref_domain::clock::Timestamp;

fn told() -> Told {
    let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000 + 5);
    let run = Run {
        due: at(1),
        start: Some(at(2)),
        end: at(3),
        outcome: Outcome::NotStarted,
        exit_code: 255,
        detail: "why".to_owned(),
    };
    Told {
        cron: "0 9 * * 1-5".to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
        state: State::Running,
        next_run: Some(at(4)),
        running_since: Some(at(5)),
        last_run: Some(run),
    }
}

#[test]
fn what_is_told_comes_back_as_it_was() {
    let bare = Told { next_run: None, running_since: None, last_run: None, ..told() };
    for told in [told(), bare] {
        assert_eq!(from_schedule(&to_schedule(&told)).as_ref(), Ok(&told));
    }
}

#[test]
fn what_is_not_within_its_limits_is_refused_with_its_field() {
    let refused = |change: &dyn Fn(&mut v1::Schedule)| {
        let mut given = to_schedule(&told());
        change(&mut given);
        from_schedule(&given).unwrap_err().field
    };
    let run = |change: fn(&mut v1::ScheduledRun)| {
        refused(&|given| given.last_run.iter_mut().for_each(change))
    };
    let bad = Some(prost_types::Timestamp { seconds: -1, nanos: 0 });
    assert_eq!(refused(&|it| it.cron.clear()), "schedule");
    assert_eq!(refused(&|it| it.cron = "*".repeat(129)), "schedule");
    assert_eq!(refused(&|it| it.time_zone = "../x".into()), "schedule");
    assert_eq!(refused(&|it| it.state = 0), "schedule.state");
    assert_eq!(refused(&|it| it.state = 9), "schedule.state");
    assert_eq!(refused(&|it| it.next_run_time = bad), "schedule.next_run_time");
    assert_eq!(refused(&|it| it.running_since_time = bad), "schedule.running_since_time");
    assert_eq!(run(|it| it.due_time = None), "schedule.last_run.due_time");
    assert_eq!(run(|it| it.end_time = None), "schedule.last_run.end_time");
    assert_eq!(run(|it| it.outcome = 0), "schedule.last_run.outcome");
    assert_eq!(run(|it| it.exit_code = 256), "schedule.last_run.exit_code");
    assert_eq!(run(|it| it.exit_code = -1), "schedule.last_run.exit_code");
    assert_eq!(run(|it| it.detail = "x".repeat(257)), "schedule");
}
