//! Somebody writes the database past the broker: what was moved, edited, rolled back or deleted is
//! refused, and everything else goes on.

use crate::scene::{SLACK, SLACK_FILE, STRIPE, STRIPE_FILE, Scene};
use anyhow::{Result, bail, ensure};
use secretref_proto::v1::AccessSecretVersionRequest;
use secretref_testkit::{engine::Engine, on_both_engines, sql::Sql, wait::DEADLINE};
use tonic::{Code, Status};

on_both_engines!(
    moved_rows_are_refused,
    edited_rows_are_refused,
    rolled_back_rows_are_refused,
    a_deleted_row_is_missed,
    an_edited_log_keeps_the_broker_from_starting,
    a_shortened_log_keeps_the_broker_from_starting,
    an_edited_audit_lane_keeps_the_broker_from_starting,
);

/// The row of a version, found by its revision's order: the first put was Stripe's, the second
/// Slack's, and SQL need not know the identities that stand in the row.
async fn rows(sql: &mut Sql) -> Result<()> {
    let count = sql.number("SELECT count(*) FROM secret_versions").await?;
    ensure!(count == 2, "{count} rows");
    Ok(())
}

async fn read(scene: &Scene, name: &str) -> Result<Vec<u8>, Status> {
    let request = AccessSecretVersionRequest {
        name: name.to_owned(),
        reason: "a story".to_owned(),
        ..AccessSecretVersionRequest::default()
    };
    let answer = scene.admin.secrets().access_secret_version(request).await?;
    Ok(answer.into_inner().value)
}

/// Restarts the broker, so that nothing is answered from memory.
async fn restarted(scene: &mut Scene) -> Result<()> {
    scene.broker.stop()?;
    scene.broker.serve()?;
    scene.admin = scene.broker.admin().await?;
    Ok(())
}

fn refused(outcome: Result<Vec<u8>, Status>) -> Result<()> {
    match outcome {
        Ok(_) => bail!("a tampered row was opened"),
        Err(status) => {
            ensure!(status.code() == Code::DataLoss, "{status}");
            Ok(())
        }
    }
}

/// The two rows exchange a column: each is whole, and neither is in its place.
async fn moved_rows_are_refused(engine: Engine) -> Result<()> {
    for columns in [&["sealed"][..], &["wrapped"], &["sealed", "wrapped"]] {
        let mut scene = Scene::set(engine).await?;
        let mut sql = Sql::connect(&scene.broker.database_url()).await?;
        rows(&mut sql).await?;
        // From a copy: within one statement SQLite reads what it has already written.
        sql.run("CREATE TABLE copy AS SELECT secret, wrapped, sealed FROM secret_versions").await?;
        for column in columns {
            sql.tamper(&format!(
                "UPDATE secret_versions SET {column} = (SELECT copy.{column} FROM copy \
                 WHERE copy.secret <> secret_versions.secret)"
            ))
            .await?;
        }
        sql.run("DROP TABLE copy").await?;
        restarted(&mut scene).await?;
        refused(read(&scene, STRIPE).await)?;
        refused(read(&scene, SLACK).await)?;
    }
    Ok(())
}

/// One byte of a row is another.
async fn edited_rows_are_refused(engine: Engine) -> Result<()> {
    for column in ["sealed", "wrapped"] {
        let mut scene = Scene::set(engine).await?;
        let mut sql = Sql::connect(&scene.broker.database_url()).await?;
        let flipped = match engine {
            Engine::Sqlite => format!(
                "CAST(substr({column}, 1, length({column}) - 1) || \
                 CASE substr({column}, -1) WHEN x'00' THEN x'01' ELSE x'00' END AS BLOB)"
            ),
            Engine::Postgres => format!(
                "set_byte({column}, length({column}) - 1, \
                 get_byte({column}, length({column}) - 1) # 1)"
            ),
        };
        let one = "SELECT min(secret) FROM secret_versions";
        let one = match engine {
            Engine::Sqlite => one.to_owned(),
            Engine::Postgres => "SELECT secret FROM secret_versions ORDER BY 1 LIMIT 1".to_owned(),
        };
        sql.tamper(&format!(
            "UPDATE secret_versions SET {column} = {flipped} WHERE secret = ({one})"
        ))
        .await?;
        restarted(&mut scene).await?;
        let outcomes = [read(&scene, STRIPE).await, read(&scene, SLACK).await];
        let good = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        ensure!(good == 1, "{good} of two rows can be read, one was edited");
        for outcome in outcomes.into_iter().filter(Result::is_err) {
            refused(outcome)?;
        }
    }
    Ok(())
}

/// An older version's row stands in the newer one's place.
async fn rolled_back_rows_are_refused(engine: Engine) -> Result<()> {
    let mut scene = Scene::set(engine).await?;
    scene.admin.put(STRIPE, b"stripe-2").await?;
    let mut sql = Sql::connect(&scene.broker.database_url()).await?;
    for column in ["sealed", "wrapped"] {
        sql.tamper(&format!(
            "UPDATE secret_versions SET {column} = (SELECT older.{column} \
             FROM secret_versions AS older \
             WHERE older.secret = secret_versions.secret AND older.version = 1) \
             WHERE version = 2"
        ))
        .await?;
    }
    restarted(&mut scene).await?;
    refused(read(&scene, STRIPE).await)?;
    ensure!(read(&scene, SLACK).await? == b"slack-1", "the other is not served");
    let agent =
        secretref_testkit::agent::Agent::enrolled(&scene.broker, &scene.admin, crate::scene::AGENT)
            .await?;
    agent.file_becomes(SLACK_FILE, b"slack-1").await?;
    ensure!(agent.read(STRIPE_FILE)?.is_none(), "a rolled-back value was delivered");
    Ok(())
}

async fn a_deleted_row_is_missed(engine: Engine) -> Result<()> {
    let mut scene = Scene::set(engine).await?;
    scene.admin.put(STRIPE, b"stripe-2").await?;
    let mut sql = Sql::connect(&scene.broker.database_url()).await?;
    sql.tamper("DELETE FROM secret_versions WHERE version = 2").await?;
    restarted(&mut scene).await?;
    refused(read(&scene, STRIPE).await)?;
    ensure!(read(&scene, SLACK).await? == b"slack-1", "the other is not served");
    Ok(())
}

/// The broker ends, or stays sealed, and says that the database is not whole.
async fn does_not_start(mut scene: Scene, statement: &str, says: &str) -> Result<()> {
    scene.broker.stop()?;
    let mut sql = Sql::connect(&scene.broker.database_url()).await?;
    sql.tamper(statement).await?;
    let process = scene.broker.spawn()?;
    process.wait_for_line(says, DEADLINE)?;
    let listens = std::net::TcpStream::connect(scene.broker.listening().agents).is_ok();
    ensure!(!listens, "it serves agents from a database that is not whole");
    Ok(())
}

async fn an_edited_log_keeps_the_broker_from_starting(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let newest = "SELECT max(revision) FROM authority_log";
    let older = "SELECT record FROM authority_log ORDER BY revision, position LIMIT 1";
    let statement =
        format!("UPDATE authority_log SET record = ({older}) WHERE revision = ({newest})");
    does_not_start(scene, &statement, "not whole").await
}

async fn a_shortened_log_keeps_the_broker_from_starting(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let newest = "SELECT max(revision) FROM authority_log";
    let statement = format!("DELETE FROM authority_log WHERE revision = ({newest})");
    does_not_start(scene, &statement, "not whole").await
}

async fn an_edited_audit_lane_keeps_the_broker_from_starting(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let statement = "DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)";
    does_not_start(scene, statement, "not whole").await
}
