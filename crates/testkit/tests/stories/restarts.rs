//! Broker and sidecar may stop, die and come again: nobody misses what was put meanwhile.

use crate::scene::{AGENT, SLACK_FILE, STRIPE, STRIPE_FILE, Scene};
use anyhow::{Context, Result, ensure};
use secretref_domain::version::Version;
use secretref_testkit::{broker::Broker, engine::Engine, fleet, on_both_engines, wait::eventually};

on_both_engines!(
    a_fleet_outlives_a_stop_of_the_broker,
    a_fleet_outlives_the_death_of_the_broker,
    a_killed_sidecar_comes_back_to_everything,
    an_ended_sidecar_leaves_nothing,
    a_broker_refuses_a_folder_that_is_in_use,
);

/// Sidecars that are connected when the broker goes.
const FLEET: usize = 200;

/// Puts a value that no stream can have brought: the broker is gone before anyone is told.
async fn rotate_while_nobody_listens(broker: &mut Broker, kill: bool) -> Result<()> {
    if kill {
        broker.kill9()?;
    } else {
        broker.stop()?;
    }
    broker.serve()?;
    broker.admin().await?.put(STRIPE, b"stripe-2").await?;
    Ok(())
}

async fn all_get_what_they_missed(engine: Engine, kill: bool) -> Result<()> {
    let mut scene = Scene::set(engine).await?;
    let mut fleet = fleet::start(&scene.broker, &scene.admin, AGENT, FLEET).await?;
    rotate_while_nobody_listens(&mut scene.broker, kill).await?;
    let second = Version::new(2).context("a version")?;
    for member in &mut fleet {
        member.applied(STRIPE, second).await?;
        let held = std::fs::read(member.secrets().join(STRIPE_FILE))?;
        ensure!(held == b"stripe-2", "it says that it has v2 and has not");
    }
    scene.admin = scene.broker.admin().await?;
    let status = scene.applied(STRIPE, 2).await?;
    ensure!(status.instances.len() == FLEET, "{} instances", status.instances.len());
    for member in fleet {
        member.stop().await?;
    }
    Ok(())
}

async fn a_fleet_outlives_a_stop_of_the_broker(engine: Engine) -> Result<()> {
    all_get_what_they_missed(engine, false).await
}

async fn a_fleet_outlives_the_death_of_the_broker(engine: Engine) -> Result<()> {
    all_get_what_they_missed(engine, true).await
}

async fn a_killed_sidecar_comes_back_to_everything(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let mut agent = scene.agent().await?;
    agent.kill9()?;
    // Its files stay: the agent works on, and the next sidecar takes them over.
    ensure!(agent.read(STRIPE_FILE)?.as_deref() == Some(b"stripe-1".as_slice()));
    scene.admin.put(STRIPE, b"stripe-2").await?;
    agent.run()?;
    agent.file_becomes(STRIPE_FILE, b"stripe-2").await?;
    agent.file_becomes(SLACK_FILE, b"slack-1").await?;
    let status = scene.applied(STRIPE, 2).await?;
    ensure!(status.instances.len() == 1, "it became another: {status:?}");
    Ok(())
}

async fn an_ended_sidecar_leaves_nothing(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let mut agent = scene.agent().await?;
    let status = agent.stop()?;
    ensure!(status.code() == Some(0), "{status}");
    ensure!(agent.read(STRIPE_FILE)?.is_none() && agent.read(SLACK_FILE)?.is_none());
    // But for the lock's file, which is empty and is the sidecar's own.
    let left = std::fs::read_dir(agent.secrets())?.map(|entry| Ok(entry?.file_name()));
    let left: Vec<_> = left.collect::<Result<_>>()?;
    ensure!(left.iter().all(|name| name == "..lock"), "{left:?}");
    eventually("the broker knows that it is gone", async || {
        let status = scene.admin.status(AGENT).await?;
        Ok(status.instances.iter().all(|instance| !instance.connected).then_some(()))
    })
    .await
}

async fn a_broker_refuses_a_folder_that_is_in_use(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let before = std::fs::read(scene.broker.data().join("root.key"))?;
    let refused = scene.broker.init()?;
    let said = String::from_utf8(refused.stderr)?;
    ensure!(refused.status.code() == Some(2), "{}: {said}", refused.status);
    ensure!(said.contains("in use"), "{said}");
    let after = std::fs::read(scene.broker.data().join("root.key"))?;
    ensure!(before == after, "the root key was replaced");
    scene.admin.put(STRIPE, b"stripe-2").await?;
    Ok(())
}
