//! Reading the trail backwards, and each lane by itself.

use super::{
    AuditCursor, AuditRow, Store, StoreError,
    engine::Engine,
    fault, on_engine,
    verbs::{StoreOn, audit_of},
};
use secretref_domain::{clock::Timestamp, id::BrokerId};
use uuid::Uuid;

impl Store {
    /// At most `limit` audit entries before a place, the newest first; from `since` on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn audit_before(
        &self,
        before: Option<AuditCursor>,
        since: Timestamp,
        limit: i64,
    ) -> Result<Vec<AuditRow>, StoreError> {
        on_engine!(Self, self, engine => engine.audit_before(before, since, limit).await)
    }

    /// Number of the first entry of a lane from a time on, where there is one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn lane_since(
        &self,
        lane: BrokerId,
        since: Timestamp,
    ) -> Result<Option<i64>, StoreError> {
        on_engine!(Self, self, engine => engine.lane_since(lane, since).await)
    }
}

impl<E: Engine> StoreOn<E> {
    pub(super) async fn audit_before(
        &self,
        before: Option<AuditCursor>,
        since: Timestamp,
        limit: i64,
    ) -> Result<Vec<AuditRow>, StoreError> {
        // A place after all entries that there can be.
        let (at, lane) = (Timestamp::from_micros(i64::MAX), BrokerId(Uuid::max()));
        let place = before.unwrap_or(AuditCursor { at, lane, seq: i64::MAX });
        let cells = vec![
            since.as_micros().into(),
            place.at.as_micros().into(),
            place.lane.0.into(),
            place.seq.into(),
            limit.into(),
        ];
        self.ask(AUDIT_BEFORE, cells).await?.iter().map(audit_of::<E>).collect()
    }

    pub(super) async fn lane_since(
        &self,
        lane: BrokerId,
        since: Timestamp,
    ) -> Result<Option<i64>, StoreError> {
        let rows = self.ask(LANE_SINCE, vec![lane.0.into(), since.as_micros().into()]).await?;
        rows.first().map(|row| E::int(row, 0).map_err(fault::before_commit)).transpose()
    }
}

/// Entries before a place in the order of time, lane and number, from a time on, the newest first.
const AUDIT_BEFORE: &str = "\
    SELECT lane, seq, at, entry, hash FROM audit \
    WHERE at >= $1 AND (at, lane, seq) < ($2, $3, $4) \
    ORDER BY at DESC, lane DESC, seq DESC LIMIT $5";

/// The first entry of a lane from a time on.
const LANE_SINCE: &str = "\
    SELECT seq FROM audit WHERE lane = $1 AND at >= $2 ORDER BY at, lane, seq LIMIT 1";
