//! Where the audit trail begins once older entries were archived, and their removal. The broker's
//! own role may read the one; only another role, which no broker uses, may do the other.

use super::{
    Store, StoreError,
    engine::Engine,
    fault, on_engine,
    verbs::{StoreOn, id_of},
};
use secretref_domain::{
    id::{BrokerId, SecretId},
    version::Version,
};

/// What the role of the database may do with the audit trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditPrivileges {
    /// Add entries.
    pub appends: bool,
    /// Change or remove entries.
    pub rewrites: bool,
}

impl Store {
    /// What the role of the database may do with the trail; nothing on SQLite, which has no roles.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn audit_privileges(&self) -> Result<Option<AuditPrivileges>, StoreError> {
        let Self::Postgres(engine) = self else { return Ok(None) };
        let rows = engine.ask(PRIVILEGES, vec![]).await?;
        let row = rows.first().ok_or_else(|| fault::damaged("the privileges", &"no answer"))?;
        let said = |column| sqlx::Postgres::int(row, column).map_err(fault::before_commit);
        Ok(Some(AuditPrivileges { appends: said(0)? > 0, rewrites: said(1)? > 0 }))
    }

    /// After how many entries the trail begins, in the order of its tree; 0 where nothing was
    /// archived.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn trail_beginning(&self) -> Result<i64, StoreError> {
        on_engine!(Self, self, engine => engine.trail_beginning().await)
    }

    /// Removes the entries that a checkpoint signs, but the newest of each lane, which shows where
    /// the lane goes on; returns how many were removed. `ends` has the lanes as the checkpoint
    /// has them. Where it is stopped half way, it goes on when it is called again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove_archived(
        &self,
        size: i64,
        ends: Vec<(BrokerId, i64)>,
    ) -> Result<u64, StoreError> {
        on_engine!(Self, self, engine => engine.remove_archived(size, ends).await)
    }

    /// At most `limit` sealed versions after a place, without what they hold.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sealed_after(
        &self,
        after: Option<(SecretId, i64)>,
        limit: i64,
    ) -> Result<Vec<(SecretId, Version)>, StoreError> {
        on_engine!(Self, self, engine => engine.sealed_after(after, limit).await)
    }
}

impl<E: Engine> StoreOn<E> {
    async fn trail_beginning(&self) -> Result<i64, StoreError> {
        let rows = self.ask(BEGINNING, vec![]).await?;
        let size = rows.first().map(|row| E::int(row, 0).map_err(fault::before_commit));
        Ok(size.transpose()?.unwrap_or(0))
    }

    async fn remove_archived(
        &self,
        size: i64,
        ends: Vec<(BrokerId, i64)>,
    ) -> Result<u64, StoreError> {
        // Readers begin there from now on, whatever is still left of what is before.
        self.change(MOVE_BEGINNING, vec![size.into()]).await?;
        let mut removed = 0;
        for (lane, end) in ends {
            loop {
                // Each by itself, so that no statement is long and nobody waits for one.
                let cells = vec![lane.0.into(), end.into(), REMOVED_AT_ONCE.into()];
                match self.change(REMOVE_ENTRIES, cells).await? {
                    0 => break,
                    some => removed += some,
                }
            }
        }
        self.change(REMOVE_CHECKPOINTS, vec![size.into()]).await?;
        Ok(removed)
    }

    async fn sealed_after(
        &self,
        after: Option<(SecretId, i64)>,
        limit: i64,
    ) -> Result<Vec<(SecretId, Version)>, StoreError> {
        let (secret, version) = after.map_or((uuid::Uuid::nil(), 0), |(id, at)| (id.0, at));
        let rows = self.ask(SEALED_AFTER, vec![secret.into(), version.into(), limit.into()]);
        let place = |row: &E::Row| {
            let number = E::int(row, 1).map_err(fault::before_commit)?;
            let version = Version::new(number);
            let version = version.ok_or_else(|| fault::damaged("a version", &"it is below 1"))?;
            Ok((SecretId(id_of::<E>(row, 0)?), version))
        };
        rows.await?.iter().map(place).collect()
    }
}

const PRIVILEGES: &str = "\
    SELECT CAST(CAST(has_table_privilege('audit', 'INSERT') AS INT) AS BIGINT), \
    CAST(CAST(has_table_privilege('audit', 'UPDATE') OR has_table_privilege('audit', 'DELETE') \
    OR has_table_privilege('audit', 'TRUNCATE') AS INT) AS BIGINT)";

const BEGINNING: &str = "SELECT size FROM audit_beginning";

/// Only ever forward.
const MOVE_BEGINNING: &str = "\
    INSERT INTO audit_beginning AS known (id, size) VALUES (1, $1) \
    ON CONFLICT (id) DO UPDATE SET size = excluded.size WHERE known.size < excluded.size";

const REMOVE_ENTRIES: &str = "\
    DELETE FROM audit WHERE lane = $1 AND seq < $2 \
    AND seq < (SELECT MIN(seq) + $3 FROM audit WHERE lane = $1)";

const REMOVE_CHECKPOINTS: &str = "DELETE FROM audit_checkpoints WHERE size < $1";

const SEALED_AFTER: &str = "\
    SELECT secret, version FROM secret_versions WHERE (secret, version) > ($1, $2) \
    ORDER BY secret, version LIMIT $3";

/// Entries that one statement removes.
const REMOVED_AT_ONCE: i64 = 1000;
