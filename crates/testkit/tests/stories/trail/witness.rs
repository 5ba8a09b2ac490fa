//! Sidecars as witnesses: a broker whose trail was set back or forked is found out by whoever it
//! showed a checkpoint to before.

use crate::scene::{AGENT, STRIPE, STRIPE_FILE, Scene};
use anyhow::{Context, Result, bail, ensure};
use secretref_testkit::{
    agent::Agent,
    cli::Cli,
    engine::Engine,
    hook::Hook,
    on_both_engines,
    sql::Sql,
    wait::{DEADLINE, eventually},
};
use serde_json::Value;
use std::fs;

on_both_engines!(
    a_broker_that_was_set_back_is_noticed,
    a_broker_that_was_forked_is_noticed,
    a_clean_restart_is_no_alarm,
);

/// A sidecar that holds the broker's newest checkpoint.
async fn witness(engine: Engine) -> Result<(Scene, Agent)> {
    let scene = Scene::set(engine).await?;
    let agent = scene.agent().await?;
    let scene = signed(scene, &agent).await?;
    Ok((scene, agent))
}

/// A broker signs what there is when it stops: the sidecar has it once it is back.
pub(crate) async fn signed(mut scene: Scene, agent: &Agent) -> Result<Scene> {
    scene.broker.stop()?;
    scene.broker.serve()?;
    scene.admin = scene.broker.admin().await?;
    let mut sql = Sql::connect(&scene.broker.database_url()).await?;
    let size = sql.number("SELECT max(size) FROM audit_checkpoints").await?;
    eventually("the sidecar has the checkpoint", async || {
        Ok((held(agent)?.size >= size).then_some(()))
    })
    .await?;
    Ok(scene)
}

pub(crate) struct Held {
    size: i64,
    pub(crate) alarm: Option<String>,
}

/// What the sidecar keeps in its state folder.
pub(crate) fn held(agent: &Agent) -> Result<Held> {
    let Ok(text) = fs::read(agent.state().join("trail.json")) else {
        return Ok(Held { size: 0, alarm: None });
    };
    let record: Value = serde_json::from_slice(&text)?;
    let note = record["note"].as_str().unwrap_or_default();
    let size = note.lines().nth(1).map_or(Ok(0), str::parse)?;
    Ok(Held { size, alarm: record["alarm"].as_str().map(str::to_owned) })
}

/// The alarm is in the state folder and in status, what is held is what was held, and the secrets
/// are where they were.
async fn alarmed(scene: &Scene, agent: &Agent, before: i64, why: &str) -> Result<()> {
    let alarm = eventually("the sidecar finds it", async || Ok(held(agent)?.alarm)).await?;
    ensure!(alarm.contains(why), "{alarm}");
    ensure!(held(agent)?.size == before, "it forgot what it held");
    let cli = Cli::of(&scene.broker)?;
    eventually("status shows it", async || {
        let ran = cli.run(&["status", "--agent", AGENT, "--secrets"])?.ended(0)?;
        Ok(ran.out.contains(&alarm).then_some(()))
    })
    .await?;
    agent.says("the broker's audit trail is not what it was")?;
    let broker = scene.broker.process().context("the broker does not run")?;
    broker.wait_for_line("a sidecar finds the audit trail altered", DEADLINE)?;
    ensure!(agent.read(STRIPE_FILE)?.is_some(), "the secrets are gone");
    Ok(())
}

/// Every table of a database, as a copy that lies beside it.
async fn copy(sql: &mut Sql) -> Result<()> {
    for table in TABLES {
        sql.run(&format!("CREATE TABLE copy_of_{table} AS SELECT * FROM {table}")).await?;
    }
    Ok(())
}

/// The whole database is the one from before.
async fn set_back(sql: &mut Sql) -> Result<()> {
    for table in TABLES {
        sql.run(&format!("DELETE FROM {table}")).await?;
        sql.run(&format!("INSERT INTO {table} SELECT * FROM copy_of_{table}")).await?;
    }
    Ok(())
}

async fn a_broker_that_was_set_back_is_noticed(engine: Engine) -> Result<()> {
    let (mut scene, agent) = witness(engine).await?;
    let pager = Hook::start([]).await?;
    scene.admin.apply(PAGER).await?;
    scene.admin.put("pager-url", pager.url("/page").as_bytes()).await?;
    let mut sql = Sql::connect(&scene.broker.database_url()).await?;
    scene.broker.stop()?;
    copy(&mut sql).await?;
    scene.broker.serve()?;
    scene.admin = scene.broker.admin().await?;
    for number in 0..20 {
        scene.admin.put(STRIPE, format!("stripe-{number}").as_bytes()).await?;
    }
    let mut scene = signed(scene, &agent).await?;
    let before = held(&agent)?.size;
    scene.broker.stop()?;
    set_back(&mut sql).await?;
    scene.broker.serve()?;
    alarmed(&scene, &agent, before, "set back").await?;
    people_know(&scene, &pager).await
}

/// Whoever looks is told, and whoever does not is called.
async fn people_know(scene: &Scene, pager: &Hook) -> Result<()> {
    let told: Value = serde_json::from_str(&pager.next().await?.body)?;
    ensure!(told["kind"] == "trail-alarm" && told["agent"] == AGENT, "{told}");
    let cli = Cli::of(&scene.broker)?;
    let found = cli.run(&["monitor", "--once", "--json"])?.ended(1)?.json()?;
    let all = found.as_array().context("no list")?;
    let alarm = all.iter().find(|it| it["kind"] == "trail-alarm").context("it is not so")?;
    ensure!(alarm["severity"] == "error" && alarm["agent"] == AGENT, "{alarm}");
    let found = cli.run(&["doctor", "--json"])?.out;
    ensure!(found.contains("\"trail-alarm\""), "{found}");
    Ok(())
}

const PAGER: &str = r#"{"alerts": {"channels": {
    "pager": {"type": "webhook", "secretRef": "pager-url"}}}}"#;

/// The database from before goes on otherwise while the sidecar is away, and is longer by the time
/// that it comes back: only the proof shows it.
async fn a_broker_that_was_forked_is_noticed(engine: Engine) -> Result<()> {
    let (mut scene, mut agent) = witness(engine).await?;
    let mut sql = Sql::connect(&scene.broker.database_url()).await?;
    scene.broker.stop()?;
    copy(&mut sql).await?;
    scene.broker.serve()?;
    scene.admin = scene.broker.admin().await?;
    scene.admin.put(STRIPE, b"stripe-once").await?;
    let mut scene = signed(scene, &agent).await?;
    let before = held(&agent)?.size;
    agent.stop()?;
    scene.broker.stop()?;
    set_back(&mut sql).await?;
    scene.broker.serve()?;
    scene.admin = scene.broker.admin().await?;
    for number in 0..40 {
        scene.admin.put(STRIPE, format!("stripe-fork-{number}").as_bytes()).await?;
    }
    scene.broker.stop()?;
    let now = sql.number("SELECT max(size) FROM audit_checkpoints").await?;
    ensure!(now > before, "the fork is too short: {now}");
    scene.broker.serve()?;
    agent.run()?;
    agent.file_becomes(STRIPE_FILE, b"stripe-fork-39").await?;
    alarmed(&scene, &agent, before, "forked").await
}

async fn a_clean_restart_is_no_alarm(engine: Engine) -> Result<()> {
    let (mut scene, agent) = witness(engine).await?;
    for round in 0..3 {
        let before = held(&agent)?.size;
        scene.admin.put(STRIPE, format!("stripe-r{round}").as_bytes()).await?;
        scene = signed(scene, &agent).await?;
        let now = held(&agent)?;
        ensure!(now.size > before, "{before} was not gone on from: {}", now.size);
        if let Some(alarm) = now.alarm {
            bail!("round {round}: {alarm}");
        }
    }
    let said = Cli::of(&scene.broker)?.run(&["status", "--agent", AGENT, "--json"])?.ended(0)?;
    ensure!(!said.out.contains("trail_alarm"), "{said:?}");
    Ok(())
}

const TABLES: [&str; 16] = [
    "head",
    "authority_log",
    "secret_versions",
    "audit_lanes",
    "audit",
    "requests",
    "reports",
    "schedules",
    "leases",
    "presence",
    "contacts",
    "told",
    "trials",
    "vault",
    "audit_checkpoints",
    "audit_tree",
];
