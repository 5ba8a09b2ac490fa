//! A value in AWS Secrets Manager: what is pending there is staged here, and what becomes current
//! there becomes current here, as the very version that was staged.

use crate::scene::{AGENT, STRIPE, STRIPE_FILE};
use anyhow::{Context, Result, ensure};
use secretref_testkit::{
    agent::Agent, broker::Broker, cli::Cli, engine::Engine, moto::Moto, on_both_engines,
    wait::eventually,
};
use serde_json::json;

on_both_engines!(stages_there_are_stages_here);

async fn stages_there_are_stages_here(engine: Engine) -> Result<()> {
    let Some(moto) = Moto::start().await? else { return Ok(()) };
    let broker =
        Broker::start_configured(engine, &[], |file| file.provider_poll_seconds = 1).await?;
    let admin = broker.admin().await?;
    moto.ask("CreateSecret", &json!({"Name": "prod/stripe", "SecretString": "first"})).await?;
    admin.put("aws-key", b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY").await?;
    let manifest = json!({
        "secrets": {"providers": {"aws-secretsmanager": {
            "region": "eu-central-1", "endpoint": moto.address(),
            "accessKeyId": "AKIAIOSFODNN7EXAMPLE", "secretAccessKey": {"secretRef": "aws-key"},
        }}},
        "agents": {AGENT: {"tool-bindings": {"stripe-payment": {"credentials": {
            "apiKey": {"secretRef": STRIPE, "envVar": STRIPE_FILE}
        }}}}},
        "refMap": {STRIPE: {"provider": "aws-secretsmanager", "target": "prod/stripe"}},
    });
    let applied = admin.apply(&manifest.to_string()).await?;
    ensure!(applied.unresolved.is_empty(), "{applied:?}");
    let cli = Cli::of(&broker)?;
    let checked = cli.run(&["provider", "check", "aws-secretsmanager"])?.ended(0)?;
    ensure!(checked.out.contains("lets the broker in"), "{checked:?}");
    let agent = Agent::enrolled(&broker, &admin, AGENT).await?;
    agent.file_becomes(STRIPE_FILE, b"first").await?;

    let pending = async |value: &str| {
        let record = json!({"value": value, "expiresAt": "2099-03-08T04:12:00Z"}).to_string();
        let next = json!({
            "SecretId": "prod/stripe", "SecretString": record, "VersionStages": ["AWSPENDING"],
        });
        let put = moto.ask("PutSecretValue", &next).await?;
        Ok::<_, anyhow::Error>(put["VersionId"].as_str().context("no version")?.to_owned())
    };
    pending("given-up").await?;
    let copy = format!("{STRIPE}@aws-secretsmanager");
    let states = async |wanted: &[&str]| {
        eventually(&format!("the versions are {wanted:?}"), async || {
            let listed = cli.run(&["versions", &copy, "--json"])?.ended(0)?.json()?;
            let listed = listed.as_array().context("no list")?.clone();
            let same = listed.iter().map(|it| it["state"].as_str().unwrap_or_default());
            Ok(same.eq(wanted.iter().copied()).then_some(()))
        })
        .await
    };
    states(&["pending", "current"]).await?;
    ensure!(agent.read(STRIPE_FILE)?.as_deref() == Some(b"first"), "it has what is pending");
    // It is given up, and nothing comes in its place: it is shredded.
    let given_up = pending("given-up-too").await?;
    states(&["pending", "destroyed", "current"]).await?;
    let withdrawn = json!({
        "SecretId": "prod/stripe", "VersionStage": "AWSPENDING", "RemoveFromVersionId": given_up,
    });
    moto.ask("UpdateSecretVersionStage", &withdrawn).await?;
    states(&["destroyed", "destroyed", "current"]).await?;
    let version = pending("second").await?;
    states(&["pending", "destroyed", "destroyed", "current"]).await?;
    let current = moto.ask("DescribeSecret", &json!({"SecretId": "prod/stripe"})).await?;
    let stages = current["VersionIdsToStages"].as_object().context("no stages")?;
    let before = stages.iter().find(|(_, it)| it.to_string().contains("AWSCURRENT"));
    let before = before.context("nothing is current")?.0;
    let moved = json!({
        "SecretId": "prod/stripe", "VersionStage": "AWSCURRENT",
        "MoveToVersionId": version, "RemoveFromVersionId": before,
    });
    moto.ask("UpdateSecretVersionStage", &moved).await?;
    agent.file_becomes(STRIPE_FILE, b"second").await?;
    // The very version, also where it is a record that ends.
    states(&["current", "destroyed", "destroyed", "previous"]).await?;
    Ok(())
}
