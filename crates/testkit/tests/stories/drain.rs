//! A broker that stops lets nobody miss anything, and an old stream is replaced without a gap.

use crate::{
    scene::{AGENT, PAYMENT_ANALYST, SLACK, STRIPE, STRIPE_FILE, Scene},
    soak,
};
use anyhow::{Context, Result, ensure};
use secretref_broker::{app, config::Limits};
use secretref_domain::{clock::Clock, version::Version};
use secretref_testkit::{
    admin::Admin, broker::Broker, clock::ManualClock, engine::Engine, fleet, on_both_engines, peer,
    wait::DEADLINE,
};
use std::sync::Arc;

on_both_engines!(
    a_fleet_misses_nothing_of_a_broker_that_drains,
    an_old_stream_is_replaced_without_a_gap,
    who_comes_too_often_comes_in_when_it_is_told_to,
);

/// Puts until the broker takes no more, and says which version it acknowledged last.
async fn puts_until_it_stops(admin: Admin) -> i64 {
    let mut acknowledged = 1;
    while let Ok(version) = admin.put_version(STRIPE, b"stripe-in-flight").await {
        acknowledged = version;
    }
    acknowledged
}

async fn a_fleet_misses_nothing_of_a_broker_that_drains(engine: Engine) -> Result<()> {
    let members = soak::count(25, 500);
    let limits = Limits { drain_seconds: 2, ..Limits::default() };
    let mut scene = Scene::set_on(Broker::start_within(engine, limits).await?).await?;
    let mut fleet = fleet::start(&scene.broker, &scene.admin, AGENT, members).await?;
    // The stop falls among puts, of which the last that was acknowledged counts.
    let putting = tokio::spawn(puts_until_it_stops(scene.admin.clone()));
    fleet[0].applied(STRIPE, Version::new(3).context("a version")?).await?;
    scene.broker.begin_stop()?;
    let health = scene.broker.listening().health;
    secretref_testkit::wait::eventually("it is not ready any more", async || {
        let ready = secretref_testkit::broker::ready(health).await;
        Ok((!ready).then_some(()))
    })
    .await?;
    let status = scene.broker.wait(DEADLINE)?;
    ensure!(status.code() == Some(0), "it did not stop in order: {status}");
    let acknowledged = putting.await?;
    ensure!(acknowledged >= 3, "nothing was in flight: {acknowledged}");

    scene.broker.serve()?;
    let last = Version::new(acknowledged).context("a version")?;
    for member in &mut fleet {
        member.until("it is back", |status| status.connected && status.streams >= 2).await?;
        member.applied(STRIPE, last).await?;
        let held = std::fs::read(member.secrets().join(STRIPE_FILE))?;
        ensure!(held == b"stripe-in-flight", "it says that it has the last and has not");
    }
    scene.admin = scene.broker.admin().await?;
    let status = scene.admin.status(AGENT).await?;
    ensure!(status.instances.len() == members, "{} instances", status.instances.len());
    ensure!(status.instances.iter().all(|it| it.connected), "one is missing");
    soak::figure(
        "drain",
        &format!("{members} sidecars, v{acknowledged} was the last, 0 missed it"),
    );
    for member in fleet {
        member.stop().await?;
    }
    Ok(())
}

/// Deliveries of a secret that are on record: one for each time that its value left for somebody.
async fn deliveries(admin: &Admin, secret: &str) -> Result<usize> {
    let trail = admin.audit_trail().await?;
    let of_secret = trail.iter().filter(|it| it.action == "secret.deliver" && it.object == secret);
    Ok(of_secret.map(|it| it.recipients.len()).sum())
}

async fn an_old_stream_is_replaced_without_a_gap(engine: Engine) -> Result<()> {
    let clock = ManualClock::at(app::SystemClock.now());
    let broker = Broker::start_by(engine, Arc::new(clock.clone())).await?;
    let scene = Scene::set_on(broker).await?;
    let mut fleet = fleet::start(&scene.broker, &scene.admin, AGENT, 3).await?;
    let mut watching = Vec::new();
    for member in &fleet {
        let mut status = member.status();
        watching.push(tokio::spawn(async move {
            let moved = status.wait_for(|it| !it.connected || it.streams == 2).await;
            moved.is_ok_and(|it| it.connected)
        }));
    }
    // Older than any stream gets, and not so old that a certificate ends.
    clock.advance_seconds(3300);
    // The put falls among the moves, and is what wakes the streams: a manual clock wakes nobody.
    scene.admin.put(STRIPE, b"stripe-2").await?;
    for (member, watching) in fleet.iter_mut().zip(watching) {
        member.until("its next stream is open", |it| it.connected && it.streams == 2).await?;
        ensure!(watching.await?, "it was without a stream");
        member.applied(STRIPE, Version::new(2).context("a version")?).await?;
    }
    scene.applied(STRIPE, 2).await?;
    // What is held did not leave again: each got its first set.
    let slack = deliveries(&scene.admin, SLACK).await?;
    ensure!(slack == 3, "{slack} deliveries of what did not change");
    // And once the streams have moved, what is new leaves once for each.
    let before = deliveries(&scene.admin, STRIPE).await?;
    scene.admin.put(STRIPE, b"stripe-3").await?;
    scene.applied(STRIPE, 3).await?;
    let stripe = deliveries(&scene.admin, STRIPE).await? - before;
    ensure!(stripe == 3, "{stripe} deliveries of one new version to three");
    for member in fleet {
        member.stop().await?;
    }
    Ok(())
}

/// Streams are taken in one a second: a fleet of three still comes in, each when it is told to.
async fn who_comes_too_often_comes_in_when_it_is_told_to(engine: Engine) -> Result<()> {
    let limits =
        Limits { streams_per_second: 1, streams_burst: 1, drain_seconds: 0, ..Limits::default() };
    let broker = Broker::start_within(engine, limits).await?;
    let admin = broker.admin().await?;
    admin.apply(PAYMENT_ANALYST).await?;
    admin.put(STRIPE, b"stripe-1").await?;
    admin.put(SLACK, b"slack-1").await?;
    let mut fleet = fleet::start(&broker, &admin, AGENT, 3).await?;
    let log = broker.process().context("the broker does not run")?.said()?;
    ensure!(!log.contains("panicked"), "{log}");
    for member in &mut fleet {
        member.until("it is served", |status| status.connected).await?;
    }
    // A stranger to the queue is told the same in words for programs.
    let credentials =
        peer::enrolled(&broker.listening().agents.to_string(), &admin.token(AGENT).await?).await?;
    let mut told = false;
    for _ in 0..3 {
        let opened =
            peer::Watcher::open(&broker.listening().agents.to_string(), &credentials).await;
        told |= opened.err().is_some_and(|it| format!("{it:#}").contains("come again in"));
    }
    ensure!(told, "nobody was told to come again");
    for member in fleet {
        member.stop().await?;
    }
    Ok(())
}
