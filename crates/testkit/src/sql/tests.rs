use super::*;
use crate::postgres;

async fn counts_and_refuses_to_hit_nothing(url: &str) {
    let mut sql = Sql::connect(url).await.expect("a connection");
    sql.run("CREATE TABLE rows (number BIGINT)").await.expect("a table");
    sql.tamper("INSERT INTO rows VALUES (7)").await.expect("one row");
    assert_eq!(sql.number("SELECT number FROM rows").await.expect("a number"), 7);
    let error = sql.tamper("DELETE FROM rows WHERE number = 8").await.expect_err("no such row");
    assert!(error.to_string().contains("hit no row"), "{error}");
    assert!(sql.run("SELECT nonsense FROM rows").await.is_err());
}

#[tokio::test]
async fn both_engines_are_reached() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("test.db");
    std::fs::write(&file, b"").expect("a file");
    counts_and_refuses_to_hit_nothing(&format!("sqlite://{}", file.display())).await;
    counts_and_refuses_to_hit_nothing(&postgres::database().await.expect("a database")).await;
}
