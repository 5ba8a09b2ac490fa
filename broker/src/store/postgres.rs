//! Postgres: one pool, every connection with its own time limits and a synchronous commit.

mod address;
mod write;

use super::{
    Batch, Head, StoreError,
    detached::detached,
    engine::{Cell, Engine},
    fault,
    locked::LockedOn,
    migration,
    verbs::StoreOn,
};
use sqlx::{
    Connection, PgConnection, Postgres, Row,
    migrate::MigrateError,
    pool::PoolConnectionMetadata,
    postgres::{PgArguments, PgConnectOptions, PgPoolOptions, PgRow},
    query::Query,
};
use std::time::Duration;
use uuid::Uuid;

/// The store in Postgres.
pub(super) type PostgresStore = StoreOn<Postgres>;
/// A transaction in it that holds the lock.
pub(super) type PostgresLocked = LockedOn<Postgres>;

/// Connections of one broker.
const CONNECTIONS_MAX: u32 = 32;
/// How long a work waits for a connection, and the first connection for its answer.
const ACQUIRE_MS_MAX: u64 = 2_000;
/// A connection that was idle for longer is tried before it is used: a server that was restarted,
/// or a firewall that forgot, is found by a ping and not by a write. A shorter time is not worth a
/// round trip on every write.
const UNTRIED_MS_MAX: u64 = 1_000;
/// Limits of every session, in the server's own hands: a deadline on our side would drop a future
/// in the middle of a transaction.
const SESSION: &[(&str, &str)] = &[
    ("statement_timeout", "5s"),
    ("lock_timeout", "2s"),
    ("idle_in_transaction_session_timeout", "10s"),
    ("synchronous_commit", "on"),
];
/// The oldest server that is tested.
const VERSION_MIN: i64 = 130_000;

impl PostgresStore {
    pub(super) async fn open(url: &str) -> Result<Self, StoreError> {
        let options = address::parse(url)?.application_name("secretref-broker");
        let options = options.options(SESSION.iter().copied());
        detached(async move {
            check_server(&options).await?;
            let pool = PgPoolOptions::new()
                .max_connections(CONNECTIONS_MAX)
                .acquire_timeout(Duration::from_millis(ACQUIRE_MS_MAX))
                .test_before_acquire(false)
                .before_acquire(|connection, meta| Box::pin(try_idle(connection, meta)))
                .after_release(|connection, _| Box::pin(end_transaction(connection)))
                .connect_lazy_with(options);
            Ok(Self { readers: pool.clone(), writers: pool })
        })
        .await
    }
}

async fn try_idle(
    connection: &mut PgConnection,
    meta: PoolConnectionMetadata,
) -> Result<bool, sqlx::Error> {
    if meta.idle_for > Duration::from_millis(UNTRIED_MS_MAX) {
        connection.ping().await?;
    }
    Ok(true)
}

/// Ends a transaction that was left open, see [`detached`]. A lone `ROLLBACK` outside of one would
/// write a warning into the server's log, at every release; `BEGIN` before it makes it silent in
/// the usual case. In a transaction that has failed, `BEGIN` is refused, and the connection closed.
async fn end_transaction(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::raw_sql("BEGIN; ROLLBACK").execute(connection).await?;
    Ok(true)
}

/// Connects once, apart from the pool: the pool would hide why it could not.
async fn check_server(options: &PgConnectOptions) -> Result<(), StoreError> {
    let answer = Duration::from_millis(ACQUIRE_MS_MAX);
    // No transaction is open yet, so that this future may be dropped.
    let connected = tokio::time::timeout(answer, PgConnection::connect_with(options)).await;
    let mut connection = match connected {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return Err(fault::before_commit(error)),
        Err(_) => {
            let why = format!("no answer within {ACQUIRE_MS_MAX} ms");
            return Err(StoreError::Unavailable { why, unknown: false });
        }
    };
    let settings = check_settings(&mut connection).await;
    // It is of no further use, whatever it says to that.
    let _ = connection.close().await;
    settings
}

async fn check_settings(connection: &mut PgConnection) -> Result<(), StoreError> {
    let rows = Postgres::rows(connection, SETTINGS, vec![]).await.map_err(fault::before_commit)?;
    let row = rows.first().ok_or_else(|| fault::damaged("the settings", &"no answer"))?;
    let said = |column| Postgres::text(row, column).map_err(fault::before_commit);
    let version = Postgres::int(row, 0).map_err(fault::before_commit)?;
    if version < VERSION_MIN {
        return Err(StoreError::Unusable(format!(
            "its server is version {}; at least {} is needed",
            version / 10_000,
            VERSION_MIN / 10_000
        )));
    }
    for (column, name, right) in NEEDED {
        let found = said(*column)?;
        if !right.contains(&found.as_str()) {
            return Err(StoreError::Unusable(format!(
                "{name} is {found}, with which an acknowledged write can be lost or misread: set \
                 it to {}",
                right[0]
            )));
        }
    }
    if said(6)? == "on" {
        tracing::warn!(
            "the broker's role in Postgres is a superuser: give it one that may read and write \
             its tables and no more"
        );
    }
    Ok(())
}

const SETTINGS: &str = "\
    SELECT CAST(current_setting('server_version_num') AS BIGINT), current_setting('fsync'), \
    current_setting('full_page_writes'), current_setting('synchronous_commit'), \
    current_setting('data_sync_retry'), current_setting('server_encoding'), \
    current_setting('is_superuser')";

/// Column in `SETTINGS`, name of the setting, and what it may be.
const NEEDED: &[(usize, &str, &[&str])] = &[
    (1, "fsync", &["on"]),
    (2, "full_page_writes", &["on"]),
    (3, "synchronous_commit", &["on", "remote_apply", "remote_write"]),
    (4, "data_sync_retry", &["off"]),
    (5, "server_encoding", &["UTF8"]),
];

/// One round trip; the answer of the first statement has no rows. The level is named, because a
/// server's default may be another: under a stricter one, whoever waited for the lock is refused.
const BEGIN_LOCKED: &str = "\
    BEGIN ISOLATION LEVEL READ COMMITTED; \
    SELECT epoch, revision, mac FROM head WHERE id = 1 FOR UPDATE";

const ANSWERS: &str = "SELECT id, fingerprint, answer, at FROM requests WHERE id = ANY($1)";

/// Migrations may take long, and a second broker waits for the first's. The lock belongs to the
/// transaction and goes with it, whatever becomes of it.
const MIGRATION_LOCK: &str = "\
    SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '60s'; \
    SELECT pg_advisory_xact_lock(6009382674836255052)";

impl Engine for Postgres {
    const MIGRATIONS: &'static [(i64, &'static str, &'static str)] = migration::POSTGRES;
    const BEGIN: &'static str = "BEGIN ISOLATION LEVEL READ COMMITTED";
    const BEGIN_SNAPSHOT: &'static str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    // A row that somebody else is at is his: nobody waits for it.
    const TAKE_LEASE: &'static str = "\
        WITH free AS ( \
            SELECT name FROM leases WHERE name = $1 AND (holder = $2 OR until <= $3) \
            FOR UPDATE SKIP LOCKED \
        ), prolonged AS ( \
            UPDATE leases SET holder = $2, until = $4 FROM free WHERE leases.name = free.name \
            RETURNING leases.until \
        ), taken AS ( \
            INSERT INTO leases (name, holder, until) SELECT $1, $2, $4 \
            WHERE NOT EXISTS (SELECT 1 FROM leases WHERE name = $1) \
            ON CONFLICT DO NOTHING RETURNING until \
        ) SELECT until FROM prolonged UNION ALL SELECT until FROM taken";

    async fn begin_locked(connection: &mut PgConnection) -> Result<Option<PgRow>, sqlx::Error> {
        sqlx::raw_sql(BEGIN_LOCKED).fetch_optional(connection).await
    }

    async fn command(connection: &mut PgConnection, sql: &'static str) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(sql).execute(connection).await.map(drop)
    }

    async fn rows(
        connection: &mut PgConnection,
        sql: &'static str,
        cells: Vec<Cell>,
    ) -> Result<Vec<PgRow>, sqlx::Error> {
        bind(sql, cells).fetch_all(connection).await
    }

    async fn changed(
        connection: &mut PgConnection,
        sql: &'static str,
        cells: Vec<Cell>,
    ) -> Result<u64, sqlx::Error> {
        Ok(bind(sql, cells).execute(connection).await?.rows_affected())
    }

    async fn answers(
        connection: &mut PgConnection,
        ids: Vec<Uuid>,
    ) -> Result<Vec<PgRow>, sqlx::Error> {
        let ids: Vec<Vec<u8>> = ids.iter().map(|id| id.as_bytes().to_vec()).collect();
        sqlx::query(ANSWERS).bind(ids).fetch_all(connection).await
    }

    async fn write(
        connection: &mut PgConnection,
        batch: Batch,
        before: Head,
    ) -> Result<(), StoreError> {
        write::write(connection, batch, Some(before)).await
    }

    async fn append(connection: &mut PgConnection, batch: Batch) -> Result<(), StoreError> {
        // One statement is a transaction by itself.
        write::write(connection, batch, None).await
    }

    async fn scrub(_: &mut PgConnection) {
        // Nothing that a client may ask for: see the note at the table.
    }

    async fn migrate(connection: &mut PgConnection) -> Result<(), MigrateError> {
        let mut transaction = connection.begin().await?;
        sqlx::raw_sql(MIGRATION_LOCK).execute(&mut *transaction).await?;
        migration::migrator(Self::MIGRATIONS).run_direct(None, &mut *transaction, false).await?;
        Ok(transaction.commit().await?)
    }

    fn int(row: &PgRow, column: usize) -> Result<i64, sqlx::Error> {
        row.try_get(column)
    }

    fn bytes(row: &PgRow, column: usize) -> Result<Vec<u8>, sqlx::Error> {
        row.try_get(column)
    }

    fn text(row: &PgRow, column: usize) -> Result<String, sqlx::Error> {
        row.try_get(column)
    }
}

fn bind(sql: &'static str, cells: Vec<Cell>) -> Query<'static, Postgres, PgArguments> {
    cells.into_iter().fold(sqlx::query(sql), |query, cell| match cell {
        Cell::Int(number) => query.bind(number),
        Cell::Bytes(bytes) => query.bind(bytes),
        Cell::Text(text) => query.bind(text),
    })
}
