//! Rotations that turn back: whoever cannot take the new credential stops it, with everybody on
//! the old one.

use super::{Stage, manifest};
use crate::scene::{AGENT, STRIPE, STRIPE_FILE, ref_of};
use anyhow::{Context, Result, ensure};
use secretref_proto::v1::RotationPhase;
use secretref_testkit::{agent::Agent, engine::Engine, on_both_engines, wait::eventually};
use serde_json::json;

on_both_engines!(
    who_fails_its_gate_stops_it_and_everybody_is_on_the_old_one,
    an_operator_gives_it_up,
    whoever_puts_a_value_meanwhile_has_the_last_word,
);

async fn who_fails_its_gate_stops_it_and_everybody_is_on_the_old_one(engine: Engine) -> Result<()> {
    let mut manifest = manifest(json!({}), json!({}));
    manifest["agents"][AGENT]["process"] = json!({"gate": {"alive": "200ms"}});
    let stage = Stage::set(engine, &manifest).await?;
    let calm = stage.agent().await?;
    // A program that lives with the old value alone.
    let mut strict = Agent::new(&stage.broker)?;
    strict.give_token(&stage.admin.token(AGENT).await?)?;
    let script = r#"test "$STRIPE_API_KEY" = stripe-1 || exit 7
        echo "lives with $STRIPE_API_KEY"; while :; do sleep 0.05; done"#;
    strict.run_with(&[], &["/bin/sh", "-c", script])?;
    strict.says("lives with stripe-1")?;
    stage.start().await?;
    let failed = stage.comes_to(RotationPhase::Failed).await?;
    ensure!(failed.reason.contains(AGENT) && failed.reason.contains("v2"), "{failed:?}");
    // The old value came back as a version of its own, and the new credential is no more.
    calm.file_becomes(STRIPE_FILE, b"stripe-1").await?;
    strict.file_becomes(STRIPE_FILE, b"stripe-1").await?;
    ensure!(stage.versions()? == ["current", "destroyed", "previous"], "{:?}", stage.versions()?);
    let said = stage.cli.run(&["rotate", "status", STRIPE])?.ended(0)?;
    ensure!(said.out.contains("could not take v2"), "{said:?}");
    // And everybody says that he is on it: nobody is called failed for what is over.
    let status = async || ref_of(&stage.admin.status(AGENT).await?, STRIPE);
    eventually("both have v3", async || {
        let instances = status().await?.instances;
        let all = instances.iter().all(|it| it.version == 3 && it.state == "APPLIED");
        Ok((instances.len() == 2 && all).then_some(()))
    })
    .await
    .with_context(|| "the instances")?;
    Ok(())
}

async fn an_operator_gives_it_up(engine: Engine) -> Result<()> {
    let stage = Stage::set(engine, &manifest(json!({"overlap": "1h"}), json!({}))).await?;
    let agent = stage.agent().await?;
    stage.start().await?;
    stage.comes_to(RotationPhase::Draining).await?;
    ensure!(stage.versions()? == ["current", "previous"], "{:?}", stage.versions()?);
    agent.file_changes(STRIPE_FILE, b"stripe-1").await?;
    stage.cli.run(&["rotate", STRIPE])?.ended(1)?;
    stage.cli.run(&["rotate", "abort", STRIPE, "--reason", "wrong account"])?.ended(0)?;
    let aborted = stage.comes_to(RotationPhase::Aborted).await?;
    ensure!(aborted.reason.contains("wrong account"), "{aborted:?}");
    agent.file_becomes(STRIPE_FILE, b"stripe-1").await?;
    ensure!(stage.versions()? == ["current", "destroyed", "previous"], "{:?}", stage.versions()?);
    // Another one may begin.
    stage.start().await?;
    Ok(())
}

async fn whoever_puts_a_value_meanwhile_has_the_last_word(engine: Engine) -> Result<()> {
    let stage = Stage::set(engine, &manifest(json!({}), json!({"evidence": "confirmed"}))).await?;
    let agent = stage.agent().await?;
    stage.start().await?;
    // Nobody confirms, so it waits.
    let unproven = "has v2 written, and is to be proven confirmed";
    stage.until("waits for a word", |it| it.waits.iter().any(|it| it.what == unproven)).await?;
    stage.admin.put(STRIPE, b"by-hand").await?;
    let failed = stage.comes_to(RotationPhase::Failed).await?;
    ensure!(failed.reason.contains("v3 of stripe-api-key was put meanwhile"), "{failed:?}");
    agent.file_becomes(STRIPE_FILE, b"by-hand").await?;
    ensure!(stage.versions()? == ["current", "destroyed", "previous"], "{:?}", stage.versions()?);
    Ok(())
}
