//! A revoked agent is cut off at once and for good.

use crate::scene::{AGENT, SLACK_FILE, STRIPE, STRIPE_FILE, Scene, manifest};
use anyhow::{Context, Result, ensure};
use secretref_proto::v1::{AgentState, StreamErrorCode, watch_response::Message};
use secretref_testkit::{agent::Agent, engine::Engine, on_both_engines, peer};

on_both_engines!(
    a_revoked_agent_is_wiped_and_stays_out,
    nothing_leaves_on_a_stream_after_its_revocation,
    a_readmitted_agent_comes_in_with_a_new_token,
);

/// An agent that stays, and has whatever the revoked one would have had by now.
async fn witness(scene: &Scene) -> Result<Agent> {
    scene.admin.apply(&manifest("witness", &[STRIPE])).await?;
    let witness = Agent::enrolled(&scene.broker, &scene.admin, "witness").await?;
    witness.file_becomes(STRIPE, b"stripe-1").await?;
    Ok(witness)
}

async fn a_revoked_agent_is_wiped_and_stays_out(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let witness = witness(&scene).await?;
    let mut agent = scene.agent().await?;
    let answer = scene.admin.revoke(AGENT).await?;
    ensure!(answer.cut_streams == 1, "{answer:?}");
    agent.file_leaves(STRIPE_FILE).await?;
    agent.file_leaves(SLACK_FILE).await?;
    let status = scene.admin.status(AGENT).await?;
    ensure!(status.state() == AgentState::Revoked, "{status:?}");

    scene.admin.put(STRIPE, b"stripe-2").await?;
    witness.file_becomes(STRIPE, b"stripe-2").await?;
    ensure!(agent.read(STRIPE_FILE)?.is_none(), "a revoked agent got a later value");
    agent.kill9()?;
    agent.run()?;
    agent
        .sidecar()
        .context("no sidecar")?
        .wait_for_line("revoked", secretref_testkit::wait::DEADLINE)?;
    scene.admin.put(STRIPE, b"stripe-3").await?;
    witness.file_becomes(STRIPE, b"stripe-3").await?;
    ensure!(agent.read(STRIPE_FILE)?.is_none(), "a revoked agent came in again");
    Ok(())
}

async fn nothing_leaves_on_a_stream_after_its_revocation(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let token = scene.admin.token(AGENT).await?;
    let unused = scene.admin.token(AGENT).await?;
    let credentials = peer::enrolled(&scene.agents(), &token).await?;
    let mut watcher = peer::Watcher::open(&scene.agents(), &credentials).await?;
    let (nonce, entries) = watcher.manifest().await?;
    watcher.acknowledge(nonce, &entries).await?;
    scene.admin.revoke(AGENT).await?;
    scene.admin.put(STRIPE, b"stripe-2").await?;
    let rest = watcher.rest().await?;
    for message in &rest {
        if let Message::Manifest(manifest) = message {
            let bodies = manifest.entries.iter().filter(|entry| entry.value.is_some()).count();
            ensure!(bodies == 0, "a value left after the revocation");
        }
    }
    let revoked = rest.iter().any(|message| match message {
        Message::Revoke(_) => true,
        Message::Error(error) => error.code() == StreamErrorCode::Revoked,
        _ => false,
    });
    ensure!(revoked, "the sidecar was not told: {rest:?}");

    let again = match peer::Watcher::open(&scene.agents(), &credentials).await {
        Err(_) => true,
        Ok(mut watcher) => watcher.manifest().await.is_err(),
    };
    ensure!(again, "a revoked certificate watches");
    ensure!(peer::renewed(&scene.agents(), &credentials).await.is_err(), "it was renewed");
    ensure!(peer::enrolled(&scene.agents(), &unused).await.is_err(), "an unused token still works");
    Ok(())
}

async fn a_readmitted_agent_comes_in_with_a_new_token(engine: Engine) -> Result<()> {
    use secretref_proto::v1::CreateJoinTokenRequest;
    let scene = Scene::set(engine).await?;
    let agent = scene.agent().await?;
    scene.admin.revoke(AGENT).await?;
    agent.file_leaves(STRIPE_FILE).await?;
    ensure!(scene.admin.token(AGENT).await.is_err(), "a token without readmit");
    let request = CreateJoinTokenRequest {
        agent: AGENT.to_owned(),
        readmit: true,
        ..CreateJoinTokenRequest::default()
    };
    let token = scene.admin.agents().create_join_token(request).await?.into_inner().token;
    let mut second = Agent::new(&scene.broker)?;
    second.give_token(&token)?;
    second.run()?;
    second.file_becomes(STRIPE_FILE, b"stripe-1").await?;
    ensure!(agent.read(STRIPE_FILE)?.is_none(), "the old instance came in again");
    Ok(())
}
