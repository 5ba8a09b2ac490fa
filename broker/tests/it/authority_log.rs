//! Somebody writes the database past the broker, into what says who may have what: the broker does
//! not open it, and says where it broke.

use crate::place::{Place, ada, apply, join, manifest, put, read};
use anyhow::{Result, ensure};
use secretref_broker::custody::CustodyError;
use secretref_testkit::{engine::Engine, on_both_engines, sql::Sql};

on_both_engines!(
    a_log_that_was_edited_is_not_opened,
    a_log_that_was_cut_or_moved_is_not_opened,
    a_head_that_was_edited_is_not_opened,
    a_log_that_was_rolled_back_is_not_opened,
    records_beyond_the_head_are_not_believed,
    swapped_keys_open_nothing,
);

/// A log of six revisions: two puts, an agent and its ref in one, a token, an instance, a put.
async fn written(engine: Engine) -> Result<(Place, Sql)> {
    let place = Place::found(engine).await?;
    let custody = place.open().await?;
    custody.put(&ada(), put("a", b"one"), None).await?;
    custody.put(&ada(), put("b", b"one"), None).await?;
    apply(&custody, &manifest("worker", &["a", "b"])).await?;
    join(&custody, "worker").await?;
    custody.put(&ada(), put("a", b"two"), None).await?;
    drop(custody);
    let mut sql = place.sql().await?;
    let revisions = sql.number("SELECT max(revision) FROM authority_log").await?;
    ensure!(revisions == 6, "{revisions} revisions");
    // Whole, it opens: what follows is refused for what was done to it.
    drop(place.open().await?);
    Ok((place, sql))
}

/// Opens, and wants a refusal that says all of this.
async fn is_refused(place: &Place, what: &str, says: &[&str]) -> Result<()> {
    let Err(error) = place.open().await else { anyhow::bail!("{what}: it was opened") };
    let text = format!("{error:#}");
    for part in says {
        ensure!(text.contains(part), "{what}: {text:?} does not say {part:?}");
    }
    Ok(())
}

/// Each statement, on a log of its own.
async fn each_is_refused(engine: Engine, cases: &[(&str, &[&str])]) -> Result<()> {
    for (statement, says) in cases {
        let (place, mut sql) = written(engine).await?;
        for statement in statement.split(';') {
            sql.tamper(statement).await?;
        }
        is_refused(&place, statement, says).await?;
    }
    Ok(())
}

async fn a_log_that_was_edited_is_not_opened(engine: Engine) -> Result<()> {
    let cases: [(&str, &[&str]); 5] = [
        (
            "UPDATE authority_log SET record = (SELECT record FROM authority_log AS other \
             WHERE other.revision = 1) WHERE revision = 2",
            &["not whole", "r2 position 0"],
        ),
        (
            "UPDATE authority_log SET mac = (SELECT mac FROM authority_log AS other \
             WHERE other.revision = 1) WHERE revision = 2",
            &["not whole", "r2 position 0"],
        ),
        (
            "UPDATE authority_log SET revision = 100 WHERE revision = 1;\
             UPDATE authority_log SET revision = 1 WHERE revision = 2;\
             UPDATE authority_log SET revision = 2 WHERE revision = 100",
            &["not whole", "r1 position 0"],
        ),
        (
            "UPDATE authority_log SET position = position + 1 WHERE revision = 4",
            &["not whole", "r4 position 1"],
        ),
        (
            "INSERT INTO authority_log (revision, position, record, mac) SELECT revision, 1, \
             record, mac FROM authority_log WHERE revision = 2",
            &["not whole", "r2 position 1"],
        ),
    ];
    each_is_refused(engine, &cases).await
}

async fn a_log_that_was_cut_or_moved_is_not_opened(engine: Engine) -> Result<()> {
    let cases: [(&str, &[&str]); 4] = [
        ("DELETE FROM authority_log WHERE revision = 6", &["ends at r5", "head says r6"]),
        ("DELETE FROM authority_log WHERE revision = 2", &["not whole", "from r3"]),
        ("DELETE FROM authority_log WHERE revision = 1", &["not whole", "from r2"]),
        ("DELETE FROM authority_log", &["ends at r0", "head says r6"]),
    ];
    each_is_refused(engine, &cases).await
}

async fn a_head_that_was_edited_is_not_opened(engine: Engine) -> Result<()> {
    let cases: [(&str, &[&str]); 4] = [
        (
            "UPDATE head SET mac = (SELECT mac FROM authority_log WHERE revision = 1)",
            &["not whole", "head"],
        ),
        ("UPDATE head SET revision = 7", &["ends at r6", "head says r7"]),
        (
            "UPDATE head SET epoch = (SELECT secret FROM secret_versions \
             WHERE version = 2)",
            &["not whole", "r1 position 0"],
        ),
        ("DELETE FROM head", &["init"]),
    ];
    each_is_refused(engine, &cases).await
}

/// The older state is whole in itself: what gives it away is the audit trail, which has seen more.
async fn a_log_that_was_rolled_back_is_not_opened(engine: Engine) -> Result<()> {
    let head = "UPDATE head SET revision = 4, mac = (SELECT mac FROM authority_log \
                WHERE revision = 4)";
    let truncated = format!("{head};DELETE FROM authority_log WHERE revision > 4");
    let sealed = format!("{truncated};DELETE FROM secret_versions WHERE version = 2");
    let says: &[&str] = &["ends at r4", "has seen r6", "rolled back"];
    each_is_refused(engine, &[(head, says), (&truncated, says), (&sealed, says)]).await?;
    let cases: [(&str, &[&str]); 2] = [
        ("DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)", &["not whole"]),
        ("UPDATE audit_lanes SET seq = seq - 1", &["not whole"]),
    ];
    each_is_refused(engine, &cases).await
}

/// Records after the head might be another broker's, that came since; they are read when the head
/// says so, and only if they are that broker's.
async fn records_beyond_the_head_are_not_believed(engine: Engine) -> Result<()> {
    let (place, mut sql) = written(engine).await?;
    sql.tamper(
        "INSERT INTO authority_log (revision, position, record, mac) SELECT 7, 0, record, mac \
         FROM authority_log WHERE revision = 1",
    )
    .await?;
    let custody = place.open().await?;
    ensure!(read(&custody, "a").await? == b"two", "a forged record was believed");
    let outcome = custody.put(&ada(), put("c", b"one"), None).await;
    ensure!(matches!(outcome, Err(CustodyError::Store(_))), "{outcome:?}");
    sql.tamper("UPDATE head SET revision = 7").await?;
    let outcome = custody.put(&ada(), put("c", b"one"), None).await;
    ensure!(matches!(outcome, Err(CustodyError::Store(_))), "{outcome:?}");
    // A broker that cannot tell what came since records nothing, so it serves nothing.
    let outcome = read(&custody, "a").await;
    ensure!(matches!(outcome, Err(CustodyError::Store(_))), "{outcome:?}");
    drop(custody);
    is_refused(&place, "a forged record", &["not whole", "r7 position 0"]).await
}

async fn swapped_keys_open_nothing(engine: Engine) -> Result<()> {
    for (one, other) in [("mac-key", "audit-key"), ("authority", "mac-key")] {
        let (place, mut sql) = written(engine).await?;
        let content = format!("(SELECT content FROM vault AS other WHERE other.name = '{other}')");
        sql.tamper(&format!("UPDATE vault SET content = {content} WHERE name = '{one}'")).await?;
        is_refused(&place, one, &[]).await?;
    }
    for name in ["mac-key", "audit-key", "authority", "kek-check", "kek-id"] {
        let (place, mut sql) = written(engine).await?;
        let edited = match engine {
            Engine::Sqlite => "CAST(zeroblob(1) || substr(content, 2) AS BLOB)",
            Engine::Postgres => "set_byte(content, 0, 255 - get_byte(content, 0))",
        };
        // The first byte of a UUID or a hash may be zero by chance, and then nothing is edited.
        let edit = format!("UPDATE vault SET content = {edited} WHERE name = '{name}'");
        let before = sql.blobs(&format!("SELECT content FROM vault WHERE name = '{name}'")).await?;
        sql.tamper(&edit).await?;
        let after = sql.blobs(&format!("SELECT content FROM vault WHERE name = '{name}'")).await?;
        if before != after {
            is_refused(&place, name, &[]).await?;
        }
    }
    Ok(())
}
