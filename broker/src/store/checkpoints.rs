//! Checkpoints of the audit trail, and the lanes as checkpoints and verifiers read them.

use super::{
    AuditRow, LaneHead, Store, StoreError,
    detached::detached,
    engine::{Cell, Engine},
    fault, on_engine, sql,
    verbs::{StoreOn, acquire, audit_of, hash_of, id_of, roll_back},
};
use secretref_domain::{
    id::BrokerId,
    tree::{Hash, Place},
};
use uuid::Uuid;

/// A signed checkpoint as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointRow {
    /// Entries that it covers.
    pub size: i64,
    /// Entries that the one before covers; 0 for none.
    pub follows: i64,
    /// The signed note.
    pub note: String,
}

/// Hashes of complete subtrees of one level that stand side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeRow {
    /// Which one the first of them is.
    pub first: Place,
    /// The hashes: at most 32,768.
    pub hashes: Vec<Hash>,
}

impl Store {
    /// Adds a checkpoint with the subtrees that it completes, in one transaction; says whether it
    /// did. It does not where another one follows the same checkpoint already.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn add_checkpoint(
        &self,
        checkpoint: CheckpointRow,
        tree: Vec<TreeRow>,
    ) -> Result<bool, StoreError> {
        on_engine!(Self, self, engine => engine.add_checkpoint(checkpoint, tree).await)
    }

    /// The newest checkpoint.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn newest_checkpoint(&self) -> Result<Option<CheckpointRow>, StoreError> {
        on_engine!(Self, self, engine => {
            Ok(engine.checkpoints(sql::NEWEST_CHECKPOINT, vec![]).await?.pop())
        })
    }

    /// The checkpoint of a size.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn checkpoint(&self, size: i64) -> Result<Option<CheckpointRow>, StoreError> {
        on_engine!(Self, self, engine => {
            Ok(engine.checkpoints(sql::CHECKPOINT, vec![size.into()]).await?.pop())
        })
    }

    /// The smallest checkpoint that is larger than a size.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn checkpoint_after(&self, size: i64) -> Result<Option<CheckpointRow>, StoreError> {
        on_engine!(Self, self, engine => {
            Ok(engine.checkpoints(sql::CHECKPOINT_AFTER, vec![size.into()]).await?.pop())
        })
    }

    /// The hash of a complete subtree.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where it is not there.
    pub async fn subtree(&self, place: Place) -> Result<Hash, StoreError> {
        on_engine!(Self, self, engine => engine.subtree(place).await)
    }

    /// The recorded ends of all audit lanes, in the order of their names.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn lane_ends(&self) -> Result<Vec<(BrokerId, LaneHead)>, StoreError> {
        on_engine!(Self, self, engine => engine.lane_ends().await)
    }

    /// The first lane after another that has an entry.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn lane_after(&self, lane: BrokerId) -> Result<Option<BrokerId>, StoreError> {
        on_engine!(Self, self, engine => engine.lane_after(lane).await)
    }

    /// At most `limit` entries of a lane after a number and up to another.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn lane_entries(
        &self,
        lane: BrokerId,
        after: i64,
        last: i64,
        limit: i64,
    ) -> Result<Vec<AuditRow>, StoreError> {
        on_engine!(Self, self, engine => engine.lane_entries(lane, after, last, limit).await)
    }
}

impl<E: Engine> StoreOn<E> {
    async fn add_checkpoint(
        &self,
        checkpoint: CheckpointRow,
        tree: Vec<TreeRow>,
    ) -> Result<bool, StoreError> {
        let pool = self.writers.clone();
        detached(async move {
            let mut connection = acquire(&pool).await?;
            E::command(&mut connection, E::BEGIN).await.map_err(fault::before_commit)?;
            let written = write::<E>(&mut connection, checkpoint, tree).await;
            match written {
                Ok(true) => {
                    let committed = E::command(&mut connection, "COMMIT").await;
                    committed.map_err(fault::of_commit).map(|()| true)
                }
                refused => {
                    roll_back::<E>(connection).await;
                    refused
                }
            }
        })
        .await
    }

    async fn checkpoints(
        &self,
        sql: &'static str,
        cells: Vec<Cell>,
    ) -> Result<Vec<CheckpointRow>, StoreError> {
        self.ask(sql, cells).await?.iter().map(checkpoint_of::<E>).collect()
    }

    async fn subtree(&self, place: Place) -> Result<Hash, StoreError> {
        let missing = || {
            let Place { level, index } = place;
            fault::damaged("the audit tree", &format!("subtree {index} of level {level} is lost"))
        };
        let index = i64::try_from(place.index).map_err(|_| missing())?;
        let cells = vec![i64::from(place.level).into(), index.into()];
        let rows = self.ask(sql::SUBTREES, cells).await?;
        let row = rows.first().ok_or_else(missing)?;
        let start = E::int(row, 0).map_err(fault::before_commit)?;
        let hashes = E::bytes(row, 1).map_err(fault::before_commit)?;
        let at = usize::try_from(index - start).map_err(|_| missing())?;
        let hash = hashes.chunks_exact(size_of::<Hash>()).nth(at).ok_or_else(missing)?;
        Hash::try_from(hash).map_err(|_| missing())
    }

    async fn lane_ends(&self) -> Result<Vec<(BrokerId, LaneHead)>, StoreError> {
        let end = |row: &E::Row| {
            let seq = E::int(row, 1).map_err(fault::before_commit)?;
            Ok((BrokerId(id_of::<E>(row, 0)?), LaneHead { seq, hash: hash_of::<E>(row, 2)? }))
        };
        self.ask(sql::LANE_ENDS, vec![]).await?.iter().map(end).collect()
    }

    async fn lane_after(&self, lane: BrokerId) -> Result<Option<BrokerId>, StoreError> {
        let rows = self.ask(sql::LANE_AFTER, vec![lane.0.into()]).await?;
        rows.first().map(|row| id_of::<E>(row, 0).map(BrokerId)).transpose()
    }

    async fn lane_entries(
        &self,
        lane: BrokerId,
        after: i64,
        last: i64,
        limit: i64,
    ) -> Result<Vec<AuditRow>, StoreError> {
        let cells = vec![lane.0.into(), after.into(), last.into(), limit.into()];
        self.ask(sql::LANE_ENTRIES, cells).await?.iter().map(audit_of::<E>).collect()
    }
}

async fn write<E: Engine>(
    connection: &mut E::Connection,
    checkpoint: CheckpointRow,
    tree: Vec<TreeRow>,
) -> Result<bool, StoreError> {
    let CheckpointRow { size, follows, note } = checkpoint;
    let cells = vec![size.into(), follows.into(), Cell::Text(note)];
    let added = E::changed(connection, sql::ADD_CHECKPOINT, cells).await;
    if added.map_err(fault::before_commit)? != 1 {
        return Ok(false);
    }
    for TreeRow { first, hashes } in tree {
        let start = i64::try_from(first.index).map_err(|error| fault::damaged("a tree", &error))?;
        let cells = vec![i64::from(first.level).into(), start.into(), hashes.concat()[..].into()];
        E::changed(connection, sql::ADD_SUBTREES, cells).await.map_err(fault::before_commit)?;
    }
    Ok(true)
}

fn checkpoint_of<E: Engine>(row: &E::Row) -> Result<CheckpointRow, StoreError> {
    Ok(CheckpointRow {
        size: E::int(row, 0).map_err(fault::before_commit)?,
        follows: E::int(row, 1).map_err(fault::before_commit)?,
        note: E::text(row, 2).map_err(fault::before_commit)?,
    })
}

/// Before every lane.
pub const NO_LANE: BrokerId = BrokerId(Uuid::nil());
