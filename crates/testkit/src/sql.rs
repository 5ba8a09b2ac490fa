//! Raw SQL on a broker's database, for the stories in which somebody tampers with it, or it takes
//! no more.

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

    /// Runs a script of several statements.
    ///
    /// # Errors
    /// What the engine said.
    pub async fn script(&mut self, sql: &str) -> Result<()> {
        let script = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        match self {
            Self::Sqlite(connection) => {
                connection.execute(script).await?;
            }
            Self::Postgres(connection) => {
                connection.execute(script).await?;
            }
        }
        Ok(())
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

/// A table that takes no row, or none that holds a text. Everything else of the database works.
pub struct Refusal {
    sql: Sql,
    table: String,
}

impl Refusal {
    /// Begins to refuse rows of a table; `holding` is a column of bytes with the text in it.
    ///
    /// # Errors
    /// What the engine said.
    pub async fn of(url: &str, table: &str, holding: Option<(&str, &str)>) -> Result<Self> {
        let mut sql = Sql::connect(url).await?;
        let says = |text: &str| format!("LIKE '%{text}%'");
        let statements = match sql {
            Sql::Sqlite(_) => {
                let when = holding.map_or_else(String::new, |(column, text)| {
                    format!("WHEN CAST(NEW.{column} AS TEXT) {}", says(text))
                });
                vec![format!(
                    "CREATE TRIGGER refusal_of_{table} BEFORE INSERT ON {table} {when} \
                     BEGIN SELECT RAISE(ABORT, 'refused'); END"
                )]
            }
            Sql::Postgres(_) => {
                let when = holding.map_or_else(String::new, |(column, text)| {
                    format!("WHEN (convert_from(NEW.{column}, 'UTF8') {})", says(text))
                });
                vec![
                    format!(
                        "CREATE FUNCTION refusal_of_{table}() RETURNS trigger LANGUAGE plpgsql AS \
                         $$ BEGIN RAISE EXCEPTION 'refused'; END $$"
                    ),
                    format!(
                        "CREATE TRIGGER refusal_of_{table} BEFORE INSERT ON {table} FOR EACH ROW \
                         {when} EXECUTE FUNCTION refusal_of_{table}()"
                    ),
                ]
            }
        };
        for statement in statements {
            sql.run(&statement).await?;
        }
        Ok(Self { sql, table: table.to_owned() })
    }

    /// Refuses nothing any more.
    ///
    /// # Errors
    /// What the engine said.
    pub async fn lift(mut self) -> Result<()> {
        let table = &self.table;
        let statement = match self.sql {
            Sql::Sqlite(_) => format!("DROP TRIGGER refusal_of_{table}"),
            Sql::Postgres(_) => format!("DROP FUNCTION refusal_of_{table}() CASCADE"),
        };
        self.sql.run(&statement).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
