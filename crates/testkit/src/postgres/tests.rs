use super::*;
use sqlx::Row;
use std::path::{Path, PathBuf};

async fn one_text(url: &str, sql: &'static str) -> String {
    let mut connection = PgConnection::connect(url).await.expect("a connection");
    let row = sqlx::query(sql).fetch_one(&mut connection).await.expect("a row");
    row.get::<String, _>(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_committed_survives_the_death_of_all_its_processes() {
    let mut cluster = Postgres::start().expect("a cluster");
    let url = cluster.create_database().await.expect("a database");
    let mut connection = PgConnection::connect(&url).await.expect("a connection");
    for sql in ["CREATE TABLE kept (word text)", "INSERT INTO kept VALUES ('word')"] {
        sqlx::query(sql).execute(&mut connection).await.expect("a commit");
    }
    assert_eq!(one_text(&url, "SHOW fsync").await, "on");
    cluster.kill9().expect("a kill");
    assert!(PgConnection::connect(&url).await.is_err(), "a killed server answers");
    assert!(cluster.kill9().is_err(), "killed twice");
    cluster.restart().expect("a restart");
    assert_eq!(one_text(&url, "SELECT word FROM kept").await, "word");
    assert_eq!(one_text(&cluster.socket_url(), "SHOW fsync").await, "on");
}

#[tokio::test]
async fn the_password_is_needed_over_tcp() {
    let url = database().await.expect("a database");
    let mut parts = url.splitn(4, [':', '@']);
    let password = parts.nth(2).expect("a password");
    let wrong = url.replace(password, "wrong");
    assert!(PgConnection::connect(&wrong).await.is_err(), "any password is taken");
}

#[tokio::test]
async fn databases_of_two_tests_are_two() {
    let (one, other) = (database().await.expect("one"), database().await.expect("another"));
    assert_ne!(one, other);
    assert_ne!(
        one_text(&one, "SELECT current_database()::text").await,
        one_text(&other, "SELECT current_database()::text").await
    );
}

#[test]
fn a_stopped_cluster_leaves_no_process_and_no_folder() {
    let mut cluster = Postgres::start().expect("a cluster");
    let home: PathBuf = cluster.home.path().to_owned();
    let server = cluster.server.as_ref().expect("a server").pid();
    cluster.stop().expect("a stop");
    assert!(!Path::new(&format!("/proc/{server}")).exists(), "the server still runs");
    drop(cluster);
    assert!(!home.exists(), "the folder is still there");
}
