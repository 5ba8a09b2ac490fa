use super::*;
use secretref_domain::{
    alert::AlertKind,
    name::{AgentName, EnvironmentName},
};

const HOUR: i64 = 3600;
const AGENT: AgentId = AgentId(Uuid::from_u128(1));

fn alert(reason: &str) -> Alert {
    Alert {
        agent: Some(AgentName::parse("payer").unwrap()),
        reason: reason.to_owned(),
        fix: "put it".to_owned(),
        ..Alert::of(AlertKind::Unresolved, EnvironmentName::parse("default").unwrap())
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

impl Troubles {
    /// What is told of an agent that fails for these reasons.
    fn told(&mut self, revision: i64, reasons: &[&str], now: i64) -> Vec<String> {
        let failing = reasons.iter().map(|reason| alert(reason)).collect();
        let told = self.observe(AGENT, Revision(revision), failing, at(now), HOUR);
        told.into_iter().map(|notice| notice.alert.reason).collect()
    }
}

#[test]
fn a_trouble_is_told_once_until_it_is_resolved() {
    let mut troubles = Troubles::default();
    assert_eq!(troubles.told(1, &["missing"], 0), ["missing"]);
    assert_eq!(troubles.told(2, &["missing"], 1), [""; 0]);
    assert_eq!(troubles.told(3, &["missing", "denied"], 2), ["denied"]);
    assert_eq!(troubles.told(4, &["denied"], 3), ["it is over: missing"]);
    assert_eq!(troubles.told(5, &["missing", "denied"], 4), ["missing"]);
    let over = ["it is over: denied", "it is over: missing"];
    assert_eq!(troubles.told(6, &[], 5), over);
    assert_eq!(troubles.told(6, &[], 5), [""; 0]);
    assert_eq!(troubles.told(7, &["missing"], 6), ["missing"]);
}

#[test]
fn a_trouble_that_stays_is_told_again_after_an_hour_under_its_name() {
    let mut troubles = Troubles::default();
    let first = troubles.raise(alert("missing"), at(0), HOUR).unwrap();
    assert!(troubles.raise(alert("missing"), at(HOUR - 1), HOUR).is_none());
    // Another advice is no other trouble.
    let advised = Alert { fix: "another".to_owned(), ..alert("missing") };
    let again = troubles.raise(advised, at(HOUR), HOUR).unwrap();
    assert_eq!((again.id, again.at), (first.id, at(HOUR)));
    assert!(troubles.raise(alert("missing"), at(HOUR + 1), HOUR).is_none());
    troubles.resolve(&alert("missing"));
    let anew = troubles.raise(alert("missing"), at(HOUR + 2), HOUR).unwrap();
    assert_ne!(anew.id, first.id);
}

#[test]
fn what_is_over_has_the_name_that_it_had() {
    let mut troubles = Troubles::default();
    let mut observe = |revision, failing| {
        let mut told = troubles.observe(AGENT, Revision(revision), failing, at(revision), HOUR);
        assert_eq!(told.len(), 1);
        told.remove(0)
    };
    let (began, over) = (observe(1, vec![alert("missing")]), observe(2, Vec::new()));
    assert_eq!((over.id, over.at), (began.id, at(2)));
    assert_eq!((over.alert.state, over.alert.severity), (AlertState::Resolved, Severity::Info));
    assert_eq!(began.alert.state, AlertState::Firing);
    assert!(over.alert.fix.is_empty());
}

#[test]
fn what_was_seen_earlier_does_not_take_back_what_was_seen_later() {
    let mut troubles = Troubles::default();
    assert_eq!(troubles.told(5, &["missing"], 0), ["missing"]);
    assert_eq!(troubles.told(7, &[], 1), ["it is over: missing"]);
    // A stream that lags behind.
    assert_eq!(troubles.told(6, &["missing"], 2), [""; 0]);
    // The same revision may come to something else: a value expired.
    assert_eq!(troubles.told(7, &["expired"], 3), ["expired"]);
}

#[test]
fn agents_that_never_fail_take_no_place_and_what_is_remembered_has_a_limit() {
    let mut troubles = Troubles::default();
    for number in 0..100 {
        let agent = AgentId(Uuid::from_u128(number));
        assert!(troubles.observe(agent, Revision(1), Vec::new(), at(0), HOUR).is_empty());
    }
    assert!(troubles.agents.is_empty());
    for number in 0..AGENTS_MAX + 10 {
        let (agent, reason) = (AgentId(Uuid::from_u128(number as u128)), number.to_string());
        let seconds = i64::try_from(number).unwrap();
        let failing = vec![alert(&reason)];
        troubles.observe(agent, Revision(seconds), failing, at(seconds), HOUR * HOUR);
    }
    assert!(troubles.open.len() <= TROUBLES_MAX && troubles.agents.len() <= AGENTS_MAX + 1);
    // The oldest went.
    assert!(troubles.raise(alert("0"), at(0), HOUR * HOUR).is_some());
}
