//! The state machine, phase by phase; and every way through it.

use super::*;
use crate::delivery::{Delivery, Effect, Evidence, Way};
use proptest::prelude::*;
use uuid::Uuid;

mod people;
mod walks;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn version(number: i64) -> Version {
    Version::new(number).unwrap()
}

fn agent(number: u128) -> AgentId {
    AgentId(Uuid::from_u128(number))
}

fn instance(number: u128) -> InstanceId {
    InstanceId(Uuid::from_u128(number))
}

/// A rotation from v7 in two waves: agents 1 and 2, and agent 3.
fn rotation() -> Rotation {
    Rotation {
        id: RotationId(Uuid::from_u128(9)),
        environment: EnvironmentName::parse("production").unwrap(),
        reference: SecretName::parse("stripe-api-key").unwrap(),
        secret: SecretId(Uuid::from_u128(8)),
        name: SecretName::parse("stripe-api-key").unwrap(),
        rotator: RotatorAlias::parse("stripe").unwrap(),
        old: version(7),
        new: None,
        phase: Phase::Minting,
        asked: Asked {
            by: "admin:alice".into(),
            reason: "it was in a log".into(),
            trigger: Trigger::Asked,
            force: false,
        },
        began_at: at(0),
        since: at(0),
        overlap_seconds: 60,
        overlaps: true,
        waves: vec![Wave { agents: vec![agent(1), agent(2)] }, Wave { agents: vec![agent(3)] }],
        evicted: BTreeSet::new(),
        proofs: Vec::new(),
        trouble: None,
    }
}

/// An instance of an agent of the same number, which is there and said this of a version.
fn consumer(number: u128, version: i64, became: Became) -> Consumer {
    Consumer {
        agent: agent(number),
        name: format!("agent-{number}").parse().unwrap(),
        instance: instance(number),
        away: false,
        said: Some(Said {
            version,
            became,
            evidence: Evidence::Written,
            detail: String::new(),
            deliveries: Vec::new(),
            at: at(1),
        }),
        lease_end: None,
        wants: Evidence::Written,
    }
}

fn on(version: i64) -> Vec<Consumer> {
    (1..=3).map(|number| consumer(number, version, Became::Applied)).collect()
}

/// The rotation after all of this, one second apart.
fn after(events: impl IntoIterator<Item = Happened>) -> Rotation {
    let mut rotation = rotation();
    for (second, event) in (1..).zip(events) {
        rotation = rotation.after(event, at(second)).unwrap();
    }
    rotation
}

fn tested() -> [Happened; 3] {
    [Happened::Minted(version(8)), Happened::Set, Happened::Tested]
}

fn promoted() -> Rotation {
    let proven = [Happened::WaveProven, Happened::WaveProven, Happened::Promoted];
    after(tested().into_iter().chain(proven))
}

#[test]
fn each_step_comes_after_the_one_before() {
    let mut rotation = rotation();
    let steps = [
        (Step::Mint, Happened::Minted(version(8))),
        (Step::Set, Happened::Set),
        (Step::Test, Happened::Tested),
        (Step::Record(Happened::WaveProven), Happened::WaveProven),
        (Step::Record(Happened::WaveProven), Happened::WaveProven),
        (Step::Promote, Happened::Promoted),
    ];
    for (second, (step, happened)) in (1..).zip(steps) {
        assert_eq!(rotation.next(&on(8), version(7), at(second)), step);
        rotation = rotation.after(happened, at(second)).unwrap();
    }
    // Both are valid for a minute.
    let Step::Wait(waiting) = rotation.next(&on(8), version(8), at(65)) else { panic!() };
    assert_eq!(waiting[0].until, Some(at(66)));
    let Step::Record(drained) = rotation.next(&on(8), version(8), at(66)) else { panic!() };
    rotation = rotation.after(drained, at(66)).unwrap();
    assert_eq!(rotation.proofs.len(), 3);
    assert_eq!(rotation.next(&on(8), version(8), at(67)), Step::RevokeOld);
    rotation = rotation.after(Happened::Revoked, at(67)).unwrap();
    assert_eq!(rotation.phase, Phase::Finished);
    assert_eq!(rotation.next(&[], version(8), at(68)), Step::Nothing);
}

#[test]
fn each_phase_takes_what_belongs_to_it_and_nothing_else() {
    let all = || {
        [
            Happened::Minted(version(8)),
            Happened::Set,
            Happened::Tested,
            Happened::WaveProven,
            Happened::Promoted,
            Happened::Drained(Vec::new()),
            Happened::Revoked,
            Happened::Refused("no".into()),
            Happened::Aborted("no".into()),
        ]
    };
    let withdrawing = |outcome| Phase::Withdrawing { outcome, why: String::new(), until: None };
    let phases = [
        (Phase::Minting, "minted failed aborted"),
        (Phase::Setting, "set failed aborted"),
        (Phase::Testing, "tested failed aborted"),
        (Phase::Pushing { wave: 0 }, "proven failed aborted"),
        (Phase::Pushing { wave: 1 }, "proven failed aborted"),
        (Phase::Promoting, "promoted failed aborted"),
        (Phase::Draining { until: at(9) }, "drained failed aborted"),
        (Phase::Revoking, "revoked"),
        (withdrawing(Outcome::Failed), "revoked"),
        (withdrawing(Outcome::Aborted), "revoked"),
        (Phase::Finished, ""),
        (Phase::Failed { why: String::new() }, ""),
        (Phase::Aborted { why: String::new() }, ""),
    ];
    for (phase, wanted) in phases {
        let rotation = Rotation { phase, ..rotation() };
        let taken: Vec<&str> = all()
            .into_iter()
            .filter(|it| rotation.after(it.clone(), at(1)).is_ok())
            .map(|it| it.as_str().split(' ').next().unwrap())
            .collect();
        assert_eq!(taken.join(" "), wanted, "{:?}", rotation.phase);
        // What goes wrong for the time being is noted, and changes no phase.
        let trouble = Trouble { message: "503".into(), times: 1, again_at: at(5) };
        let troubled = rotation.after(Happened::Troubled(trouble), at(1));
        assert_eq!(troubled.is_ok(), !rotation.phase.is_over());
        assert!(troubled.is_ok_and(|it| it.phase == rotation.phase) || rotation.phase.is_over());
    }
}

#[test]
fn a_forced_one_has_no_overlap() {
    let mut rotation = rotation();
    (rotation.phase, rotation.asked.force) = (Phase::Promoting, true);
    let drained = rotation.after(Happened::Promoted, at(5)).unwrap();
    assert_eq!(drained.phase, Phase::Draining { until: at(5) });
}

#[test]
fn one_that_is_in_the_way_of_the_next_gives_nobody_time() {
    let hurried = promoted().after(Happened::Hurried, at(9)).unwrap();
    assert_eq!(hurried.phase, Phase::Draining { until: at(9) });
    // Before that it has none to give up yet, and gives none later; whoever is late is waited for.
    let pushing = after(tested()).after(Happened::Hurried, at(9)).unwrap();
    assert_eq!(pushing.phase, after(tested()).phase);
    let mut promoting = pushing;
    for step in [Happened::WaveProven, Happened::WaveProven, Happened::Promoted] {
        promoting = promoting.after(step, at(10)).unwrap();
    }
    assert_eq!(promoting.phase, Phase::Draining { until: at(10) });
    let mut people = on(8);
    people[0] = consumer(1, 7, Became::Applied);
    assert!(matches!(promoting.next(&people, version(8), at(99)), Step::Wait(_)));
    let over = Rotation { phase: Phase::Revoking, ..rotation() };
    assert!(over.after(Happened::Hurried, at(9)).is_err());
}

#[test]
fn what_is_withdrawn_stays_valid_for_whoever_is_about_to_use_it() {
    let withdrawn = after(tested()).after(Happened::Aborted("no".into()), at(9)).unwrap();
    let Step::Wait(waiting) = withdrawn.next(&on(9), version(9), at(13)) else { panic!() };
    assert_eq!(waiting[0].until, Some(at(14)), "not the overlap of a minute");
    assert_eq!(withdrawn.next(&on(9), version(9), at(14)), Step::RevokeNew);
    // Nobody was given it, or nobody is given time.
    let set = [Happened::Minted(version(8)), Happened::Set, Happened::Aborted("no".into())];
    assert_eq!(after(set).next(&on(7), version(7), at(3)), Step::RevokeNew);
    let mut forced = after(tested());
    forced.asked.force = true;
    let forced = forced.after(Happened::Aborted("no".into()), at(9)).unwrap();
    assert_eq!(forced.next(&on(9), version(9), at(9)), Step::RevokeNew);
}

#[test]
fn a_step_that_failed_is_tried_again_when_it_is_time() {
    let trouble = Trouble { message: "503".into(), times: 2, again_at: at(30) };
    let rotation = after([Happened::Troubled(trouble)]);
    let Step::Wait(waiting) = rotation.next(&[], version(7), at(29)) else { panic!() };
    assert_eq!((waiting[0].what.as_str(), waiting[0].until), ("503", Some(at(30))));
    assert_eq!(rotation.next(&[], version(7), at(30)), Step::Mint);
    // What follows knows nothing of it.
    let minted = rotation.after(Happened::Minted(version(8)), at(31)).unwrap();
    assert_eq!(minted.trouble, None);
}

#[test]
fn whoever_puts_another_value_meanwhile_has_the_last_word() {
    let overtaken = |rotation: &Rotation, current| {
        matches!(
            rotation.next(&on(8), version(current), at(9)),
            Step::Record(Happened::Refused(why)) if why.contains("v9")
        )
    };
    assert!(overtaken(&rotation(), 9));
    assert!(overtaken(&after(tested()), 9));
    assert!(!overtaken(&after(tested()), 7));
    // Once it is current, a later value is just one that everybody goes on to.
    assert!(!overtaken(&promoted(), 9));
}

#[test]
fn an_agent_gets_the_new_version_with_its_wave() {
    let released = |rotation: &Rotation| {
        (1..=4).map(|it| rotation.released_to(agent(it)).is_some()).collect::<Vec<_>>()
    };
    let nobody = vec![false; 4];
    assert_eq!(released(&rotation()), nobody);
    let mut pushing = after(tested());
    assert_eq!(released(&pushing), [true, true, false, false]);
    pushing = pushing.after(Happened::WaveProven, at(5)).unwrap();
    assert_eq!(released(&pushing), [true, true, true, false]);
    let aborted = pushing.after(Happened::Aborted("no".into()), at(6)).unwrap();
    assert_eq!(released(&aborted), nobody);
}
