//! A store copied into another, from either engine to either: what a backup is, and a restore.
//! Everything is read as it was at one time, and all of it is written, or nothing.

use super::{
    Store, StoreError,
    detached::detached,
    engine::{Cell, Engine},
    fault, sql,
    verbs::{StoreOn, acquire, roll_back},
};
use secretref_domain::clock::Timestamp;
use sqlx::pool::PoolConnection;
use std::{collections::BTreeMap, sync::LazyLock};

/// How many rows of each table were copied.
pub type Copied = BTreeMap<&'static str, u64>;

/// What a column holds.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Int,
    Bytes,
    Text,
}

use Kind::{Bytes, Int, Text};

/// A table that is copied: its name, the columns of its primary key, and all others.
type Table = (&'static str, &'static [Column], &'static [Column]);
type Column = (&'static str, Kind);

/// Every table of the schema but [`LEFT_OUT`]. `head` is the first, so that of two who restore into
/// one database the second waits at its row.
const TABLES: &[Table] = &[
    ("head", &[("id", Int)], &[("epoch", Bytes), ("revision", Int), ("mac", Bytes), RESTORED_AT]),
    ("vault", &[("name", Text)], &[("content", Bytes)]),
    ("authority_log", &[("revision", Int), ("position", Int)], &[("record", Bytes), MAC]),
    (
        "secret_versions",
        &[("secret", Bytes), ("version", Int)],
        &[("environment", Text), ("wrapped", Bytes), ("sealed", Bytes)],
    ),
    ("audit_lanes", &[("lane", Bytes)], &[("seq", Int), ("hash", Bytes)]),
    ("audit", &[("lane", Bytes), ("seq", Int)], &[("at", Int), ("entry", Bytes), ("hash", Bytes)]),
    ("audit_checkpoints", &[("size", Int)], &[("follows", Int), ("note", Text)]),
    ("audit_tree", &[("level", Int), ("start", Int)], &[("hashes", Bytes)]),
    ("audit_beginning", &[("id", Int)], &[("size", Int)]),
    ("requests", &[("id", Bytes)], &[("fingerprint", Bytes), ("answer", Bytes), ("at", Int)]),
    (
        "reports",
        &[("agent", Bytes), ("instance", Bytes), ("secret", Bytes)],
        &[
            ("environment", Text),
            ("version", Int),
            ("state", Int),
            ("evidence", Int),
            ("detail", Text),
            ("boot", Bytes),
            ("at", Int),
            ("deliveries", Text),
        ],
    ),
    (
        "schedules",
        &[("agent", Bytes), ("instance", Bytes)],
        &[("environment", Text), ("boot", Bytes), ("at", Int), ("keep_until", Int), TOLD],
    ),
    ("contacts", &[("instance", Bytes)], &[("at", Int)]),
    ("told", &[("subject", Text)], &[TOLD]),
    ("trials", &[("secret", Bytes)], &[TOLD]),
];

const MAC: Column = ("mac", Bytes);
const TOLD: Column = ("told", Text);
const RESTORED_AT: Column = ("restored_at", Int);

/// Tables that say what brokers do at the moment, and that begin empty.
#[cfg(test)]
pub(super) const LEFT_OUT: &[&str] = &["brokers", "leases", "presence"];

/// Every table and column that is copied.
#[cfg(test)]
pub(super) fn covered() -> std::collections::BTreeSet<(String, String)> {
    let columns = |table: &Table| {
        let (name, keys, others) = *table;
        keys.iter().chain(others).map(move |it| (name.to_owned(), it.0.to_owned()))
    };
    TABLES.iter().flat_map(columns).collect()
}

#[cfg(test)]
impl Store {
    /// Every table and column of the database.
    pub(super) async fn columns(
        &self,
    ) -> Result<std::collections::BTreeSet<(String, String)>, StoreError> {
        match self {
            Self::Sqlite(engine) => engine.columns(COLUMNS_OF_SQLITE).await,
            Self::Postgres(engine) => engine.columns(COLUMNS_OF_POSTGRES).await,
        }
    }
}

#[cfg(test)]
impl<E: Engine> StoreOn<E> {
    async fn columns(
        &self,
        sql: &'static str,
    ) -> Result<std::collections::BTreeSet<(String, String)>, StoreError> {
        let rows = self.ask(sql, vec![]).await?;
        let column = |row: &E::Row| Ok((E::text(row, 0)?, E::text(row, 1)?));
        rows.iter().map(|row| column(row).map_err(fault::before_commit)).collect()
    }
}

#[cfg(test)]
const COLUMNS_OF_SQLITE: &str = "\
    SELECT t.name, c.name FROM sqlite_master AS t, pragma_table_info(t.name) AS c \
    WHERE t.type = 'table' AND t.name <> '_sqlx_migrations'";

#[cfg(test)]
const COLUMNS_OF_POSTGRES: &str = "\
    SELECT CAST(table_name AS TEXT), CAST(column_name AS TEXT) FROM information_schema.columns \
    WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations'";

/// What copies a table: reads a page of it after a place, and writes a row.
struct Statements {
    name: &'static str,
    kinds: Vec<Kind>,
    keys: usize,
    page: &'static str,
    add: &'static str,
}

/// Made once and kept for as long as the process lives, as the engines ask of their statements.
static STATEMENTS: LazyLock<Vec<Statements>> =
    LazyLock::new(|| TABLES.iter().map(Statements::of).collect());

impl Statements {
    fn of((name, keys, others): &Table) -> Self {
        let columns = keys.iter().chain(*others);
        let names =
            |columns: &[Column]| columns.iter().map(|it| it.0).collect::<Vec<_>>().join(", ");
        let numbers = |count| (1..=count).map(|it| format!("${it}")).collect::<Vec<_>>().join(", ");
        let (key, all) = (names(keys), names(&columns.clone().copied().collect::<Vec<_>>()));
        let (after, limit) = (numbers(keys.len()), keys.len() + 1);
        let page = format!(
            "SELECT {all} FROM {name} WHERE ({key}) > ({after}) ORDER BY {key} LIMIT ${limit}"
        );
        let values = numbers(keys.len() + others.len());
        let add = format!("INSERT INTO {name} ({all}) VALUES ({values})");
        Self {
            name,
            kinds: columns.map(|it| it.1).collect(),
            keys: keys.len(),
            page: page.leak(),
            add: add.leak(),
        }
    }

    /// The place before the first row.
    fn start(&self) -> Vec<Cell> {
        let before_all = |kind: &Kind| match kind {
            Int => Cell::Int(i64::MIN),
            Bytes => Cell::Bytes(Vec::new()),
            Text => Cell::Text(String::new()),
        };
        self.kinds[..self.keys].iter().map(before_all).collect()
    }

    fn cells<E: Engine>(&self, row: &E::Row) -> Result<Vec<Cell>, StoreError> {
        let cell = |(at, kind): (usize, &Kind)| match kind {
            Int => E::int(row, at).map(Cell::Int),
            Bytes => E::bytes(row, at).map(Cell::Bytes),
            Text => E::text(row, at).map(Cell::Text),
        };
        let cells = self.kinds.iter().enumerate().map(cell).collect::<Result<_, _>>();
        cells.map_err(fault::before_commit)
    }
}

impl Store {
    /// Copies everything into a store that has its tables and nothing in them; with a time, as a
    /// restore that sidecars take for another history.
    ///
    /// # Errors
    /// [`StoreError::NotEmpty`] where there is something in the other store; nothing is changed
    /// then, nor after any other error.
    pub async fn copy_to(
        &self,
        other: &Self,
        restored_at: Option<Timestamp>,
    ) -> Result<Copied, StoreError> {
        match (self, other) {
            (Self::Sqlite(from), Self::Sqlite(to)) => copy(from, to, restored_at).await,
            (Self::Sqlite(from), Self::Postgres(to)) => copy(from, to, restored_at).await,
            (Self::Postgres(from), Self::Sqlite(to)) => copy(from, to, restored_at).await,
            (Self::Postgres(from), Self::Postgres(to)) => copy(from, to, restored_at).await,
        }
    }

    /// When this database was made from a backup, in microseconds; 0 for one that was not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn restored_at(&self) -> Result<i64, StoreError> {
        super::on_engine!(Self, self, engine => engine.restored_at().await)
    }
}

impl<E: Engine> StoreOn<E> {
    async fn restored_at(&self) -> Result<i64, StoreError> {
        let rows = self.ask("SELECT restored_at FROM head WHERE id = 1", vec![]).await?;
        let row = rows.first().ok_or_else(fault::not_initialised)?;
        E::int(row, 0).map_err(fault::before_commit)
    }
}

async fn copy<E: Engine, F: Engine>(
    from: &StoreOn<E>,
    to: &StoreOn<F>,
    restored_at: Option<Timestamp>,
) -> Result<Copied, StoreError> {
    let (source, target) = (from.readers.clone(), to.writers.clone());
    detached(async move {
        let mut source = acquire(&source).await?;
        E::command(&mut source, E::BEGIN_SNAPSHOT).await.map_err(fault::before_commit)?;
        let mut target = acquire(&target).await?;
        F::command(&mut target, F::BEGIN).await.map_err(fault::before_commit)?;
        let copied = copy_all::<E, F>(&mut source, &mut target, restored_at).await;
        roll_back::<E>(source).await;
        match copied {
            Ok(copied) => {
                F::command(&mut target, "COMMIT").await.map_err(fault::of_commit)?;
                Ok(copied)
            }
            Err(error) => {
                roll_back::<F>(target).await;
                Err(error)
            }
        }
    })
    .await
}

async fn copy_all<E: Engine, F: Engine>(
    source: &mut PoolConnection<E>,
    target: &mut PoolConnection<F>,
    restored_at: Option<Timestamp>,
) -> Result<Copied, StoreError> {
    let in_use = F::rows(target, sql::IN_USE, vec![]).await.map_err(fault::before_commit)?;
    if !in_use.is_empty() {
        return Err(StoreError::NotEmpty);
    }
    let mut copied = Copied::new();
    for table in STATEMENTS.iter() {
        let (mut rows, mut place) = (0, table.start());
        loop {
            place.push(ROWS_AT_ONCE.into());
            let page = E::rows(source, table.page, place).await.map_err(fault::before_commit)?;
            let Some(last) = page.last() else { break };
            place = table.cells::<E>(last)?;
            place.truncate(table.keys);
            for row in &page {
                let cells = table.cells::<E>(row)?;
                F::changed(target, table.add, cells).await.map_err(fault::before_commit)?;
                rows += 1;
            }
        }
        copied.insert(table.name, rows);
    }
    if copied["head"] != 1 {
        return Err(fault::not_initialised());
    }
    if let Some(at) = restored_at {
        let cells = vec![at.as_micros().into()];
        F::changed(target, RESTORED, cells).await.map_err(fault::before_commit)?;
    }
    Ok(copied)
}

const RESTORED: &str = "UPDATE head SET restored_at = $1 WHERE id = 1";
/// Rows of a table that are in memory at once; one may have 4 MiB.
const ROWS_AT_ONCE: i64 = 100;
