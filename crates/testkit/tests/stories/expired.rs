//! A certificate ends: the stream with it, and not the agent.

use crate::scene::{AGENT, STRIPE, Scene};
use anyhow::{Context, Result};
use secretref_broker::{app, config::Config};
use secretref_domain::{clock::Clock, version::Version};
use secretref_testkit::{
    admin::Admin, clock::ManualClock, engine::Engine, fleet::Member, on_both_engines,
};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

on_both_engines!(a_sidecar_whose_certificate_ended_renews_and_is_current,);

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
