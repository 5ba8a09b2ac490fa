//! One suite that both engines pass.

mod checkpoints;
mod conditions;
mod copies;
mod durability;
mod leases;
mod order;
mod rows;
mod schema;
mod storm;

use super::{
    AuditRow, Batch, Head, LaneHead, LogRow, ReportRow, RequestRow, ScheduleRow, SealedRow, Store,
    StoreError,
};
use secretref_domain::{
    clock::Timestamp,
    id::{AgentId, BrokerId, InstanceId, SecretId},
    name::EnvironmentName,
    version::{Revision, Version},
};
use sqlx::{Connection, PgConnection};
use std::path::PathBuf;
use tempfile::TempDir;
use uuid::Uuid;

/// A database of the test's own.
struct Place {
    url: String,
    folder: Option<TempDir>,
}

impl Place {
    fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/broker.db", folder.path().display());
        Self { url, folder: Some(folder) }
    }

    /// A database in the throwaway cluster whose superuser's URL is in the environment; it goes
    /// when the cluster goes.
    async fn postgres() -> Self {
        let cluster = std::env::var("SECRETREF_TEST_POSTGRES").expect(
            "SECRETREF_TEST_POSTGRES is not set: these tests need a Postgres; run them through \
             \"make test\"",
        );
        let name = format!("store_{}", Uuid::new_v4().simple());
        let mut connection = PgConnection::connect(&cluster).await.unwrap();
        let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
        sqlx::raw_sql(create).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        Self { url: in_database(&cluster, &name), folder: None }
    }

    /// The SQLite file.
    fn file(&self) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.path().join("broker.db"))
    }

    async fn open(&self) -> Store {
        Store::open(&self.url).await.unwrap()
    }

    /// A store with its tables and its first head.
    async fn ready(&self) -> Store {
        let store = self.open().await;
        store.migrate().await.unwrap();
        store.initialise(EPOCH, vec![("keyring".to_owned(), b"sealed".to_vec())]).await.unwrap();
        store
    }
}

/// The cluster's URL with another database in its path.
fn in_database(cluster: &str, name: &str) -> String {
    let (address, query) = cluster.split_once('?').unwrap_or((cluster, ""));
    let host_at = address.find("://").map_or(0, |at| at + 3);
    let path_at = address[host_at..].find('/').map_or(address.len(), |at| host_at + at);
    format!("{}/{name}?{query}", &address[..path_at])
}

macro_rules! on_both {
    ($($room:ident :: $test:ident,)*) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$room::$test(super::Place::sqlite()).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$room::$test(super::Place::postgres().await).await;
            })*
        }
    };
}

on_both! {
    schema::migrating_twice_changes_nothing,
    schema::four_brokers_migrate_at_once,
    schema::a_newer_schema_is_refused,
    schema::another_text_of_a_migration_is_refused,
    schema::without_tables_it_says_so,
    schema::initialising_twice_is_refused,
    schema::of_two_who_initialise_one_wins,
    schema::a_store_that_lost_its_head_is_not_empty,
    rows::the_vault_is_replaced_if_unchanged,
    rows::of_two_who_add_a_blob_the_first_wins,
    rows::the_log_is_read_in_pages,
    rows::a_sealed_version_comes_and_goes,
    rows::a_shredded_version_leaves_no_copy,
    rows::answers_are_found_and_forgotten,
    rows::a_report_replaces_the_one_before,
    rows::a_schedule_replaces_the_one_before_until_it_is_old,
    rows::the_audit_is_read_over_all_lanes,
    rows::a_row_that_is_too_big_is_refused,
    rows::a_batch_out_of_order_is_refused,
    rows::a_big_batch_is_one_batch,
    leases::one_holder_at_a_time_and_the_next_when_it_ends,
    leases::of_many_who_take_one_at_once_one_has_it,
    leases::who_is_there_is_what_each_broker_said_last,
    leases::reports_of_a_secret_are_those_of_all_agents,
    conditions::what_people_were_told_is_kept_by_what_of,
    conditions::what_a_test_came_to_is_kept_by_the_secret,
    conditions::all_that_was_said_is_read_page_by_page,
    checkpoints::of_two_checkpoints_that_follow_one_the_first_is_kept,
    checkpoints::lanes_are_read_one_by_one,
    copies::every_column_is_in_a_backup_or_left_out,
    copies::a_store_is_copied_into_an_empty_one_and_no_other,
    copies::a_data_key_is_replaced_where_it_is_what_was_read,
    copies::a_keyring_is_replaced_as_a_whole,
    copies::brokers_say_which_root_key_they_hold,
    order::the_lock_shows_what_others_committed,
    order::a_lane_has_one_writer,
    order::a_lane_that_lost_entries_is_damaged,
    order::two_brokers_lose_no_update,
    order::a_dropped_lock_leaves_nothing,
    order::a_failed_commit_leaves_nothing,
    order::a_lock_that_is_held_is_waited_for_and_not_for_ever,
    durability::what_is_acknowledged_is_there_after_reopening,
    storm::cancelled_work_loses_nothing_acknowledged,
}

const EPOCH: Uuid = Uuid::from_u128(0x0e);
const LANE: BrokerId = BrokerId(Uuid::from_u128(0xb0));

fn environment() -> EnvironmentName {
    EnvironmentName::parse("production").unwrap()
}

/// A head after another one; its MAC says which.
fn after(head: &Head) -> Head {
    let revision = head.revision.next();
    Head { epoch: head.epoch, revision, mac: mark(revision.0) }
}

/// A hash that says its number.
fn mark(number: i64) -> [u8; 32] {
    let mut mark = [0xaa; 32];
    mark[..8].copy_from_slice(&number.to_be_bytes());
    mark
}

/// A batch that appends records after a head.
fn change(before: &Head, records: &[&[u8]]) -> Batch {
    let head = after(before);
    let log = records.iter().zip(0..).map(|(record, position)| LogRow {
        revision: head.revision,
        position,
        record: record.to_vec(),
        mac: mark(position),
    });
    Batch { log: log.collect(), head: Some(head), ..Batch::default() }
}

/// Adds entries at the end of a lane, and moves that end.
fn note(mut batch: Batch, lane: BrokerId, end: &mut LaneHead, times: &[i64]) -> Batch {
    batch.lane_before = Some((lane, end.clone()));
    for at in times {
        *end = LaneHead { seq: end.seq + 1, hash: mark(end.seq + 1) };
        batch.audit.push(AuditRow {
            lane,
            seq: end.seq,
            at: Timestamp::from_micros(*at),
            entry: format!("{lane} {}", end.seq).into_bytes(),
            hash: end.hash,
        });
    }
    batch
}

fn start_of_lane() -> LaneHead {
    LaneHead { seq: 0, hash: [0; 32] }
}

/// Locks and commits one batch.
async fn put(store: &Store, records: &[&[u8]]) -> Head {
    let locked = store.lock().await.unwrap();
    let batch = change(locked.head(), records);
    let head = batch.head.clone().unwrap();
    locked.commit(batch).await.unwrap();
    head
}

async fn whole_log(store: &Store) -> Vec<LogRow> {
    store.log_after(Revision(0), 0, i64::MAX).await.unwrap()
}

fn sealed(secret: u128, version: i64) -> SealedRow {
    SealedRow {
        secret: SecretId(Uuid::from_u128(secret)),
        version: Version::new(version).unwrap(),
        environment: environment(),
        wrapped: format!("wrapped key {secret} {version}").into_bytes(),
        sealed: vec![0x5e; 300],
    }
}

fn request(id: u128, at: i64) -> RequestRow {
    RequestRow {
        id: Uuid::from_u128(id),
        fingerprint: mark(at),
        answer: b"answer".to_vec(),
        at: Timestamp::from_micros(at),
    }
}

fn schedule(agent: u128, instance: u128, at: i64) -> ScheduleRow {
    ScheduleRow {
        agent: AgentId(Uuid::from_u128(agent)),
        instance: InstanceId(Uuid::from_u128(instance)),
        environment: environment(),
        boot: Uuid::from_u128(7),
        at: Timestamp::from_micros(at),
        keep_until: Timestamp::from_micros(at * 10),
        told: format!("{{\"at\":{at}}}"),
    }
}

fn report(agent: u128, instance: u128, version: i64) -> ReportRow {
    ReportRow {
        agent: AgentId(Uuid::from_u128(agent)),
        instance: InstanceId(Uuid::from_u128(instance)),
        secret: SecretId(Uuid::from_u128(5)),
        environment: environment(),
        version,
        state: 1,
        evidence: 2,
        detail: "reloaded – in 3 ms".to_owned(),
        deliveries: "[]".to_owned(),
        boot: Uuid::from_u128(7),
        at: Timestamp::from_micros(version * 1000),
    }
}
