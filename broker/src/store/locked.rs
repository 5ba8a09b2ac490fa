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
    /// Inside a transaction. Absent while a detached task works with it; a task whose caller was
    /// dropped drops it too, and the pool rolls it back.
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
                Ok(head) => Ok(LockedOn { head, connection: Some(connection) }),
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
        let mut connection = self.take()?;
        let (connection, rows) = detached(async move {
            let rows = E::rows(&mut connection, sql::LOG_AFTER, cells).await;
            Ok((connection, rows.map_err(fault::before_commit)?))
        })
        .await?;
        self.connection = Some(connection);
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
        let mut connection = self.take()?;
        let (connection, rows) = detached(async move {
            let rows = E::answers(&mut connection, ids).await;
            Ok((connection, rows.map_err(fault::before_commit)?))
        })
        .await?;
        self.connection = Some(connection);
        let by_id = |row| verbs::request_of::<E>(row).map(|request| (request.id, request));
        rows.iter().map(by_id).collect()
    }

    pub(super) async fn commit(mut self, batch: Batch) -> Result<(), StoreError> {
        batch.check_change(&self.head)?;
        let (mut connection, before) = (self.take()?, self.head.clone());
        detached(async move {
            let scrubs = !batch.shredded.is_empty();
            if let Err(error) = E::write(&mut connection, batch, before).await {
                verbs::roll_back(connection).await;
                return Err(error);
            }
            E::command(&mut connection, "COMMIT").await.map_err(fault::of_commit)?;
            if scrubs {
                E::scrub(&mut connection).await;
            }
            Ok(())
        })
        .await
    }

    fn take(&mut self) -> Result<PoolConnection<E>, StoreError> {
        self.connection.take().ok_or_else(|| StoreError::Unavailable {
            why: "the transaction has ended already".to_owned(),
            unknown: false,
        })
    }
}

impl<E: Engine> Drop for LockedOn<E> {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(verbs::roll_back(connection))),
            // Without a runtime nothing can be said to the database; it rolls back what closes.
            Err(_) => drop(connection.detach()),
        }
    }
}
