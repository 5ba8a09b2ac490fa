use super::*;
use secretref_domain::clock;

fn at(text: &str) -> Timestamp {
    time::wire(clock::Timestamp::parse(text).unwrap())
}

fn said(version: i64, state: &str) -> v1::InstanceRefStatus {
    v1::InstanceRefStatus {
        instance: "3f2a91c4-0000-4000-8000-000000000000".to_owned(),
        version,
        state: state.to_owned(),
        evidence: "written".to_owned(),
        detail: "disk full".to_owned(),
        report_time: Some(at("2026-11-23T12:03:11Z")),
        connected: true,
        deliveries: Vec::new(),
    }
}

fn stripe(state: RefState) -> v1::RefStatus {
    v1::RefStatus {
        secret_ref: "stripe-api-key".to_owned(),
        env_var: "STRIPE_API_KEY".to_owned(),
        file: "STRIPE_API_KEY".to_owned(),
        state: state.into(),
        version: 8,
        applied_version: 8,
        valid_until: Some(at("2027-03-08")),
        source: "store".to_owned(),
        ..v1::RefStatus::default()
    }
}

fn first(status: &v1::RefStatus) -> String {
    lines(status, &at("2026-11-23T14:00:00Z")).swap_remove(0)
}

#[test]
fn each_state_has_its_line() {
    let mut injected = stripe(RefState::Injected);
    injected.instances.push(said(8, "APPLIED"));
    assert_eq!(
        first(&injected),
        "✅ STRIPE_API_KEY: injected (valid until 2027-03-08)   v8 applied 12:03:11, file, store"
    );
    injected.valid_until = None;
    assert!(first(&injected).starts_with("✅ STRIPE_API_KEY: injected (no expiry)   v8"));

    let mut pending = stripe(RefState::Pending);
    pending.applied_version = 7;
    assert_eq!(first(&pending), "⚠️ STRIPE_API_KEY: pending (v7 → v8)");
    pending.applied_version = 0;
    assert_eq!(first(&pending), "⚠️ STRIPE_API_KEY: pending (none → v8)");

    let mut denied = stripe(RefState::Denied);
    denied.reason = "capability \"github\" missing".to_owned();
    assert_eq!(first(&denied), "❌ STRIPE_API_KEY: denied (capability \"github\" missing)");
    denied.fix = "add \"github\" to the capabilities".to_owned();
    let with_fix = lines(&denied, &at("2026-11-23T14:00:00Z"));
    assert_eq!(with_fix[1], "     Fix: add \"github\" to the capabilities");

    let waiting = "⚠️ STRIPE_API_KEY: waiting (v8: no instance has connected)";
    assert_eq!(first(&stripe(RefState::Waiting)), waiting);
    let mut scheduled = stripe(RefState::Scheduled);
    scheduled.reason = "next run 2026-11-27T09:00:00Z".to_owned();
    let line = "⏳ STRIPE_API_KEY: waiting (v8, next run 2026-11-27T09:00:00Z)";
    assert_eq!(first(&scheduled), line);
    assert!(first(&stripe(RefState::Unresolved)).contains("unresolved (it has no value)"));
    assert!(first(&stripe(RefState::Failed)).contains("failed (v8: "));
}

#[test]
fn a_ref_without_a_variable_goes_by_its_file() {
    let mut status = stripe(RefState::Waiting);
    status.env_var.clear();
    status.file = "key.pem".to_owned();
    assert!(first(&status).starts_with("⚠️ key.pem: "));
}

#[test]
fn an_instance_is_quoted_and_never_said_to_use_what_it_wrote() {
    let mut status = stripe(RefState::Injected);
    status.instances = vec![said(8, "APPLIED"), said(9, "FAILED"), said(7, "WIPED")];
    status.instances[2].connected = false;
    let lines = lines(&status, &at("2026-11-23T14:00:00Z"));
    assert_eq!(lines[1], "     instance 3f2a91c4: v8 written 12:03:11, connected");
    assert_eq!(lines[2], "     instance 3f2a91c4: v9 failed: disk full 12:03:11, connected");
    assert_eq!(lines[3], "     instance 3f2a91c4: v7 wiped 12:03:11, not connected");
    assert!(!lines.join(" ").contains("in use"));
}

#[test]
fn json_has_the_promised_keys() {
    let mut status = stripe(RefState::Injected);
    status.instances.push(said(8, "APPLIED"));
    let agent = Agent::from(v1::AgentStatus {
        agent: "payment-analyst".to_owned(),
        environment: "production".to_owned(),
        state: v1::AgentState::Active.into(),
        refs: vec![status],
        instances: vec![v1::Instance { uid: "3f".to_owned(), ..v1::Instance::default() }],
    });
    let value = serde_json::to_value(agent).unwrap();
    assert_eq!(value["instances"][0]["instance"], "3f");
    let first = &value["refs"][0];
    assert_eq!(first["ref"], "stripe-api-key");
    assert_eq!(first["env"], "STRIPE_API_KEY");
    assert_eq!(first["file"], "STRIPE_API_KEY");
    assert_eq!(first["state"], "injected");
    assert_eq!(first["version"], 8);
    assert_eq!(first["applied_version"], 8);
    assert_eq!(first["valid_until"], "2027-03-08T00:00:00Z");
    assert_eq!(first["source"], "store");
    assert_eq!(first["instances"][0]["evidence"], "written");
    assert_eq!(first["instances"][0]["state"], "applied");
    assert_eq!(first["instances"][0]["at"], "2026-11-23T12:03:11Z");
}
