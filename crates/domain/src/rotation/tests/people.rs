//! Whom a rotation waits for, and why.

use super::*;

fn stands(consumer: &Consumer) -> Standing {
    standing(consumer, version(8), at(100))
}

fn waits_for(consumer: &Consumer) -> String {
    match stands(consumer) {
        Standing::Waiting(waiting) => waiting.what,
        other => panic!("{other:?}"),
    }
}

fn delivery(version: i64, evidence: Evidence) -> Delivery {
    Delivery {
        way: Way::File,
        place: "KEY".into(),
        version,
        evidence,
        since: at(1),
        effect: Effect::Nothing,
    }
}

fn said(consumer: &mut Consumer) -> &mut Said {
    consumer.said.as_mut().unwrap()
}

#[test]
fn an_instance_is_proven_by_what_its_binding_asks_for() {
    let mut one = consumer(1, 8, Became::Applied);
    let Standing::Proven(proof) = stands(&one) else { panic!() };
    assert_eq!((proof.version, proof.evidence, proof.at), (version(8), Evidence::Written, at(1)));
    one.wants = Evidence::Reloaded;
    assert_eq!(waits_for(&one), "has v8 written, and is to be proven reloaded");
    said(&mut one).deliveries = vec![delivery(8, Evidence::Gated)];
    assert!(matches!(stands(&one), Standing::Proven(it) if it.evidence == Evidence::Gated));
    // A later version proves it too.
    assert!(matches!(stands(&consumer(1, 9, Became::Applied)), Standing::Proven(_)));
}

#[test]
fn one_place_that_is_behind_is_waited_for() {
    let mut one = consumer(1, 8, Became::Applied);
    said(&mut one).deliveries = vec![delivery(8, Evidence::Written), delivery(7, Evidence::Read)];
    assert_eq!(waits_for(&one), "still has v7 at KEY");
    // One that has none has no old one either.
    said(&mut one).deliveries = vec![delivery(8, Evidence::Written), delivery(0, Evidence::None)];
    assert!(matches!(stands(&one), Standing::Proven(_)));
}

#[test]
fn who_is_late_is_waited_for_and_who_cannot_take_it_stops_it() {
    assert_eq!(waits_for(&consumer(1, 7, Became::Applied)), "is on v7");
    assert_eq!(waits_for(&consumer(1, 8, Became::Coming)), "is putting v8 in place");
    // That it could not take an older one says nothing of this one.
    assert_eq!(waits_for(&consumer(1, 7, Became::Failed)), "is on v7");
    let mut one = consumer(1, 8, Became::Failed);
    said(&mut one).detail = "gate: exit 1".into();
    assert_eq!(stands(&one), Standing::Refused("it could not take v8: gate: exit 1".into()));
    assert_eq!(stands(&consumer(1, 7, Became::Wiped)), Standing::Gone);
}

#[test]
fn who_is_away_is_waited_for_until_its_lease_ends() {
    let mut one = consumer(1, 7, Became::Applied);
    one.away = true;
    // For ever, where it keeps what it has for ever.
    assert_eq!(waits_for(&one), "is away with v7");
    one.lease_end = Some(at(101));
    let Standing::Waiting(waiting) = stands(&one) else { panic!() };
    assert_eq!((waiting.until, waiting.away), (Some(at(101)), true));
    one.lease_end = Some(at(100));
    assert_eq!(stands(&one), Standing::Gone);
    // What it could not say before it left does not count.
    said(&mut one).version = 8;
    said(&mut one).became = Became::Coming;
    one.lease_end = None;
    assert_eq!(waits_for(&one), "is away with v8");
    // One that was never sent it has nothing that could end.
    one.said = None;
    assert_eq!(stands(&one), Standing::Gone);
    one.away = false;
    assert_eq!(waits_for(&one), "has not answered yet");
}

#[test]
fn a_wave_goes_on_without_who_is_away_and_the_revocation_does_not() {
    let mut people = on(8);
    said(&mut people[0]).version = 7;
    people[0].away = true;
    let pushing = after(tested());
    assert_eq!(pushing.next(&people, version(7), at(9)), Step::Record(Happened::WaveProven));
    // Who asks meanwhile is told of it all the same.
    let (waiting, proven) = pushing.standings(&people, at(9));
    assert_eq!((waiting[0].instance, waiting.len()), (Some(instance(1)), 1));
    assert_eq!(proven.len(), 2);
    let Step::Wait(waiting) = promoted().next(&people, version(8), at(999)) else { panic!() };
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].instance, Some(instance(1)));
    // Unless an operator says that it never comes back.
    let evicted = promoted().after(Happened::Evicted(instance(1)), at(9)).unwrap();
    let step = evicted.next(&people, version(8), at(999));
    assert!(matches!(step, Step::Record(Happened::Drained(proofs)) if proofs.len() == 2));
}

#[test]
fn a_later_wave_waits_for_the_one_before() {
    let mut people = on(8);
    people[1] = consumer(2, 7, Became::Applied);
    people[2] = consumer(3, 7, Became::Applied);
    let pushing = after(tested());
    let Step::Wait(waiting) = pushing.next(&people, version(7), at(9)) else { panic!() };
    assert_eq!(waiting.iter().map(|it| it.instance).collect::<Vec<_>>(), [Some(instance(2))]);
    people[1] = consumer(2, 8, Became::Failed);
    let Step::Record(Happened::Refused(why)) = pushing.next(&people, version(7), at(9)) else {
        panic!()
    };
    let id = instance(2);
    assert_eq!(why, format!("agent agent-2 (instance {id}): it could not take v8"));
}

#[test]
fn a_credential_is_not_withdrawn_from_under_who_got_it() {
    let withdrawn = after(tested()).after(Happened::Refused("no".into()), at(9)).unwrap();
    // Once the time is over that whoever was about to use it has.
    let step = |one: Consumer| withdrawn.next(&[one], version(9), at(20));
    let waits = |one: Consumer| matches!(step(one), Step::Wait(waiting) if waiting.len() == 1);
    assert!(waits(consumer(1, 8, Became::Applied)));
    assert!(waits(consumer(1, 8, Became::Coming)));
    assert!(waits(consumer(1, 9, Became::Coming)));
    assert!(waits(consumer(1, 9, Became::Failed)));
    for gone in [
        consumer(1, 7, Became::Applied),
        consumer(1, 8, Became::Failed),
        consumer(1, 9, Became::Applied),
        consumer(1, 8, Became::Wiped),
    ] {
        assert_eq!(step(gone), Step::RevokeNew);
    }
    let mut away = consumer(1, 8, Became::Applied);
    (away.away, away.lease_end) = (true, Some(at(21)));
    assert!(waits(away.clone()));
    away.lease_end = Some(at(20));
    assert_eq!(step(away), Step::RevokeNew);
}

fn touch(number: u128, kind: &str, effect: Effect) -> Touch {
    let name = format!("agent-{number:03}").parse().unwrap();
    Touch { agent: agent(number), name, kind: kind.into(), effect }
}

proptest! {
    #[test]
    fn waves_leave_nobody_out_and_restart_no_more_than_allowed(
        people in prop::collection::vec((0..3_usize, prop::bool::ANY), 0..60),
        at_once in 0..7_usize,
    ) {
        let touched: Vec<Touch> = (0..).zip(&people).map(|(number, (kind, restarts))| {
            let effect = if *restarts { Effect::Restart } else { Effect::Signal };
            touch(number, ["a", "b", "c"][*kind], effect)
        }).collect();
        let waves = waves(touched.clone(), at_once);
        let mut all: Vec<_> = waves.iter().flat_map(|wave| wave.agents.clone()).collect();
        all.sort_unstable();
        prop_assert_eq!(all, touched.iter().map(|it| it.agent).collect::<Vec<_>>());
        for (number, wave) in waves.iter().enumerate() {
            for kind in ["a", "b", "c"] {
                let of_kind = touched.iter().filter(|it| {
                    it.kind == kind && it.restarts() && wave.agents.contains(&it.agent)
                });
                prop_assert!(of_kind.count() <= at_once.max(1));
            }
            let mut calm = touched.iter().filter(|it| !it.restarts());
            prop_assert!(number == 0 || calm.all(|it| !wave.agents.contains(&it.agent)));
        }
        prop_assert!(waves.len() <= 1 || waves.iter().all(|wave| !wave.agents.is_empty()));
    }
}
