//! The older part of the trail goes into an archive and out of the database, and what is left is
//! still known to be what was written.

use super::broker::{by_files, in_database, signed};
use crate::scene::STRIPE;
use anyhow::{Context, Result, ensure};
use secretref_proto::v1::FollowAuditRequest;
use secretref_testkit::{
    broker::Broker,
    cli::{Cli, Ran},
    engine::Engine,
    on_both_engines,
    process::binary,
    sql::Sql,
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;
use tonic::Code;

on_both_engines!(
    what_is_archived_is_removed_and_the_rest_still_verifies,
    a_trail_that_begins_later_without_a_word_is_found,
);

/// After every entry that there is.
const LATER: &str = "2100-01-01";

/// `secretref-broker prune-trail`.
fn prune(url: &str, key: &str, archive: &Path) -> Result<Ran> {
    Ran::of(
        Command::new(binary("secretref-broker")?)
            .args(["prune-trail", "--key", key, "--archive"])
            .arg(archive)
            .env("SECRETREF_DATABASE_URL", url),
    )
}

/// An auditor besides the operator, who may not say that something is archived.
fn employ_auditor(cli: &Cli, folder: &Path) -> Result<()> {
    let role = ["--role", "auditor", "--save-profile", "auditor"];
    cli.run(&[&["admin", "create", "audrey"], &role[..]].concat())?.ended(0)?;
    let folder = folder.join("by-an-operator");
    let folder = folder.to_str().context("no text")?;
    let ran = cli.run(&["audit", "archive", "--dir", folder, "--before", LATER])?.ended(1)?;
    ensure!(ran.err.contains("it needs the auditor role"), "{ran:?}");
    Ok(())
}

/// Archives what is signed, and says where.
fn archive(cli: &Cli, folder: &Path) -> Result<PathBuf> {
    let folder = folder.to_str().context("no text")?;
    let archive = ["audit", "archive", "--dir", folder, "--before", LATER, "--json"];
    let ran = cli.run(&[&["--profile", "auditor"], &archive[..]].concat())?;
    let written = ran.ended(0)?.json()?;
    Ok(PathBuf::from(written["file"].as_str().context("no file")?))
}

/// Has what was written since signed: a broker does so when it stops.
fn sign(broker: &mut Broker) -> Result<()> {
    broker.stop()?;
    broker.serve()
}

async fn what_is_archived_is_removed_and_the_rest_still_verifies(engine: Engine) -> Result<()> {
    let (mut scene, cli) = signed(engine).await?;
    let key = cli.run(&["audit", "key"])?.ended(0)?.out;
    let (folder, url) = (TempDir::new()?, retention_url(&scene.broker).await?);
    employ_auditor(&cli, folder.path())?;
    let older = folder.path().join("older");
    let nothing =
        ["audit", "archive", "--before", "1d", "--dir", older.to_str().context("no text")?];
    let ran = cli.run(&nothing)?.ended(0)?;
    ensure!(ran.out.is_empty() && ran.err.contains("nothing of the trail is older"), "{ran:?}");
    let first = archive(&cli, folder.path())?;
    let whole = by_files(&[&first], &key)?.ended(0)?.json()?;
    ensure!(whole["unsigned"] == 0 && whole["begins_after"].is_null(), "{whole}");
    // The word that it is archived is not signed yet, and could be anybody's.
    let ran = prune(&url, &key, &first)?.ended(2)?;
    ensure!(ran.err.contains("no signed entry"), "{ran:?}");
    sign(&mut scene.broker)?;
    let ran = prune(&url, &key, &first)?.ended(0)?;
    ensure!(ran.out.contains("removed"), "{ran:?}");
    // Once more, as after an end half way.
    prune(&url, &key, &first)?.ended(0)?;

    let found = cli.run(&["audit", "verify", "--json"])?.ended(0)?.json()?;
    ensure!(found["begins_after"] == whole["entries"], "{found} after {whole}");
    in_database(&scene.broker, &[])?.ended(0)?;
    // The broker goes on from it, also from anew.
    cli.run_with(&["put", STRIPE], b"after the archive")?.ended(0)?;
    sign(&mut scene.broker)?;
    let second = archive(&cli, folder.path())?;
    by_files(&[&second], &key)?.ended(0)?;
    let rest = folder.path().join("rest.jsonl");
    let path = rest.to_str().context("no text")?;
    cli.run(&["audit", "export", "--out", path])?.ended(0)?;
    let both = by_files(&[&first, &rest], &key)?.ended(0)?.json()?;
    ensure!(both["begins_after"].is_null(), "{both}");
    by_files(&[&first, &second], &key)?.ended(0)?;
    by_files(&[&second, &first], &key)?.ended(13)?;
    // Of another archive there is no word, nor of this one with a byte more.
    let text = fs::read_to_string(&second)?;
    fs::write(&second, text.replacen("\"segment\":true", "\"segment\": true", 1))?;
    sign(&mut scene.broker)?;
    prune(&url, &key, &second)?.ended(2)?;
    fs::write(&second, &text[..text.len() - 2])?;
    prune(&url, &key, &second)?.ended(12)?;
    fs::write(&second, text)?;
    prune(&url, &key, &second)?.ended(0)?;
    cli.run(&["audit", "verify"])?.ended(0)?;
    // What is gone is not passed over in silence.
    let traced = cli.run(&["impact", STRIPE, "--json"])?.ended(0)?.json()?;
    ensure!(traced["examined_since"].is_string(), "{traced}");
    let lane = scene.broker.id()?.simple().to_string();
    let request =
        FollowAuditRequest { position: format!("{lane}.1"), ..FollowAuditRequest::default() };
    let admin = scene.broker.admin().await?;
    let mut stream = admin.audit().follow_audit(request).await?.into_inner();
    let refused = stream.message().await.err().context("it was followed")?;
    ensure!(refused.code() == Code::FailedPrecondition, "{refused:?}");
    Ok(())
}

/// What somebody cut off at the front, with a checkpoint to begin at, was archived by nobody.
async fn a_trail_that_begins_later_without_a_word_is_found(engine: Engine) -> Result<()> {
    let (scene, cli) = signed(engine).await?;
    let mut sql = Sql::connect(&scene.broker.database_url()).await?;
    let first = sql.number("SELECT MIN(size) FROM audit_checkpoints").await?;
    sql.tamper(&format!("INSERT INTO audit_beginning (id, size) VALUES (1, {first})")).await?;
    sql.tamper(&format!("DELETE FROM audit WHERE seq < {first}")).await?;
    let ran = cli.run(&["audit", "verify"])?.ended(11)?;
    ensure!(ran.err.contains("no signed entry says that they were archived"), "{ran:?}");
    in_database(&scene.broker, &[])?.ended(11)?;
    Ok(())
}

/// Brokers add to the trail and cannot change it; who removes from it cannot add.
#[tokio::test(flavor = "multi_thread")]
async fn the_roles_of_postgres_may_do_no_more_than_they_have_to() -> Result<()> {
    let (mut scene, cli) = signed(Engine::Postgres).await?;
    let own = scene.broker.database_url();
    let key = cli.run(&["audit", "key"])?.ended(0)?.out;
    let retention = retention_url(&scene.broker).await?;
    let broker = as_role(&own, "secretref_broker")?;
    scene.broker.stop()?;
    scene.broker.connect_by(&broker)?;
    scene.broker.serve()?;
    // It serves, writes, signs, and may still not rewrite.
    let folder = TempDir::new()?;
    employ_auditor(&cli, folder.path())?;
    cli.run_with(&["put", STRIPE], b"by its own role")?.ended(0)?;
    let archived = archive(&cli, folder.path())?;
    sign(&mut scene.broker)?;
    cli.run(&["audit", "verify"])?.ended(0)?;
    for table in ["audit", "audit_checkpoints", "audit_tree", "authority_log"] {
        for statement in [format!("DELETE FROM {table}"), format!("TRUNCATE {table}")] {
            denied(&broker, &statement).await?;
        }
    }
    denied(&broker, "UPDATE audit SET hash = hash").await?;
    denied(&broker, "INSERT INTO audit_beginning (id, size) VALUES (1, 1)").await?;
    for statement in [
        "INSERT INTO audit SELECT lane, seq + 1000, at, entry, hash FROM audit",
        "UPDATE audit SET hash = hash",
        "SELECT COUNT(*) FROM secret_versions",
    ] {
        denied(&retention, statement).await?;
    }
    for url in [&own, &broker] {
        let ran = prune(url, &key, &archived)?.ended(2)?;
        ensure!(ran.err.contains("may write the audit trail"), "{ran:?}");
    }
    prune(&retention, &key, &archived)?.ended(0)?;
    cli.run(&["audit", "verify"])?.ended(0)?;
    Ok(())
}

async fn denied(url: &str, statement: &str) -> Result<()> {
    let refused = Sql::connect(url).await?.run(statement).await;
    let refused = refused.err().with_context(|| format!("{statement} was done"))?;
    ensure!(format!("{refused:#}").contains("permission denied"), "{statement}: {refused:#}");
    Ok(())
}

/// The URL of whoever may remove entries: of the role for it, where the engine has roles.
async fn retention_url(broker: &Broker) -> Result<String> {
    let own = broker.database_url();
    if own.starts_with("sqlite://") {
        return Ok(own);
    }
    let mut sql = Sql::connect(&own).await?;
    sql.script(include_str!("../../../../../docs/postgres-roles.sql")).await?;
    for role in ["secretref_broker", "secretref_retention"] {
        sql.run(&format!("ALTER ROLE {role} PASSWORD '{PASSWORD}'")).await?;
    }
    as_role(&own, "secretref_retention")
}

/// The same database, as another role.
fn as_role(url: &str, role: &str) -> Result<String> {
    let address = url.rsplit_once('@').context("no address")?.1;
    Ok(format!("postgres://{role}:{PASSWORD}@{address}"))
}

const PASSWORD: &str = "of-a-test";
