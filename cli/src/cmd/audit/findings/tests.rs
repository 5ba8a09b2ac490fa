use super::*;
use secretref_domain::clock;

fn at(text: &str) -> Timestamp {
    time::wire(clock::Timestamp::parse(text).unwrap())
}

fn agent(state: RefState, until: Option<&str>) -> v1::AgentStatus {
    v1::AgentStatus {
        agent: "a".to_owned(),
        state: AgentState::Active.into(),
        refs: vec![v1::RefStatus {
            secret_ref: "key".to_owned(),
            state: state.into(),
            version: 2,
            applied_version: 2,
            valid_until: until.map(at),
            source: "store".to_owned(),
            ..v1::RefStatus::default()
        }],
        ..v1::AgentStatus::default()
    }
}

fn kinds(status: v1::AgentStatus) -> Vec<(&'static str, Severity)> {
    let found = findings(&[status], &[], &at("2026-11-23"), " --environment e");
    found.iter().map(|finding| (finding.kind, finding.severity)).collect()
}

#[test]
fn states_have_their_severity() {
    let table = [
        (RefState::Injected, Severity::Well),
        (RefState::Pending, Severity::Well),
        (RefState::Waiting, Severity::Well),
        (RefState::Scheduled, Severity::Well),
        (RefState::Failed, Severity::Finding),
        (RefState::Denied, Severity::Finding),
        (RefState::Unresolved, Severity::Unresolved),
    ];
    for (state, severity) in table {
        assert_eq!(kinds(agent(state, None)), [(status::state(state), severity)]);
    }
}

#[test]
fn an_expiry_is_found_seven_days_before() {
    let expiry = |until| kinds(agent(RefState::Injected, Some(until))).get(1).copied();
    assert_eq!(expiry("2026-12-01"), None);
    assert_eq!(expiry("2026-11-30"), Some(("expiring", Severity::Finding)));
    assert_eq!(expiry("2026-11-23"), Some(("expired", Severity::Finding)));
}

#[test]
fn a_revoked_agent_needs_no_care() {
    let mut status = agent(RefState::Unresolved, None);
    status.state = AgentState::Revoked.into();
    assert!(kinds(status).is_empty());
}

#[test]
fn a_ref_without_value_says_what_to_put_where() {
    let found =
        findings(&[agent(RefState::Unresolved, None)], &[], &at("2026-11-23"), " --environment e");
    assert_eq!(found[0].detail, "it has no value");
    assert_eq!(found[0].fix.as_deref(), Some("secretref put key --environment e"));
}

#[test]
fn what_the_broker_says_would_help_goes_before() {
    let fix_of = |state, fix: &str| {
        let mut status = agent(state, None);
        status.refs[0].fix = fix.to_owned();
        findings(&[status], &[], &at("2026-11-23"), " --environment e").remove(0).fix.unwrap()
    };
    let undelete = fix_of(RefState::Unresolved, "secretref undelete other");
    assert_eq!(undelete, "secretref undelete other --environment e");
    let capability = fix_of(RefState::Denied, "add \"x\" to the capabilities");
    assert_eq!(capability, "add \"x\" to the capabilities");
}

#[test]
fn a_deprecation_is_found_from_its_day_on() {
    let mut secret = v1::Secret { name: "old".to_owned(), ..v1::Secret::default() };
    secret.deprecation_time = Some(at("2026-11-24"));
    assert!(findings(&[], std::slice::from_ref(&secret), &at("2026-11-23"), "").is_empty());
    assert_eq!(findings(&[], &[secret], &at("2026-11-24"), "")[0].kind, "deprecated");
}
