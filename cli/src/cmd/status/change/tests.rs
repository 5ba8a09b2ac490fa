use super::*;
use secretref_proto::v1::{AgentState, RefState};

const NOW: Timestamp = Timestamp { seconds: 1_795_435_391, nanos: 0 };
const REFS: View = View { secrets: true, fleet: true, single: false };
const TABLE: View = View { secrets: false, ..REFS };

fn one(file: &str, state: RefState) -> v1::RefStatus {
    v1::RefStatus {
        secret_ref: file.to_ascii_lowercase(),
        file: file.to_owned(),
        state: state.into(),
        version: 2,
        applied_version: 2,
        source: "store".to_owned(),
        ..v1::RefStatus::default()
    }
}

fn agent(name: &str, refs: Vec<v1::RefStatus>) -> v1::AgentStatus {
    v1::AgentStatus {
        agent: name.to_owned(),
        environment: "prod".to_owned(),
        state: AgentState::Active.into(),
        refs,
        ..v1::AgentStatus::default()
    }
}

fn two() -> Vec<v1::AgentStatus> {
    let injected = || one("A", RefState::Injected);
    vec![agent("x", vec![injected(), one("B", RefState::Waiting)]), agent("y", vec![injected()])]
}

#[test]
fn the_first_look_says_everything_and_the_next_what_changed() {
    let mut seen = Seen::default();
    let first = seen.lines(two(), REFS, &NOW);
    assert_eq!(
        first,
        [
            "x (prod): active, 0 of 0 connected",
            "x (prod) ✅ A: injected (no expiry)   v2 applied, file, store",
            "x (prod) ⚠️ B: waiting (v2: no instance has connected)",
            "y (prod): active, 0 of 0 connected",
            "y (prod) ✅ A: injected (no expiry)   v2 applied, file, store",
        ]
    );
    assert_eq!(seen.lines(two(), REFS, &NOW), [""; 0]);

    let mut changed = two();
    changed[0].refs[1] = one("B", RefState::Injected);
    changed[1].instances.push(v1::Instance { connected: true, ..v1::Instance::default() });
    let second = seen.lines(changed, REFS, &NOW);
    assert_eq!(
        second,
        [
            "x (prod) ✅ B: injected (no expiry)   v2 applied, file, store",
            "y (prod): active, 1 of 1 connected",
        ]
    );
    let rest = vec![agent("x", vec![one("A", RefState::Injected)])];
    let third = seen.lines(rest, REFS, &NOW);
    assert_eq!(third, ["x (prod) B: no longer bound", "y (prod, active): gone"]);
}

#[test]
fn an_agent_can_be_a_line() {
    let mut seen = Seen::default();
    let first = seen.lines(two(), TABLE, &NOW);
    assert_eq!(
        first,
        [
            "x (prod, active): 0 of 0 connected, 1 of 2 injected; waiting: B",
            "y (prod, active): 0 of 0 connected, 1 of 1 injected",
        ]
    );
    let mut changed = two();
    changed[1].state = AgentState::Revoked.into();
    let second = seen.lines(changed, TABLE, &NOW);
    assert_eq!(second, ["y (prod, revoked): 0 of 0 connected, 1 of 1 injected"]);
}

#[test]
fn a_schedule_is_told_when_it_changes_and_not_while_it_draws_near() {
    let with = |state: v1::ScheduleState, connected| {
        let schedule = v1::Schedule {
            cron: "@daily".to_owned(),
            time_zone: "UTC".to_owned(),
            state: state.into(),
            next_run_time: Some(Timestamp { seconds: NOW.seconds + 7_200, nanos: 0 }),
            ..v1::Schedule::default()
        };
        let mut found = agent("x", vec![one("A", RefState::Scheduled)]);
        found.instances =
            vec![v1::Instance { connected, schedule: Some(schedule), ..v1::Instance::default() }];
        vec![found]
    };
    let waiting = || with(v1::ScheduleState::Waiting, false);
    let mut seen = Seen::default();
    let first = seen.lines(waiting(), REFS, &NOW);
    assert_eq!(first[0], "x (prod): active, waiting");
    assert!(first[1].starts_with("x (prod) ⏳ next run 2026-11-23 14:03:11 UTC (in 2 h)"));
    let later = Timestamp { seconds: NOW.seconds + 3_600, nanos: 0 };
    assert_eq!(seen.lines(waiting(), REFS, &later), [""; 0]);
    let second = seen.lines(with(v1::ScheduleState::Running, true), REFS, &later);
    assert_eq!(second[0], "x (prod): active, 1 of 1 connected");
    assert!(second[1].starts_with("x (prod) ▶️ runs, next run"), "{second:?}");
    // Over is over: nothing is said of it.
    let third = seen.lines(with(v1::ScheduleState::Ended, false), REFS, &later);
    assert_eq!(third, ["x (prod): active, 0 of 1 connected"]);
    let table = Seen::default().lines(waiting(), TABLE, &NOW);
    assert!(table[0].starts_with("x (prod, active): waiting, 1 of 1 scheduled; ⏳ next run"));
}

#[test]
fn what_only_grows_older_is_no_change() {
    let mut seen = Seen::default();
    let said = v1::InstanceRefStatus {
        version: 2,
        state: "APPLIED".to_owned(),
        report_time: Some(NOW),
        ..v1::InstanceRefStatus::default()
    };
    let mut injected = one("A", RefState::Injected);
    injected.instances.push(said);
    let agents = || vec![agent("x", vec![injected.clone()])];
    assert!(seen.lines(agents(), REFS, &NOW)[1].contains("applied 12:03:11"));
    let tomorrow = Timestamp { seconds: NOW.seconds + 86_400, nanos: 0 };
    assert_eq!(seen.lines(agents(), REFS, &tomorrow), [""; 0]);
}

#[test]
fn for_programs_a_change_is_the_whole_agent() {
    let mut seen = Seen::default();
    let mut documents = |found| -> Vec<serde_json::Value> {
        let agents = seen.agents(found);
        agents.iter().map(|agent| serde_json::to_value(agent).unwrap()).collect()
    };
    assert_eq!(documents(two()).len(), 2);
    assert_eq!(documents(two()).len(), 0);
    let mut changed = two();
    changed[1].refs[0].version = 3;
    let second = documents(changed.clone());
    assert_eq!(second.len(), 1);
    assert_eq!((&second[0]["agent"], &second[0]["refs"][0]["version"]), (&"y".into(), &3.into()));
    changed.remove(0);
    let third = documents(changed);
    assert_eq!(third.len(), 1);
    assert_eq!((&third[0]["agent"], &third[0]["state"]), (&"x".into(), &"removed".into()));
    assert_eq!(third[0]["environment"], "prod");
}
