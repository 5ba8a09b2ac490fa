//! The tables, held against the log of authority and the trail: whatever is put into them or taken
//! out of them by another hand is found.

use super::broker::{in_database, signed};
use crate::scene::{SLACK, STRIPE};
use anyhow::{Result, ensure};
use secretref_testkit::{engine::Engine, on_both_engines, sql::Sql};

on_both_engines!(tables_that_are_not_what_the_log_says_are_found);

async fn tables_that_are_not_what_the_log_says_are_found(engine: Engine) -> Result<()> {
    let (mut scene, cli) = signed(engine).await?;
    cli.run(&["destroy", STRIPE, "--version", "1"])?.ended(0)?;
    cli.run(&["delete", SLACK])?.ended(0)?;
    // Of a broker that serves, and of one that is stopped.
    let ran = in_database(&scene.broker, &["--state"])?.ended(0)?;
    ensure!(ran.out.contains("the tables are what the log of authority says"), "{ran:?}");
    scene.broker.stop()?;
    in_database(&scene.broker, &["--state"])?.ended(0)?;
    let mut sql = Sql::connect(&scene.broker.database_url()).await?;
    sql.run("CREATE TABLE kept AS SELECT * FROM secret_versions").await?;
    sql.run("CREATE TABLE log AS SELECT * FROM authority_log").await?;
    let of = "WHERE version = 3";
    let tamperings = [
        (format!("DELETE FROM secret_versions {of}"), "not in the database any more"),
        (
            format!("UPDATE secret_versions SET environment = 'other' {of}"),
            "belongs to another environment",
        ),
        (
            format!(
                "UPDATE secret_versions SET sealed = (SELECT sealed FROM kept WHERE version = 2) \
                 {of}"
            ),
            "not the row that was written",
        ),
        // Version 1 was destroyed: its row is there again, as if from a backup.
        (
            "INSERT INTO secret_versions SELECT secret, 1, environment, wrapped, sealed FROM kept \
             WHERE version = 2"
                .to_owned(),
            "was destroyed",
        ),
        (
            "UPDATE secret_versions SET version = 900 WHERE version = 3".to_owned(),
            "not in the database any more",
        ),
        ("DELETE FROM authority_log WHERE revision = 2".to_owned(), "authority log"),
        (
            "UPDATE authority_log SET record = (SELECT record FROM log WHERE revision = 2 AND \
             position = 0) WHERE revision = 3 AND position = 0"
                .to_owned(),
            "authority log",
        ),
        ("UPDATE head SET revision = revision - 1".to_owned(), "the head says"),
    ];
    for (statement, what) in &tamperings {
        sql.tamper(statement).await?;
        let ran = in_database(&scene.broker, &["--state"])?.ended(14)?;
        ensure!(ran.err.contains(what), "{statement}: {ran:?}");
        // The trail alone says nothing of it.
        in_database(&scene.broker, &[])?.ended(0)?;
        for (table, copy) in [("secret_versions", "kept"), ("authority_log", "log")] {
            sql.run(&format!("DELETE FROM {table}")).await?;
            sql.run(&format!("INSERT INTO {table} SELECT * FROM {copy}")).await?;
        }
        if statement.contains("head") {
            sql.run("UPDATE head SET revision = revision + 1").await?;
        }
    }
    in_database(&scene.broker, &["--state"])?.ended(0)?;
    Ok(())
}
