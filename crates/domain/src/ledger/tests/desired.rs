//! What agents are owed, and why they do not get the rest.

use super::*;

#[test]
fn an_agent_is_owed_its_bindings_and_nothing_else() {
    let mut log = Log::default();
    log.put(1, "s", 1);
    log.put(2, "t", 1);
    log.put(3, "foreign", 1);
    log.agent(1, "a", bound(&["t", "s"]));
    let desired = log.desired(1);
    let names: Vec<&str> = desired.secrets.iter().map(|owed| owed.name.as_str()).collect();
    assert_eq!(names, ["s", "t"], "by name");
    assert_eq!(desired.missing, []);
    let target = &desired.secrets[0].targets[0];
    assert_eq!((target.tool.as_str(), target.key.as_str()), ("t1", "k1"));
    assert_eq!(target.file.as_str(), "k1");
    assert_eq!(log.desired(2), Desired::default(), "an unknown agent is owed nothing");
    log.agent(2, "b", AgentSpec::default());
    assert_eq!(log.desired(2), Desired::default(), "nor one without bindings");
}

#[test]
fn one_secret_by_two_refs_comes_once_with_the_stricter_limits() {
    let mut log = Log::default();
    log.put(1, "s", 1);
    let mut spec = bound(&["s", "alias", "s"]);
    let credential = |spec: &mut AgentSpec, index: usize, ms: Option<i64>| {
        let tool = spec.tools.get_mut(format!("t{index}").as_str()).unwrap();
        tool.credentials.get_mut(format!("k{index}").as_str()).unwrap().stale_max_ms = ms;
    };
    credential(&mut spec, 0, Some(5000));
    credential(&mut spec, 1, Some(3000));
    log.agent(1, "a", spec);
    let until = |expires_at| Reference { expires_at, ..in_provider("store", Some("s")) };
    log.reference("alias", until(Some(at(90))));
    let desired = log.desired(1);
    assert_eq!(desired.secrets.len(), 1);
    let owed = &desired.secrets[0];
    assert_eq!(owed.targets.len(), 3);
    assert_eq!(owed.stale_max_ms, Some(3000));
    assert_eq!(owed.expires_at, Some(at(90)));
    assert_eq!(owed.targets[1].reference.as_str(), "alias");
}

#[test]
fn a_tool_outside_the_capabilities_gets_nothing() {
    let mut log = Log::default();
    log.put(1, "s", 1);
    let mut spec = bound(&["s", "s"]);
    spec.capabilities = Some(vec![name("t1"), name("unbound")]);
    log.agent(1, "a", spec.clone());
    let desired = log.desired(1);
    assert_eq!(desired.secrets[0].targets.len(), 1);
    assert_eq!(desired.secrets[0].targets[0].tool.as_str(), "t1");
    assert!(desired.missing[0].denied);
    assert_eq!(desired.missing[0].reason, "capability \"t0\" missing");
    spec.capabilities = Some(Vec::new());
    log.agent(1, "a", spec.clone());
    assert_eq!(log.desired(1).secrets, []);
    spec.capabilities = None;
    log.agent(1, "a", spec);
    assert_eq!(log.desired(1).secrets[0].targets.len(), 2);
}

#[test]
fn a_denied_tool_is_not_told_whether_there_is_a_value() {
    let mut log = Log::default();
    let spec = AgentSpec { capabilities: Some(Vec::new()), ..bound(&["s"]) };
    log.agent(1, "a", spec);
    let before = log.desired(1);
    log.put(1, "s", 1);
    assert_eq!(log.desired(1), before);
}

#[test]
fn an_expired_value_is_not_handed_out() {
    let mut log = Log::default();
    log.agent(1, "a", bound(&["s"]));
    log.put_until(1, "s", 1, Some(at(100)));
    log.now = 99;
    assert_eq!(log.desired(1).secrets[0].expires_at, Some(at(100)));
    log.now = 100;
    let desired = log.desired(1);
    assert_eq!(desired.secrets, []);
    assert!(desired.missing[0].reason.contains("expired at 1970-01-01T00:01:40Z"));
    log.put(1, "s", 2);
    assert_eq!(log.desired(1).secrets[0].version.get(), 2);
}

#[test]
fn a_ref_says_when_its_value_ends_where_the_value_does_not() {
    let mut log = Log::default();
    log.agent(1, "a", bound(&["s"]));
    log.put(1, "s", 1);
    log.reference("s", Reference { expires_at: Some(at(50)), ..Reference::default() });
    assert_eq!(log.desired(1).secrets[0].expires_at, Some(at(50)));
    log.now = 50;
    assert_eq!(log.desired(1).secrets, []);
    log.put_until(1, "s", 2, Some(at(200)));
    assert_eq!(log.desired(1).secrets[0].expires_at, Some(at(200)), "the value's own word wins");
}

#[test]
fn required_is_any_true_then_any_false_and_true_in_silence() {
    let said = [None, Some(false), Some(true)];
    for reference in said {
        for tool in said {
            for profile in said {
                let all = [reference, tool, profile];
                let expected = all.contains(&Some(true)) || all == [None; 3];
                assert_eq!(required(reference, tool, profile), expected, "{all:?}");
            }
        }
    }
}

#[test]
fn what_cannot_be_resolved_says_why_and_what_to_do() {
    let mut log = Log::default();
    log.agent(1, "a", bound(&["s"]));
    let mut missing = |reference: Reference| {
        log.reference("s", reference);
        let mut desired = log.desired(1);
        assert_eq!(desired.secrets, []);
        desired.missing.remove(0)
    };
    let none = missing(Reference::default());
    assert_eq!(none.reason, "secret \"s\" is not in the store");
    assert_eq!(none.fix, "secretref put s");
    let vault = missing(in_provider("vault", None));
    assert_eq!(vault.reason, "provider \"vault\" was not asked yet");
    assert_eq!(vault.fix, "secretref provider check vault");
    let unknown = missing(in_provider("mine", None));
    assert!(unknown.reason.contains("provider \"mine\" is not set up"), "{}", unknown.reason);
    assert!(unknown.fix.contains("secrets.providers.mine"), "{}", unknown.fix);
    let target = missing(in_provider("store", Some("Not A Name")));
    assert!(target.reason.contains("cannot be in the store"), "{}", target.reason);
    let elsewhere = missing(in_provider("store", Some("elsewhere")));
    assert_eq!(elsewhere.fix, "secretref put elsewhere");
    assert!([none, vault, unknown, target, elsewhere].iter().all(|missing| !missing.denied));
}

#[test]
fn an_agent_is_never_owed_another_environments_secret() {
    let mut log = Log::default();
    log.put(1, "s", 1);
    log.agent_in("other", 1, "a", bound(&["s"]));
    assert_eq!(log.desired(1).secrets, []);
    // A ref of one environment says nothing in another.
    log.reference("s", in_provider("vault", None));
    assert_eq!(log.desired(1).missing[0].fix, "secretref put s");
}

#[test]
fn a_revoked_agent_is_owed_nothing() {
    let mut log = Log::default();
    log.put(1, "s", 1);
    log.agent(1, "a", bound(&["s"]));
    let touched = log.write(Change::AgentRevoked { agent: agent_id(1) });
    assert_eq!(touched.revoked, agents(&[1]));
    assert_eq!(log.desired(1), Desired::default());
    let agent = log.ledger.agent(agent_id(1)).unwrap();
    assert_eq!(log.ledger.desired_when_active(agent, at(0), None).secrets.len(), 1);
    log.agent(1, "a", bound(&["s"]));
    assert_eq!(log.desired(1), Desired::default(), "to apply it again does not let it in");
}
