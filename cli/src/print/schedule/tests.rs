use super::*;
use secretref_domain::clock;

fn at(text: &str) -> Timestamp {
    time::wire(clock::Timestamp::parse(text).unwrap())
}

const NOW: &str = "2026-11-26T18:00:00Z";

fn run(outcome: RunOutcome, exit_code: i32, detail: &str) -> v1::ScheduledRun {
    v1::ScheduledRun {
        due_time: Some(at("2026-11-26T09:00:00Z")),
        start_time: Some(at("2026-11-26T09:00:01Z")),
        end_time: Some(at("2026-11-26T09:00:41Z")),
        outcome: outcome.into(),
        exit_code,
        detail: detail.to_owned(),
    }
}

fn instance(state: ScheduleState, connected: bool) -> v1::Instance {
    let schedule = v1::Schedule {
        cron: "0 9 * * 1-5".to_owned(),
        time_zone: "UTC".to_owned(),
        state: state.into(),
        next_run_time: Some(at("2026-11-27T09:00:00Z")),
        ..v1::Schedule::default()
    };
    v1::Instance { connected, schedule: Some(schedule), ..v1::Instance::default() }
}

fn shown(instance: v1::Instance, now: &str) -> Vec<String> {
    let status = v1::AgentStatus { instances: vec![instance], ..v1::AgentStatus::default() };
    lines(&status, &at(now))
}

#[test]
fn who_waits_says_for_what() {
    let mut waiting = instance(ScheduleState::Waiting, false);
    let next = "next run 2026-11-27 09:00 UTC (in 15 h)";
    assert_eq!(shown(waiting.clone(), NOW), [format!("⏳ {next}   \"0 9 * * 1-5\"")]);
    let schedule = waiting.schedule.as_mut().unwrap();
    schedule.last_run = Some(run(RunOutcome::Ended, 0, ""));
    schedule.time_zone = "Europe/Berlin".to_owned();
    let last = "last run exit 0 at 09:00:41";
    let line = format!("⏳ {next}, {last}   \"0 9 * * 1-5\" Europe/Berlin");
    assert_eq!(shown(waiting.clone(), NOW), [line]);
    for (failed, words) in [
        (run(RunOutcome::Ended, 3, ""), "last run exit 3 at 09:00:41"),
        (run(RunOutcome::Skipped, 0, "no value"), "last run skipped at 09:00:41 (no value)"),
        (run(RunOutcome::NotStarted, 127, "why"), "last run not started at 09:00:41 (why)"),
    ] {
        waiting.schedule.as_mut().unwrap().last_run = Some(failed);
        let line = shown(waiting.clone(), NOW).remove(0);
        assert!(line.starts_with(&format!("⚠️ {next}, {words}   ")), "{line}");
    }
}

#[test]
fn a_run_that_nobody_heard_of_is_no_reason_for_calm() {
    let waiting = instance(ScheduleState::Waiting, false);
    let just = shown(waiting.clone(), "2026-11-27T09:01:00Z").remove(0);
    assert!(just.starts_with("⏳ next run 2026-11-27 09:00 UTC (now)"), "{just}");
    let late = shown(waiting.clone(), "2026-11-27T09:01:01Z").remove(0);
    assert!(late.starts_with("⚠️ the run of 2026-11-27 09:00 UTC was due, and nothing"), "{late}");
    let status = v1::AgentStatus { instances: vec![waiting], ..v1::AgentStatus::default() };
    assert!(waits(&status, &at(NOW)));
    assert!(!waits(&status, &at("2026-11-27T09:01:01Z")));
}

#[test]
fn who_runs_says_since_when() {
    let mut running = instance(ScheduleState::Running, true);
    running.schedule.as_mut().unwrap().running_since_time = Some(at("2026-11-26T17:59:00Z"));
    let line = shown(running.clone(), NOW).remove(0);
    let next = "next run 2026-11-27 09:00 UTC (in 15 h)";
    assert!(line.starts_with(&format!("▶️ runs since 17:59:00, {next}   ")), "{line}");
    running.connected = false;
    let line = shown(running, NOW).remove(0);
    assert!(line.starts_with("⚠️ ran since 17:59:00, and is not connected, next run"), "{line}");
    assert!(shown(instance(ScheduleState::Ended, false), NOW).is_empty());
    assert!(shown(v1::Instance::default(), NOW).is_empty());
}

#[test]
fn json_has_all_of_it() {
    let mut waiting = instance(ScheduleState::Waiting, false).schedule.unwrap();
    waiting.last_run = Some(run(RunOutcome::NotStarted, 127, "why"));
    let value = serde_json::to_value(Schedule::from(waiting)).unwrap();
    assert_eq!(value["cron"], "0 9 * * 1-5");
    assert_eq!(value["time_zone"], "UTC");
    assert_eq!(value["state"], "waiting");
    assert_eq!(value["next_run"], "2026-11-27T09:00:00Z");
    assert_eq!(value["running_since"], serde_json::Value::Null);
    assert_eq!(value["last_run"]["outcome"], "not-started");
    assert_eq!(value["last_run"]["exit_code"], 127);
    assert_eq!(value["last_run"]["detail"], "why");
    assert_eq!(value["last_run"]["end"], "2026-11-26T09:00:41Z");
}
