//! Who may not, does not.

use crate::scene::{AGENT, PAYMENT_ANALYST, SLACK_FILE, STRIPE, STRIPE_FILE, Scene, ref_of};
use anyhow::{Result, ensure};
use secretref_identity::{
    client::ConnectError,
    credentials::{Credentials, TrustBundle},
    subject::TrustDomain,
};
use secretref_proto::v1::{AuditEntry, RefState};
use secretref_testkit::{
    admin::Admin, agent::Agent, broker::TRUST_DOMAIN, engine::Engine, on_both_engines, peer,
    wait::eventually,
};
use std::fs;

on_both_engines!(
    a_tool_beyond_the_capabilities_gets_nothing,
    a_capability_that_is_taken_away_takes_the_file_away,
    certificates_are_good_for_their_own_listener_only,
);

/// The payment analyst without the capability for Stripe.
fn without_stripe() -> String {
    PAYMENT_ANALYST.replace(r#"["stripe-payment", "#, "[")
}

async fn a_tool_beyond_the_capabilities_gets_nothing(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    scene.admin.apply(&without_stripe()).await?;
    let agent = Agent::enrolled(&scene.broker, &scene.admin, AGENT).await?;
    agent.file_becomes(SLACK_FILE, b"slack-1").await?;
    ensure!(agent.read(STRIPE_FILE)?.is_none(), "a denied credential is there");
    let status = ref_of(&scene.admin.status(AGENT).await?, STRIPE)?;
    ensure!(status.state() == RefState::Denied, "{status:?}");
    ensure!(status.reason.contains("stripe-payment"), "the tool is not named: {status:?}");
    let denied = |entry: &AuditEntry| entry.decision == "denied" && entry.object == STRIPE;
    eventually("the denial is audited", async || {
        Ok(scene.admin.audit_trail().await?.iter().any(denied).then_some(()))
    })
    .await
}

async fn a_capability_that_is_taken_away_takes_the_file_away(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let agent = scene.agent().await?;
    scene.admin.apply(&without_stripe()).await?;
    agent.file_leaves(STRIPE_FILE).await?;
    ensure!(agent.read(SLACK_FILE)?.is_some(), "the other left too");
    scene.admin.put(STRIPE, b"stripe-2").await?;
    scene.admin.put("slack-bot-token", b"slack-2").await?;
    agent.file_becomes(SLACK_FILE, b"slack-2").await?;
    ensure!(agent.read(STRIPE_FILE)?.is_none(), "a denied credential came");
    Ok(())
}

async fn certificates_are_good_for_their_own_listener_only(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let token = scene.admin.token(AGENT).await?;
    let agent = peer::enrolled(&scene.agents(), &token).await?;
    let admin_listener = scene.broker.listening().admin.to_string();
    let Err(refused) = Admin::connect_as(&admin_listener, &agent).await else {
        anyhow::bail!("an agent administers");
    };
    let refused = refused.downcast_ref::<ConnectError>();
    ensure!(matches!(refused, Some(ConnectError::Refused { .. })), "{refused:?}");

    let folder = scene.broker.data().join("admin");
    let trust = TrustBundle::from_pem(
        TrustDomain::parse(TRUST_DOMAIN)?,
        &fs::read_to_string(folder.join("ca.crt"))?,
    )?;
    let admin = Credentials::from_pem(
        &fs::read_to_string(folder.join("admin.crt"))?,
        &fs::read_to_string(folder.join("admin.key"))?,
        trust,
    )?;
    let Err(refused) = peer::identified(&scene.agents(), &admin).await else {
        anyhow::bail!("an administrator is taken for an agent");
    };
    let refused = refused.downcast_ref::<ConnectError>();
    ensure!(matches!(refused, Some(ConnectError::Refused { .. })), "{refused:?}");
    Ok(())
}
