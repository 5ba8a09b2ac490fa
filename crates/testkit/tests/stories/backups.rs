//! A backup becomes a database again, on either engine, and one that is not whole becomes none.

use crate::{
    scene::{AGENT, SLACK, SLACK_FILE, STRIPE, STRIPE_FILE, Scene},
    soak::count,
    trail::witness::{held, signed},
};
use anyhow::{Context, Result, ensure};
use secretref_testkit::{
    broker::Broker,
    canary::{Canary, Scanner},
    cli::{Cli, Ran},
    engine::Engine,
    on_both_engines,
    process::binary,
    sql::Sql,
    wait::eventually,
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

on_both_engines!(
    a_backup_of_a_broker_that_serves_is_restored_and_known_as_older,
    a_backup_that_is_not_whole_is_refused,
);

/// A backup under a new name.
fn backed_up(broker: &Broker) -> Result<PathBuf> {
    let number = fs::read_dir(broker.folder())?.count();
    let out = broker.folder().join(format!("{number}.backup"));
    broker.run(&["backup", "--out", text(&out)?])?.ended(0)?;
    Ok(out)
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path")
}

/// An empty database in the place of a broker's.
async fn emptied(broker: &Broker) -> Result<()> {
    if let Some(file) = broker.database_url().strip_prefix("sqlite://") {
        for suffix in ["", "-wal", "-shm"] {
            match fs::remove_file(format!("{file}{suffix}")) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error.into());
                }
                _ => {}
            }
        }
        return Ok(());
    }
    let mut sql = Sql::connect(&broker.database_url()).await?;
    sql.script("DROP SCHEMA public CASCADE; CREATE SCHEMA public").await
}

async fn a_backup_of_a_broker_that_serves_is_restored_and_known_as_older(
    engine: Engine,
) -> Result<()> {
    let mut scene = Scene::set(engine).await?;
    let agent = scene.agent().await?;
    let canary = Canary::new("a value in a backup");
    scene.admin.put(SLACK, canary.bytes()).await?;
    agent.file_becomes(SLACK_FILE, canary.bytes()).await?;
    let mut restored = 0;
    while restored < count(1, 100) {
        let backup = backed_up(&scene.broker)?;
        let mut scanner = Scanner::new([&canary])?;
        scanner.path(&backup)?;
        ensure!(scanner.leaks().is_empty(), "{:?}", scanner.leaks());
        // What comes after the backup is gone after the restore.
        scene.admin.put(STRIPE, b"stripe-lost").await?;
        scene.admin.put("lost", b"lost").await?;
        agent.file_becomes(STRIPE_FILE, b"stripe-lost").await?;
        let restore = ["restore", "--backup", text(&backup)?];
        let said = scene.broker.run(&[&restore[..], &["--dry-run"]].concat())?.ended(0)?;
        ensure!(said.out.contains("the backup is whole"), "{said:?}");
        let serving = scene.broker.run(&restore)?.ended(2)?;
        ensure!(serving.err.contains("a broker serves"), "{serving:?}");
        scene = signed(scene, &agent).await?;
        scene.broker.stop()?;
        let in_use = scene.broker.run(&restore)?.ended(2)?;
        ensure!(in_use.err.contains("not empty"), "{in_use:?}");
        emptied(&scene.broker).await?;
        scene.broker.run(&restore)?.ended(0)?;
        scene.broker.run(&["verify", "--state"])?.ended(0)?;
        scene.broker.serve()?;
        scene.admin = scene.broker.admin().await?;
        // The older version is not taken for a replay of an old message: it is another history.
        agent.file_becomes(STRIPE_FILE, b"stripe-1").await?;
        let cli = Cli::of(&scene.broker)?;
        cli.run(&["show", "lost"])?.ended(3)?;
        let log = cli.run(&["audit", "log", "--action", "broker.restore"])?.ended(0)?.out;
        ensure!(log.contains("gone"), "{log}");
        // The sidecar was a witness of what is gone, and says so.
        eventually("the sidecar finds it", async || Ok(held(&agent)?.alarm)).await?;
        scene.admin.put(STRIPE, b"stripe-1").await?;
        restored += 1;
    }
    // An agent that is let in anew is served as ever.
    let newcomer = scene.admin.token(AGENT).await?;
    ensure!(!newcomer.is_empty(), "no token");
    scene.admin.put(STRIPE, b"stripe-new").await?;
    agent.file_becomes(STRIPE_FILE, b"stripe-new").await
}

async fn a_backup_that_is_not_whole_is_refused(engine: Engine) -> Result<()> {
    let mut scene = Scene::set(engine).await?;
    let backup = backed_up(&scene.broker)?;
    scene.broker.stop()?;
    emptied(&scene.broker).await?;
    let refused = |damaged: &Path| -> Result<Ran> {
        let ran = scene.broker.run(&["restore", "--backup", text(damaged)?])?;
        ensure!(ran.code != 0 && !ran.err.is_empty(), "{ran:?}");
        Ok(ran)
    };
    let tampered = [
        "DELETE FROM audit WHERE seq = 2",
        "UPDATE secret_versions SET sealed = (SELECT sealed FROM secret_versions AS other WHERE \
         other.secret <> secret_versions.secret LIMIT 1)",
        "DELETE FROM authority_log WHERE revision = 2",
        "UPDATE head SET revision = revision - 1",
        "DELETE FROM vault WHERE name = 'authority'",
    ];
    for (number, statement) in tampered.iter().enumerate() {
        let damaged = scene.broker.folder().join(format!("damaged-{number}.db"));
        fs::copy(&backup, &damaged)?;
        Sql::connect(&format!("sqlite://{}", damaged.display())).await?.tamper(statement).await?;
        refused(&damaged).with_context(|| (*statement).to_owned())?;
    }
    let whole = fs::read(&backup)?;
    let torn = scene.broker.folder().join("torn.db");
    for length in [0, 1, 100, 4096, whole.len() / 2, whole.len() - 4096] {
        fs::write(&torn, &whole[..length])?;
        refused(&torn).with_context(|| format!("{length} bytes"))?;
    }
    refused(&scene.broker.folder().join("absent"))?;
    // None of them left anything behind: the whole one is restored.
    scene.broker.run(&["restore", "--backup", text(&backup)?])?.ended(0)?;
    scene.broker.serve()?;
    scene.admin = scene.broker.admin().await?;
    scene.agent().await.map(drop)
}

/// A host is lost with its folder: a copy of the root key and a backup make a new broker, and a
/// fleet moves from one engine to the other in the same way.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_and_the_root_key_make_a_new_broker_on_the_other_engine() -> Result<()> {
    for (from, to) in [(Engine::Sqlite, Engine::Postgres), (Engine::Postgres, Engine::Sqlite)] {
        let mut scene = Scene::set(from).await?;
        let backup = backed_up(&scene.broker)?;
        scene.broker.kill9()?;
        let nowhere = scene.broker.folder().join("nowhere");
        let mut command = Command::new(binary("secretref-broker")?);
        command.args(["restore", "--data-dir", text(&nowhere)?, "--backup", text(&backup)?]);
        let without_key = Ran::of(&mut command)?.ended(2)?;
        ensure!(without_key.err.contains("--root-key"), "{without_key:?}");
        let mut new = scene.broker.restored(&backup, to).await?;
        new.serve()?;
        scene.admin = new.admin().await?;
        scene.broker = new;
        scene.agent().await?;
        scene.broker.run(&["verify", "--state"])?.ended(0)?;
    }
    Ok(())
}

/// Whoever reads a backup needs the root key, and the audit trail says who had it.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_by_another_root_key_is_refused() -> Result<()> {
    let mut scene = Scene::set(Engine::Sqlite).await?;
    let other = Scene::set(Engine::Sqlite).await?;
    let foreign = backed_up(&other.broker)?;
    scene.broker.stop()?;
    emptied(&scene.broker).await?;
    let ran = scene.broker.run(&["restore", "--backup", text(&foreign)?])?.ended(2)?;
    ensure!(ran.err.contains("root key"), "{ran:?}");
    ensure!(!scene.broker.data().join("secretref.db").exists(), "something was made");
    Ok(())
}
