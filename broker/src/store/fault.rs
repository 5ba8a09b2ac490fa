//! What an error of sqlx means to the store: whose fault it is, and whether it is known that
//! nothing was written.

use secretref_domain::id::BrokerId;
use sqlx::error::{DatabaseError, ErrorKind};

/// What went wrong with the store.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, is full, refused or took too long. Nothing was changed, or
    /// it is not known whether it was (`unknown`: a commit without an answer).
    #[error("the database does not answer: {why}")]
    Unavailable {
        /// What it said.
        why: String,
        /// Whether a commit may have happened.
        unknown: bool,
    },
    /// The database's address, role or settings are not usable; says what to change.
    #[error("the database cannot be used: {0}")]
    Unusable(String),
    /// The database holds something that cannot be: written by a newer broker, or damaged.
    #[error("the database is not whole: {0}")]
    Damaged(String),
    /// The batch breaks a rule of the schema or of [`super::Batch`]: the broker's own mistake.
    /// Nothing was changed.
    #[error("the database refuses what the broker wrote: {0}")]
    Refused(String),
    /// Another process wrote this lane.
    #[error("another broker writes the audit lane {0}: is this broker running twice?")]
    LaneTaken(BrokerId),
    /// `init` on a store that holds something.
    #[error("the database is in use already")]
    NotEmpty,
}

/// An error before a commit was sent: nothing was written.
pub(super) fn before_commit(error: sqlx::Error) -> StoreError {
    classify(error, false)
}

/// An error of a commit, or of a statement that commits itself. Unless the engine itself says that
/// it did not happen, it may have.
pub(super) fn of_commit(error: sqlx::Error) -> StoreError {
    let unknown = match &error {
        sqlx::Error::Database(said) => leaves_unknown(said.as_ref()),
        _ => true,
    };
    classify(error, unknown)
}

/// An error of a migration.
pub(super) fn of_migration(error: sqlx::migrate::MigrateError) -> StoreError {
    use sqlx::migrate::MigrateError;
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => of_commit(error),
        MigrateError::VersionMissing(version) => newer(version),
        MigrateError::VersionMismatch(version) => changed(version),
        MigrateError::Dirty(version) => {
            StoreError::Damaged(format!("migration {version} was applied by half"))
        }
        other => StoreError::Damaged(other.to_string()),
    }
}

/// The schema has a migration that this broker does not know.
pub(super) fn newer(version: i64) -> StoreError {
    StoreError::Damaged(format!(
        "its schema has migration {version}, of a newer broker: start that broker, or restore a \
         backup from before it"
    ))
}

/// The schema was made by another text of a migration.
pub(super) fn changed(version: i64) -> StoreError {
    StoreError::Damaged(format!(
        "migration {version} was applied with another content than this broker has: start the \
         broker that made this database"
    ))
}

/// A value in a row that its type does not allow.
pub(super) fn damaged(what: &str, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Damaged(format!("{what}: {error}"))
}

/// There is no head.
pub(super) fn not_initialised() -> StoreError {
    StoreError::Unusable("it holds no store yet: initialise it first".to_owned())
}

/// Whether an error says that the tables are not there.
pub(super) fn is_without_tables(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|said| {
        code(said) == "42P01" || (code(said) == "1" && said.message().contains("no such table"))
    })
}

fn classify(error: sqlx::Error, unknown: bool) -> StoreError {
    if is_without_tables(&error) {
        return StoreError::Unusable("it has no tables yet: migrate it first".to_owned());
    }
    let unavailable = |why: String| StoreError::Unavailable { why, unknown };
    match error {
        sqlx::Error::Database(said) => match (said.kind(), hint(said.as_ref())) {
            (ErrorKind::Other, Some(Hint::Wait(why))) => unavailable(why.to_owned()),
            (ErrorKind::Other, Some(Hint::Fix(why))) => {
                StoreError::Unusable(format!("{why} ({})", said.message()))
            }
            (ErrorKind::Other, Some(Hint::Damage)) => {
                StoreError::Damaged(said.message().to_owned())
            }
            (ErrorKind::Other, Some(Hint::Mistake)) => {
                StoreError::Refused(said.message().to_owned())
            }
            (ErrorKind::Other, None) => unavailable(said.message().to_owned()),
            _ => StoreError::Refused(said.message().to_owned()),
        },
        sqlx::Error::PoolTimedOut => unavailable("no connection was free within 2 s".to_owned()),
        sqlx::Error::PoolClosed => unavailable("the broker is stopping".to_owned()),
        sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnIndexOutOfBounds { .. } => StoreError::Damaged(error.to_string()),
        other => unavailable(other.to_string()),
    }
}

/// What to make of an error that the engine reports.
enum Hint {
    Wait(&'static str),
    Fix(&'static str),
    Damage,
    Mistake,
}

/// Postgres has five-character codes, SQLite extended result codes, the primary code in the low
/// byte. <https://www.postgresql.org/docs/current/errcodes-appendix.html>,
/// <https://www.sqlite.org/rescode.html>
fn hint(said: &dyn DatabaseError) -> Option<Hint> {
    let code = code(said);
    Some(match code.as_str() {
        "53100" => Hint::Wait("the disk of the database is full"),
        "53300" => Hint::Wait("it has no connection left for this broker"),
        "55P03" => Hint::Wait("another broker held the lock for 2 s"),
        "57014" => Hint::Wait("a statement took longer than 5 s"),
        "42501" => Hint::Fix("its role may not do this: grant it, or use the owner's role"),
        "28000" | "28P01" => Hint::Fix("it refuses this role or password"),
        "3D000" => Hint::Fix("there is no database of this name: create it"),
        "XX001" | "XX002" => Hint::Damage,
        // A value that its type cannot hold, such as a zero character in a text.
        "22021" | "22P02" | "22001" => Hint::Mistake,
        _ => match primary(&code)? {
            5 | 6 => Hint::Wait("another process held the database for 5 s"),
            8 => Hint::Fix("it cannot be written: see to the file's and its folder's owner"),
            11 | 26 => Hint::Damage,
            13 => Hint::Wait("the disk of the database is full"),
            18 => Hint::Mistake,
            14 => Hint::Fix("it cannot be opened: see to the file's and its folder's owner"),
            _ => return None,
        },
    })
}

/// Whether what the engine reports of a commit leaves open if it happened: Postgres ended the
/// session (57P0x, 08xxx) or does not know itself (40003); SQLite could not sync (10).
fn leaves_unknown(said: &dyn DatabaseError) -> bool {
    let code = code(said);
    code.starts_with("57P")
        || (code.len() == 5 && code.starts_with("08"))
        || code == "40003"
        || primary(&code) == Some(10)
}

fn code(said: &dyn DatabaseError) -> String {
    said.code().map(|code| code.into_owned()).unwrap_or_default()
}

/// SQLite's primary result code; nothing for Postgres, whose codes have five characters.
fn primary(code: &str) -> Option<u32> {
    match code.len() {
        5 => None,
        _ => code.parse::<u32>().ok().map(|extended| extended & 0xff),
    }
}
