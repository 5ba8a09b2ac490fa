//! Writing a batch into Postgres: all tables in one statement, one round trip.

use crate::store::{Batch, Head, LaneHead, StoreError, engine::Engine, fault};
use sqlx::{
    PgConnection, Postgres,
    postgres::{PgArguments, PgRow},
    query::Query,
};
use uuid::Uuid;

type Bound = Query<'static, Postgres, PgArguments>;

/// Writes a batch. Without a head that was locked before, the statement is a transaction by itself
/// and its answer is a commit's.
pub(super) async fn write(
    connection: &mut PgConnection,
    mut batch: Batch,
    before: Option<Head>,
) -> Result<(), StoreError> {
    let classify = match before {
        Some(_) => fault::before_commit,
        None => fault::of_commit,
    };
    batch.drop_stillborn();
    let (moves_head, lane) = (batch.head.is_some(), batch.lane_move());
    let taken = lane.as_ref().map(|(lane, ..)| StoreError::LaneTaken(*lane));
    let query = bind_ends(sqlx::query(WRITE), &batch, before.as_ref());
    let query = bind_changes(query, &batch);
    let query = bind_records(query, &mut batch);
    let row: PgRow = query.fetch_one(connection).await.map_err(classify)?;
    let moved = |column| Postgres::int(&row, column).map_err(classify);
    if moved(0)? != i64::from(moves_head) {
        return Err(fault::damaged("the head", &"it moved while it was locked"));
    }
    match taken {
        Some(taken) if moved(1)? != 1 => Err(taken),
        _ => Ok(()),
    }
}

/// Parameters 1 to 9: the ends that move. One that does not is null, which equals nothing.
fn bind_ends(query: Bound, batch: &Batch, before: Option<&Head>) -> Bound {
    let head = batch.head.as_ref();
    let lane = batch.lane_move();
    let (lane, from, to) = match lane {
        Some((lane, from, to)) => (Some(lane), Some(from), Some(to)),
        None => (None, None, None),
    };
    let hash = |end: Option<LaneHead>| end.map(|end| end.hash.to_vec());
    query
        .bind(before.map(|before| before.revision.0))
        .bind(head.map(|head| head.epoch.as_bytes().to_vec()))
        .bind(head.map(|head| head.revision.0))
        .bind(head.map(|head| head.mac.to_vec()))
        .bind(lane.map(|lane| lane.0.as_bytes().to_vec()))
        .bind(from.as_ref().map(|from| from.seq))
        .bind(hash(from))
        .bind(to.as_ref().map(|to| to.seq))
        .bind(hash(to))
}

/// Parameters 10 to 24: log, sealed versions, shredded ones, requests; a column each.
fn bind_changes(query: Bound, batch: &Batch) -> Bound {
    let (log, sealed) = (&batch.log, &batch.sealed);
    let (shredded, requests) = (&batch.shredded, &batch.requests);
    query
        .bind(numbers(log, |row| row.revision.0))
        .bind(numbers(log, |row| row.position))
        .bind(blobs(log, |row| &row.record))
        .bind(blobs(log, |row| &row.mac))
        .bind(ids(sealed, |row| row.secret.0))
        .bind(numbers(sealed, |row| row.version.get()))
        .bind(texts(sealed, |row| row.environment.as_str()))
        .bind(blobs(sealed, |row| &row.wrapped))
        .bind(blobs(sealed, |row| &row.sealed))
        .bind(ids(shredded, |(secret, _)| secret.0))
        .bind(numbers(shredded, |(_, version)| version.get()))
        .bind(ids(requests, |row| row.id))
        .bind(blobs(requests, |row| &row.fingerprint))
        .bind(blobs(requests, |row| &row.answer))
        .bind(numbers(requests, |row| row.at.as_micros()))
}

/// Parameters from 25 on: audit entries, reports and schedules.
fn bind_records(query: Bound, batch: &mut Batch) -> Bound {
    let (reports, schedules) = (&batch.last_reports(), &batch.last_schedules());
    let audit = &batch.audit;
    query
        .bind(numbers(audit, |row| row.seq))
        .bind(numbers(audit, |row| row.at.as_micros()))
        .bind(blobs(audit, |row| &row.entry))
        .bind(blobs(audit, |row| &row.hash))
        .bind(ids(reports, |row| row.agent.0))
        .bind(ids(reports, |row| row.instance.0))
        .bind(ids(reports, |row| row.secret.0))
        .bind(texts(reports, |row| row.environment.as_str()))
        .bind(numbers(reports, |row| row.version))
        .bind(numbers(reports, |row| row.state))
        .bind(numbers(reports, |row| row.evidence))
        .bind(texts(reports, |row| &row.detail))
        .bind(ids(reports, |row| row.boot))
        .bind(numbers(reports, |row| row.at.as_micros()))
        .bind(texts(reports, |row| &row.deliveries))
        .bind(ids(schedules, |row| row.agent.0))
        .bind(ids(schedules, |row| row.instance.0))
        .bind(texts(schedules, |row| row.environment.as_str()))
        .bind(ids(schedules, |row| row.boot))
        .bind(numbers(schedules, |row| row.at.as_micros()))
        .bind(numbers(schedules, |row| row.keep_until.as_micros()))
        .bind(texts(schedules, |row| &row.told))
}

fn numbers<R>(rows: &[R], column: impl Fn(&R) -> i64) -> Vec<i64> {
    rows.iter().map(column).collect()
}

fn blobs<R>(rows: &[R], column: impl Fn(&R) -> &[u8]) -> Vec<&[u8]> {
    rows.iter().map(column).collect()
}

fn texts<R>(rows: &[R], column: impl Fn(&R) -> &str) -> Vec<&str> {
    rows.iter().map(column).collect()
}

fn ids<R>(rows: &[R], column: impl Fn(&R) -> Uuid) -> Vec<[u8; 16]> {
    rows.iter().map(|row| column(row).into_bytes()).collect()
}

/// `gate` has a row if both ends moved as they had to, and nothing else is written without it: so
/// that this is all or nothing even where it is a transaction by itself. Each part writes a table
/// of its own, since the parts do not see one another's rows.
const WRITE: &str = "\
WITH head_moved AS (
    UPDATE head SET epoch = $2, revision = $3, mac = $4
    WHERE id = 1 AND revision = $1 AND $3 IS NOT NULL RETURNING 1
), lane_moved AS (
    INSERT INTO audit_lanes AS lanes (lane, seq, hash)
    SELECT $5, $8, $9 WHERE $5 IS NOT NULL
        AND ($6 = 0 OR EXISTS (SELECT 1 FROM audit_lanes WHERE lane = $5))
    ON CONFLICT (lane) DO UPDATE SET seq = excluded.seq, hash = excluded.hash
        WHERE lanes.seq = $6 AND lanes.hash = $7
    RETURNING 1
), gate AS (
    SELECT 1 WHERE ($3 IS NULL OR EXISTS (SELECT 1 FROM head_moved))
        AND ($5 IS NULL OR EXISTS (SELECT 1 FROM lane_moved))
), wrote_log AS (
    INSERT INTO authority_log (revision, position, record, mac)
    SELECT rows.* FROM gate,
        unnest($10::BIGINT[], $11::BIGINT[], $12::BYTEA[], $13::BYTEA[]) AS rows
), wrote_sealed AS (
    INSERT INTO secret_versions (secret, version, environment, wrapped, sealed)
    SELECT rows.* FROM gate,
        unnest($14::BYTEA[], $15::BIGINT[], $16::TEXT[], $17::BYTEA[], $18::BYTEA[]) AS rows
), shredded AS (
    DELETE FROM secret_versions AS versions
    USING gate, unnest($19::BYTEA[], $20::BIGINT[]) AS rows (secret, version)
    WHERE versions.secret = rows.secret AND versions.version = rows.version
), wrote_requests AS (
    INSERT INTO requests (id, fingerprint, answer, at)
    SELECT rows.* FROM gate,
        unnest($21::BYTEA[], $22::BYTEA[], $23::BYTEA[], $24::BIGINT[]) AS rows
), wrote_audit AS (
    INSERT INTO audit (lane, seq, at, entry, hash)
    SELECT $5, rows.* FROM gate,
        unnest($25::BIGINT[], $26::BIGINT[], $27::BYTEA[], $28::BYTEA[]) AS rows
), wrote_reports AS (
    INSERT INTO reports
        (agent, instance, secret, environment, version, state, evidence, detail, boot, at,
            deliveries)
    SELECT rows.* FROM gate,
        unnest($29::BYTEA[], $30::BYTEA[], $31::BYTEA[], $32::TEXT[], $33::BIGINT[],
            $34::BIGINT[], $35::BIGINT[], $36::TEXT[], $37::BYTEA[], $38::BIGINT[],
            $39::TEXT[]) AS rows
    ON CONFLICT (agent, instance, secret) DO UPDATE SET environment = excluded.environment,
        version = excluded.version, state = excluded.state, evidence = excluded.evidence,
        detail = excluded.detail, boot = excluded.boot, at = excluded.at,
        deliveries = excluded.deliveries
), wrote_schedules AS (
    INSERT INTO schedules (agent, instance, environment, boot, at, keep_until, told)
    SELECT rows.* FROM gate,
        unnest($40::BYTEA[], $41::BYTEA[], $42::TEXT[], $43::BYTEA[], $44::BIGINT[],
            $45::BIGINT[], $46::TEXT[]) AS rows
    ON CONFLICT (agent, instance) DO UPDATE SET environment = excluded.environment,
        boot = excluded.boot, at = excluded.at, keep_until = excluded.keep_until,
        told = excluded.told
)
SELECT (SELECT count(*) FROM head_moved), (SELECT count(*) FROM lane_moved),
    (SELECT pg_notify('secretref_head', $3::TEXT) FROM head_moved)::TEXT";
