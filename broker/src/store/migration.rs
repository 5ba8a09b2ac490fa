//! Migrations: embedded, forward only, checksummed. A text here must never change once it was
//! released; a new one gets the next number in both folders.

use super::{StoreError, engine::Engine, fault, sql};
use sqlx::{
    SqlSafeStr,
    migrate::{Migration, MigrationType, Migrator},
};

/// The migrations of SQLite, by number.
pub(super) const SQLITE: &[(i64, &str, &str)] = &[
    (1, "store", include_str!("../../../migrations/sqlite/0001_store.sql")),
    (2, "deliveries", include_str!("../../../migrations/sqlite/0002_deliveries.sql")),
    (3, "schedules", include_str!("../../../migrations/sqlite/0003_schedules.sql")),
    (4, "rotations", include_str!("../../../migrations/sqlite/0004_rotations.sql")),
    (5, "conditions", include_str!("../../../migrations/sqlite/0005_conditions.sql")),
    (6, "checkpoints", include_str!("../../../migrations/sqlite/0006_checkpoints.sql")),
    (7, "archives", include_str!("../../../migrations/sqlite/0007_archives.sql")),
    (8, "brokers", include_str!("../../../migrations/sqlite/0008_brokers.sql")),
    (9, "operations", include_str!("../../../migrations/sqlite/0009_operations.sql")),
];

/// The migrations of Postgres, by number.
pub(super) const POSTGRES: &[(i64, &str, &str)] = &[
    (1, "store", include_str!("../../../migrations/postgres/0001_store.sql")),
    (2, "deliveries", include_str!("../../../migrations/postgres/0002_deliveries.sql")),
    (3, "schedules", include_str!("../../../migrations/postgres/0003_schedules.sql")),
    (4, "rotations", include_str!("../../../migrations/postgres/0004_rotations.sql")),
    (5, "conditions", include_str!("../../../migrations/postgres/0005_conditions.sql")),
    (6, "checkpoints", include_str!("../../../migrations/postgres/0006_checkpoints.sql")),
    (7, "archives", include_str!("../../../migrations/postgres/0007_archives.sql")),
    (8, "brokers", include_str!("../../../migrations/postgres/0008_brokers.sql")),
    (9, "operations", include_str!("../../../migrations/postgres/0009_operations.sql")),
];

/// Applies migrations inside the caller's transaction, which holds the lock: sqlx's own would be a
/// session's lock, which stays when the work fails half-way.
pub(super) fn migrator(texts: &'static [(i64, &'static str, &'static str)]) -> Migrator {
    let mut migrator = Migrator::with_migrations(migrations(texts));
    migrator.set_locking(false);
    migrator
}

/// Whether there is nothing to apply. Asked first, because the migrator begins with a `CREATE
/// TABLE`, which a role that may only read and write rows is refused even where the table exists.
pub(super) async fn is_complete<E: Engine>(
    connection: &mut E::Connection,
) -> Result<bool, StoreError> {
    let rows = match E::rows(connection, sql::APPLIED, vec![]).await {
        Ok(rows) => rows,
        Err(error) if fault::is_without_tables(&error) => return Ok(false),
        Err(error) => return Err(fault::before_commit(error)),
    };
    let known = migrations(E::MIGRATIONS);
    let mut applied = 0;
    for row in &rows {
        let version = E::int(row, 0).map_err(fault::before_commit)?;
        let checksum = E::bytes(row, 1).map_err(fault::before_commit)?;
        match known.iter().find(|migration| migration.version == version) {
            None => return Err(fault::newer(version)),
            Some(migration) if *migration.checksum != *checksum => {
                return Err(fault::changed(version));
            }
            Some(_) => applied += 1,
        }
    }
    Ok(applied == known.len())
}

fn migrations(texts: &'static [(i64, &'static str, &'static str)]) -> Vec<Migration> {
    let migration = |(version, name, text): &(i64, &'static str, &'static str)| {
        let sql = (*text).into_sql_str();
        Migration::new(*version, (*name).into(), MigrationType::Simple, sql, false)
    };
    texts.iter().map(migration).collect()
}
