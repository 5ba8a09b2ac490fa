//! Values that are written back to AWS.

use super::{super::write::write, CANARY, Moto, TOKEN, ask, at, opened, put};
use anyhow::{Context, Result, ensure};
use secretref_domain::fault::Fault;
use serde_json::{Value, json};

/// The stages of each version.
async fn stages(moto: &Moto, name: &str) -> Result<Value> {
    let described = moto.ask("DescribeSecret", &json!({"SecretId": name})).await?;
    Ok(described["VersionIdsToStages"].clone())
}

async fn text(moto: &Moto, name: &str, stage: &str) -> Result<String> {
    let asked = json!({"SecretId": name, "VersionStage": stage});
    let found = moto.ask("GetSecretValue", &asked).await?;
    Ok(found["SecretString"].as_str().context("no text")?.to_owned())
}

#[tokio::test]
async fn what_stands_beside_it_stays_byte_for_byte() -> Result<()> {
    let Some(moto) = Moto::start().await? else { return Ok(()) };
    let before =
        "{\n  \"zulu\": 1.50,\n  \"key\": \"old\", \"list\": [{\"value\": \"older\"}]\n}\n";
    put(&moto, "team/orders", json!({"SecretString": before})).await?;
    let provider = opened(json!({"endpoint": moto.address()}), TOKEN, None)?;
    write(&provider, &at("team/orders#key"), "new \"one\"", None).await?;
    let after = before.replace("\"old\"", r#""new \"one\"""#);
    ensure!(text(&moto, "team/orders", "AWSCURRENT").await? == after, "{after}");
    let place = at("team/orders#/list/0");
    write(&provider, &place, "newest", Some("2028-03-08T04:12:00Z")).await?;
    let found = ask(&provider, &place).await?;
    ensure!(found.value.expose() == b"newest" && found.expires_at.is_some());
    // What was current before is the one before.
    ensure!(text(&moto, "team/orders", "AWSPREVIOUS").await? == after);
    for (target, fault) in [
        ("team/orders#other", Fault::NotFound),
        ("team/orders#zulu", Fault::Malformed),
        ("team/orders?stage=AWSPREVIOUS#key", Fault::Misconfigured),
    ] {
        let refused = write(&provider, &at(target), CANARY, None).await.err();
        let refused = refused.with_context(|| target.to_owned())?;
        ensure!(refused.fault == fault, "{target}: {refused}");
    }
    Ok(())
}

#[tokio::test]
async fn a_version_of_somebody_else_is_not_overwritten() -> Result<()> {
    let Some(moto) = Moto::start().await? else { return Ok(()) };
    put(&moto, "stripe", json!({"SecretString": "old"})).await?;
    let provider = opened(json!({"endpoint": moto.address()}), TOKEN, None)?;
    write(&provider, &at("stripe"), "new", None).await?;
    let versions = stages(&moto, "stripe").await?;
    let versions = versions.as_object().context("no versions")?;
    let with = |stage: &str| {
        let has = |stages: &Value| stages.as_array().is_some_and(|it| it.contains(&stage.into()));
        versions.iter().filter(|(_, stages)| has(stages)).map(|(id, _)| id).collect::<Vec<_>>()
    };
    ensure!(with("AWSCURRENT").len() == 1 && with("AWSPREVIOUS").len() == 1, "{versions:?}");
    ensure!(with("secretref") == with("AWSCURRENT"), "{versions:?}");
    ensure!(with("AWSPENDING").is_empty(), "it looks like a rotation of AWS's: {versions:?}");
    // Many at once: each is whole, and who is too late is told so.
    let mut writers = Vec::new();
    for number in 0..6 {
        let value = format!("value-{number}");
        let (provider, place) = (&provider, at("stripe"));
        writers.push(async move { write(provider, &place, value, None).await });
    }
    let outcomes = futures_util::future::join_all(writers).await;
    ensure!(outcomes.iter().any(Result::is_ok), "{outcomes:?}");
    for refused in outcomes.iter().filter_map(|it| it.as_ref().err()) {
        ensure!(refused.fault == Fault::Unreachable, "{refused}");
        ensure!(refused.message.contains("at the same time"), "{refused}");
    }
    let last = text(&moto, "stripe", "AWSCURRENT").await?;
    let by = last.strip_prefix("value-").and_then(|it| it.parse::<usize>().ok());
    ensure!(by.is_some_and(|by| outcomes[by].is_ok()), "{last}: {outcomes:?}");
    Ok(())
}
