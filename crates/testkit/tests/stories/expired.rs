//! A certificate ends: the stream with it, and not the agent.

use crate::scene::{AGENT, STRIPE, STRIPE_FILE, Scene};
use anyhow::{Result, ensure};
use secretref_proto::v1::{StreamErrorCode, watch_response::Message};
use secretref_testkit::{engine::Engine, on_both_engines, peer, wait::eventually};

on_both_engines!(a_stream_ends_with_its_certificate, a_sidecar_renews_before_its_certificate_ends,);

/// Hidden option of the broker: certificates of agents that end within a test.
const SHORT: [&str; 2] = ["--agent-certificate-ttl", "3s"];

async fn a_stream_ends_with_its_certificate(engine: Engine) -> Result<()> {
    let scene = Scene::set_with(engine, &SHORT).await?;
    let token = scene.admin.token(AGENT).await?;
    let expired = peer::enrolled(&scene.agents(), &token).await?;
    let mut watcher = peer::Watcher::open(&scene.agents(), &expired).await?;
    let (nonce, entries) = watcher.manifest().await?;
    watcher.acknowledge(nonce, &entries).await?;
    let rest = watcher.rest().await?;
    let told = rest.iter().any(|message| {
        let Message::Error(error) = message else { return false };
        error.code() == StreamErrorCode::CertificateExpired
    });
    ensure!(told, "the stream ended without saying why: {rest:?}");

    // An expired certificate watches nothing, and renews for seven days.
    let again = match peer::Watcher::open(&scene.agents(), &expired).await {
        Err(_) => true,
        Ok(mut watcher) => watcher.manifest().await.is_err(),
    };
    ensure!(again, "an expired certificate watches");
    let renewed = peer::renewed(&scene.agents(), &expired).await?;
    ensure!(renewed.subject() == expired.subject(), "it became another");
    let mut watcher = peer::Watcher::open(&scene.agents(), &renewed).await?;
    let (_, entries) = watcher.manifest().await?;
    ensure!(entries.len() == 2, "{entries:?}");
    Ok(())
}

async fn a_sidecar_renews_before_its_certificate_ends(engine: Engine) -> Result<()> {
    let scene = Scene::set_with(engine, &SHORT).await?;
    let agent = scene.agent().await?;
    let ends = async || {
        let status = scene.admin.status(AGENT).await?;
        let instance = status.instances.first().cloned();
        Ok::<_, anyhow::Error>(instance.and_then(|found| found.certificate_expire_time))
    };
    let first = ends().await?.map(|time| time.seconds);
    // Three lives later it is still there, as the same instance.
    eventually("the certificate was renewed three times", async || {
        let now = ends().await?.map(|time| time.seconds);
        Ok((now > first.map(|first| first + 6)).then_some(()))
    })
    .await?;
    scene.admin.put(STRIPE, b"stripe-2").await?;
    agent.file_becomes(STRIPE_FILE, b"stripe-2").await?;
    ensure!(scene.admin.status(AGENT).await?.instances.len() == 1, "it became another");
    Ok(())
}
