//! The verbs of the store, written once for both engines.

use super::{
    AuditCursor, AuditRow, Batch, Head, LaneHead, LogRow, ReportRow, RequestRow, ScheduleRow,
    SealedRow, StoreError,
    detached::detached,
    engine::{Cell, Engine},
    fault, migration, sql,
};
use secretref_domain::{
    clock::Timestamp,
    id::{AgentId, BrokerId, InstanceId, SecretId},
    name::EnvironmentName,
    version::{Revision, Version},
};
use sqlx::{Pool, pool::PoolConnection};
use uuid::Uuid;

/// The store on one engine. On Postgres both pools are the same.
pub struct StoreOn<E: Engine> {
    pub(super) readers: Pool<E>,
    pub(super) writers: Pool<E>,
}

impl<E: Engine> Clone for StoreOn<E> {
    fn clone(&self) -> Self {
        Self { readers: self.readers.clone(), writers: self.writers.clone() }
    }
}

impl<E: Engine> StoreOn<E> {
    pub(super) async fn migrate(&self) -> Result<(), StoreError> {
        let pool = self.writers.clone();
        detached(async move {
            let mut connection = acquire(&pool).await?;
            if migration::is_complete::<E>(&mut connection).await? {
                return Ok(());
            }
            E::migrate(&mut connection).await.map_err(fault::of_migration)
        })
        .await
    }

    pub(super) async fn initialise(
        &self,
        epoch: Uuid,
        vault: Vec<(String, Vec<u8>)>,
    ) -> Result<(), StoreError> {
        let pool = self.writers.clone();
        detached(async move {
            let mut connection = acquire(&pool).await?;
            E::command(&mut connection, E::BEGIN).await.map_err(fault::before_commit)?;
            match write_first::<E>(&mut connection, epoch, vault).await {
                Ok(()) => E::command(&mut connection, "COMMIT").await.map_err(fault::of_commit),
                Err(error) => {
                    roll_back::<E>(connection).await;
                    Err(error)
                }
            }
        })
        .await
    }

    pub(super) async fn head(&self) -> Result<Option<Head>, StoreError> {
        self.ask(sql::HEAD, vec![]).await?.first().map(head_of::<E>).transpose()
    }

    pub(super) async fn vault(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let rows = self.ask(sql::BLOB, vec![name.into()]).await?;
        rows.first().map(|row| E::bytes(row, 0).map_err(fault::before_commit)).transpose()
    }

    pub(super) async fn add_vault(&self, name: &str, content: &[u8]) -> Result<bool, StoreError> {
        Ok(self.change(sql::FIRST_BLOB, vec![name.into(), content.into()]).await? == 1)
    }

    pub(super) async fn replace_vault(
        &self,
        name: &str,
        before: &[u8],
        after: &[u8],
    ) -> Result<(), StoreError> {
        let cells = vec![name.into(), before.into(), after.into()];
        match self.change(sql::REPLACE_BLOB, cells).await? {
            1 => Ok(()),
            _ => Err(StoreError::Damaged(format!("{name} in the vault is not what was read"))),
        }
    }

    pub(super) async fn log_after(
        &self,
        revision: Revision,
        position: i64,
        limit: i64,
    ) -> Result<Vec<LogRow>, StoreError> {
        let cells = vec![revision.0.into(), position.into(), limit.into()];
        self.ask(sql::LOG_AFTER, cells).await?.iter().map(log_of::<E>).collect()
    }

    pub(super) async fn sealed(
        &self,
        secret: SecretId,
        version: Version,
    ) -> Result<Option<SealedRow>, StoreError> {
        let rows = self.ask(sql::SEALED, vec![secret.0.into(), version.get().into()]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        Ok(Some(SealedRow {
            secret,
            version,
            environment: environment_of::<E>(row, 0)?,
            wrapped: E::bytes(row, 1).map_err(fault::before_commit)?,
            sealed: E::bytes(row, 2).map_err(fault::before_commit)?,
        }))
    }

    pub(super) async fn lane_head(&self, lane: BrokerId) -> Result<LaneHead, StoreError> {
        let rows = self.ask(sql::LANE_HEAD, vec![lane.0.into()]).await?;
        let ends = rows.iter().map(lane_end_of::<E>).collect::<Result<Vec<_>, _>>()?;
        match ends.as_slice() {
            [] => Ok(LaneHead { seq: 0, hash: [0; 32] }),
            [recorded, newest] if recorded == newest => Ok(recorded.clone()),
            _ => Err(StoreError::Damaged(format!(
                "the audit lane {lane} does not end with its newest entry"
            ))),
        }
    }

    pub(super) async fn lane_tail(&self, lane: BrokerId) -> Result<Option<AuditRow>, StoreError> {
        let rows = self.ask(sql::LANE_TAIL, vec![lane.0.into()]).await?;
        rows.first().map(audit_of::<E>).transpose()
    }

    pub(super) async fn audit_after(
        &self,
        after: Option<AuditCursor>,
        since: Timestamp,
        limit: i64,
    ) -> Result<Vec<AuditRow>, StoreError> {
        // Entries are numbered from 1, so this place is before all of that time.
        let first = AuditCursor { at: since, lane: BrokerId(Uuid::nil()), seq: 0 };
        let place = after.filter(|cursor| cursor.at >= since).unwrap_or(first);
        let cells =
            vec![place.at.as_micros().into(), place.lane.0.into(), place.seq.into(), limit.into()];
        self.ask(sql::AUDIT_AFTER, cells).await?.iter().map(audit_of::<E>).collect()
    }

    pub(super) async fn reports(&self, agent: AgentId) -> Result<Vec<ReportRow>, StoreError> {
        let rows = self.ask(sql::REPORTS, vec![agent.0.into()]).await?;
        rows.iter().map(|row| report_of::<E>(agent, row)).collect()
    }

    pub(super) async fn reports_of(&self, secret: SecretId) -> Result<Vec<ReportRow>, StoreError> {
        let rows = self.ask(sql::REPORTS_OF_SECRET, vec![secret.0.into()]).await?;
        let report = |row| report_of::<E>(AgentId(id_of::<E>(row, 10)?), row);
        rows.iter().map(report).collect()
    }

    pub(super) async fn schedules(&self, agent: AgentId) -> Result<Vec<ScheduleRow>, StoreError> {
        let rows = self.ask(sql::SCHEDULES, vec![agent.0.into()]).await?;
        rows.iter().map(|row| schedule_of::<E>(agent, row)).collect()
    }

    pub(super) async fn forget_schedules(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.change(sql::FORGET_SCHEDULES, vec![now.as_micros().into()]).await
    }

    pub(super) async fn forget_requests(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.change(sql::FORGET_REQUESTS, vec![before.as_micros().into()]).await
    }

    pub(super) async fn append(&self, batch: Batch) -> Result<(), StoreError> {
        batch.check_append()?;
        let pool = self.writers.clone();
        detached(async move {
            let mut connection = acquire(&pool).await?;
            E::append(&mut connection, batch).await
        })
        .await
    }

    pub(super) async fn close(&self) {
        // Readers first: the last connection of a SQLite file folds the WAL into it, and only a
        // writer can.
        self.readers.close().await;
        self.writers.close().await;
    }

    pub(super) async fn ask(
        &self,
        sql: &'static str,
        cells: Vec<Cell>,
    ) -> Result<Vec<E::Row>, StoreError> {
        let pool = self.readers.clone();
        detached(async move {
            let mut connection = acquire(&pool).await?;
            E::rows(&mut connection, sql, cells).await.map_err(fault::before_commit)
        })
        .await
    }

    pub(super) async fn change(
        &self,
        sql: &'static str,
        cells: Vec<Cell>,
    ) -> Result<u64, StoreError> {
        let pool = self.writers.clone();
        detached(async move {
            let mut connection = acquire(&pool).await?;
            E::changed(&mut connection, sql, cells).await.map_err(fault::of_commit)
        })
        .await
    }
}

pub(super) async fn acquire<E: Engine>(pool: &Pool<E>) -> Result<PoolConnection<E>, StoreError> {
    pool.acquire().await.map_err(fault::before_commit)
}

/// Ends a transaction without a trace. A connection that cannot do it is closed, which has the
/// same effect; it never returns to its pool inside a transaction.
pub(super) async fn roll_back<E: Engine>(mut connection: PoolConnection<E>) {
    if let Err(error) = E::command(&mut connection, "ROLLBACK").await {
        tracing::debug!(%error, "a rollback failed; its connection is closed");
        connection.close_on_drop();
    }
}

async fn write_first<E: Engine>(
    connection: &mut E::Connection,
    epoch: Uuid,
    vault: Vec<(String, Vec<u8>)>,
) -> Result<(), StoreError> {
    let in_use = E::rows(connection, sql::IN_USE, vec![]).await.map_err(fault::before_commit)?;
    if !in_use.is_empty() {
        return Err(StoreError::NotEmpty);
    }
    let mut rows = vec![(sql::FIRST_HEAD, vec![epoch.into(), [0_u8; 32].as_slice().into()])];
    for (name, content) in vault {
        rows.push((sql::FIRST_BLOB, vec![Cell::Text(name), Cell::Bytes(content)]));
    }
    for (sql, cells) in rows {
        // Of two who initialise at once, the second waits here for the first's commit.
        if E::changed(connection, sql, cells).await.map_err(fault::before_commit)? != 1 {
            return Err(StoreError::NotEmpty);
        }
    }
    Ok(())
}

pub(super) fn head_of<E: Engine>(row: &E::Row) -> Result<Head, StoreError> {
    Ok(Head {
        epoch: id_of::<E>(row, 0)?,
        revision: Revision(E::int(row, 1).map_err(fault::before_commit)?),
        mac: hash_of::<E>(row, 2)?,
    })
}

pub(super) fn log_of<E: Engine>(row: &E::Row) -> Result<LogRow, StoreError> {
    Ok(LogRow {
        revision: Revision(E::int(row, 0).map_err(fault::before_commit)?),
        position: E::int(row, 1).map_err(fault::before_commit)?,
        record: E::bytes(row, 2).map_err(fault::before_commit)?,
        mac: hash_of::<E>(row, 3)?,
    })
}

pub(super) fn request_of<E: Engine>(row: &E::Row) -> Result<RequestRow, StoreError> {
    Ok(RequestRow {
        id: id_of::<E>(row, 0)?,
        fingerprint: hash_of::<E>(row, 1)?,
        answer: E::bytes(row, 2).map_err(fault::before_commit)?,
        at: time_of::<E>(row, 3)?,
    })
}

fn lane_end_of<E: Engine>(row: &E::Row) -> Result<LaneHead, StoreError> {
    let seq = E::int(row, 1).map_err(fault::before_commit)?;
    Ok(LaneHead { seq, hash: hash_of::<E>(row, 2)? })
}

pub(super) fn audit_of<E: Engine>(row: &E::Row) -> Result<AuditRow, StoreError> {
    Ok(AuditRow {
        lane: BrokerId(id_of::<E>(row, 0)?),
        seq: E::int(row, 1).map_err(fault::before_commit)?,
        at: time_of::<E>(row, 2)?,
        entry: E::bytes(row, 3).map_err(fault::before_commit)?,
        hash: hash_of::<E>(row, 4)?,
    })
}

fn report_of<E: Engine>(agent: AgentId, row: &E::Row) -> Result<ReportRow, StoreError> {
    Ok(ReportRow {
        agent,
        instance: InstanceId(id_of::<E>(row, 0)?),
        secret: SecretId(id_of::<E>(row, 1)?),
        environment: environment_of::<E>(row, 2)?,
        version: E::int(row, 3).map_err(fault::before_commit)?,
        state: E::int(row, 4).map_err(fault::before_commit)?,
        evidence: E::int(row, 5).map_err(fault::before_commit)?,
        detail: E::text(row, 6).map_err(fault::before_commit)?,
        boot: id_of::<E>(row, 7)?,
        at: time_of::<E>(row, 8)?,
        deliveries: E::text(row, 9).map_err(fault::before_commit)?,
    })
}

fn schedule_of<E: Engine>(agent: AgentId, row: &E::Row) -> Result<ScheduleRow, StoreError> {
    Ok(ScheduleRow {
        agent,
        instance: InstanceId(id_of::<E>(row, 0)?),
        environment: environment_of::<E>(row, 1)?,
        boot: id_of::<E>(row, 2)?,
        at: time_of::<E>(row, 3)?,
        keep_until: time_of::<E>(row, 4)?,
        told: E::text(row, 5).map_err(fault::before_commit)?,
    })
}

pub(super) fn id_of<E: Engine>(row: &E::Row, column: usize) -> Result<Uuid, StoreError> {
    let bytes = E::bytes(row, column).map_err(fault::before_commit)?;
    Uuid::from_slice(&bytes).map_err(|error| fault::damaged("an identity", &error))
}

pub(super) fn hash_of<E: Engine>(row: &E::Row, column: usize) -> Result<[u8; 32], StoreError> {
    let bytes = E::bytes(row, column).map_err(fault::before_commit)?;
    <[u8; 32]>::try_from(bytes).map_err(|_| fault::damaged("a hash", &"it has not 32 bytes"))
}

pub(super) fn time_of<E: Engine>(row: &E::Row, column: usize) -> Result<Timestamp, StoreError> {
    Ok(Timestamp::from_micros(E::int(row, column).map_err(fault::before_commit)?))
}

pub(super) fn environment_of<E: Engine>(
    row: &E::Row,
    column: usize,
) -> Result<EnvironmentName, StoreError> {
    let text = E::text(row, column).map_err(fault::before_commit)?;
    EnvironmentName::parse(&text).map_err(|error| fault::damaged("an environment", &error))
}
