//! The book: what is news, and what is none.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;
use uuid::Uuid;

const QUIET: i64 = 100;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn key(kind: ConditionKind, name: &str) -> ConditionKey {
    let environment = EnvironmentName::parse("prod").unwrap();
    ConditionKey {
        reference: Some(SecretName::parse(name).unwrap()),
        ..ConditionKey::of(kind, environment)
    }
}

fn condition(kind: ConditionKind, name: &str) -> Condition {
    Condition {
        key: key(kind, name),
        severity: Severity::Warning,
        since: at(1),
        ends: None,
        message: "so it is".into(),
        fix: "mend it".into(),
    }
}

fn expiring() -> Condition {
    condition(ConditionKind::Expiring, "s")
}

/// A book, and the names that it gave.
#[derive(Default)]
struct Desk {
    book: Book,
    named: u128,
    silent: bool,
}

impl Desk {
    fn turn(&mut self, so: Vec<Condition>, now: i64) -> Turn {
        let (named, silent) = (&mut self.named, self.silent);
        let name = || {
            *named += 1;
            Uuid::from_u128(*named)
        };
        self.book.look(so, at(now), QUIET, 10, |_| !silent, name)
    }

    /// What is news, in words.
    fn news(&mut self, so: Vec<Condition>, now: i64) -> Vec<String> {
        let word = |edge: Edge| match edge {
            Edge::Began { id, condition } => {
                format!("{} {}", condition.key.kind.as_str(), id.as_u128())
            }
            Edge::Over { id, key, .. } => format!("{} {} over", key.kind.as_str(), id.as_u128()),
        };
        self.turn(so, now).edges.into_iter().map(word).collect()
    }

    /// As after a restart: the entries were written down and are read again.
    fn again(&mut self) {
        let stored = serde_json::to_string(&self.book.0.iter().collect::<Vec<_>>()).unwrap();
        let read: Vec<(ConditionKey, Entry)> = serde_json::from_str(&stored).unwrap();
        self.book = Book::of(read);
    }
}

#[test]
fn every_kind_has_a_word_of_its_own() {
    let words: BTreeSet<&str> = ConditionKind::ALL.iter().map(|(word, _)| *word).collect();
    assert_eq!(words.len(), ConditionKind::ALL.len());
    for (word, kind) in ConditionKind::ALL {
        assert_eq!((kind.as_str(), ConditionKind::parse(word)), (word, Some(kind)));
        assert_eq!(serde_json::to_string(&kind).unwrap(), format!("{word:?}"));
    }
    assert_eq!(ConditionKind::parse("nothing"), None);
}

#[test]
fn it_is_news_once_when_it_begins_and_once_when_it_is_over() {
    let mut desk = Desk::default();
    assert_eq!(desk.news(vec![expiring()], 10), ["expiring 1"]);
    for now in [11, 50, 500, 50_000] {
        assert_eq!(desk.news(vec![expiring()], now), [""; 0]);
        desk.again();
    }
    assert_eq!(desk.news(vec![], 60_000), ["expiring 1 over"]);
    assert_eq!(desk.news(vec![], 60_001), [""; 0]);
}

#[test]
fn what_comes_and_goes_is_told_of_once_within_the_quiet_period() {
    let mut desk = Desk::default();
    assert_eq!(desk.news(vec![expiring()], 10), ["expiring 1"]);
    assert_eq!(desk.news(vec![], 20), ["expiring 1 over"]);
    for now in 21..119 {
        let so = if now % 2 == 0 { vec![expiring()] } else { vec![] };
        assert_eq!(desk.news(so, now), [""; 0], "at {now}");
        desk.again();
    }
    // It is still there once the period is over: another one by now.
    assert_eq!(desk.news(vec![expiring()], 119), [""; 0]);
    assert_eq!(desk.news(vec![expiring()], 120), ["expiring 2"]);
    assert_eq!(desk.news(vec![], 121), ["expiring 2 over"]);
    // Where it stays away, it is forgotten.
    assert!(desk.book.entry(&expiring().key).is_some());
    let turn = desk.turn(vec![], 221);
    assert_eq!(turn.changed, [(expiring().key, None)]);
    assert!(desk.book.entry(&expiring().key).is_none());
}

#[test]
fn what_gets_worse_is_told_again_and_by_the_same_name() {
    let mut desk = Desk::default();
    assert_eq!(desk.news(vec![expiring()], 10), ["expiring 1"]);
    let worse = Condition { severity: Severity::Error, ..expiring() };
    assert_eq!(desk.news(vec![worse.clone()], 11), ["expiring 1"]);
    assert_eq!(desk.news(vec![worse], 12), [""; 0]);
    assert_eq!(desk.news(vec![expiring()], 13), [""; 0], "better is no news");
    assert_eq!(desk.news(vec![], 14), ["expiring 1 over"]);
}

#[test]
fn what_turns_into_something_worse_is_not_called_over() {
    let mut desk = Desk::default();
    desk.news(vec![expiring()], 10);
    let expired = condition(ConditionKind::Expired, "s");
    assert_eq!(desk.news(vec![expired.clone()], 20), ["expired 2"]);
    assert!(desk.book.entry(&expiring().key).is_none());
    assert_eq!(desk.news(vec![], 30), ["expired 2 over"]);
    // That of another ref is another's.
    let mut desk = Desk::default();
    desk.news(vec![expiring()], 10);
    let others = condition(ConditionKind::Expired, "t");
    assert_eq!(desk.news(vec![others], 20), ["expired 2", "expiring 1 over"]);
}

#[test]
fn what_nobody_can_be_told_of_is_news_once_somebody_can() {
    let mut desk = Desk { silent: true, ..Desk::default() };
    assert_eq!(desk.news(vec![expiring()], 10), [""; 0]);
    desk.silent = false;
    assert_eq!(desk.news(vec![expiring()], 11), ["expiring 1"]);
    desk.silent = true;
    assert_eq!(desk.news(vec![], 12), [""; 0]);
    assert!(desk.book.entry(&expiring().key).is_none(), "nobody was told that it is over");
}

#[test]
fn what_people_wait_for_is_known_and_a_kind_can_be_left_alone() {
    let mut desk = Desk::default();
    let lags = condition(ConditionKind::ConsumerLagging, "s");
    desk.news(vec![expiring(), lags.clone()], 10);
    assert_eq!(desk.book.open(), [expiring().key, lags.key.clone()].into());
    desk.news(vec![lags.clone()], 11);
    assert_eq!(desk.book.open(), [lags.key.clone()].into(), "they were told that it is over");
    desk.book.forget(ConditionKind::ConsumerLagging);
    assert!(desk.book.entry(&lags.key).is_none() && desk.book.entry(&expiring().key).is_some());
}

#[test]
fn what_a_failure_policy_tells_of_is_not_told_twice() {
    let kinds = [ConditionKind::Denied, ConditionKind::Unresolved];
    let so = kinds.map(|kind| condition(kind, "s")).to_vec();
    assert_eq!(Desk::default().news(so, 10), [""; 0]);
}

#[test]
fn the_worst_is_told_first_and_what_is_too_much_the_next_time() {
    let mut desk = Desk::default();
    let mut so: Vec<Condition> =
        (0..15).map(|at| condition(ConditionKind::Expiring, &format!("s{at:02}"))).collect();
    so[14].severity = Severity::Error;
    let first = desk.turn(so.clone(), 10);
    assert_eq!(first.edges.len(), 10);
    let Edge::Began { condition, .. } = &first.edges[0] else { panic!("{first:?}") };
    assert_eq!(condition.key, so[14].key);
    assert_eq!(desk.turn(so.clone(), 11).edges.len(), 5);
    assert_eq!(desk.turn(so, 12).edges.len(), 0);
    assert_eq!(desk.turn(vec![], 13).edges.len(), 10);
    assert_eq!(desk.turn(vec![], 14).edges.len(), 5);
    assert_eq!(desk.turn(vec![], 15).edges.len(), 0);
}

#[test]
fn an_alert_says_whether_it_is_so() {
    let firing = expiring().alert();
    assert_eq!((firing.state, firing.severity), (AlertState::Firing, Severity::Warning));
    assert_eq!(
        (firing.kind.as_str(), &*firing.reason, &*firing.fix),
        ("expiring", "so it is", "mend it")
    );
    assert_eq!(firing.subject(), "ref s");
    let over = Condition::over(&expiring().key, at(1), "so it was");
    assert_eq!((over.state, over.severity), (AlertState::Resolved, Severity::Info));
    assert_eq!(over.reason, "it is over; it was so since 1970-01-01T00:00:01Z: so it was");
    assert!(over.fix.is_empty() && over.since == Some(at(1)));
}

proptest! {
    /// Whatever comes and goes when: beginnings and ends take turns, and each end has the name of
    /// its beginning.
    #[test]
    fn edges_take_turns(looks in prop::collection::vec((any::<bool>(), 0_i64..60), 1..60)) {
        let (mut desk, mut now, mut open) = (Desk::default(), 0, None);
        for (so, step) in looks {
            now += step;
            let so = if so { vec![expiring()] } else { vec![] };
            for edge in desk.turn(so, now).edges {
                match edge {
                    Edge::Began { id, .. } => {
                        prop_assert!(open.is_none(), "it began twice");
                        open = Some(id);
                    }
                    Edge::Over { id, .. } => prop_assert_eq!(open.take(), Some(id)),
                }
            }
            desk.again();
        }
    }
}
