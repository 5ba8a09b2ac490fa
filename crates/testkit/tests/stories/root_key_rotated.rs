//! Another root key takes the place of the one that there was while brokers serve: nobody is
//! without a value for a moment, and nothing is left that the one before opens.

use crate::{
    scene::{STRIPE, STRIPE_FILE, Scene},
    soak::{count, figure},
};
use anyhow::{Context, Result, ensure};
use secretref_testkit::{
    broker::Broker,
    cli::Cli,
    engine::Engine,
    on_both_engines,
    process::{Process, binary},
    sql::Sql,
    wait::{DEADLINE, eventually},
};
use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

on_both_engines!(
    a_root_key_is_rotated_while_agents_read_and_administrators_write,
    a_root_key_is_rotated_where_no_broker_serves,
    a_rewrap_that_is_killed_goes_on,
);

/// The lines of a slot that say which key it is.
fn key_in(broker: &Broker, file: &str) -> Result<String> {
    let text = fs::read_to_string(broker.data().join(file))?;
    let id = text.lines().find_map(|line| line.strip_prefix("kek: "));
    id.map(str::to_owned).context("no id in the slot")
}

/// How many data keys the root key of a folder does not wrap.
async fn under_others(broker: &Broker) -> Result<i64> {
    let id = key_in(broker, "root.key")?.replace('-', "");
    let mut sql = Sql::connect(&broker.database_url()).await?;
    let wrapped = sql.blobs("SELECT wrapped FROM secret_versions").await?;
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let others = wrapped.iter().filter(|wrapped| hex(&wrapped[1..17]) != id).count();
    Ok(i64::try_from(others)?)
}

async fn a_root_key_is_rotated_while_agents_read_and_administrators_write(
    engine: Engine,
) -> Result<()> {
    let mut scene = Scene::set(engine).await?;
    let agent = scene.agent().await?;
    for number in 0..40 {
        scene.admin.put(&format!("kept-{number}"), b"kept").await?;
    }
    let before = key_in(&scene.broker, "root.key")?;
    let mut command = Command::new(binary("secretref-broker")?);
    command.args(["root-key", "rotate", "--data-dir"]).arg(scene.broker.data());
    let mut rotating = Process::start("rotating", &mut command, scene.broker.folder())?;
    // Somebody writes, and an agent gets it, at every moment of it: as `secretref put` does, by a
    // connection for each.
    let mut version = 1;
    while !rotating.said()?.contains("keep a copy apart") {
        version += 1;
        scene.admin = scene.broker.admin().await?;
        let value = format!("stripe-{version}");
        scene.admin.put(STRIPE, value.as_bytes()).await?;
        agent.file_becomes(STRIPE_FILE, value.as_bytes()).await?;
    }
    ensure!(rotating.wait(DEADLINE)?.success(), "{}", rotating.said()?);
    let after = key_in(&scene.broker, "root.key")?;
    ensure!(before != after, "the root key is what it was");
    ensure!(!scene.broker.data().join("root.key.next").exists(), "the next one is still there");
    ensure!(under_others(&scene.broker).await? == 0, "something is under another root key");
    // The one that is there now opens everything, by itself.
    scene.broker.run(&["verify", "--state"])?.ended(0)?;
    scene.broker.stop()?;
    scene.broker.serve()?;
    scene.admin = scene.broker.admin().await?;
    scene.admin.put(STRIPE, b"stripe-again").await?;
    agent.file_becomes(STRIPE_FILE, b"stripe-again").await?;
    let cli = Cli::of(&scene.broker)?;
    let log = cli.run(&["audit", "log", "--action", "root_key", "--json"])?.ended(0)?.out;
    for action in ["root_key.hold", "root_key.activate", "root_key.retire"] {
        ensure!(log.contains(action), "{action} is not on record: {log}");
    }
    cli.run(&["audit", "verify"])?.ended(0)?;
    // And again: a root key may be rotated as often as one likes.
    scene.broker.run(&["root-key", "rotate"])?.ended(0)?;
    ensure!(under_others(&scene.broker).await? == 0, "something is under another root key");
    Ok(())
}

async fn a_root_key_is_rotated_where_no_broker_serves(engine: Engine) -> Result<()> {
    let mut scene = Scene::set(engine).await?;
    scene.broker.stop()?;
    let before = fs::read(scene.broker.data().join("root.key"))?;
    // Made ahead, as one would for several brokers; a second one is refused.
    scene.broker.run(&["root-key", "next"])?.ended(0)?;
    let again = scene.broker.run(&["root-key", "next"])?.ended(2)?;
    ensure!(again.err.contains("is there already"), "{again:?}");
    let next = key_in(&scene.broker, "root.key.next")?;
    let ran = scene.broker.run(&["root-key", "rotate"])?.ended(0)?;
    ensure!(ran.out.contains(&next), "{ran:?}");
    ensure!(key_in(&scene.broker, "root.key")? == next, "the next one is not the one");
    ensure!(under_others(&scene.broker).await? == 0, "something is under another root key");
    scene.broker.run(&["verify", "--state"])?.ended(0)?;
    scene.broker.serve()?;
    scene.admin = scene.broker.admin().await?;
    scene.agent().await?;
    scene.broker.stop()?;
    // Whoever stole the one before has nothing of it.
    let after = fs::read(scene.broker.data().join("root.key"))?;
    fs::write(scene.broker.data().join("root.key"), before)?;
    let ran = scene.broker.run(&["verify", "--state"])?;
    ensure!(ran.code != 0 && ran.err.contains("root key"), "{ran:?}");
    fs::write(scene.broker.data().join("root.key"), after)?;
    scene.broker.serve()
}

/// A broker is killed at one moment after another of it: whichever root keys are in its folder
/// then, it serves again by them, and everything is open.
async fn a_rewrap_that_is_killed_goes_on(engine: Engine) -> Result<()> {
    let mut scene = Scene::set(engine).await?;
    let (kills, mut killed, mut rotations, mut unanswered) = (count(8, 500), 0, 0, 0);
    for number in 0..60 {
        scene.admin.put(&format!("kept-{number}"), b"kept").await?;
    }
    while killed < kills {
        scene.broker.run(&["root-key", "next"])?.ended(0)?;
        let mut command = Command::new(binary("secretref-broker")?);
        command.args(["root-key", "rotate", "--data-dir"]).arg(scene.broker.data());
        let mut rotating = Process::start("rotating", &mut command, scene.broker.folder())?;
        while scene.broker.data().join("root.key.next").exists() && killed < kills {
            let until = Instant::now() + Duration::from_millis(fastrand::u64(0..3_000));
            while Instant::now() < until {
                // It is about rows that are there: a put without an answer is asked for again.
                if scene.admin.put("changing", b"changed").await.is_err() {
                    unanswered += 1;
                    break;
                }
            }
            scene.broker.kill9()?;
            scene.broker.serve()?;
            scene.admin = scene.broker.admin().await?;
            killed += 1;
        }
        // Whoever asked for it may have given up meanwhile: asking again is all that it takes.
        let ended = rotating.wait(DEADLINE);
        if scene.broker.data().join("root.key.next").exists() {
            scene.broker.run(&["root-key", "rotate"])?.ended(0)?;
        } else {
            ended?;
        }
        rotations += 1;
        ensure!(under_others(&scene.broker).await? == 0, "something is under another root key");
        scene.broker.run(&["verify", "--state"])?.ended(0)?;
    }
    let text = format!(
        "{killed} kills in {rotations} rotations on {engine:?}, 0 unreadable rows, {unanswered} \
         puts unanswered"
    );
    figure("root key", &text);
    Ok(())
}

/// Over several brokers it waits until each of them has the next one.
#[tokio::test(flavor = "multi_thread")]
async fn a_root_key_is_rotated_under_two_brokers() -> Result<()> {
    let scene = Scene::set(Engine::Postgres).await?;
    let mut other = scene.broker.another()?;
    other.serve()?;
    let elsewhere = other.admin().await?;
    let agent = scene.agent().await?;
    let refused = scene.broker.run(&["root-key", "rotate"])?.ended(2)?;
    ensure!(refused.err.contains(&other.id()?.to_string()), "{refused:?}");
    ensure!(refused.err.contains("root-key next --from"), "{refused:?}");
    let copy = other.folder().join("copy.key");
    fs::copy(scene.broker.data().join("root.key.next"), &copy)?;
    other.run(&["root-key", "next", "--from", copy.to_str().context("a path")?])?.ended(0)?;
    eventually("the other one holds it", async || {
        let ran = scene.broker.run(&["root-key", "rotate"])?;
        Ok((ran.code == 0).then_some(()))
    })
    .await?;
    elsewhere.put(STRIPE, b"stripe-2").await?;
    agent.file_becomes(STRIPE_FILE, b"stripe-2").await?;
    eventually("the other one has let go of the one before", async || {
        Ok((!other.data().join("root.key.next").exists()).then_some(()))
    })
    .await?;
    ensure!(key_in(&other, "root.key")? == key_in(&scene.broker, "root.key")?, "two root keys");
    ensure!(under_others(&scene.broker).await? == 0, "something is under another root key");
    // One that is away, and does not have it, is not forgotten: it would be sealed.
    other.kill9()?;
    let refused = scene.broker.run(&["root-key", "rotate"])?.ended(2)?;
    ensure!(refused.err.contains("--without"), "{refused:?}");
    let id = other.id()?.to_string();
    scene.broker.run(&["root-key", "rotate", "--without", &id])?.ended(0)?;
    let sealed = other.spawn()?;
    sealed.wait_for_announcement("sealed: ", DEADLINE)?;
    Ok(())
}
