use super::*;
use secretref_domain::{
    checkpoint::LaneEnd,
    id::BrokerId,
    tree::{Frontier, Place, consistency, join, leaf},
};
use secretref_identity::note::NoteSigner;
use std::collections::BTreeMap;
use uuid::Uuid;

/// A broker with a trail of so many entries, each of which says its number and a word.
struct Broker {
    signer: NoteSigner,
    subtrees: BTreeMap<Place, Hash>,
    roots: Vec<Hash>,
}

impl Broker {
    fn new(signer: &[u8], words: &[&str]) -> Self {
        let signer = NoteSigner::new("o/audit", signer).unwrap();
        let (mut subtrees, mut edge) = (BTreeMap::new(), Frontier::default());
        let mut roots = vec![edge.root()];
        for word in words {
            edge.push(leaf(word.as_bytes()), |place, hash| {
                subtrees.insert(place, hash);
            });
            roots.push(edge.root());
        }
        Self { signer, subtrees, roots }
    }

    fn note(&self, size: u64) -> String {
        let end = LaneEnd { seq: i64::try_from(size).unwrap(), hash: [1; 32] };
        let checkpoint = Checkpoint {
            origin: "o/audit".to_owned(),
            size,
            root: self.roots[usize::try_from(size).unwrap()],
            after: 0,
            lanes: BTreeMap::from([(BrokerId(Uuid::from_u128(1)), end)]),
        };
        self.signer.sign(&checkpoint.to_string()).unwrap()
    }

    fn shows(&self, size: u64, old: u64) -> v1::Checkpoint {
        let parts = consistency(old, size).unwrap_or_default();
        let joined = parts.iter().map(|places| {
            let hashes: Vec<Hash> = places.iter().map(|place| self.subtrees[place]).collect();
            join(&hashes).unwrap().to_vec()
        });
        v1::Checkpoint {
            note: self.note(size).into_bytes(),
            old_size: i64::try_from(old).unwrap(),
            proof: joined.collect(),
        }
    }
}

const WORDS: [&str; 9] = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];

fn key() -> Vec<u8> {
    NoteSigner::generate().unwrap().to_vec()
}

/// A witness that holds the checkpoint of size 5.
fn witness(broker: &Broker) -> Trail {
    let mut trail = Trail::default();
    assert_eq!(trail.pin(&broker.signer.verifier().to_string()), Shown::Keep);
    assert_eq!(trail.shown(&broker.shows(5, 0), false), Shown::Keep);
    trail
}

fn again(trail: &Trail) -> Trail {
    Trail::parse(&trail.encode()).unwrap()
}

#[test]
fn what_goes_on_is_kept_and_outlives_a_restart() {
    let broker = Broker::new(&key(), &WORDS);
    let mut trail = again(&witness(&broker));
    assert_eq!(trail.said().size, 5);
    assert_eq!(trail.shown(&broker.shows(5, 5), false), Shown::Known);
    assert_eq!(trail.shown(&broker.shows(9, 5), false), Shown::Keep);
    assert_eq!((again(&trail).said().size, trail.alarm()), (9, None));
    assert_eq!(trail.pin(&broker.signer.verifier().to_string()), Shown::Known);
}

#[test]
fn what_was_set_back_or_forked_is_told_and_the_newer_one_kept() {
    let key = key();
    let broker = Broker::new(&key, &WORDS);
    let other = Broker::new(&key, &["a", "b", "c", "X", "e", "f", "g", "h", "i"]);
    let unsigned = v1::Checkpoint { note: b"o/audit\n".to_vec(), ..broker.shows(9, 5) };
    let none = v1::Checkpoint { note: Vec::new(), proof: Vec::new(), old_size: 5 };
    let unproven = v1::Checkpoint { proof: Vec::new(), ..broker.shows(9, 5) };
    let shown = [
        (broker.shows(3, 5), "set back"),
        (other.shows(9, 5), "forked"),
        (other.shows(5, 5), "another checkpoint of size 5"),
        (unproven, "forked"),
        (Broker::new(&self::key(), &WORDS).shows(9, 5), "not signed by this key"),
        (unsigned, "no signed note"),
        (none, "no checkpoint"),
    ];
    for (shown, why) in shown {
        let mut trail = witness(&broker);
        assert_eq!(trail.shown(&shown, false), Shown::Keep, "{why}");
        let mut trail = again(&trail);
        assert!(trail.alarm().unwrap().contains(why), "{:?} not {why}", trail.alarm());
        assert_eq!(trail.said().size, 5, "{why}: it forgot its own");
        // It is told once, and stays.
        assert_eq!(trail.shown(&shown, false), Shown::Known, "{why}");
        assert_eq!(trail.shown(&broker.shows(9, 5), false), Shown::Keep, "{why}");
        assert!(trail.alarm().is_some(), "{why}");
    }
    let mut trail = witness(&broker);
    let named = NoteSigner::new("o/audit", &self::key()).unwrap().verifier();
    assert_eq!(trail.pin(&named.to_string()), Shown::Keep);
    assert!(trail.alarm().unwrap().contains("another key"));
}

#[test]
fn a_broker_that_answers_to_another_size_is_told_once() {
    let broker = Broker::new(&key(), &WORDS);
    for old in [0, 4, 7] {
        let mut trail = witness(&broker);
        assert_eq!(trail.shown(&broker.shows(8, old), false), Shown::Say, "{old}");
        assert_eq!(trail.alarm(), None, "{old}");
        assert_eq!(trail.shown(&broker.shows(8, old), true), Shown::Keep, "{old}");
        assert!(trail.alarm().is_some(), "{old}");
    }
    // A stream that is behind is no alarm.
    let mut trail = witness(&broker);
    assert_eq!(trail.shown(&broker.shows(3, 2), false), Shown::Say);
    assert_eq!(trail.alarm(), None);
}

#[test]
fn nothing_else_is_read() {
    let broker = Broker::new(&key(), &WORDS);
    let text = String::from_utf8(witness(&broker).encode()).unwrap();
    for other in
        ["", "{}", &text.replace("\"format\":1", "\"format\":2"), &text.replace("lane", "")]
    {
        assert!(Trail::parse(other.as_bytes()).is_err(), "{other}");
    }
}
