//! Two brokers over one database: the one that works on a rotation is killed in the middle of it,
//! and the other takes it over once its lease has ended, and brings it to its end.
//!
//! Both run at the same time over Postgres; a file is one broker's at a time, so over SQLite the
//! other is started when the first is dead, and finds its lease.

use super::Stage;
use crate::scene::{AGENT, STRIPE, STRIPE_FILE};
use anyhow::{Context, Result, ensure};
use secretref_proto::v1::{Rotation, RotationPhase};
use secretref_testkit::{
    broker::Broker,
    engine::Engine,
    on_both_engines,
    peer::{self, Watcher},
    wait::eventually,
};
use serde_json::{Value, json};
use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
};
use tempfile::TempDir;

on_both_engines!(
    one_that_dies_while_it_mints_leaves_one_credential,
    one_that_dies_while_agents_are_pushed_to_leaves_nobody_behind,
);

/// A service that makes one key for each rotation, however often it is asked; it writes down what
/// it was asked, and what it made. Its first key takes until `go` is there.
const PROGRAM: &str = r#"#!/bin/sh
request=$(cat)
of() { printf %s "$request" | jq --raw-output "$1"; }
rotation=$(of .rotation)
echo "$(of .verb) $rotation" >> SERVICE/asked
if [ "$(of .verb)" = mint ]; then
    if ! [ -e "SERVICE/key-$rotation" ]; then
        echo "$rotation" >> SERVICE/made
        echo "of-$rotation" > "SERVICE/key-$rotation"
    fi
    until [ -e SERVICE/go ]; do sleep 0.02; done
    jq --null-input --arg value "$(cat "SERVICE/key-$rotation")" \
        '{protocolVersion: 1, ok: true, value: $value}'
else
    echo '{"protocolVersion":1,"ok":true}'
fi
"#;

/// A broker with that service, and what the service wrote down.
async fn set(engine: Engine) -> Result<(Stage, TempDir)> {
    let service = tempfile::tempdir()?;
    let mut manifest = super::manifest(json!({"rotator": "service"}), json!({}));
    let rotator = json!({"type": "exec", "command": "service.sh"});
    manifest["secrets"]["rotators"] = json!({"service": rotator});
    let stage = Stage::set(engine, &manifest).await?;
    let program = stage.broker.providers().join("service.sh");
    fs::write(&program, PROGRAM.replace("SERVICE", &service.path().display().to_string()))?;
    fs::set_permissions(&program, Permissions::from_mode(0o700))?;
    Ok((stage, service))
}

fn lines(service: &Path, of: &str) -> Result<Vec<String>> {
    let text = fs::read_to_string(service.join(of)).unwrap_or_default();
    Ok(text.lines().map(str::to_owned).collect())
}

/// The first one dies, and the other is there.
async fn dies(stage: Stage, engine: Engine) -> Result<(Stage, Broker)> {
    let Stage { broker: mut first, .. } = stage;
    let mut other = first.another()?;
    if engine == Engine::Postgres {
        other.serve()?;
    }
    first.kill9()?;
    if engine == Engine::Sqlite {
        other.serve()?;
    }
    let admin = other.admin().await?;
    // The dead one's folder stays: with an embedded store the database is in it.
    Ok((Stage::of(other, admin)?, first))
}

fn waits(rotation: &Rotation, what: &str) -> bool {
    matches!(rotation.waits.as_slice(), [wait] if wait.what == what)
}

/// Who did this, as the trail has it.
async fn who(stage: &Stage, action: &str) -> Result<Vec<String>> {
    let trail: Vec<Value> = stage
        .cli
        .run(&["audit", "log", "--secret", STRIPE, "--json"])?
        .ended(0)?
        .out
        .lines()
        .map(serde_json::from_str)
        .collect::<serde_json::Result<_>>()?;
    let of = trail.iter().filter(|it| it["action"] == action);
    Ok(of.filter_map(|it| Some(it["actor"].as_str()?.to_owned())).collect())
}

async fn one_that_dies_while_it_mints_leaves_one_credential(engine: Engine) -> Result<()> {
    let (stage, service) = set(engine).await?;
    let begun = stage.start().await?;
    eventually("the service has made a key", async || {
        Ok((lines(service.path(), "made")?.len() == 1).then_some(()))
    })
    .await?;
    let (stage, _dead) = dies(stage, engine).await?;
    fs::write(service.path().join("go"), "")?;
    let done = stage.comes_to(RotationPhase::Finished).await?;
    ensure!(done.uid == begun.uid && done.new_version == 2, "{done:?}");
    // It was asked twice for one, and made one.
    let asked = lines(service.path(), "asked")?;
    let minted = asked.iter().filter(|it| **it == format!("mint {}", begun.uid)).count();
    ensure!(minted == 2, "{asked:?}");
    ensure!(lines(service.path(), "made")? == [begun.uid.clone()], "{asked:?}");
    ensure!(stage.versions()? == ["current", "destroyed"], "{:?}", stage.versions()?);
    let get = ["get", STRIPE, "--reveal", "--reason", "takeover"];
    let value = stage.cli.run(&get)?.ended(0)?.out;
    ensure!(value.trim_end() == format!("of-{}", begun.uid), "it is another key");
    let other = format!("broker:{}", stage.broker.id()?);
    for action in ["rotation.mint", "rotation.promote", "rotation.revoke"] {
        ensure!(who(&stage, action).await? == [other.clone()], "{action} was another's");
    }
    Ok(())
}

async fn one_that_dies_while_agents_are_pushed_to_leaves_nobody_behind(
    engine: Engine,
) -> Result<()> {
    let (stage, service) = set(engine).await?;
    fs::write(service.path().join("go"), "")?;
    let address = stage.broker.listening().agents.to_string();
    let credentials = peer::enrolled(&address, &stage.admin.token(AGENT).await?).await?;
    let mut watcher = Watcher::open(&address, &credentials).await?;
    let (nonce, entries) = watcher.manifest().await?;
    watcher.acknowledge(nonce, &entries).await?;
    let begun = stage.start().await?;
    stage.until("waits for the agent", |it| waits(it, "is on v1")).await?;
    let first = format!("broker:{}", stage.broker.id()?);
    let (stage, _dead) = dies(stage, engine).await?;
    let other = format!("broker:{}", stage.broker.id()?);
    // The agent finds the other one, and gets there what it was to get.
    let address = stage.broker.listening().agents.to_string();
    let mut watcher = Watcher::open(&address, &credentials).await?;
    let (nonce, entries) = watcher.manifest().await?;
    let key = entries.iter().find(|it| it.name == STRIPE).context("it was not sent the key")?;
    ensure!(key.version == 2, "{STRIPE_FILE} is v{}", key.version);
    stage.until("waits for it still", |it| waits(it, "is putting v2 in place")).await?;
    ensure!(stage.versions()? == ["pending", "current"], "{:?}", stage.versions()?);
    watcher.acknowledge(nonce, &entries).await?;
    let done = stage.comes_to(RotationPhase::Finished).await?;
    ensure!(done.uid == begun.uid && done.proofs.len() == 1, "{done:?}");
    ensure!(lines(service.path(), "made")? == [begun.uid.clone()], "made twice");
    ensure!(who(&stage, "rotation.mint").await? == [first], "minted by the other");
    ensure!(who(&stage, "rotation.revoke").await? == [other], "revoked by the first");
    Ok(())
}
