//! A transaction that holds the head's lock.

use super::{
    Batch, Head, LogRow, RequestRow, StoreError,
    detached::detached,
    engine::Engine,
    fault, sql,
    verbs::{self, StoreOn},
};
use secretref_domain::version::Revision;
use sqlx::pool::PoolConnection;
use std::collections::HashMap;
use uuid::Uuid;

/// The lock on one engine. Dropping it rolls back.
pub struct LockedOn<E: Engine> {
    head: Head,
    /// Absent while a detached task works with it; a task whose caller was dropped drops it.
    open: Option<Open<E>>,
}

/// A connection inside a transaction, wherever it is. Dropping it rolls back; the pool's
/// `after_release` does so too, and neither relies on the other.
struct Open<E: Engine> {
    /// Present until the transaction has ended.
    connection: Option<PoolConnection<E>>,
}

impl<E: Engine> StoreOn<E> {
    pub(super) async fn lock(&self) -> Result<LockedOn<E>, StoreError> {
        let pool = self.writers.clone();
        detached(async move {
            let mut connection = verbs::acquire(&pool).await?;
            let head = match E::begin_locked(&mut connection).await {
                Ok(Some(row)) => verbs::head_of::<E>(&row),
                Ok(None) => Err(fault::not_initialised()),
                Err(error) => Err(fault::before_commit(error)),
            };
            match head {
                Ok(head) => {
                    Ok(LockedOn { head, open: Some(Open { connection: Some(connection) }) })
                }
                Err(error) => {
                    verbs::roll_back(connection).await;
                    Err(error)
                }
            }
        })
        .await
    }
}

impl<E: Engine> LockedOn<E> {
    pub(super) fn head(&self) -> &Head {
        &self.head
    }

    pub(super) async fn log_after(
        &mut self,
        revision: Revision,
        position: i64,
    ) -> Result<Vec<LogRow>, StoreError> {
        let cells = vec![revision.0.into(), position.into(), i64::MAX.into()];
        let mut open = self.take()?;
        let (open, rows) = detached(async move {
            let rows = E::rows(open.connection()?, sql::LOG_AFTER, cells).await;
            Ok((open, rows.map_err(fault::before_commit)?))
        })
        .await?;
        self.open = Some(open);
        rows.iter().map(verbs::log_of::<E>).collect()
    }

    pub(super) async fn requests(
        &mut self,
        ids: &[Uuid],
    ) -> Result<HashMap<Uuid, RequestRow>, StoreError> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let ids = ids.to_vec();
        let mut open = self.take()?;
        let (open, rows) = detached(async move {
            let rows = E::answers(open.connection()?, ids).await;
            Ok((open, rows.map_err(fault::before_commit)?))
        })
        .await?;
        self.open = Some(open);
        let by_id = |row| verbs::request_of::<E>(row).map(|request| (request.id, request));
        rows.iter().map(by_id).collect()
    }

    pub(super) async fn commit(mut self, batch: Batch) -> Result<(), StoreError> {
        batch.check_change(&self.head)?;
        let (mut open, before) = (self.take()?, self.head.clone());
        detached(async move {
            let scrubs = !batch.shredded.is_empty();
            E::write(open.connection()?, batch, before).await?;
            E::command(open.connection()?, "COMMIT").await.map_err(fault::of_commit)?;
            if let (Some(mut connection), true) = (open.connection.take(), scrubs) {
                E::scrub(&mut connection).await;
            }
            Ok(())
        })
        .await
    }

    fn take(&mut self) -> Result<Open<E>, StoreError> {
        self.open.take().ok_or_else(ended)
    }
}

impl<E: Engine> Open<E> {
    fn connection(&mut self) -> Result<&mut E::Connection, StoreError> {
        self.connection.as_deref_mut().ok_or_else(ended)
    }
}

fn ended() -> StoreError {
    StoreError::Unavailable { why: "the transaction has ended already".to_owned(), unknown: false }
}

impl<E: Engine> Drop for Open<E> {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(verbs::roll_back(connection))),
            // Without a runtime nothing can be said to the database; it rolls back what closes.
            Err(_) => drop(connection.detach()),
        }
    }
}
