//! Migrations, and the first head.

use super::{EPOCH, Place, Store, StoreError};
use crate::store::{Head, migration, postgres::PostgresStore, sqlite::SqliteStore};
use secretref_domain::version::Revision;
use uuid::Uuid;

/// Runs a statement of the test's own, as a broker with another version would.
pub(super) async fn tamper(store: &Store, sql: &'static str) {
    match store {
        Store::Sqlite(SqliteStore { writers, .. }) => {
            sqlx::raw_sql(sql).execute(writers).await.map(drop)
        }
        Store::Postgres(PostgresStore { writers, .. }) => {
            sqlx::raw_sql(sql).execute(writers).await.map(drop)
        }
    }
    .unwrap();
}

pub(super) async fn migrating_twice_changes_nothing(place: Place) {
    let store = place.ready().await;
    let before = store.head().await.unwrap();
    store.migrate().await.unwrap();
    place.open().await.migrate().await.unwrap();
    assert_eq!(store.head().await.unwrap(), before);
    assert_eq!(migration::SQLITE.len(), migration::POSTGRES.len());
}

pub(super) async fn four_brokers_migrate_at_once(place: Place) {
    let mut brokers = Vec::new();
    for _ in 0..4 {
        let store = place.open().await;
        brokers.push(tokio::spawn(async move { store.migrate().await }));
    }
    for broker in brokers {
        broker.await.unwrap().unwrap();
    }
    assert_eq!(place.open().await.head().await.unwrap(), None);
}

pub(super) async fn a_newer_schema_is_refused(place: Place) {
    let store = place.ready().await;
    tamper(
        &store,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         SELECT 9000, 'of a newer broker', success, checksum, 0 FROM _sqlx_migrations \
         WHERE version = 1",
    )
    .await;
    match store.migrate().await {
        Err(StoreError::Damaged(why)) => {
            assert!(why.contains("9000") && why.contains("newer"), "{why}");
        }
        other => panic!("{other:?}"),
    }
}

pub(super) async fn another_text_of_a_migration_is_refused(place: Place) {
    let store = place.ready().await;
    let forge = match store {
        Store::Sqlite(_) => "UPDATE _sqlx_migrations SET checksum = x'00'",
        Store::Postgres(_) => r"UPDATE _sqlx_migrations SET checksum = '\x00'",
    };
    tamper(&store, forge).await;
    assert!(matches!(store.migrate().await, Err(StoreError::Damaged(_))));
}

pub(super) async fn without_tables_it_says_so(place: Place) {
    let store = place.open().await;
    for outcome in [store.head().await.map(drop), store.lock().await.map(drop)] {
        match outcome {
            Err(StoreError::Unusable(why)) => assert!(why.contains("migrate"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
    store.migrate().await.unwrap();
    assert_eq!(store.head().await.unwrap(), None);
    match store.lock().await.map(drop) {
        Err(StoreError::Unusable(why)) => assert!(why.contains("initialise"), "{why}"),
        other => panic!("{other:?}"),
    }
}

pub(super) async fn initialising_twice_is_refused(place: Place) {
    let store = place.ready().await;
    let first = Head { epoch: EPOCH, revision: Revision(0), mac: [0; 32] };
    assert_eq!(store.head().await.unwrap(), Some(first.clone()));
    let again = store.initialise(Uuid::from_u128(9), vec![("keyring".to_owned(), vec![9])]).await;
    assert!(matches!(again, Err(StoreError::NotEmpty)), "{again:?}");
    assert_eq!(store.head().await.unwrap(), Some(first));
    assert_eq!(store.vault("keyring").await.unwrap(), Some(b"sealed".to_vec()));
}

pub(super) async fn of_two_who_initialise_one_wins(place: Place) {
    let store = place.open().await;
    store.migrate().await.unwrap();
    let brokers = (1..=4_u8).map(|number| {
        let (store, vault) = (store.clone(), vec![("keyring".to_owned(), vec![number])]);
        tokio::spawn(async move {
            let outcome = store.initialise(Uuid::from_u128(number.into()), vault).await;
            (number, outcome)
        })
    });
    let mut winners = Vec::new();
    for broker in brokers.collect::<Vec<_>>() {
        match broker.await.unwrap() {
            (number, Ok(())) => winners.push(number),
            (_, Err(StoreError::NotEmpty)) => (),
            (_, Err(other)) => panic!("{other:?}"),
        }
    }
    let [winner] = winners.as_slice() else { panic!("{winners:?}") };
    let head = store.head().await.unwrap().unwrap();
    assert_eq!(head.epoch, Uuid::from_u128((*winner).into()));
    assert_eq!(store.vault("keyring").await.unwrap(), Some(vec![*winner]));
}

pub(super) async fn a_store_that_lost_its_head_is_not_empty(place: Place) {
    let store = place.ready().await;
    super::put(&store, &[b"first"]).await;
    tamper(&store, "DELETE FROM head; DELETE FROM vault").await;
    let again = store.initialise(EPOCH, vec![]).await;
    assert!(matches!(again, Err(StoreError::NotEmpty)), "{again:?}");
}
