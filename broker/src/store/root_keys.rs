//! What the database knows of a root key that takes the place of another: which broker holds the
//! next one, which root key wraps the keyring, and which data keys are still under another.

use super::{
    Store, StoreError,
    detached::detached,
    engine::{Cell, Engine},
    fault, on_engine,
    verbs::{StoreOn, acquire, environment_of, id_of, roll_back},
};
use secretref_domain::{
    id::{BrokerId, SecretId},
    name::EnvironmentName,
    version::Version,
};
use std::collections::BTreeMap;
use uuid::Uuid;

/// A sealed version without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedRow {
    /// The secret.
    pub secret: SecretId,
    /// The version.
    pub version: Version,
    /// The environment that the secret belongs to.
    pub environment: EnvironmentName,
    /// Its data key, wrapped by a root key.
    pub wrapped: Vec<u8>,
}

impl Store {
    /// Blobs of the vault by name, all as they were at one time.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn vaults(&self) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
        on_engine!(Self, self, engine => engine.vaults().await)
    }

    /// Replaces blobs of the vault: all of them, or none where one is not what the caller read.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where one is not.
    pub async fn replace_vaults(
        &self,
        blobs: Vec<(&'static str, Vec<u8>, Vec<u8>)>,
    ) -> Result<(), StoreError> {
        on_engine!(Self, self, engine => engine.replace_vaults(blobs).await)
    }

    /// Says which root key a broker holds beside the one that it seals by.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn hold_key(&self, broker: BrokerId, next: Option<Uuid>) -> Result<(), StoreError> {
        let (sql, cells) = match next {
            Some(key) => (HOLD_KEY, vec![broker.0.into(), key.into()]),
            None => (LET_GO, vec![broker.0.into()]),
        };
        on_engine!(Self, self, engine => engine.change(sql, cells).await.map(drop))
    }

    /// Which root key each broker holds beside the one that it seals by: those that serve, and
    /// those that did not say that they end.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn key_holders(&self) -> Result<BTreeMap<BrokerId, Option<Uuid>>, StoreError> {
        on_engine!(Self, self, engine => engine.key_holders().await)
    }

    /// At most `limit` versions after a place whose data keys are not wrapped by a root key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn wrapped_by_others(
        &self,
        key: Uuid,
        after: Option<(SecretId, Version)>,
        limit: i64,
    ) -> Result<Vec<WrappedRow>, StoreError> {
        on_engine!(Self, self, engine => engine.wrapped_by_others(key, after, limit).await)
    }

    /// Replaces wrapped data keys in one transaction, each where it still is what was read: each
    /// row with what it has now. Says how many were replaced.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn rewrap(&self, rows: Vec<(WrappedRow, Vec<u8>)>) -> Result<u64, StoreError> {
        on_engine!(Self, self, engine => engine.rewrap(rows).await)
    }

    /// Leaves no copy behind of what was replaced that the engine can be asked to remove.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn scrub(&self) -> Result<(), StoreError> {
        on_engine!(Self, self, engine => engine.scrub().await)
    }
}

impl<E: Engine> StoreOn<E> {
    async fn vaults(&self) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
        let rows = self.ask(BLOBS, vec![]).await?;
        let blob = |row: &E::Row| Ok((E::text(row, 0)?, E::bytes(row, 1)?));
        rows.iter().map(|row| blob(row).map_err(fault::before_commit)).collect()
    }

    async fn replace_vaults(
        &self,
        blobs: Vec<(&'static str, Vec<u8>, Vec<u8>)>,
    ) -> Result<(), StoreError> {
        let changes = blobs.into_iter().map(|(name, before, after)| {
            vec![Cell::Text(name.to_owned()), Cell::Bytes(before), Cell::Bytes(after)]
        });
        let all = |changed| match changed {
            1 => Ok(()),
            _ => Err(StoreError::Damaged("the keyring is not what was read".to_owned())),
        };
        self.each(super::sql::REPLACE_BLOB, changes.collect(), all).await.map(drop)
    }

    async fn key_holders(&self) -> Result<BTreeMap<BrokerId, Option<Uuid>>, StoreError> {
        let rows = self.ask(HOLDERS, vec![Uuid::nil().into()]).await?;
        let holder = |row: &E::Row| {
            let key = id_of::<E>(row, 1)?;
            Ok((BrokerId(id_of::<E>(row, 0)?), (!key.is_nil()).then_some(key)))
        };
        rows.iter().map(holder).collect()
    }

    async fn wrapped_by_others(
        &self,
        key: Uuid,
        after: Option<(SecretId, Version)>,
        limit: i64,
    ) -> Result<Vec<WrappedRow>, StoreError> {
        let (secret, version) = after.map_or((Uuid::nil(), 0), |(id, at)| (id.0, at.get()));
        let cells = vec![key.into(), secret.into(), version.into(), limit.into()];
        let row = |row: &E::Row| {
            let number = E::int(row, 1).map_err(fault::before_commit)?;
            let version = Version::new(number);
            Ok(WrappedRow {
                secret: SecretId(id_of::<E>(row, 0)?),
                version: version.ok_or_else(|| fault::damaged("a version", &"it is below 1"))?,
                environment: environment_of::<E>(row, 2)?,
                wrapped: E::bytes(row, 3).map_err(fault::before_commit)?,
            })
        };
        self.ask(BY_OTHERS, cells).await?.iter().map(row).collect()
    }

    async fn rewrap(&self, rows: Vec<(WrappedRow, Vec<u8>)>) -> Result<u64, StoreError> {
        let changes = rows.into_iter().map(|(row, after)| {
            let place = [row.secret.0.into(), row.version.get().into()];
            place.into_iter().chain([Cell::Bytes(row.wrapped), Cell::Bytes(after)]).collect()
        });
        // One that was destroyed meanwhile is not there any more, which is well.
        self.each(REWRAP, changes.collect(), |_| Ok(())).await
    }

    async fn scrub(&self) -> Result<(), StoreError> {
        let pool = self.writers.clone();
        detached(async move {
            let mut connection = acquire(&pool).await?;
            E::scrub(&mut connection).await;
            Ok(())
        })
        .await
    }

    /// Runs a statement for each of these parameters in one transaction, and says how many rows
    /// were changed in all. What was changed by one is checked before the next.
    async fn each(
        &self,
        sql: &'static str,
        changes: Vec<Vec<Cell>>,
        check: impl Fn(u64) -> Result<(), StoreError> + Send + Sync + 'static,
    ) -> Result<u64, StoreError> {
        let pool = self.writers.clone();
        detached(async move {
            let mut connection = acquire(&pool).await?;
            E::command(&mut connection, E::BEGIN).await.map_err(fault::before_commit)?;
            let mut all = 0;
            for cells in changes {
                let changed = E::changed(&mut connection, sql, cells).await;
                let changed = changed.map_err(fault::before_commit);
                match changed.and_then(|changed| check(changed).map(|()| changed)) {
                    Ok(changed) => all += changed,
                    Err(error) => {
                        roll_back::<E>(connection).await;
                        return Err(error);
                    }
                }
            }
            E::command(&mut connection, "COMMIT").await.map_err(fault::of_commit)?;
            Ok(all)
        })
        .await
    }
}

const BLOBS: &str = "SELECT name, content FROM vault";

const HOLD_KEY: &str = "\
    INSERT INTO brokers (broker, revision, at, next_key) VALUES ($1, 0, 0, $2) \
    ON CONFLICT (broker) DO UPDATE SET next_key = excluded.next_key";

const LET_GO: &str = "UPDATE brokers SET next_key = NULL WHERE broker = $1";

/// Who holds which; 16 zeros for none.
const HOLDERS: &str = "SELECT broker, coalesce(next_key, $1) FROM brokers";

/// The id of the root key stands after the first byte of what it wrapped.
const BY_OTHERS: &str = "\
    SELECT secret, version, environment, wrapped FROM secret_versions \
    WHERE substr(wrapped, 2, 16) <> $1 AND (secret, version) > ($2, $3) \
    ORDER BY secret, version LIMIT $4";

const REWRAP: &str = "\
    UPDATE secret_versions SET wrapped = $4 WHERE secret = $1 AND version = $2 AND wrapped = $3";
