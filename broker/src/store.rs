//! What the broker keeps on disk, in SQLite (embedded) or Postgres, behind the same verbs.
//!
//! The store decides nothing and understands nothing: it keeps sealed rows, a MAC-chained log and
//! audit lanes as bytes. SQL never computes a column that is MACed.
//!
//! ```text
//! head            one row: epoch, revision, MAC of the log's end. Its lock orders every change.
//! authority_log   (revision, position) → record, MAC        append only
//! secret_versions (secret, version) → wrapped data key, sealed value
//! audit_lanes     broker → seq, hash of its newest entry
//! audit           (lane, seq) → entry, hash                 append only
//! requests        request id → fingerprint, answer          idempotent retries, 24 h
//! reports         (agent, instance, secret) → what the sidecar said last
//! schedules       (agent, instance) → what its scheduled program does, as it said last
//! vault           name → blob: the sealed keyring, the sealed authority
//! brokers         broker → how far it follows the log, and when it said so; Postgres only
//! audit_checkpoints, audit_tree, audit_beginning: signed heads of the trail, their tree, its start
//! ```

mod archives;
mod batch;
mod brokers;
mod checkpoints;
mod conditions;
#[cfg(test)]
mod conformance;
mod copy;
mod detached;
mod engine;
mod fault;
mod leases;
mod locked;
mod migration;
mod postgres;
mod root_keys;
mod sql;
mod sqlite;
mod trail;
mod verbs;

pub use archives::AuditPrivileges;
pub use brokers::{Doorbell, Standing};
pub use checkpoints::{CheckpointRow, NO_LANE, TreeRow};
pub use conditions::HeldRow;
pub use copy::Copied;
pub use fault::StoreError;
pub use root_keys::WrappedRow;

use secretref_domain::{
    clock::Timestamp,
    id::{AgentId, BrokerId, InstanceId, SecretId},
    name::EnvironmentName,
    version::{Revision, Version},
};
use std::collections::HashMap;
use uuid::Uuid;

/// The one row that orders all changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Identity of this history.
    pub epoch: Uuid,
    /// Revision of the last batch.
    pub revision: Revision,
    /// MAC of the log's last record; zero for an empty log.
    pub mac: [u8; 32],
}

/// One record of the authority log as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRow {
    /// Revision of its batch.
    pub revision: Revision,
    /// Place in its batch, from 0.
    pub position: i64,
    /// The record's bytes.
    pub record: Vec<u8>,
    /// MAC over the MAC before it, its place and its bytes.
    pub mac: [u8; 32],
}

/// A sealed version as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedRow {
    /// The secret.
    pub secret: SecretId,
    /// The version.
    pub version: Version,
    /// The environment that the secret belongs to.
    pub environment: EnvironmentName,
    /// Its data key, wrapped by the root key.
    pub wrapped: Vec<u8>,
    /// Its value, sealed by the data key.
    pub sealed: Vec<u8>,
}

/// The end of an audit lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneHead {
    /// Number of the newest entry; 0 for none.
    pub seq: i64,
    /// Hash of the newest entry; zero for none.
    pub hash: [u8; 32],
}

/// An audit entry as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// Lane.
    pub lane: BrokerId,
    /// Number in the lane.
    pub seq: i64,
    /// When it was written; for ordering pages over the lanes.
    pub at: Timestamp,
    /// Canonical bytes.
    pub entry: Vec<u8>,
    /// SHA-256(previous hash | entry).
    pub hash: [u8; 32],
}

/// What a request with an id was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRow {
    /// Its id.
    pub id: Uuid,
    /// Keyed hash of caller, method and content.
    pub fingerprint: [u8; 32],
    /// The answer's bytes; never a value.
    pub answer: Vec<u8>,
    /// When it was answered.
    pub at: Timestamp,
}

/// What an instance said last of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportRow {
    /// The agent.
    pub agent: AgentId,
    /// The instance.
    pub instance: InstanceId,
    /// The secret.
    pub secret: SecretId,
    /// The environment that the agent belongs to.
    pub environment: EnvironmentName,
    /// Version that it said it of.
    pub version: i64,
    /// What it said: a `ResultState` of the wire; 0 for received.
    pub state: i64,
    /// How it knows: an `Evidence` of the wire.
    pub evidence: i64,
    /// Why it failed.
    pub detail: String,
    /// Each way by which it gets it: a JSON array.
    pub deliveries: String,
    /// Process of the sidecar that said it.
    pub boot: Uuid,
    /// When it arrived, by the broker's clock.
    pub at: Timestamp,
}

/// What an instance said last of the program that it runs by a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleRow {
    /// The agent.
    pub agent: AgentId,
    /// The instance.
    pub instance: InstanceId,
    /// The environment that the agent belongs to.
    pub environment: EnvironmentName,
    /// Process of the sidecar that said it.
    pub boot: Uuid,
    /// When it arrived, by the broker's clock.
    pub at: Timestamp,
    /// Until when it is of any use.
    pub keep_until: Timestamp,
    /// What it said, as JSON.
    pub told: String,
}

/// Everything that one transaction appends. Either all of it is durable, or none.
#[derive(Debug, Default)]
pub struct Batch {
    /// The new head; absent for a batch without changes.
    pub head: Option<Head>,
    /// Records, in order.
    pub log: Vec<LogRow>,
    /// New sealed versions.
    pub sealed: Vec<SealedRow>,
    /// Versions whose rows are deleted: their keys are shredded.
    pub shredded: Vec<(SecretId, Version)>,
    /// Answers of requests with an id.
    pub requests: Vec<RequestRow>,
    /// What sidecars said; replaces what each said before of the same secret.
    pub reports: Vec<ReportRow>,
    /// What sidecars said of scheduled programs; replaces what each said before.
    pub schedules: Vec<ScheduleRow>,
    /// Audit entries of one lane, in order.
    pub audit: Vec<AuditRow>,
    /// The lane's end before this batch: the batch is refused if it is not that. Needed where
    /// there are audit entries, and not looked at where there are none.
    pub lane_before: Option<(BrokerId, LaneHead)>,
}

/// Which audit entries to read: after this place in the order of time, lane and seq.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditCursor {
    /// Time of the last entry read.
    pub at: Timestamp,
    /// Its lane.
    pub lane: BrokerId,
    /// Its number.
    pub seq: i64,
}

/// The store, on the engine that its URL names.
#[derive(Clone)]
pub enum Store {
    /// SQLite in a file.
    Sqlite(sqlite::SqliteStore),
    /// Postgres.
    Postgres(postgres::PostgresStore),
}

/// A transaction that holds the head's lock. Dropping it rolls back.
pub enum Locked {
    /// On SQLite.
    Sqlite(sqlite::SqliteLocked),
    /// On Postgres.
    Postgres(postgres::PostgresLocked),
}

macro_rules! on_engine {
    ($enum:ident, $self:expr, $engine:ident => $body:expr) => {
        match $self {
            $enum::Sqlite($engine) => $body,
            $enum::Postgres($engine) => $body,
        }
    };
}

use on_engine;

impl Store {
    /// Opens `sqlite://PATH` or `postgres://…` without changing any table, and checks what the
    /// design asks of the engine's settings (Postgres: fsync, synchronous_commit, TLS unless the
    /// address is loopback or a Unix socket; SQLite: WAL, synchronous FULL, file 0600). A SQLite
    /// file that is not there is created, empty.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] with what to change, or `Unavailable`.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        if let Some(path) = url.strip_prefix("sqlite://") {
            return Ok(Self::Sqlite(sqlite::SqliteStore::open(path).await?));
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Postgres(postgres::PostgresStore::open(url).await?));
        }
        Err(StoreError::Unusable(
            "its URL starts with neither sqlite:// nor postgres://".to_owned(),
        ))
    }

    /// Applies the migrations that are missing, under a lock. Forward only; a schema of a newer
    /// broker is refused.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn migrate(&self) -> Result<(), StoreError> {
        on_engine!(Self, self, engine => engine.migrate().await)
    }

    /// Writes the first head and the vault into an empty store, in one transaction.
    ///
    /// # Errors
    /// [`StoreError::NotEmpty`] where there is a head already.
    pub async fn initialise(
        &self,
        epoch: Uuid,
        vault: Vec<(String, Vec<u8>)>,
    ) -> Result<(), StoreError> {
        on_engine!(Self, self, engine => engine.initialise(epoch, vault).await)
    }

    /// The head, or nothing where `initialise` has not been.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn head(&self) -> Result<Option<Head>, StoreError> {
        on_engine!(Self, self, engine => engine.head().await)
    }

    /// A blob of the vault.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn vault(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        on_engine!(Self, self, engine => engine.vault(name).await)
    }

    /// Writes a blob unless there is one of that name; says whether it did.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn add_vault(&self, name: &str, content: &[u8]) -> Result<bool, StoreError> {
        on_engine!(Self, self, engine => engine.add_vault(name, content).await)
    }

    /// Replaces a blob of the vault, if it still is what the caller read.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where it is not.
    pub async fn replace_vault(
        &self,
        name: &str,
        before: &[u8],
        after: &[u8],
    ) -> Result<(), StoreError> {
        on_engine!(Self, self, engine => engine.replace_vault(name, before, after).await)
    }

    /// At most `limit` records after a place in the log, in order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn log_after(
        &self,
        revision: Revision,
        position: i64,
        limit: i64,
    ) -> Result<Vec<LogRow>, StoreError> {
        on_engine!(Self, self, engine => engine.log_after(revision, position, limit).await)
    }

    /// A sealed version.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sealed(
        &self,
        secret: SecretId,
        version: Version,
    ) -> Result<Option<SealedRow>, StoreError> {
        on_engine!(Self, self, engine => engine.sealed(secret, version).await)
    }

    /// The end of an audit lane, checked against its newest entry.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where the two differ.
    pub async fn lane_head(&self, lane: BrokerId) -> Result<LaneHead, StoreError> {
        on_engine!(Self, self, engine => engine.lane_head(lane).await)
    }

    /// The newest entry of an audit lane.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn lane_tail(&self, lane: BrokerId) -> Result<Option<AuditRow>, StoreError> {
        on_engine!(Self, self, engine => engine.lane_tail(lane).await)
    }

    /// At most `limit` audit entries after a place, ordered by time, lane and number; from `since`
    /// on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn audit_after(
        &self,
        after: Option<AuditCursor>,
        since: Timestamp,
        limit: i64,
    ) -> Result<Vec<AuditRow>, StoreError> {
        on_engine!(Self, self, engine => engine.audit_after(after, since, limit).await)
    }

    /// What the instances of an agent said last.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn reports(&self, agent: AgentId) -> Result<Vec<ReportRow>, StoreError> {
        on_engine!(Self, self, engine => engine.reports(agent).await)
    }

    /// What instances said last of a secret.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn reports_of(&self, secret: SecretId) -> Result<Vec<ReportRow>, StoreError> {
        on_engine!(Self, self, engine => engine.reports_of(secret).await)
    }

    /// What the instances of an agent said last of scheduled programs.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn schedules(&self, agent: AgentId) -> Result<Vec<ScheduleRow>, StoreError> {
        on_engine!(Self, self, engine => engine.schedules(agent).await)
    }

    /// Forgets what was said of scheduled programs and is of no use any more; returns how many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forget_schedules(&self, now: Timestamp) -> Result<u64, StoreError> {
        on_engine!(Self, self, engine => engine.forget_schedules(now).await)
    }

    /// Forgets answers of requests from before a time; returns how many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forget_requests(&self, before: Timestamp) -> Result<u64, StoreError> {
        on_engine!(Self, self, engine => engine.forget_requests(before).await)
    }

    /// Begins a transaction and takes the head's lock.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] after 2 s without the lock (5 s where another process holds a
    /// SQLite file).
    pub async fn lock(&self) -> Result<Locked, StoreError> {
        Ok(match self {
            Self::Sqlite(engine) => Locked::Sqlite(engine.lock().await?),
            Self::Postgres(engine) => Locked::Postgres(engine.lock().await?),
        })
    }

    /// Appends audit entries and what sidecars said without taking the head's lock: brokers do not
    /// wait for one another. `head`, `log`, `sealed`, `shredded` and `requests` must be empty.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn append(&self, batch: Batch) -> Result<(), StoreError> {
        on_engine!(Self, self, engine => engine.append(batch).await)
    }

    /// Closes all connections.
    pub async fn close(&self) {
        on_engine!(Self, self, engine => engine.close().await);
    }
}

impl Locked {
    /// The head under the lock.
    #[must_use]
    pub fn head(&self) -> &Head {
        on_engine!(Self, self, engine => engine.head())
    }

    /// Records after a place in the log, in order: all of them up to the head.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn log_after(
        &mut self,
        revision: Revision,
        position: i64,
    ) -> Result<Vec<LogRow>, StoreError> {
        on_engine!(Self, self, engine => engine.log_after(revision, position).await)
    }

    /// The answers of those of these requests that have one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn requests(
        &mut self,
        ids: &[Uuid],
    ) -> Result<HashMap<Uuid, RequestRow>, StoreError> {
        on_engine!(Self, self, engine => engine.requests(ids).await)
    }

    /// Writes a batch and commits.
    ///
    /// # Errors
    /// [`StoreError`]; with `unknown` where the commit's answer was lost.
    pub async fn commit(self, batch: Batch) -> Result<(), StoreError> {
        on_engine!(Self, self, engine => engine.commit(batch).await)
    }
}
