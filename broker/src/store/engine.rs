//! What the store asks of a database engine. The verbs are written once, against this.

use super::{Batch, Head, StoreError};
use sqlx::Database;
use uuid::Uuid;

/// A parameter of a statement. The schema knows three kinds of values only, so that both engines
/// need the same three conversions and no more.
#[derive(Debug)]
pub enum Cell {
    /// A number, a time in microseconds or a revision.
    Int(i64),
    /// An identity (16 bytes), a hash (32 bytes) or a blob.
    Bytes(Vec<u8>),
    /// A name.
    Text(String),
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<Uuid> for Cell {
    fn from(id: Uuid) -> Self {
        Self::Bytes(id.as_bytes().to_vec())
    }
}

impl From<&[u8]> for Cell {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// SQLite or Postgres.
pub trait Engine: Database {
    /// Number, name and text of every migration.
    const MIGRATIONS: &'static [(i64, &'static str, &'static str)];

    /// Begins a transaction that is about to write.
    const BEGIN: &'static str;

    /// Begins a transaction that reads everything as it is at one time.
    const BEGIN_SNAPSHOT: &'static str;

    /// Takes or prolongs a lease: name, holder, now, until. Gives a row where it is the holder's.
    const TAKE_LEASE: &'static str;

    /// Begins a transaction and takes the head's lock; gives the head, or nothing in a store that
    /// is not initialised.
    fn begin_locked(
        connection: &mut Self::Connection,
    ) -> impl Future<Output = Result<Option<Self::Row>, sqlx::Error>> + Send;

    /// Runs a statement without parameters, unprepared.
    fn command(
        connection: &mut Self::Connection,
        sql: &'static str,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Runs a statement and gives its rows.
    fn rows(
        connection: &mut Self::Connection,
        sql: &'static str,
        cells: Vec<Cell>,
    ) -> impl Future<Output = Result<Vec<Self::Row>, sqlx::Error>> + Send;

    /// Runs a statement and gives the number of rows that it changed.
    fn changed(
        connection: &mut Self::Connection,
        sql: &'static str,
        cells: Vec<Cell>,
    ) -> impl Future<Output = Result<u64, sqlx::Error>> + Send;

    /// The rows of those of these requests that have an answer.
    fn answers(
        connection: &mut Self::Connection,
        ids: Vec<Uuid>,
    ) -> impl Future<Output = Result<Vec<Self::Row>, sqlx::Error>> + Send;

    /// Writes a checked batch into the transaction that holds the head's lock.
    fn write(
        connection: &mut Self::Connection,
        batch: Batch,
        before: Head,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Writes and commits a checked batch that needs no lock of the head.
    fn append(
        connection: &mut Self::Connection,
        batch: Batch,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// After a commit that deleted sealed versions: leaves no copy of them behind that the engine
    /// can be asked to remove. Best effort, since the commit stands.
    fn scrub(connection: &mut Self::Connection) -> impl Future<Output = ()> + Send;

    /// Applies the missing migrations in one transaction, under a lock.
    fn migrate(
        connection: &mut Self::Connection,
    ) -> impl Future<Output = Result<(), sqlx::migrate::MigrateError>> + Send;

    /// The number in a column.
    fn int(row: &Self::Row, column: usize) -> Result<i64, sqlx::Error>;

    /// The bytes in a column.
    fn bytes(row: &Self::Row, column: usize) -> Result<Vec<u8>, sqlx::Error>;

    /// The text in a column.
    fn text(row: &Self::Row, column: usize) -> Result<String, sqlx::Error>;
}
