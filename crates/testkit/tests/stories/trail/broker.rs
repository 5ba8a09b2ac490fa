//! The same with a real broker and its database.

use crate::scene::{STRIPE, Scene};
use anyhow::{Context, Result, ensure};
use secretref_testkit::{
    broker::Broker,
    cli::{Cli, Ran},
    engine::Engine,
    on_both_engines,
    process::binary,
    sql::Sql,
    wait::DEADLINE,
};
use std::{fs, path::Path, process::Command};
use tempfile::TempDir;

on_both_engines!(
    a_trail_is_verified_by_its_reader_by_its_file_and_in_its_database,
    what_is_done_to_the_database_is_found,
    a_trail_that_was_set_back_is_known_by_a_checkpoint_that_was_kept,
    an_altered_trail_is_not_signed,
);

/// A database with several checkpoints: a broker signs what there is when it stops.
pub(super) async fn signed(engine: Engine) -> Result<(Scene, Cli)> {
    let mut scene = Scene::set(engine).await?;
    let cli = Cli::of(&scene.broker)?;
    for round in 0..2 {
        for number in 0..5 {
            let value = format!("value {round} {number}");
            cli.run_with(&["put", STRIPE], value.as_bytes())?.ended(0)?;
        }
        scene.broker.stop()?;
        scene.broker.serve()?;
    }
    Ok((scene, cli))
}

/// `secretref-broker verify`.
pub(super) fn in_database(broker: &Broker, more: &[&str]) -> Result<Ran> {
    broker.run(&[&["verify"], more].concat())
}

/// `secretref audit verify --file`, in a folder with nothing else and without a broker.
fn by_file(file: &Path, key: &str) -> Result<Ran> {
    by_files(&[file], key)
}

/// The same with several files.
pub(super) fn by_files(files: &[&Path], key: &str) -> Result<Ran> {
    let folder = TempDir::new()?;
    Ran::of(
        Command::new(binary("secretref")?)
            .args(["audit", "verify", "--json", "--key", key, "--file"])
            .args(files)
            .current_dir(&folder)
            .env_clear()
            .env("HOME", folder.path()),
    )
}

async fn a_trail_is_verified_by_its_reader_by_its_file_and_in_its_database(
    engine: Engine,
) -> Result<()> {
    let (scene, cli) = signed(engine).await?;
    let found = cli.run(&["audit", "verify", "--json"])?.ended(0)?.json()?;
    ensure!(found["verdict"] == "ok" && found["lanes"] == 1, "{found}");
    ensure!(found["checkpoints"].as_u64() >= Some(2), "{found}");
    let entries = found["entries"].as_u64().context("no number")?;
    ensure!(entries >= 12, "{found}");
    in_database(&scene.broker, &[])?.ended(0)?;
    // Whoever is given the key needs no root key.
    let key = cli.run(&["audit", "key"])?.ended(0)?.out;
    let written = fs::read_to_string(scene.broker.data().join("admin/audit.pub"))?;
    ensure!(key == written, "{key} is not what init wrote: {written}");
    in_database(&scene.broker, &["--key", &key])?.ended(0)?;
    let folder = TempDir::new()?;
    let file = folder.path().join("trail.jsonl");
    let path = file.to_str().context("no text")?;
    cli.run(&["audit", "export", "--out", path])?.ended(0)?;
    // It is not written over.
    cli.run(&["audit", "export", "--out", path])?.ended(2)?;
    let off_line = by_file(&file, &key)?.ended(0)?.json()?;
    ensure!(off_line["entries"].as_u64() >= Some(entries), "{off_line}");
    // One character of an entry is another, and a line is not there.
    let text = fs::read_to_string(&file)?;
    let changed = text.replacen("\"canonical\":\"AQ", "\"canonical\":\"Ag", 1);
    ensure!(changed != text, "there is no entry");
    fs::write(&file, changed)?;
    by_file(&file, &key)?.ended(10)?;
    let without: Vec<&str> =
        text.lines().enumerate().filter(|(at, _)| *at != 4).map(|it| it.1).collect();
    fs::write(&file, without.join("\n") + "\n")?;
    by_file(&file, &key)?.ended(11)?;
    fs::write(&file, &text[..text.len() / 2])?;
    by_file(&file, &key)?.ended(12)?;
    fs::write(&file, text)?;
    let (other, _) = signed(Engine::Sqlite).await?;
    let of_another = fs::read_to_string(other.broker.data().join("admin/audit.pub"))?;
    by_file(&file, &of_another)?.ended(13)?;
    Ok(())
}

async fn what_is_done_to_the_database_is_found(engine: Engine) -> Result<()> {
    let tamperings = [
        (10, "UPDATE audit SET hash = (SELECT hash FROM audit WHERE seq = 2) WHERE seq = 3"),
        (11, "UPDATE audit SET entry = (SELECT entry FROM audit WHERE seq = 2) WHERE seq = 3"),
        (11, "DELETE FROM audit WHERE seq = 3"),
        (12, "DELETE FROM audit WHERE seq >= 3"),
        (11, "DELETE FROM audit_checkpoints WHERE follows = 0"),
        (13, "UPDATE audit_checkpoints SET note = replace(note, 'after 0', 'after  0')"),
    ];
    for (code, statement) in tamperings {
        let (scene, cli) = signed(engine).await?;
        let mut sql = Sql::connect(&scene.broker.database_url()).await?;
        sql.tamper(statement).await?;
        let by_reader = cli.run(&["audit", "verify", "--json"])?;
        let in_it = in_database(&scene.broker, &[])?;
        ensure!(
            (by_reader.code, in_it.code) == (code, code),
            "{statement}: {by_reader:?} {in_it:?}"
        );
        let found = by_reader.json()?;
        let located = statement.contains("audit_checkpoints") || found["first"] == 3;
        ensure!(located, "{statement}: {found}");
    }
    Ok(())
}

/// Somebody cuts the trail back and takes the checkpoints with it: only who kept one knows.
async fn a_trail_that_was_set_back_is_known_by_a_checkpoint_that_was_kept(
    engine: Engine,
) -> Result<()> {
    let (scene, cli) = signed(engine).await?;
    let folder = TempDir::new()?;
    let exported = cli.run(&["audit", "export"])?.ended(0)?.out;
    let mut notes = exported.lines().filter_map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(line["checkpoint"].as_str()?.to_owned())
    });
    let kept = folder.path().join("kept.txt");
    fs::write(&kept, notes.next_back().context("no checkpoint")?)?;
    let kept = kept.to_str().context("no text")?;
    cli.run(&["audit", "verify", "--checkpoint", kept])?.ended(0)?;
    in_database(&scene.broker, &["--checkpoint", kept])?.ended(0)?;
    let mut sql = Sql::connect(&scene.broker.database_url()).await?;
    let first = sql.number("SELECT min(size) FROM audit_checkpoints").await?;
    sql.tamper(&format!("DELETE FROM audit_checkpoints WHERE size > {first}")).await?;
    sql.tamper(&format!("DELETE FROM audit WHERE seq > {first}")).await?;
    cli.run(&["audit", "verify"])?.ended(0)?;
    cli.run(&["audit", "verify", "--checkpoint", kept])?.ended(12)?;
    in_database(&scene.broker, &["--checkpoint", kept])?.ended(12)?;
    Ok(())
}

/// A broker that is killed signs nothing; what is altered until it is back is not signed then.
async fn an_altered_trail_is_not_signed(engine: Engine) -> Result<()> {
    let (mut scene, cli) = signed(engine).await?;
    let mut sql = Sql::connect(&scene.broker.database_url()).await?;
    let size = loop {
        for number in 0..4 {
            cli.run_with(&["put", STRIPE], format!("unsigned {number}").as_bytes())?.ended(0)?;
        }
        scene.broker.kill9()?;
        let size = sql.number("SELECT max(size) FROM audit_checkpoints").await?;
        if sql.number("SELECT max(seq) FROM audit").await? >= size + 3 {
            break size;
        }
        // Ten seconds were over just then.
        scene.broker.serve()?;
    };
    let altered = size + 1;
    let bytes = "(SELECT entry FROM audit WHERE seq = 2)";
    sql.tamper(&format!("UPDATE audit SET entry = {bytes} WHERE seq = {altered}")).await?;
    scene.broker.serve()?;
    let broker = scene.broker.process().context("the broker does not run")?;
    let said = broker.wait_for_line("the audit trail is not signed", DEADLINE)?;
    ensure!(said.contains(&format!("entry {altered} of lane")), "{said}");
    ensure!(sql.number("SELECT max(size) FROM audit_checkpoints").await? == size);
    in_database(&scene.broker, &[])?.ended(11)?;
    Ok(())
}
