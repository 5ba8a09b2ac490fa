//! SQLite in a file: write-ahead log, every commit synced, one writing connection, four readers.

mod file;
mod write;

use super::{
    Batch, Head, StoreError,
    detached::detached,
    engine::{Cell, Engine},
    fault,
    locked::LockedOn,
    migration, sql,
    verbs::StoreOn,
};
use sqlx::{
    ConnectOptions, Connection, QueryBuilder, Row, Sqlite, SqliteConnection,
    migrate::MigrateError,
    query::Query,
    sqlite::{
        SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow,
        SqliteSynchronous,
    },
};
use std::{path::Path, time::Duration};
use uuid::Uuid;

/// The store in a SQLite file.
pub(super) type SqliteStore = StoreOn<Sqlite>;
/// A transaction in it that holds the lock.
pub(super) type SqliteLocked = LockedOn<Sqlite>;

/// Connections that read; one more writes.
const READERS_MAX: u32 = 4;
/// How long a work waits for the writing connection.
const ACQUIRE_MS_MAX: u64 = 2_000;
/// How long SQLite waits for another process.
const BUSY_MS_MAX: u64 = 5_000;

impl SqliteStore {
    pub(super) async fn open(path: &str) -> Result<Self, StoreError> {
        let file = file::prepare(path)?;
        detached(async move {
            let options = options(&file.path);
            let writers = pool(1).connect_lazy_with(
                options
                    .clone()
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full)
                    .pragma("secure_delete", "ON"),
            );
            let mut writer = super::verbs::acquire(&writers).await?;
            check_settings(&mut writer).await?;
            if file.was_left_open {
                check_whole(&mut writer).await?;
            }
            let readers = pool(READERS_MAX).connect_lazy_with(options.read_only(true));
            Ok(Self { readers, writers })
        })
        .await
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        // The file is made by `file::prepare`, with its mode; SQLite gives its mode to the log.
        .create_if_missing(false)
        .foreign_keys(true)
        .busy_timeout(Duration::from_millis(BUSY_MS_MAX))
        .disable_statement_logging()
}

fn pool(connections_max: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(Duration::from_millis(ACQUIRE_MS_MAX))
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .after_release(|connection, _| Box::pin(end_transaction(connection)))
}

/// Ends a transaction that was left open, see [`detached`]. Says whether the connection is fit to
/// be used again.
async fn end_transaction(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    match sqlx::raw_sql("ROLLBACK").execute(connection).await {
        Ok(_) => Ok(true),
        Err(sqlx::Error::Database(said)) => Ok(said.message().contains("no transaction is active")),
        Err(error) => Err(error),
    }
}

async fn check_settings(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let rows = sqlx::query(
        "SELECT journal_mode, synchronous, secure_delete \
         FROM pragma_journal_mode, pragma_synchronous, pragma_secure_delete",
    )
    .fetch_one(connection)
    .await
    .map_err(fault::before_commit)?;
    let mode = Sqlite::text(&rows, 0).map_err(fault::before_commit)?;
    let synchronous = Sqlite::int(&rows, 1).map_err(fault::before_commit)?;
    let secure_delete = Sqlite::int(&rows, 2).map_err(fault::before_commit)?;
    if mode != "wal" || synchronous != 2 || secure_delete != 1 {
        return Err(StoreError::Unusable(format!(
            "SQLite refuses a setting: journal_mode is {mode} (wal is needed), synchronous \
             {synchronous} (2), secure_delete {secure_delete} (1): is the file on a file system \
             without shared memory maps?"
        )));
    }
    Ok(())
}

async fn check_whole(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    tracing::info!("the database was left open: checking that it is whole");
    let rows = Sqlite::rows(connection, "PRAGMA quick_check(1)", vec![]);
    let rows = rows.await.map_err(fault::before_commit)?;
    let said = rows.first().map(|row| Sqlite::text(row, 0)).transpose();
    match said.map_err(fault::before_commit)?.as_deref() {
        Some("ok") => Ok(()),
        other => Err(fault::damaged("quick_check", &other.unwrap_or("it says nothing"))),
    }
}

impl Engine for Sqlite {
    const MIGRATIONS: &'static [(i64, &'static str, &'static str)] = migration::SQLITE;
    const BEGIN: &'static str = "BEGIN IMMEDIATE";
    const BEGIN_SNAPSHOT: &'static str = "BEGIN";
    const TAKE_LEASE: &'static str = "\
        INSERT INTO leases AS held (name, holder, until) VALUES ($1, $2, $4) \
        ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until \
        WHERE held.holder = excluded.holder OR held.until <= $3 RETURNING until";

    async fn begin_locked(
        connection: &mut SqliteConnection,
    ) -> Result<Option<SqliteRow>, sqlx::Error> {
        // The lock is on the whole file: no two writers, of this process or another.
        Self::command(connection, Self::BEGIN).await?;
        Ok(Self::rows(connection, sql::HEAD, vec![]).await?.pop())
    }

    async fn command(
        connection: &mut SqliteConnection,
        sql: &'static str,
    ) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(sql).execute(connection).await.map(drop)
    }

    async fn rows(
        connection: &mut SqliteConnection,
        sql: &'static str,
        cells: Vec<Cell>,
    ) -> Result<Vec<SqliteRow>, sqlx::Error> {
        bind(sql, cells).fetch_all(connection).await
    }

    async fn changed(
        connection: &mut SqliteConnection,
        sql: &'static str,
        cells: Vec<Cell>,
    ) -> Result<u64, sqlx::Error> {
        Ok(bind(sql, cells).execute(connection).await?.rows_affected())
    }

    async fn answers(
        connection: &mut SqliteConnection,
        ids: Vec<Uuid>,
    ) -> Result<Vec<SqliteRow>, sqlx::Error> {
        let mut rows = Vec::new();
        for ids in ids.chunks(write::PARAMETERS_MAX) {
            let mut query =
                QueryBuilder::new("SELECT id, fingerprint, answer, at FROM requests WHERE id IN (");
            let mut list = query.separated(", ");
            for id in ids {
                list.push_bind(id.as_bytes().to_vec());
            }
            query.push(")");
            rows.extend(query.build().persistent(false).fetch_all(&mut *connection).await?);
        }
        Ok(rows)
    }

    async fn write(
        connection: &mut SqliteConnection,
        batch: Batch,
        before: Head,
    ) -> Result<(), StoreError> {
        write::write(connection, batch, Some(before)).await
    }

    async fn append(connection: &mut SqliteConnection, batch: Batch) -> Result<(), StoreError> {
        Self::command(connection, Self::BEGIN).await.map_err(fault::before_commit)?;
        match write::write(connection, batch, None).await {
            Ok(()) => Self::command(connection, "COMMIT").await.map_err(fault::of_commit),
            Err(error) => {
                // Where this fails too, the pool closes the connection.
                let _ = Self::command(connection, "ROLLBACK").await;
                Err(error)
            }
        }
    }

    async fn scrub(connection: &mut SqliteConnection) {
        // `secure_delete` overwrites the rows in the file; the log still has the pages from before
        // until it is folded in and cut.
        let cut = Self::command(connection, "PRAGMA wal_checkpoint(TRUNCATE)").await;
        if let Err(error) = cut {
            tracing::warn!(%error, "the write-ahead log was not cut after a version was destroyed");
        }
    }

    async fn migrate(connection: &mut SqliteConnection) -> Result<(), MigrateError> {
        let mut transaction = connection.begin_with(Self::BEGIN).await?;
        migration::migrator(Self::MIGRATIONS).run_direct(None, &mut *transaction, false).await?;
        Ok(transaction.commit().await?)
    }

    fn int(row: &SqliteRow, column: usize) -> Result<i64, sqlx::Error> {
        row.try_get(column)
    }

    fn bytes(row: &SqliteRow, column: usize) -> Result<Vec<u8>, sqlx::Error> {
        row.try_get(column)
    }

    fn text(row: &SqliteRow, column: usize) -> Result<String, sqlx::Error> {
        row.try_get(column)
    }
}

fn bind(sql: &'static str, cells: Vec<Cell>) -> Query<'static, Sqlite, SqliteArguments> {
    cells.into_iter().fold(sqlx::query(sql), |query, cell| match cell {
        Cell::Int(number) => query.bind(number),
        Cell::Bytes(bytes) => query.bind(bytes),
        Cell::Text(text) => query.bind(text),
    })
}
