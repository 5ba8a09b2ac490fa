use super::*;
use crate::snapshot::Held;
use secretref_domain::{id::Digest, value::SecretValue};

fn name(name: &str) -> SecretName {
    SecretName::parse(name).unwrap()
}

/// A set of these versions, each with a value.
fn set(versions: &[(&str, i64)]) -> Arc<Snapshot> {
    let entries = versions.iter().map(|(secret, version)| {
        let version = Version::new(*version).unwrap();
        let value = SecretValue::new(format!("{secret}@{version:?}").into_bytes()).unwrap();
        let held = Held {
            version,
            digest: Digest([0; 32]),
            targets: Arc::from([]),
            expires_at: None,
            stale_max_ms: None,
            value: Some(Arc::new(value)),
        };
        (name(secret), held)
    });
    let entries = entries.collect();
    Arc::new(Snapshot { epoch: Arc::from("e"), entries, ..Snapshot::default() })
}

fn versions(candidate: &Candidate) -> Vec<(String, i64)> {
    let entries = candidate.snapshot.entries();
    entries.map(|(name, held)| (name.to_string(), held.version.get())).collect()
}

fn candidate(trial: &Trial, held: &Arc<Snapshot>) -> Candidate {
    trial.candidate(held, BTreeMap::new(), Timestamp::from_micros(0))
}

/// A trial whose program took this set.
fn took(held: &[(&str, i64)]) -> Trial {
    let mut trial = Trial::default();
    trial.taken(&candidate(&trial, &set(held)));
    trial
}

fn owned(versions: &[(&str, i64)]) -> Vec<(String, i64)> {
    versions.iter().map(|(name, version)| ((*name).to_owned(), *version)).collect()
}

#[test]
fn without_a_good_set_there_is_nothing_to_put_back() {
    let mut trial = Trial::default();
    let first = candidate(&trial, &set(&[("a", 1)]));
    assert!(!first.good && first.kept_back.is_empty());
    assert_eq!(trial.refused(&first, "no"), Next::Nothing);
    assert!(candidate(&trial, &set(&[("a", 1)])).kept_back.is_empty(), "it may be tried again");
}

#[test]
fn what_is_refused_is_put_back_and_not_tried_again() {
    let mut trial = took(&[("a", 1), ("b", 1)]);
    let held = set(&[("a", 2), ("b", 1)]);
    let tried = candidate(&trial, &held);
    assert_eq!((versions(&tried), tried.good), (owned(&[("a", 2), ("b", 1)]), false));
    assert_eq!(trial.refused(&tried, "bad"), Next::PutBack);
    for _ in 0..2 {
        let back = candidate(&trial, &held);
        assert_eq!((versions(&back), back.good), (owned(&[("a", 1), ("b", 1)]), true));
        assert_eq!(back.kept_back[&name("a")], "bad");
        trial.taken(&back);
    }
    let next = candidate(&trial, &set(&[("a", 3), ("b", 1)]));
    assert_eq!((versions(&next), next.kept_back.len()), (owned(&[("a", 3), ("b", 1)]), 0));
    trial.taken(&next);
    assert!(candidate(&trial, &set(&[("a", 3), ("b", 1)])).good);
}

#[test]
fn others_go_on_without_the_bad_one() {
    let mut trial = took(&[("a", 1), ("b", 1)]);
    let tried = candidate(&trial, &set(&[("a", 2), ("b", 1)]));
    trial.refused(&tried, "bad");
    let held = set(&[("a", 2), ("b", 2)]);
    let alone = candidate(&trial, &held);
    assert_eq!((versions(&alone), alone.good), (owned(&[("a", 1), ("b", 2)]), false));
    trial.taken(&alone);
    let again = candidate(&trial, &held);
    assert_eq!((versions(&again), again.good), (owned(&[("a", 1), ("b", 2)]), true));
}

#[test]
fn two_halves_of_a_change_are_tried_together() {
    let mut trial = took(&[("a", 1), ("b", 1)]);
    let tried = candidate(&trial, &set(&[("a", 2), ("b", 1)]));
    trial.refused(&tried, "half");
    let held = set(&[("a", 2), ("b", 2)]);
    let alone = candidate(&trial, &held);
    assert_eq!(trial.refused(&alone, "half"), Next::Whole);
    let whole = candidate(&trial, &held);
    assert_eq!((versions(&whole), whole.kept_back.len()), (owned(&[("a", 2), ("b", 2)]), 0));
    trial.taken(&whole);
    assert!(candidate(&trial, &held).good);
    // And where that fails too, all of it is put back.
    let mut trial = took(&[("a", 1), ("b", 1)]);
    let tried = candidate(&trial, &set(&[("a", 2), ("b", 1)]));
    trial.refused(&tried, "half");
    let alone = candidate(&trial, &held);
    trial.refused(&alone, "half");
    let whole = candidate(&trial, &held);
    assert_eq!(trial.refused(&whole, "both"), Next::PutBack);
    let back = candidate(&trial, &held);
    assert_eq!((versions(&back), back.good), (owned(&[("a", 1), ("b", 1)]), true));
    assert_eq!(back.kept_back.len(), 2);
}

#[test]
fn settings_are_put_back_too() {
    let mut trial = took(&[("a", 1)]);
    let settings = AgentSettings { command: vec!["x".into()], ..AgentSettings::default() };
    let mut held = Snapshot::clone(&set(&[("a", 1)]));
    held.settings = Arc::new(settings);
    let held = Arc::new(held);
    let tried = candidate(&trial, &held);
    assert!(!tried.good);
    assert_eq!(trial.refused(&tried, "no such program"), Next::PutBack);
    let back = candidate(&trial, &held);
    assert!(back.good && back.snapshot.settings.command.is_empty());
}

#[test]
fn what_may_not_be_kept_is_not_put_back() {
    let mut trial = took(&[("a", 1), ("b", 1)]);
    trial.lapse(&[name("a")].into());
    let held = set(&[("a", 2), ("b", 1)]);
    let tried = candidate(&trial, &held);
    trial.refused(&tried, "bad");
    let back = candidate(&trial, &held);
    assert!(back.snapshot.entry(&name("a")).unwrap().value.is_none());
    trial.forget();
    assert_eq!(versions(&candidate(&trial, &held)), owned(&[("a", 2), ("b", 1)]));

    let mut trial = Trial::default();
    let mut old = Snapshot::clone(&set(&[("a", 1)]));
    old.entries.get_mut(&name("a")).unwrap().expires_at = Some(Timestamp::from_micros(5));
    trial.taken(&candidate(&trial, &Arc::new(old)));
    let tried = candidate(&trial, &set(&[("a", 2)]));
    trial.refused(&tried, "bad");
    let later = trial.candidate(&set(&[("a", 2)]), BTreeMap::new(), Timestamp::from_micros(5));
    assert!(later.snapshot.entry(&name("a")).is_none(), "an expired value came back");
}

#[test]
fn what_can_never_be_a_variable_keeps_what_it_had() {
    let trial = took(&[("a", 1), ("b", 1)]);
    let unfit = BTreeMap::from([(name("a"), "NUL".to_owned())]);
    let held = set(&[("a", 2), ("b", 2)]);
    let kept = trial.candidate(&held, unfit, Timestamp::from_micros(0));
    assert_eq!(versions(&kept), owned(&[("a", 1), ("b", 2)]));
    assert_eq!(kept.kept_back[&name("a")], "NUL");
}
