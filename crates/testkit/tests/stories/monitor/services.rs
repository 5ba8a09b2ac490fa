//! A service that fails, and one that refuses: a rotation that failed, one that stands still, and
//! a credential that was revoked at its service.

use super::{DAY, Watch};
use crate::{
    proof::manifest,
    scene::{AGENT, SLACK, STRIPE, STRIPE_FILE, ref_of},
};
use anyhow::{Result, ensure};
use secretref_broker::{app, config::Monitor};
use secretref_domain::clock::Clock;
use secretref_testkit::{
    agent::Agent,
    broker::Broker,
    clock::ManualClock,
    engine::Engine,
    hook::{Answer, Hook},
    on_both_engines,
    wait::eventually,
};
use serde_json::{Value, json};
use std::{fs, os::unix::fs::PermissionsExt, sync::Arc};

on_both_engines!(
    a_rotation_that_fails_is_told_of_until_one_is_finished,
    a_rotation_that_stands_still_says_whom_it_waits_for,
    a_credential_that_its_service_refuses_is_told_of,
);

const DAY_SECONDS: i64 = 24 * 3600;

/// Writes the description of a service that is at this address.
fn describe(broker: &Broker, service: &Hook) -> Result<()> {
    let path = broker.providers().join("service.toml");
    let api = service.url("");
    let text = format!(
        r#"
        ends_by_itself = true
        [mint]
        method = "POST"
        url = "{api}/keys"
        take = {{ value = "/key" }}
        [test]
        method = "GET"
        url = "{api}/me"
        headers = {{ Authorization = "Bearer {{{{ credential.value }}}}" }}
        "#
    );
    fs::write(&path, text)?;
    Ok(fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?)
}

/// The Stripe key is rotated by a service, and never by itself.
fn served() -> Value {
    json!({
        "secrets": {"rotators": {"service": {"type": "http", "file": "service.toml"}}},
        "agents": {AGENT: {"tool-bindings": {"stripe-payment": {"credentials": {
            "apiKey": {"secretRef": STRIPE, "envVar": STRIPE_FILE}
        }}}}},
        "refMap": {STRIPE: {"provider": "store", "rotation":
            {"rotator": "service", "beforeExpiry": "0s", "overlap": "0s"}}},
    })
}

async fn a_rotation_that_fails_is_told_of_until_one_is_finished(engine: Engine) -> Result<()> {
    let watch = Watch::set(engine, Monitor::default(), &served()).await?;
    let service = Hook::start([Answer::Says(403, "")]).await?;
    describe(&watch.broker, &service)?;
    watch.put_for(STRIPE, "stripe-1", 90 * DAY).await?;
    watch.cli.run(&["rotate", STRIPE])?.ended(0)?;
    let began = watch.told().await?;
    ensure!(began.what == "rotation-failed firing" && began.body["ref"] == STRIPE, "{began:?}");
    ensure!(began.reason.contains("was answered 403 to its mint"), "{began:?}");
    ensure!(began.body["fix"] == "secretref rotate stripe-api-key", "{began:?}");
    // The next one fails too: that is no news.
    watch.cli.run(&["rotate", STRIPE, "--wait"])?.ended(1)?;
    watch.nothing_else("one").await?;
    service.answer([Answer::Says(200, r#"{"key": "stripe-2"}"#)]);
    watch.cli.run(&["rotate", STRIPE, "--wait"])?.ended(0)?;
    let over = watch.told().await?;
    ensure!(over.what == "rotation-failed resolved" && over.id == began.id, "{over:?}");
    watch.nothing_else("two").await
}

async fn a_rotation_that_stands_still_says_whom_it_waits_for(engine: Engine) -> Result<()> {
    let soon = Monitor { stuck_seconds: 1, ..Monitor::default() };
    let watch = Watch::set(engine, soon, &manifest(json!({}), json!({}))).await?;
    watch.admin.put(STRIPE, b"stripe-1").await?;
    watch.admin.put(SLACK, b"slack-1").await?;
    let mut agent = Agent::enrolled(&watch.broker, &watch.admin, AGENT).await?;
    // Who has said nothing yet is not waited for once he is gone.
    let applied = async || {
        let status = ref_of(&watch.admin.status(AGENT).await?, STRIPE)?;
        Ok((status.applied_version == 1).then_some(()))
    };
    eventually("the first version is applied", applied).await?;
    agent.kill9()?;
    watch.cli.run(&["rotate", STRIPE])?.ended(0)?;
    let began = watch.told().await?;
    ensure!(began.what == "rotation-stuck firing" && began.body["ref"] == STRIPE, "{began:?}");
    let waits = format!("waits for: agent {AGENT} (instance ");
    ensure!(began.reason.contains(&waits) && began.reason.contains("v1"), "{began:?}");
    watch.nothing_else("one").await?;
    agent.run()?;
    agent.file_changes(STRIPE_FILE, b"stripe-1").await?;
    let over = watch.told().await?;
    ensure!(over.what == "rotation-stuck resolved" && over.id == began.id, "{over:?}");
    watch.nothing_else("two").await
}

/// The service has taken the credential until it answers 401: as after somebody revoked it there.
async fn a_credential_that_its_service_refuses_is_told_of(engine: Engine) -> Result<()> {
    let clock = ManualClock::at(app::SystemClock.now());
    let broker = Broker::start_by(engine, Arc::new(clock.clone())).await?;
    let watch = Watch::over(broker, &json!({})).await?;
    let service = Hook::start([Answer::Says(200, "{}")]).await?;
    describe(&watch.broker, &service)?;
    watch.admin.apply(&served().to_string()).await?;
    watch.put_for(STRIPE, "stripe-1", 90 * DAY).await?;
    clock.advance_seconds(DAY_SECONDS);
    let tested = service.next().await?;
    ensure!(tested.head.starts_with("GET /me ") && tested.head.contains("Bearer stripe-1"));
    let on_record = async |count| {
        let trail = watch.admin.audit_trail().await?;
        let tests = trail.iter().filter(|it| it.action == "secret.test").count();
        Ok((tests == count).then_some(()))
    };
    eventually("the first test is on record", async || on_record(1).await).await?;
    service.answer([Answer::Says(401, r#"{"error": "stripe-1 is expired or invalid"}"#)]);
    clock.advance_seconds(DAY_SECONDS);
    let began = watch.told().await?;
    ensure!(began.what == "refused firing" && began.body["ref"] == STRIPE, "{began:?}");
    ensure!(began.reason.ends_with("\"service\" was answered 401 to its test"), "{began:?}");
    ensure!(!began.body.to_string().contains("stripe-1"), "a value was told");
    watch.nothing_else("one").await?;
    // What replaces it is tested without waiting for the next time.
    service.answer([Answer::Says(200, "{}")]);
    watch.put_for(STRIPE, "stripe-2", 90 * DAY).await?;
    let over = watch.told().await?;
    ensure!(over.what == "refused resolved" && over.id == began.id, "{over:?}");
    let trail = watch.admin.audit_trail().await?;
    let said: Vec<&str> =
        trail.iter().filter(|it| it.action == "secret.test").map(|it| it.reason.as_str()).collect();
    let refused = "its service refuses it: rotator \"service\" was answered 401 to its test";
    ensure!(said.first() == Some(&"its service takes it"), "{said:?}");
    ensure!(said.contains(&refused) && said.last() == said.first(), "{said:?}");
    ensure!(trail.iter().all(|it| !format!("{it:?}").contains("stripe-1")), "a value is on record");
    let used = trail.iter().filter(|it| it.action == "secret.use").count();
    ensure!(used == said.len(), "{used} uses of {} tests are on record", said.len());
    Ok(())
}
