//! What people were told of conditions, what tests of credentials came to, and what all sidecars
//! said last, in short.

use super::{
    Store, StoreError,
    engine::{Cell, Engine},
    fault, on_engine, sql,
    verbs::{StoreOn, id_of},
};
use secretref_domain::id::{AgentId, InstanceId, SecretId};
use uuid::Uuid;

/// What an instance said last of a secret, in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldRow {
    /// The agent.
    pub agent: AgentId,
    /// The instance.
    pub instance: InstanceId,
    /// The secret.
    pub secret: SecretId,
    /// Version that it said it of.
    pub version: i64,
    /// What it said: a `ResultState` of the wire; 0 for received.
    pub state: i64,
    /// Why it failed.
    pub detail: String,
}

impl Store {
    /// What people were told: what of, and what, each as JSON.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn told(&self) -> Result<Vec<(String, String)>, StoreError> {
        on_engine!(Self, self, engine => engine.told().await)
    }

    /// Keeps what people were told of something; forgets it where it is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn keep_told(&self, subject: &str, told: Option<&str>) -> Result<(), StoreError> {
        on_engine!(Self, self, engine => engine.keep_told(subject, told).await)
    }

    /// What the last test of each credential came to, as JSON.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn trials(&self) -> Result<Vec<(SecretId, String)>, StoreError> {
        on_engine!(Self, self, engine => engine.trials().await)
    }

    /// Keeps what a test of a credential came to; forgets it where it is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn keep_trial(&self, secret: SecretId, told: Option<&str>) -> Result<(), StoreError> {
        on_engine!(Self, self, engine => engine.keep_trial(secret, told).await)
    }

    /// What all instances said last of all secrets.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn held(&self) -> Result<Vec<HeldRow>, StoreError> {
        on_engine!(Self, self, engine => engine.held().await)
    }
}

impl<E: Engine> StoreOn<E> {
    async fn told(&self) -> Result<Vec<(String, String)>, StoreError> {
        let rows = self.ask(sql::TOLD, vec![]).await?;
        rows.iter().map(|row| Ok((text_of::<E>(row, 0)?, text_of::<E>(row, 1)?))).collect()
    }

    async fn keep_told(&self, subject: &str, told: Option<&str>) -> Result<(), StoreError> {
        match told {
            Some(told) => self.change(sql::KEEP_TOLD, vec![subject.into(), told.into()]).await,
            None => self.change(sql::FORGET_TOLD, vec![subject.into()]).await,
        }
        .map(drop)
    }

    async fn trials(&self) -> Result<Vec<(SecretId, String)>, StoreError> {
        let rows = self.ask(sql::TRIALS, vec![]).await?;
        rows.iter().map(|row| Ok((SecretId(id_of::<E>(row, 0)?), text_of::<E>(row, 1)?))).collect()
    }

    async fn keep_trial(&self, secret: SecretId, told: Option<&str>) -> Result<(), StoreError> {
        match told {
            Some(told) => self.change(sql::KEEP_TRIAL, vec![secret.0.into(), told.into()]).await,
            None => self.change(sql::FORGET_TRIAL, vec![secret.0.into()]).await,
        }
        .map(drop)
    }

    /// In pages, so that no connection is held for long.
    async fn held(&self) -> Result<Vec<HeldRow>, StoreError> {
        let mut held: Vec<HeldRow> = Vec::new();
        loop {
            let last = held
                .last()
                .map_or([Uuid::nil(); 3], |row| [row.agent.0, row.instance.0, row.secret.0]);
            let mut cells: Vec<Cell> = last.into_iter().map(Cell::from).collect();
            cells.push(HELD_PAGE.into());
            let rows = self.ask(sql::HELD, cells).await?;
            let full = rows.len() == usize::try_from(HELD_PAGE).unwrap_or(usize::MAX);
            for row in &rows {
                held.push(held_of::<E>(row)?);
            }
            if !full {
                return Ok(held);
            }
        }
    }
}

fn held_of<E: Engine>(row: &E::Row) -> Result<HeldRow, StoreError> {
    Ok(HeldRow {
        agent: AgentId(id_of::<E>(row, 0)?),
        instance: InstanceId(id_of::<E>(row, 1)?),
        secret: SecretId(id_of::<E>(row, 2)?),
        version: E::int(row, 3).map_err(fault::before_commit)?,
        state: E::int(row, 4).map_err(fault::before_commit)?,
        detail: text_of::<E>(row, 5)?,
    })
}

fn text_of<E: Engine>(row: &E::Row, column: usize) -> Result<String, StoreError> {
    E::text(row, column).map_err(fault::before_commit)
}

/// Rows that are read at once.
const HELD_PAGE: i64 = 2_000;
