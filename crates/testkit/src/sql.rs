//! Raw SQL on a broker's database, for the stories in which somebody tampers with it.

use anyhow::{Context, Result, bail};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, Row, SqliteConnection,
    sqlite::SqliteConnectOptions,
};
use std::str::FromStr;

/// A connection past the broker.
pub enum Sql {
    /// To the file.
    Sqlite(SqliteConnection),
    /// To the server.
    Postgres(PgConnection),
}

impl Sql {
    /// Connects to the database of this URL.
    ///
    /// # Errors
    /// Where it does not answer.
    pub async fn connect(url: &str) -> Result<Self> {
        if url.starts_with("sqlite://") {
            let options = SqliteConnectOptions::from_str(url)?;
            return Ok(Self::Sqlite(options.connect().await.context("opening the SQLite file")?));
        }
        Ok(Self::Postgres(PgConnection::connect(url).await?))
    }

    /// Runs a statement that both engines understand; returns how many rows it hit.
    ///
    /// # Errors
    /// What the engine said.
    pub async fn run(&mut self, sql: &str) -> Result<u64> {
        let sql_text = AssertSqlSafe(sql.to_owned());
        let hit = match self {
            Self::Sqlite(connection) => {
                connection.execute(sqlx::query(sql_text)).await.map(|done| done.rows_affected())
            }
            Self::Postgres(connection) => {
                connection.execute(sqlx::query(sql_text)).await.map(|done| done.rows_affected())
            }
        };
        hit.with_context(|| format!("running {sql:?}"))
    }

    /// Runs a statement that has to hit a row.
    ///
    /// # Errors
    /// What the engine said, or that it hit none: then the story would prove nothing.
    pub async fn tamper(&mut self, sql: &str) -> Result<()> {
        match self.run(sql).await? {
            0 => bail!("{sql:?} hit no row"),
            _ => Ok(()),
        }
    }

    /// The number that a query gives.
    ///
    /// # Errors
    /// What the engine said, or that there is none.
    pub async fn number(&mut self, sql: &str) -> Result<i64> {
        let sql = AssertSqlSafe(sql.to_owned());
        Ok(match self {
            Self::Sqlite(connection) => connection.fetch_one(sqlx::query(sql)).await?.try_get(0)?,
            Self::Postgres(connection) => {
                connection.fetch_one(sqlx::query(sql)).await?.try_get(0)?
            }
        })
    }

    /// The bytes that a query gives, one for each row that has some.
    ///
    /// # Errors
    /// What the engine said.
    pub async fn blobs(&mut self, sql: &str) -> Result<Vec<Vec<u8>>> {
        let sql = AssertSqlSafe(sql.to_owned());
        let blobs = match self {
            Self::Sqlite(connection) => {
                let rows = connection.fetch_all(sqlx::query(sql)).await?;
                rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<_>, _>>()?
            }
            Self::Postgres(connection) => {
                let rows = connection.fetch_all(sqlx::query(sql)).await?;
                rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<_>, _>>()?
            }
        };
        Ok(blobs)
    }
}

#[cfg(test)]
mod tests;
