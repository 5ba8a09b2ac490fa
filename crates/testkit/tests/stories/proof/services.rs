//! Rotations at services that make credentials themselves: a key of a service over HTTP, and a
//! value in an OpenBao. Nothing is made twice, and nothing is left behind, whatever happens.

use super::{
    Stage,
    crashes::{is_refused, refused},
};
use crate::scene::{AGENT, STRIPE, STRIPE_FILE};
use anyhow::{Context, Result, ensure};
use secretref_proto::v1::RotationPhase;
use secretref_testkit::{
    agent::Agent,
    broker::Broker,
    engine::Engine,
    on_both_engines,
    openbao::OpenBao,
    service::{self, ADMIN, Service},
};
use serde_json::{Value, json};
use std::{fs, os::unix::fs::PermissionsExt};

on_both_engines!(
    a_key_of_a_service_is_replaced_and_the_old_one_is_ended_there,
    a_key_that_does_not_work_reaches_nobody_and_is_ended,
    a_broker_that_dies_after_a_step_at_the_service_makes_no_second_key,
    a_value_in_a_vault_is_replaced_there,
);

const KEYS: &str = r#"
[values]
api = "API"
first = "FIRST"
[mint]
method = "POST"
url = "{{ values.api }}/keys"
headers = { Authorization = "Bearer {{ secrets.admin }}", Idempotency-Key = "{{ rotation }}" }
repeatable = true
take = { value = "/data/key", handle = "/data/id" }
[test]
method = "GET"
url = "{{ values.api }}/me"
headers = { Authorization = "Bearer {{ credential.value }}" }
[revoke]
method = "DELETE"
url = """{{ values.api }}/keys/{{
    credential.handle if credential.handle is defined else values.first }}"""
headers = { Authorization = "Bearer {{ secrets.admin }}" }
expect = [204, 404]
"#;

/// An agent that has a key, which a rotator replaces.
fn manifest(rotator: &str, settings: &Value) -> String {
    json!({
        "secrets": {"rotators": {rotator: settings}},
        "agents": {AGENT: {"tool-bindings": {"stripe-payment": {"credentials": {
            "apiKey": {"secretRef": STRIPE, "envVar": STRIPE_FILE}
        }}}}},
        "refMap": {
            STRIPE: {"provider": "store", "rotation": {"rotator": rotator, "overlap": "0s"}},
            "rotates": {"provider": "store"},
        },
    })
    .to_string()
}

/// A service, and an agent that is on a key of it which a rotation has made.
struct Keys {
    service: Service,
    stage: Stage,
    agent: Agent,
}

impl Keys {
    async fn set(engine: Engine) -> Result<Self> {
        let service = Service::start(service::keys).await?;
        let broker = Broker::start(engine).await?;
        let path = broker.providers().join("keys.toml");
        let first = service.keys().make("first-", None);
        // Of one that was put by hand the file says the service's own word.
        let text = KEYS.replace("API", &service.url()).replace("FIRST", &first.id);
        fs::write(&path, text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        let admin = broker.admin().await?;
        let settings = json!({"type": "http", "file": "keys.toml",
            "secrets": {"admin": {"secretRef": "rotates"}}});
        admin.apply(&manifest("keys", &settings)).await?;
        admin.put("rotates", ADMIN.as_bytes()).await?;
        admin.put(STRIPE, first.token.as_bytes()).await?;
        let stage = Stage::of(broker, admin)?;
        let agent = Agent::enrolled(&stage.broker, &stage.admin, AGENT).await?;
        agent.file_becomes(STRIPE_FILE, first.token.as_bytes()).await?;
        Ok(Self { service, stage, agent })
    }

    fn credential(&self) -> Result<String> {
        Ok(String::from_utf8(self.agent.read(STRIPE_FILE)?.context("no file")?)?)
    }

    /// Rotates to the end; gives the key that the agent has then.
    async fn rotated(&self) -> Result<String> {
        self.stage.start().await?;
        self.stage.comes_to(RotationPhase::Finished).await?;
        self.credential()
    }
}

async fn a_key_of_a_service_is_replaced_and_the_old_one_is_ended_there(
    engine: Engine,
) -> Result<()> {
    let keys = Keys::set(engine).await?;
    let first = keys.rotated().await?;
    ensure!(keys.service.keys().is_valid(&first), "the agent has one that is not valid");
    let made = keys.service.keys().made();
    let second = keys.rotated().await?;
    let valid = |key: &str| keys.service.keys().is_valid(key);
    ensure!(first != second && valid(&second) && !valid(&first), "the old one is valid");
    ensure!(keys.service.keys().made() == made + 1, "{} were made", keys.service.keys().made());
    Ok(())
}

async fn a_key_that_does_not_work_reaches_nobody_and_is_ended(engine: Engine) -> Result<()> {
    let keys = Keys::set(engine).await?;
    let before = keys.rotated().await?;
    keys.service.keys().makes_invalid(true);
    keys.stage.start().await?;
    let failed = keys.stage.comes_to(RotationPhase::Failed).await?;
    ensure!(failed.reason.contains("401"), "{failed:?}");
    // It never was anybody's: the agent is on the very version that it was on.
    ensure!(keys.credential()? == before && keys.service.keys().is_valid(&before), "{failed:?}");
    ensure!(
        keys.stage.versions()?[..2] == ["destroyed", "current"],
        "{:?}",
        keys.stage.versions()?
    );
    keys.service.keys().makes_invalid(false);
    let after = keys.rotated().await?;
    ensure!(after != before && !keys.service.keys().is_valid(&before), "the next one did nothing");
    Ok(())
}

async fn a_broker_that_dies_after_a_step_at_the_service_makes_no_second_key(
    engine: Engine,
) -> Result<()> {
    let mut keys = Keys::set(engine).await?;
    let mut before = keys.rotated().await?;
    // What was done at the service before the broker died, and the record that it could not make.
    for (done, record) in [("mint", "setting"), ("test", "pushing"), ("revoke", "finished")] {
        let made = keys.service.keys().made();
        let refusal = refused(&keys.stage.broker, record).await?;
        keys.stage.start().await?;
        is_refused(keys.stage.broker.process().context("the broker does not run")?).await?;
        let revoked = !keys.service.keys().is_valid(&before);
        ensure!(revoked == (done == "revoke"), "{done}: the old one is valid: {}", !revoked);
        keys.stage.broker.kill9()?;
        refusal.lift().await?;
        keys.stage.broker.serve()?;
        keys.stage.admin = keys.stage.broker.admin().await?;
        keys.stage.comes_to(RotationPhase::Finished).await?;
        let after = keys.credential()?;
        let service = keys.service.keys();
        ensure!(service.made() == made + 1, "{done}: {} were made", service.made() - made);
        ensure!(service.is_valid(&after) && !service.is_valid(&before), "{done}: the wrong one");
        ensure!(service.valid() == 1, "{done}: {} are valid", service.valid());
        before = after;
    }
    Ok(())
}

async fn a_value_in_a_vault_is_replaced_there(engine: Engine) -> Result<()> {
    let Some(bao) = OpenBao::start().await? else { return Ok(()) };
    bao.kv_put("team/orders", &json!({"key": "first", "user": "app"})).await?;
    let broker = Broker::start(engine).await?;
    let admin = broker.admin().await?;
    let settings = json!({"type": "vault", "address": bao.address(), "path": "team/orders#key",
        "secrets": {"token": {"secretRef": "rotates"}}});
    admin.apply(&manifest("orders", &settings)).await?;
    admin.put("rotates", bao.token().as_bytes()).await?;
    admin.put(STRIPE, b"first").await?;
    let stage = Stage::of(broker, admin)?;
    let agent = Agent::enrolled(&stage.broker, &stage.admin, AGENT).await?;
    agent.file_becomes(STRIPE_FILE, b"first").await?;
    stage.start().await?;
    stage.comes_to(RotationPhase::Finished).await?;
    let new = String::from_utf8(agent.read(STRIPE_FILE)?.context("no file")?)?;
    let read = bao.read("secret/data/team/orders").await?;
    ensure!(new != "first" && read["data"]["data"] == json!({"key": new, "user": "app"}), "{read}");
    // Somebody else changes it there: what is here is not the old one, and nothing is lost.
    bao.kv_put("team/orders", &json!({"key": "by hand", "user": "app"})).await?;
    stage.start().await?;
    let failed = stage.comes_to(RotationPhase::Failed).await?;
    ensure!(failed.reason.contains("neither the old nor the new"), "{failed:?}");
    let read = bao.read("secret/data/team/orders").await?;
    ensure!(read["data"]["data"]["key"] == "by hand", "{read}");
    ensure!(agent.read(STRIPE_FILE)?.as_deref() == Some(new.as_bytes()), "it was changed");
    Ok(())
}
