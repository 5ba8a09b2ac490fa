use super::*;
use proptest::prelude::*;
use secretref_domain::value::SecretValue;
use secretref_proto::{convert::manifest_digest, v1};
use std::sync::Arc;

/// The value that a version of a secret has in every test, so that a mix would show.
fn value_of(name: &str, version: i64) -> Vec<u8> {
    format!("{name}@{version}").into_bytes()
}

fn entry(name: &str, version: i64, with_value: bool) -> v1::ManifestEntry {
    v1::ManifestEntry {
        name: name.into(),
        version,
        digest: vec![u8::try_from(version).unwrap(); 32],
        targets: vec![v1::Target { file: name.into(), ..v1::Target::default() }],
        value: with_value.then(|| value_of(name, version).into()),
        ..v1::ManifestEntry::default()
    }
}

fn manifest(nonce: i64, kind: ManifestKind, entries: Vec<v1::ManifestEntry>) -> v1::Manifest {
    v1::Manifest {
        nonce,
        kind: kind.into(),
        last: true,
        manifest_digest: manifest_digest(&entries, None).to_vec(),
        entries,
        ..v1::Manifest::default()
    }
}

fn offer(revision: i64, kind: ManifestKind, entries: Vec<v1::ManifestEntry>) -> Offer {
    Parts::default().push("e", revision, manifest(1, kind, entries)).unwrap().unwrap()
}

fn taken(held: &Snapshot, offer: &Offer) -> Snapshot {
    fold(held, offer, false).map(|folded| folded.snapshot).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(held: &Snapshot, offer: &Offer) -> Refusal {
    fold(held, offer, false).err().unwrap()
}

fn base() -> Snapshot {
    let entries = vec![entry("a", 3, true), entry("b", 1, true)];
    taken(&Snapshot::default(), &offer(5, ManifestKind::Snapshot, entries))
}

fn name(name: &str) -> SecretName {
    SecretName::parse(name).unwrap()
}

fn exposed(snapshot: &Snapshot, of: &str) -> Option<Vec<u8>> {
    let held = snapshot.entry(&name(of))?;
    held.value.as_ref().map(|value| SecretValue::expose(value).to_vec())
}

#[test]
fn a_delta_takes_over_what_is_held() {
    let entries = vec![entry("a", 4, true), entry("b", 1, false), entry("c", 1, true)];
    let folded = fold(&base(), &offer(6, ManifestKind::Delta, entries), false);
    let folded = folded.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(exposed(&folded.snapshot, "a").unwrap(), value_of("a", 4));
    assert_eq!(exposed(&folded.snapshot, "b").unwrap(), value_of("b", 1));
    let changed: Vec<_> = folded.changed.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(changed, ["a", "c"]);
    assert!(folded.removed.is_empty());
}

#[test]
fn what_is_not_named_has_left() {
    let entries = vec![entry("b", 1, false)];
    let folded = fold(&base(), &offer(6, ManifestKind::Delta, entries), false);
    let folded = folded.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(folded.removed, [(name("a"), Version::new(3).unwrap())]);
    assert!(folded.changed.is_empty());
}

#[test]
fn what_is_older_or_not_whole_is_refused() {
    use ManifestKind::{Delta, Snapshot as Whole};
    let held = base();
    let older = offer(4, Whole, vec![entry("a", 3, true), entry("b", 1, true)]);
    assert_eq!(refused(&held, &older), Refusal::Stale { given: 4, held: 5 });
    let fallen = offer(6, Whole, vec![entry("a", 2, true)]);
    assert!(matches!(refused(&held, &fallen), Refusal::VersionFell { .. }));
    let gap = offer(6, Delta, vec![entry("a", 4, false)]);
    assert!(matches!(refused(&held, &gap), Refusal::ValueMissing { .. }));
    let mut other = entry("a", 3, false);
    other.digest = vec![9; 32];
    let other = offer(6, Delta, vec![other]);
    assert!(matches!(refused(&held, &other), Refusal::ValueMissing { .. }));
    let mut wrong = offer(6, Whole, vec![entry("a", 4, true)]);
    wrong.digest = [0; 32];
    assert_eq!(refused(&held, &wrong), Refusal::Digest);
    let mut twice = entry("c", 1, true);
    twice.targets[0].file = "b".into();
    let twice = offer(6, Delta, vec![entry("b", 1, false), twice]);
    assert!(matches!(refused(&held, &twice), Refusal::FileTwice { .. }));
}

#[test]
fn another_history_begins_with_all_values() {
    let held = base();
    let restored = |kind| {
        let manifest = manifest(1, kind, vec![entry("a", 1, true)]);
        Parts::default().push("other", 1, manifest).unwrap().unwrap()
    };
    assert_eq!(refused(&held, &restored(ManifestKind::Delta)), Refusal::Epoch);
    let next = taken(&held, &restored(ManifestKind::Snapshot));
    assert_eq!((next.epoch(), next.revision()), ("other", 1));
}

#[test]
fn what_lapsed_stays_lapsed_until_its_value_comes_again() {
    let held = base().without_values(&[name("a")].into());
    assert_eq!(held.digest(), base().digest(), "the digest covers no value");
    assert_eq!(held.have().len(), 1);
    let same = vec![entry("a", 3, false), entry("b", 1, false)];
    let next = taken(&held, &offer(6, ManifestKind::Delta, same));
    assert_eq!(exposed(&next, "a"), None);
    assert!(next.lacks_values(secretref_domain::clock::Timestamp::from_micros(0)));
    let again = vec![entry("a", 3, true), entry("b", 1, false)];
    let next = taken(&next, &offer(6, ManifestKind::Delta, again));
    assert_eq!(exposed(&next, "a").unwrap(), value_of("a", 3));
}

/// Parts that do not belong together.
#[test]
fn parts_out_of_place_are_refused() {
    let part = |nonce, part, last| v1::Manifest {
        part,
        last,
        ..manifest(nonce, ManifestKind::Delta, Vec::new())
    };
    let first = || {
        let mut parts = Parts::default();
        assert!(parts.push("e", 5, part(3, 0, false)).unwrap().is_none());
        parts
    };
    for wrong in [part(3, 2, true), part(3, 0, true), part(4, 1, true), part(4, 0, true)] {
        assert!(matches!(first().push("e", 5, wrong), Err(Malformed::Gap { .. })));
    }
    let mut other_kind = part(3, 1, true);
    other_kind.kind = ManifestKind::Snapshot.into();
    assert!(matches!(first().push("e", 5, other_kind), Err(Malformed::Mixed { .. })));
    assert!(matches!(first().push("f", 5, part(3, 1, true)), Err(Malformed::Mixed { .. })));
    assert!(matches!(first().push("e", 4, part(3, 1, true)), Err(Malformed::Mixed { .. })));
    assert!(first().push("e", 5, part(3, 1, true)).unwrap().is_some());
    let mut parts = first();
    parts.abandon();
    assert!(parts.push("e", 5, part(4, 0, true)).unwrap().is_some());
    assert!(matches!(parts.push("e", 5, part(3, 0, true)), Err(Malformed::Gap { .. })));
}

#[test]
fn entries_that_no_broker_should_send_are_refused() {
    fn with(change: fn(&mut v1::ManifestEntry)) -> Vec<v1::ManifestEntry> {
        let mut entry = entry("a", 1, true);
        change(&mut entry);
        vec![entry]
    }
    let wrong = [
        with(|entry| entry.name = "../a".into()),
        with(|entry| entry.version = 0),
        with(|entry| entry.digest.truncate(31)),
        with(|entry| entry.value = Some(bytes::Bytes::new())),
        with(|entry| entry.value = Some(vec![0; 65_537].into())),
        with(|entry| entry.stale_max_ms = -1),
        with(|entry| entry.targets[0].file = "../../etc/passwd".into()),
        with(|entry| entry.targets[0].file = "..data".into()),
        with(|entry| entry.targets[0].env_var = "A B".into()),
        with(|entry| entry.targets[0].owner = "x".repeat(129)),
        vec![entry("b", 1, true), entry("a", 1, true)],
        vec![entry("a", 1, true), entry("a", 1, true)],
        (0..257).map(|at| entry(&format!("s{at:03}"), 1, true)).collect(),
    ];
    for entries in wrong {
        let manifest = manifest(1, ManifestKind::Snapshot, entries);
        assert!(Parts::default().push("e", 1, manifest).is_err());
    }
    let mut both = manifest(1, ManifestKind::Snapshot, vec![entry("a", 1, true)]);
    both.removed = vec![v1::RemovedSecret { name: "a".into(), reason: 1 }];
    assert!(matches!(Parts::default().push("e", 1, both), Err(Malformed::Removed(_))));
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// A manifest as a confused broker might send it: any revision, any versions, values or not,
/// whole or with a wrong digest.
#[derive(Debug, Clone)]
struct Recipe {
    revision: i64,
    whole: bool,
    wrong: u8,
    epoch: u8,
    secrets: Vec<Option<(i64, bool)>>,
}

impl Recipe {
    fn offer(&self) -> Offer {
        let entries = NAMES.iter().zip(&self.secrets).filter_map(|(name, secret)| {
            secret.map(|(version, with_value)| entry(name, version, with_value))
        });
        let kind = if self.whole { ManifestKind::Snapshot } else { ManifestKind::Delta };
        let mut offer = offer(self.revision, kind, entries.collect());
        if self.wrong == 0 {
            offer.digest = [0; 32];
        }
        offer.epoch = Arc::from(if self.epoch == 0 { "f" } else { "e" });
        offer
    }
}

fn any_recipe() -> impl Strategy<Value = Recipe> {
    let secrets = prop::collection::vec(prop::option::of((1_i64..6, any::<bool>())), NAMES.len());
    (1_i64..8, any::<bool>(), 0_u8..10, 0_u8..5, secrets).prop_map(
        |(revision, whole, wrong, epoch, secrets)| Recipe {
            revision,
            whole,
            wrong,
            epoch,
            secrets,
        },
    )
}

proptest! {
    /// Whatever comes: nothing goes backwards within an epoch, no value belongs to another version
    /// or secret, and what was refused changed nothing.
    #[test]
    fn never_backwards_never_mixed(recipes in prop::collection::vec(any_recipe(), 1..40)) {
        let mut held = Snapshot::default();
        for offer in recipes.iter().map(Recipe::offer) {
            let Ok(Folded { snapshot, .. }) = fold(&held, &offer, false) else { continue };
            if snapshot.epoch() == held.epoch() {
                prop_assert!(snapshot.revision() >= held.revision());
                for (name, before) in held.entries() {
                    let after = snapshot.entry(name);
                    prop_assert!(after.is_none_or(|after| after.version >= before.version));
                }
            }
            prop_assert_eq!(snapshot.digest(), offer.computed);
            for (name, entry) in snapshot.entries() {
                let value = entry.value.as_ref().map(|value| value.expose().to_vec());
                prop_assert_eq!(value, Some(value_of(name.as_str(), entry.version.get())));
            }
            let again = fold(&snapshot, &offer, false);
            prop_assert!(again.is_ok_and(|again| again.snapshot.digest() == snapshot.digest()));
            held = snapshot;
        }
    }

    /// However the parts of manifests are mixed up, only whole ones come out, each as it was sent.
    #[test]
    fn only_whole_manifests_come_out(
        frames in prop::collection::vec((1_i64..4, 0_i32..4, any::<bool>()), 1..60)
    ) {
        let mut parts = Parts::default();
        let mut run: Vec<(i64, i32)> = Vec::new();
        for (nonce, part, last) in frames {
            let frame = v1::Manifest {
                part,
                last,
                ..manifest(nonce, ManifestKind::Delta, Vec::new())
            };
            match parts.push("e", 1, frame) {
                Err(_) => run.clear(),
                Ok(None) => run.push((nonce, part)),
                Ok(Some(offer)) => {
                    run.push((nonce, part));
                    let wanted: Vec<_> =
                        (0..=part).map(|part| (offer.nonce, part)).collect();
                    prop_assert_eq!(std::mem::take(&mut run), wanted);
                }
            }
        }
    }
}
