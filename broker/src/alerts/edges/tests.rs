use super::*;
use secretref_domain::alert::AlertKind;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn alert(called: &str) -> Alert {
    Alert {
        kind: AlertKind::Expiring,
        environment: "default".parse().unwrap(),
        agent: None,
        tool: None,
        reference: Some(called.parse().unwrap()),
        provider: None,
        reason: "its value ends".into(),
        fix: String::new(),
    }
}

fn looks(edges: &mut Edges, called: &[&str], seconds: i64) -> Vec<(String, bool)> {
    let found = called.iter().map(|called| alert(called)).collect();
    let told = edges.look(found, at(seconds), 60);
    told.into_iter().map(|it| (it.alert.reference.unwrap().to_string(), it.over)).collect()
}

#[test]
fn people_are_told_once_when_it_begins_and_once_when_it_is_over() {
    let mut edges = Edges::default();
    assert_eq!(looks(&mut edges, &["a"], 0), [("a".to_owned(), false)]);
    assert_eq!(looks(&mut edges, &["a", "b"], 1), [("b".to_owned(), false)]);
    assert_eq!(looks(&mut edges, &["a", "b"], 2), []);
    assert_eq!(looks(&mut edges, &["b"], 3), []);
    assert_eq!(edges.next(60), Some(at(63)));
    assert_eq!(looks(&mut edges, &["b"], 62), []);
    assert_eq!(looks(&mut edges, &["b"], 63), [("a".to_owned(), true)]);
    assert_eq!(looks(&mut edges, &["b"], 64), []);
    assert_eq!(edges.next(60), None);
}

#[test]
fn what_comes_again_within_the_quiet_time_was_never_over() {
    let mut edges = Edges::default();
    looks(&mut edges, &["a"], 0);
    for second in 1..50 {
        let found: &[&str] = if second % 2 == 0 { &["a"] } else { &[] };
        assert_eq!(looks(&mut edges, found, second * 59), []);
    }
}

#[test]
fn both_ends_have_one_name_and_advice_makes_no_other() {
    let mut edges = Edges::default();
    let began = edges.look(BTreeSet::from([alert("a")]), at(0), 0);
    let advised = Alert { fix: "mend it".into(), ..alert("a") };
    assert!(edges.look(BTreeSet::from([advised]), at(1), 0).is_empty());
    let over = edges.look(BTreeSet::new(), at(2), 0);
    assert_eq!((over.len(), over[0].id, over[0].at), (1, began[0].id, at(2)));
}
