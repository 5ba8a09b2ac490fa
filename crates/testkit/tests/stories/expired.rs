//! A certificate ends: the stream with it, and not the agent.

use crate::scene::{AGENT, STRIPE, Scene};
use anyhow::{Context, Result, ensure};
use secretref_broker::{app, config::Config};
use secretref_domain::{clock::Clock, version::Version};
use secretref_proto::v1::{StreamErrorCode, watch_response::Message};
use secretref_testkit::{
    admin::Admin, broker::Broker, clock::ManualClock, engine::Engine, fleet::Member,
    on_both_engines, peer,
};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

on_both_engines!(
    a_sidecar_whose_certificate_ended_renews_and_is_current,
    an_ended_certificate_ends_its_stream_and_only_renews,
);

/// Two hours pass for the broker while the sidecar holds a stream: a certificate lives one.
async fn a_sidecar_whose_certificate_ended_renews_and_is_current(engine: Engine) -> Result<()> {
    let mut scene = Scene::set(engine).await?;
    scene.broker.stop()?;
    let clock = ManualClock::at(app::SystemClock.now());
    let stop = CancellationToken::new();
    let (said, mut saying) = mpsc::unbounded_channel();
    let config = Config::load(&scene.broker.data())?;
    let shared: Arc<dyn Clock> = Arc::new(clock.clone());
    let serving = tokio::spawn(app::serve(config, shared, stop.clone(), move |line: &str| {
        drop(said.send(line.to_owned()));
    }));
    let (mut agents, mut admin) = (String::new(), String::new());
    while agents.is_empty() || admin.is_empty() {
        let line = saying.recv().await.context("the broker said nothing")?;
        if let Some(address) = line.strip_prefix("listening agents ") {
            agents = address.to_owned();
        }
        if let Some(address) = line.strip_prefix("listening admin ") {
            admin = address.to_owned();
        }
    }
    let admin = Admin::connect(&admin, &scene.broker.data().join("admin")).await?;
    let token = admin.token(AGENT).await?;
    let mut member = Member::join(&agents, &token).await?;

    clock.advance_seconds(2 * 3600);
    let put = admin.put(STRIPE, b"stripe-after-the-end").await?;
    let version = put.version.context("no version")?.version;
    member.applied(STRIPE, Version::new(version).context("no version")?).await?;

    let status = admin.status(AGENT).await?;
    let [instance] = status.instances.as_slice() else {
        anyhow::bail!("it became another: {:?}", status.instances);
    };
    let ends = instance.certificate_expire_time.context("no end")?.seconds;
    anyhow::ensure!(ends > clock.now().as_micros() / 1_000_000, "it holds the old certificate");
    member.stop().await?;
    stop.cancel();
    serving.await??;
    Ok(())
}

/// On the wire: the stream ends with the reason, and the certificate is good for one thing.
async fn an_ended_certificate_ends_its_stream_and_only_renews(engine: Engine) -> Result<()> {
    let clock = ManualClock::at(app::SystemClock.now());
    let broker = Broker::start_by(engine, Arc::new(clock.clone())).await?;
    let scene = Scene::set_on(broker).await?;
    let token = scene.admin.token(AGENT).await?;
    let ended = peer::enrolled(&scene.agents(), &token).await?;
    let mut watcher = peer::Watcher::open(&scene.agents(), &ended).await?;
    let (nonce, entries) = watcher.manifest().await?;
    watcher.acknowledge(nonce, &entries).await?;
    clock.advance_seconds(2 * 3600);
    scene.admin.put(STRIPE, b"stripe-2").await?;
    let rest = watcher.rest().await?;
    let told = rest.iter().any(|message| {
        let Message::Error(error) = message else { return false };
        error.code() == StreamErrorCode::CertificateExpired
    });
    ensure!(told, "the stream ended without saying why: {rest:?}");

    let again = match peer::Watcher::open(&scene.agents(), &ended).await {
        Err(_) => true,
        Ok(mut watcher) => watcher.manifest().await.is_err(),
    };
    ensure!(again, "an ended certificate watches");
    let renewed = peer::renewed(&scene.agents(), &ended).await?;
    ensure!(renewed.subject() == ended.subject(), "it became another");
    let mut watcher = peer::Watcher::open(&scene.agents(), &renewed).await?;
    let (_, entries) = watcher.manifest().await?;
    ensure!(entries.len() == 2, "{entries:?}");
    Ok(())
}
