//! Several brokers over one database: how each hears of what the others change, and how one knows
//! how far the others are. A database in a file has one broker, and none of this.
//!
//! A notification is a doorbell and nothing else: it is lost wherever a connection is, and whoever
//! relies on it alone misses changes. So the broker looks now and then, rung for or not.

use super::{
    Head, Store, StoreError,
    detached::detached,
    engine::Engine,
    fault,
    postgres::PostgresStore,
    verbs::{self, acquire},
};
use secretref_domain::{id::BrokerId, version::Revision};
use sqlx::{Executor, Postgres, postgres::PgListener};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Where the database stands, as it said after it had kept how far a broker is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The head.
    pub head: Head,
    /// The server's timeline: another one after a failover or a recovery, where what was committed
    /// last may be gone.
    pub timeline: i64,
}

impl Store {
    /// Whether other brokers may be over the same database.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Says how far a broker follows the log of authority, and only then asks where the database
    /// stands: in this order, so that whoever revokes sees the broker that may still send by what
    /// it is told here. Nothing where no other broker can be.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn stand(
        &self,
        broker: BrokerId,
        revision: Revision,
    ) -> Result<Option<Standing>, StoreError> {
        match self {
            Self::Sqlite(_) => Ok(None),
            Self::Postgres(engine) => engine.stand(broker, revision).await.map(Some),
        }
    }

    /// How many other brokers have said within `lately` that they follow the log, and have not
    /// followed it to a revision.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn brokers_behind(
        &self,
        broker: BrokerId,
        revision: Revision,
        lately: Duration,
    ) -> Result<i64, StoreError> {
        match self {
            Self::Sqlite(_) => Ok(0),
            Self::Postgres(engine) => engine.brokers_behind(broker, revision, lately).await,
        }
    }

    /// Says that a broker is gone: nobody waits for it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forget_broker(&self, broker: BrokerId) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(engine) => {
                engine.change(FORGET_BROKER, vec![broker.0.into()]).await.map(drop)
            }
        }
    }

    /// A doorbell that rings when the head moves; none where no other broker can move it.
    #[must_use]
    pub fn doorbell(&self) -> Option<Doorbell> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(engine) => Some(Doorbell { engine: engine.clone(), listener: None }),
        }
    }
}

impl PostgresStore {
    async fn stand(&self, broker: BrokerId, revision: Revision) -> Result<Standing, StoreError> {
        let pool = self.writers.clone();
        let cells = vec![broker.0.into(), revision.0.into()];
        detached(async move {
            let mut connection = acquire(&pool).await?;
            let said = Postgres::changed(&mut connection, SAY, cells).await;
            said.map_err(fault::of_commit)?;
            let rows = Postgres::rows(&mut connection, STANDING, vec![]).await;
            let rows = rows.map_err(fault::before_commit)?;
            let row = rows.first().ok_or_else(fault::not_initialised)?;
            let timeline = Postgres::int(row, 3).map_err(fault::before_commit)?;
            Ok(Standing { head: verbs::head_of::<Postgres>(row)?, timeline })
        })
        .await
    }

    async fn brokers_behind(
        &self,
        broker: BrokerId,
        revision: Revision,
        lately: Duration,
    ) -> Result<i64, StoreError> {
        let lately = i64::try_from(lately.as_micros()).unwrap_or(i64::MAX);
        let cells = vec![broker.0.into(), revision.0.into(), lately.into()];
        let rows = self.ask(BEHIND, cells).await?;
        let row = rows.first().ok_or_else(fault::not_initialised)?;
        Postgres::int(row, 0).map_err(fault::before_commit)
    }
}

/// Rings when the head may have moved.
pub struct Doorbell {
    engine: PostgresStore,
    listener: Option<PgListener>,
}

impl Doorbell {
    /// Waits until somebody has moved the head beyond a revision, or may have while nobody
    /// listened. Not cancel-safe: for a task of its own.
    pub async fn rung(&mut self, reached: impl Fn() -> Revision + Send) {
        loop {
            let Some(listener) = &mut self.listener else {
                match self.listen().await {
                    // What was said before is found by looking.
                    Ok(()) => return,
                    Err(error) => tracing::debug!(%error, "nobody listens at the database"),
                }
                sleep(LISTEN_AGAIN).await;
                continue;
            };
            // `recv` would hide where a connection was lost, and with it what was said meanwhile.
            let lost = match timeout(SILENCE_MAX, listener.try_recv()).await {
                Ok(Ok(Some(said))) => {
                    let moved = said.payload().parse().map_or(true, |it| Revision(it) > reached());
                    if moved {
                        return;
                    }
                    false
                }
                Ok(Ok(None)) => return,
                Ok(Err(_)) => true,
                // A connection that says nothing may be one that a firewall forgot.
                Err(_) => {
                    !matches!(timeout(SILENCE_MAX, listener.execute("SELECT 1")).await, Ok(Ok(_)))
                }
            };
            if lost {
                self.listener = None;
            }
        }
    }

    async fn listen(&mut self) -> Result<(), sqlx::Error> {
        let mut listener = PgListener::connect_with(&self.engine.readers).await?;
        listener.listen(CHANNEL).await?;
        self.listener = Some(listener);
        Ok(())
    }
}

/// Keeps how far a broker is, by the database's own clock.
const SAY: &str = "\
    INSERT INTO brokers (broker, revision, at) \
    VALUES ($1, $2, CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)) \
    ON CONFLICT (broker) DO UPDATE SET revision = excluded.revision, at = excluded.at";

/// The head, and the timeline: the first 8 hexadecimal digits of a segment's name.
const STANDING: &str = "\
    SELECT epoch, revision, mac, \
    CAST(CAST(('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8)) AS BIT(32)) AS BIGINT) \
    FROM head WHERE id = 1";

const BEHIND: &str = "\
    SELECT count(*) FROM brokers WHERE broker <> $1 AND revision < $2 \
    AND at > CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT) - $3";

const FORGET_BROKER: &str = "DELETE FROM brokers WHERE broker = $1";

/// What the statement that moves the head notifies.
const CHANNEL: &str = "secretref_head";
/// How long to wait before it is tried again to listen.
const LISTEN_AGAIN: Duration = Duration::from_millis(500);
/// After so long without a word the connection is tried, and how long its answer may take.
const SILENCE_MAX: Duration = Duration::from_secs(5);
