//! Streams that are asked to leave: because they are old, or because the broker stops.

use crate::{
    place::manifest,
    world::{Stream, World, hello},
};
use anyhow::{Context, Result, ensure};
use secretref_broker::config::Limits;
use secretref_proto::v1::{
    GoAway, GoAwayReason, HeldSecret, Hello, Manifest, ResumeToken, watch_response::Message,
};
use secretref_testkit::{engine::Engine, on_both_engines};
use tonic::Code;

on_both_engines!(an_old_stream_is_opened_anew_and_served_until_then,);

/// The next farewell; heartbeats are passed over.
async fn go_away(stream: &mut Stream) -> Result<GoAway> {
    loop {
        match stream.next().await? {
            Message::GoAway(go_away) => return Ok(go_away),
            Message::Heartbeat(_) => {}
            other => anyhow::bail!("no farewell: {other:?}"),
        }
    }
}

/// The Hello with which the holder of a manifest comes again.
fn holding(first: &Hello, held: &Manifest, epoch: &str, revision: i64) -> Hello {
    let have = held.entries.iter().map(|entry| HeldSecret {
        name: entry.name.clone(),
        version: entry.version,
        digest: entry.digest.clone(),
    });
    let resume = ResumeToken {
        store_epoch: epoch.to_owned(),
        revision,
        manifest_digest: held.manifest_digest.clone(),
    };
    Hello { stream_seq: 2, have: have.collect(), resume: Some(resume), ..first.clone() }
}

async fn an_old_stream_is_opened_anew_and_served_until_then(engine: Engine) -> Result<()> {
    let world = World::with_worker(engine, &["a", "b"]).await?;
    let worker = world.enrolled("worker").await?;
    let first = hello();
    let mut old = Stream::open(world.agent_channel(&worker).await?, first.clone()).await?;
    let Message::Welcome(welcome) = old.next().await? else { anyhow::bail!("no welcome") };
    let age = welcome.stream_age_max_ms;
    ensure!((2_160_000..=3_240_000).contains(&age), "its age is 45 minutes ± 20 %: {age} ms");
    old.manifest().await?;
    old.acknowledge(1).await?;
    // Just before its age nothing happens; then it is told, and told once.
    world.place.clock.advance_seconds(age / 1000 - 1);
    world.admin.put("a", b"a-2").await?;
    old.manifest().await?;
    old.acknowledge(2).await?;
    world.place.clock.advance_seconds(2);
    world.admin.put("a", b"a-3").await?;
    // In either order.
    let (mut pushed, mut told) = (false, None);
    while !pushed || told.is_none() {
        match old.next().await? {
            Message::Manifest(manifest) => pushed = manifest.entries[0].version == 3,
            Message::GoAway(go_away) if told.is_none() => told = Some(go_away),
            Message::Heartbeat(_) => {}
            other => anyhow::bail!("{other:?}"),
        }
    }
    old.acknowledge(3).await?;
    let told = told.context("it was not told")?;
    ensure!(told.reason() == GoAwayReason::Age, "{told:?}");
    ensure!(told.deadline_ms > 0 && told.retry_after_max_ms < told.deadline_ms, "{told:?}");
    // It is served on.
    world.admin.put("a", b"a-4").await?;
    let response = old.response().await?.context("the old stream has ended")?;
    let Some(Message::Manifest(held)) = response.message else { anyhow::bail!("no manifest") };
    ensure!(held.entries[0].version == 4 && held.entries[0].value.is_some(), "{held:?}");
    old.acknowledge(4).await?;

    // The next one begins where it is. The old one ends when the next is at home, and no sooner.
    let again = holding(&first, &held, &response.store_epoch, response.revision);
    let mut new = Stream::open(world.agent_channel(&worker).await?, again).await?;
    ensure!(matches!(new.next().await?, Message::Welcome(_)), "no welcome");
    let resumed = new.manifest().await?;
    ensure!(resumed.entries.len() == 2, "{resumed:?}");
    ensure!(resumed.entries.iter().all(|it| it.value.is_none()), "what is held was sent again");
    world.admin.put("b", b"b-2").await?;
    old.manifest().await?;
    new.acknowledge(1).await?;
    let told = go_away(&mut old).await?;
    ensure!(told.reason() == GoAwayReason::Superseded, "{told:?}");
    let ended = old.response().await;
    ensure!(ended.as_ref().is_err_and(|it| it.code() == Code::Unavailable), "{ended:?}");
    ensure!(new.manifest().await?.entries[1].version == 2, "the next one is not served");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_broker_says_so_and_ends_its_streams() -> Result<()> {
    let limits = Limits { drain_seconds: 1, streams_per_second: 1, ..Limits::default() };
    let world = World::serving_within(Engine::Sqlite, limits).await?;
    world.admin.apply(&manifest("worker", &["a"])).await?;
    let mut streams = Vec::new();
    for _ in 0..3 {
        let mut stream = world.stream(hello()).await?;
        stream.manifest().await?;
        stream.acknowledge(1).await?;
        streams.push(stream);
    }
    world.stop();
    for stream in &mut streams {
        let told = go_away(stream).await?;
        ensure!(told.reason() == GoAwayReason::Drain, "{told:?}");
        // They come back over as long as it takes to take them in: three, at one a second.
        let window = told.retry_after_max_ms - told.retry_after_min_ms;
        ensure!((0..=1000).contains(&told.deadline_ms) && window == 3000, "{told:?}");
        ensure!(told.retry_after_min_ms == told.deadline_ms, "before its end: {told:?}");
        let ended = stream.response().await;
        ensure!(ended.as_ref().is_err_and(|it| it.code() == Code::Unavailable), "{ended:?}");
    }
    ensure!(world.stream(hello()).await.is_err(), "it takes streams in while it stops");
    Ok(())
}
