//! Writing a batch into SQLite: one statement a table and thousand rows.

use crate::store::{
    Batch, Head, LaneHead, StoreError,
    engine::{Cell, Engine},
    fault,
};
use secretref_domain::id::BrokerId;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection, query_builder::Separated};

/// Parameters of one statement; SQLite takes 32,766.
pub(super) const PARAMETERS_MAX: usize = 10_000;

/// Writes a batch into the transaction that is open.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    mut batch: Batch,
    before: Option<Head>,
) -> Result<(), StoreError> {
    if let (Some(before), Some(after)) = (before, &batch.head) {
        move_head(connection, &before, after).await?;
    }
    if let Some((lane, before, after)) = batch.lane_move() {
        move_lane(connection, lane, &before, &after).await?;
    }
    batch.drop_stillborn();
    insert(connection, LOG, &batch.log, |mut row, log| {
        row.push_bind(log.revision.0).push_bind(log.position);
        row.push_bind(log.record.clone()).push_bind(log.mac.to_vec());
    })
    .await?;
    insert(connection, SEALED, &batch.sealed, |mut row, sealed| {
        row.push_bind(sealed.secret.0.as_bytes().to_vec()).push_bind(sealed.version.get());
        row.push_bind(sealed.environment.as_str().to_owned());
        row.push_bind(sealed.wrapped.clone()).push_bind(sealed.sealed.clone());
    })
    .await?;
    for (secret, version) in &batch.shredded {
        run(connection, SHRED, vec![secret.0.into(), version.get().into()]).await?;
    }
    insert(connection, REQUESTS, &batch.requests, |mut row, request| {
        row.push_bind(request.id.as_bytes().to_vec()).push_bind(request.fingerprint.to_vec());
        row.push_bind(request.answer.clone()).push_bind(request.at.as_micros());
    })
    .await?;
    insert(connection, AUDIT, &batch.audit, |mut row, audit| {
        row.push_bind(audit.lane.0.as_bytes().to_vec()).push_bind(audit.seq);
        row.push_bind(audit.at.as_micros());
        row.push_bind(audit.entry.clone()).push_bind(audit.hash.to_vec());
    })
    .await?;
    insert(connection, REPORTS, &batch.last_reports(), |mut row, report| {
        row.push_bind(report.agent.0.as_bytes().to_vec());
        row.push_bind(report.instance.0.as_bytes().to_vec());
        row.push_bind(report.secret.0.as_bytes().to_vec());
        row.push_bind(report.environment.as_str().to_owned());
        row.push_bind(report.version).push_bind(report.state).push_bind(report.evidence);
        row.push_bind(report.detail.clone()).push_bind(report.boot.as_bytes().to_vec());
        row.push_bind(report.at.as_micros()).push_bind(report.deliveries.clone());
    })
    .await?;
    insert(connection, SCHEDULES, &batch.last_schedules(), |mut row, schedule| {
        row.push_bind(schedule.agent.0.as_bytes().to_vec());
        row.push_bind(schedule.instance.0.as_bytes().to_vec());
        row.push_bind(schedule.environment.as_str().to_owned());
        row.push_bind(schedule.boot.as_bytes().to_vec()).push_bind(schedule.at.as_micros());
        row.push_bind(schedule.keep_until.as_micros()).push_bind(schedule.told.clone());
    })
    .await
}

async fn move_head(
    connection: &mut SqliteConnection,
    before: &Head,
    after: &Head,
) -> Result<(), StoreError> {
    let cells = vec![
        before.revision.0.into(),
        after.epoch.into(),
        after.revision.0.into(),
        after.mac.as_slice().into(),
    ];
    match run(connection, MOVE_HEAD, cells).await? {
        1 => Ok(()),
        _ => Err(fault::damaged("the head", &"it moved while it was locked")),
    }
}

async fn move_lane(
    connection: &mut SqliteConnection,
    lane: BrokerId,
    before: &LaneHead,
    after: &LaneHead,
) -> Result<(), StoreError> {
    let mut cells = vec![lane.0.into(), after.seq.into(), after.hash.as_slice().into()];
    let sql = if before.seq == 0 {
        FIRST_OF_LANE
    } else {
        cells.extend([before.seq.into(), before.hash.as_slice().into()]);
        MOVE_LANE
    };
    match run(connection, sql, cells).await? {
        1 => Ok(()),
        _ => Err(StoreError::LaneTaken(lane)),
    }
}

async fn run(
    connection: &mut SqliteConnection,
    sql: &'static str,
    cells: Vec<Cell>,
) -> Result<u64, StoreError> {
    Sqlite::changed(connection, sql, cells).await.map_err(fault::before_commit)
}

/// An `INSERT … VALUES` for many rows: what is before the values, what is after them, and how
/// many columns there are.
type Insert = (&'static str, &'static str, usize);

async fn insert<R>(
    connection: &mut SqliteConnection,
    (head, tail, columns): Insert,
    rows: &[R],
    bind: impl Fn(Separated<'_, Sqlite, &'static str>, &R),
) -> Result<(), StoreError> {
    for rows in rows.chunks(PARAMETERS_MAX / columns) {
        let mut query = QueryBuilder::new(head);
        query.push_values(rows, &bind);
        query.push(tail);
        // One row is the usual case, and its statement is kept; others would fill the cache.
        let query = query.build().persistent(rows.len() == 1);
        query.execute(&mut *connection).await.map_err(fault::before_commit)?;
    }
    Ok(())
}

const MOVE_HEAD: &str =
    "UPDATE head SET epoch = $2, revision = $3, mac = $4 WHERE id = 1 AND revision = $1";
const FIRST_OF_LANE: &str =
    "INSERT INTO audit_lanes (lane, seq, hash) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
const MOVE_LANE: &str =
    "UPDATE audit_lanes SET seq = $2, hash = $3 WHERE lane = $1 AND seq = $4 AND hash = $5";
const SHRED: &str = "DELETE FROM secret_versions WHERE secret = $1 AND version = $2";
const LOG: Insert = ("INSERT INTO authority_log (revision, position, record, mac) ", "", 4);
const SEALED: Insert =
    ("INSERT INTO secret_versions (secret, version, environment, wrapped, sealed) ", "", 5);
const REQUESTS: Insert = ("INSERT INTO requests (id, fingerprint, answer, at) ", "", 4);
const AUDIT: Insert = ("INSERT INTO audit (lane, seq, at, entry, hash) ", "", 5);
const REPORTS: Insert = (
    "INSERT INTO reports (agent, instance, secret, environment, version, state, evidence, detail, \
     boot, at, deliveries) ",
    " ON CONFLICT (agent, instance, secret) DO UPDATE SET environment = excluded.environment, \
     version = excluded.version, state = excluded.state, evidence = excluded.evidence, \
     detail = excluded.detail, boot = excluded.boot, at = excluded.at, \
     deliveries = excluded.deliveries",
    11,
);
const SCHEDULES: Insert = (
    "INSERT INTO schedules (agent, instance, environment, boot, at, keep_until, told) ",
    " ON CONFLICT (agent, instance) DO UPDATE SET environment = excluded.environment, \
     boot = excluded.boot, at = excluded.at, keep_until = excluded.keep_until, \
     told = excluded.told",
    7,
);
