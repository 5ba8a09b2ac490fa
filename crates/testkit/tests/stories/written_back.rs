//! A rotation of a value that a provider owns: the provider has the new one, with all else as it
//! was, and what it is read back as is the very version that was rotated to.

use crate::scene::{AGENT, STRIPE, STRIPE_FILE};
use anyhow::{Context, Result, ensure};
use secretref_testkit::{
    admin::Admin, agent::Agent, broker::Broker, cli::Cli, engine::Engine, moto::Moto,
    on_both_engines, openbao::OpenBao,
};
use serde_json::{Value, json};
use std::{fs, os::unix::fs::PermissionsExt};

on_both_engines!(
    a_file_has_what_its_record_was_rotated_to,
    a_vault_has_what_its_field_was_rotated_to,
    aws_has_what_its_member_was_rotated_to,
    aws_rotates_what_it_owns_and_everybody_follows,
);

fn manifest(providers: &Value, provider: &str, target: &str) -> String {
    rotated_by(("random", &json!({"length": 24})), providers, provider, target)
}

fn rotated_by(
    (rotator, settings): (&str, &Value),
    providers: &Value,
    provider: &str,
    target: &str,
) -> String {
    json!({
        "secrets": {"providers": providers, "rotators": {rotator: settings}},
        "agents": {AGENT: {"tool-bindings": {"stripe-payment": {"credentials": {
            "apiKey": {"secretRef": STRIPE, "envVar": STRIPE_FILE}
        }}}}},
        "refMap": {STRIPE: {"provider": provider, "target": target,
            "rotation": {"rotator": rotator, "overlap": "0s"}}},
    })
    .to_string()
}

async fn broker(engine: Engine) -> Result<(Broker, Admin, Cli)> {
    let broker =
        Broker::start_configured(engine, &[], |file| file.provider_poll_seconds = 1).await?;
    let admin = broker.admin().await?;
    let cli = Cli::of(&broker)?;
    Ok((broker, admin, cli))
}

/// Rotates, and gives what the agent has then.
fn rotated(cli: &Cli, agent: &Agent) -> Result<String> {
    let rotate = ["rotate", STRIPE, "--reason", "for the story", "--wait"];
    let said = cli.run(&rotate)?.ended(0)?;
    ensure!(said.out.contains("finished, v1 is revoked\nsecretref rotation receipt"), "{said:?}");
    let new = String::from_utf8(agent.read(STRIPE_FILE)?.context("no file")?)?;
    ensure!(new.len() == 24, "not a new one: {} characters", new.len());
    Ok(new)
}

/// States of the copy's versions, the newest first.
fn states(cli: &Cli, provider: &str) -> Result<Vec<String>> {
    let listed = cli.run(&["versions", &format!("{STRIPE}@{provider}"), "--json"])?.ended(0)?;
    let listed = listed.json()?;
    let state = |it: &Value| it["state"].as_str().unwrap_or_default().to_owned();
    Ok(listed.as_array().context("no list")?.iter().map(state).collect())
}

async fn a_file_has_what_its_record_was_rotated_to(engine: Engine) -> Result<()> {
    let (broker, admin, cli) = broker(engine).await?;
    let path = broker.providers().join("secrets.json");
    let end = "2099-03-08T04:12:00Z";
    let before = format!(
        r#"{{
  "zulu": "as it was",
  "stripe_api_key": {{"provider": "openclaw", "value": "first",
    "createdAt": "2026-03-08T04:12:00Z", "expiresAt": "{end}"}},
  "alpha": {{"value": "as it was"}}
}}
"#
    );
    fs::write(&path, &before)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    let file = json!({"file": {"path": "secrets.json"}});
    admin.apply(&manifest(&file, "file", "stripe_api_key")).await?;
    let agent = Agent::enrolled(&broker, &admin, AGENT).await?;
    agent.file_becomes(STRIPE_FILE, b"first").await?;

    let new = rotated(&cli, &agent)?;
    let after = fs::read_to_string(&path)?;
    let record = &serde_json::from_str::<Value>(&after)?["stripe_api_key"];
    ensure!(record["value"] == new.as_str(), "the file has another value");
    let at = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
    let back = after
        .replace(&new, "first")
        .replace(&at("createdAt"), "2026-03-08T04:12:00Z")
        .replace(&at("expiresAt"), end);
    ensure!(back == before, "more than the record was changed: {back}");
    // What somebody writes next is the third version: reading back made none.
    fs::write(&path, after.replace(&new, "by hand"))?;
    agent.file_becomes(STRIPE_FILE, b"by hand").await?;
    let states = states(&cli, "file")?;
    ensure!(states.len() == 3 && states[0] == "current" && states[2] == "destroyed", "{states:?}");
    Ok(())
}

async fn a_vault_has_what_its_field_was_rotated_to(engine: Engine) -> Result<()> {
    let Some(bao) = OpenBao::start().await? else { return Ok(()) };
    let (broker, admin, cli) = broker(engine).await?;
    bao.kv_put("prod/stripe", &json!({"key": "first", "account": "acct_1"})).await?;
    admin.put("vault-token", bao.token().as_bytes()).await?;
    let vault = json!({"vault": {"address": bao.address(),
        "auth": {"method": "token", "token": {"secretRef": "vault-token"}}}});
    admin.apply(&manifest(&vault, "vault", "prod/stripe#key")).await?;
    let agent = Agent::enrolled(&broker, &admin, AGENT).await?;
    agent.file_becomes(STRIPE_FILE, b"first").await?;

    let new = rotated(&cli, &agent)?;
    let read = bao.read("secret/data/prod/stripe").await?;
    ensure!(read["data"]["data"] == json!({"key": new, "account": "acct_1"}), "{read}");
    ensure!(read["data"]["metadata"]["version"] == 2, "{read}");
    bao.kv_put("prod/stripe", &json!({"key": "by hand", "account": "acct_1"})).await?;
    agent.file_becomes(STRIPE_FILE, b"by hand").await?;
    let states = states(&cli, "vault")?;
    ensure!(states.len() == 3 && states[0] == "current" && states[2] == "destroyed", "{states:?}");
    Ok(())
}

/// A secret of AWS's with a member that is a credential, and the provider that it is read by.
async fn stripe_at_aws(moto: &Moto, admin: &Admin) -> Result<Value> {
    let content = json!({"key": "first", "account": "acct_1"}).to_string();
    let create = json!({"Name": "prod/stripe", "SecretString": content});
    moto.ask("CreateSecret", &create).await?;
    admin.put("aws-key", b"a-key").await?;
    Ok(json!({"aws": {"type": "aws-secretsmanager", "region": "eu-central-1",
        "endpoint": moto.address(), "accessKeyId": "AKIAIOSFODNN7EXAMPLE",
        "secretAccessKey": {"secretRef": "aws-key"}}}))
}

/// What AWS has at a stage.
async fn at_aws(moto: &Moto, stage: &str) -> Result<Value> {
    let asked = json!({"SecretId": "prod/stripe", "VersionStage": stage});
    let found = moto.ask("GetSecretValue", &asked).await?;
    Ok(serde_json::from_str(found["SecretString"].as_str().context("no text")?)?)
}

async fn aws_has_what_its_member_was_rotated_to(engine: Engine) -> Result<()> {
    let Some(moto) = Moto::start().await? else { return Ok(()) };
    let (broker, admin, cli) = broker(engine).await?;
    let aws = stripe_at_aws(&moto, &admin).await?;
    admin.apply(&manifest(&aws, "aws", "prod/stripe#key")).await?;
    let agent = Agent::enrolled(&broker, &admin, AGENT).await?;
    agent.file_becomes(STRIPE_FILE, b"first").await?;

    let new = rotated(&cli, &agent)?;
    let current = at_aws(&moto, "AWSCURRENT").await?;
    ensure!(current == json!({"key": new, "account": "acct_1"}), "{current}");
    let by_hand = json!({"key": "by hand", "account": "acct_1"}).to_string();
    moto.put("prod/stripe", &by_hand).await?;
    agent.file_becomes(STRIPE_FILE, b"by hand").await?;
    let states = states(&cli, "aws")?;
    ensure!(states.len() == 3 && states[0] == "current" && states[2] == "destroyed", "{states:?}");
    Ok(())
}

async fn aws_rotates_what_it_owns_and_everybody_follows(engine: Engine) -> Result<()> {
    let Some(moto) = Moto::start().await? else { return Ok(()) };
    let (broker, admin, cli) = broker(engine).await?;
    let aws = stripe_at_aws(&moto, &admin).await?;
    // 24 characters: what the story takes for a new one.
    let made = |token: &str| {
        let key = token.replace('-', "").chars().rev().take(24).collect::<String>();
        json!({"key": key, "account": "acct_1"}).to_string()
    };
    let _function = moto.rotation_function("prod/stripe", made);
    let rotator = json!({"type": "aws-secretsmanager", "secretId": "prod/stripe#key",
        "region": "eu-central-1", "endpoint": moto.address(), "overlaps": true,
        "accessKeyId": "AKIAIOSFODNN7EXAMPLE",
        "secrets": {"secret-access-key": {"secretRef": "aws-key"}}});
    let rotator = ("aws-stripe", &rotator);
    admin.apply(&rotated_by(rotator, &aws, "aws", "prod/stripe#key")).await?;
    let agent = Agent::enrolled(&broker, &admin, AGENT).await?;
    agent.file_becomes(STRIPE_FILE, b"first").await?;

    let new = rotated(&cli, &agent)?;
    let current = at_aws(&moto, "AWSCURRENT").await?;
    ensure!(current == json!({"key": new, "account": "acct_1"}), "{current}");
    ensure!(at_aws(&moto, "AWSPREVIOUS").await.is_err(), "the old one is given to readers");
    // It is the version of the rotation: reading it back made none.
    let states = states(&cli, "aws")?;
    ensure!(states == ["current", "destroyed"], "{states:?}");
    Ok(())
}
