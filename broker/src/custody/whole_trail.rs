//! The whole audit trail as a verifier takes it: checkpoint by checkpoint, each with the entries
//! that it signs after it, and at the end what none signs yet. Nothing is checked here, so that
//! whoever verifies sees what is really there.

use super::{Custody, CustodyError, plan::event};
use crate::store::{AuditRow, NO_LANE, Store, StoreError};
use secretref_domain::{
    caller::Caller,
    checkpoint::{Checkpoint, LaneEnd},
    id::BrokerId,
    policy::Action,
    tree::{Hash, complete},
};
use uuid::Uuid;

/// Where a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrailCursor {
    /// Size of the checkpoint that was given last; 0 before the first.
    pub checkpoint: i64,
    /// Lane of the entry that was given last since.
    pub lane: BrokerId,
    /// Its number.
    pub seq: i64,
    /// Whether it is after the last checkpoint.
    pub tail: bool,
}

/// One item of the trail.
#[derive(Debug)]
pub enum TrailItem {
    /// Where it begins, where older entries were archived.
    Beginning {
        /// The checkpoint that signs them.
        note: String,
        /// Complete subtrees of its tree, the largest first.
        edge: Vec<Hash>,
    },
    /// A signed checkpoint.
    Checkpoint(String),
    /// An entry.
    Entry(AuditRow),
}

/// A page of the trail.
#[derive(Debug)]
pub struct TrailPage {
    /// Its items.
    pub items: Vec<TrailItem>,
    /// Where the next page begins; absent on the last.
    pub next: Option<TrailCursor>,
}

/// Reads the trail of a store.
pub struct WholeTrail<'a> {
    store: &'a Store,
    items: Vec<TrailItem>,
    bytes: usize,
    limit: usize,
}

impl TrailCursor {
    /// The beginning.
    pub const START: Self = Self { checkpoint: 0, lane: NO_LANE, seq: 0, tail: false };
}

impl Custody {
    /// A page of the whole trail, for a verifier.
    ///
    /// # Errors
    /// A denial, or [`CustodyError::Store`].
    pub async fn whole_trail(
        &self,
        caller: &Caller,
        from: TrailCursor,
        limit: usize,
    ) -> Result<TrailPage, CustodyError> {
        self.permit(caller, Action::AuditRead, || event(caller, "audit.read")).await?;
        Ok(WholeTrail::page(&self.shared.store, from, limit).await?)
    }
}

impl<'a> WholeTrail<'a> {
    /// At most `limit` items from a place on; fewer where they are long.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn page(
        store: &'a Store,
        from: TrailCursor,
        limit: usize,
    ) -> Result<TrailPage, StoreError> {
        let mut page = Self { store, items: Vec::new(), bytes: 0, limit };
        let beginning = store.trail_beginning().await?;
        if from != TrailCursor::START && beginning > from.checkpoint {
            return Err(removed_meanwhile());
        }
        let from = match from {
            TrailCursor::START if beginning > 0 => page.begin(beginning).await?,
            from => from,
        };
        let next = page.fill(from).await?;
        // What was removed while it was read would look like a hole.
        if store.trail_beginning().await? != beginning {
            return Err(removed_meanwhile());
        }
        Ok(TrailPage { items: page.items, next })
    }

    /// Begins at a checkpoint, and after all that it signs.
    async fn begin(&mut self, size: i64) -> Result<TrailCursor, StoreError> {
        let damaged = |what: &str| StoreError::Damaged(format!("the audit trail: {what}"));
        let row = self.store.checkpoint(size).await?;
        let row = row.ok_or_else(|| damaged("the checkpoint that it begins at is lost"))?;
        let entries = u64::try_from(size).map_err(|_| damaged("it begins at no number"))?;
        let mut edge = Vec::new();
        for place in complete(entries) {
            edge.push(self.store.subtree(place).await?);
        }
        self.items.push(TrailItem::Beginning { note: row.note, edge });
        Ok(TrailCursor { checkpoint: size, lane: PAST_LANES, seq: 0, tail: false })
    }

    async fn fill(&mut self, from: TrailCursor) -> Result<Option<TrailCursor>, StoreError> {
        let mut at = from;
        while !at.tail {
            for (lane, after, last) in self.signed_by(at.checkpoint).await? {
                if lane >= at.lane {
                    let after = if lane == at.lane { after.max(at.seq) } else { after };
                    if !self.lane(&mut at, lane, after, last).await? {
                        return Ok(Some(at));
                    }
                }
            }
            (at.lane, at.seq) = (NO_LANE, 0);
            match self.store.checkpoint_after(at.checkpoint).await? {
                Some(_) if self.is_full() => return Ok(Some(at)),
                Some(row) => {
                    at.checkpoint = row.size;
                    self.bytes += row.note.len();
                    self.items.push(TrailItem::Checkpoint(row.note));
                }
                None => at.tail = true,
            }
        }
        // By the checkpoint that was given last, not by the newest: one may have come since.
        let signed = self.unverified(at.checkpoint).await?;
        let mut lane = match at.lane {
            NO_LANE => self.store.lane_after(NO_LANE).await?,
            under_way => Some(under_way),
        };
        while let Some(this) = lane {
            let end = signed.as_ref().map_or(LaneEnd::START, |signed| signed.end_of(this));
            let after = if this == at.lane { end.seq.max(at.seq) } else { end.seq };
            if !self.lane(&mut at, this, after, i64::MAX).await? {
                return Ok(Some(at));
            }
            lane = self.store.lane_after(this).await?;
        }
        Ok(None)
    }

    /// Takes entries of a lane; whether all of them had room.
    async fn lane(
        &mut self,
        at: &mut TrailCursor,
        lane: BrokerId,
        mut after: i64,
        last: i64,
    ) -> Result<bool, StoreError> {
        loop {
            let rows = self.store.lane_entries(lane, after, last, SCAN).await?;
            let all = rows.len() < usize::try_from(SCAN).unwrap_or(usize::MAX);
            for row in rows {
                if self.is_full() {
                    return Ok(false);
                }
                after = row.seq;
                (at.lane, at.seq) = (lane, row.seq);
                self.bytes += row.entry.len();
                self.items.push(TrailItem::Entry(row));
            }
            if all {
                return Ok(true);
            }
        }
    }

    /// What a checkpoint says that it signs; nothing where it cannot be read.
    async fn signed_by(&self, size: i64) -> Result<Vec<(BrokerId, i64, i64)>, StoreError> {
        let Some(checkpoint) = self.unverified(size).await? else { return Ok(Vec::new()) };
        let after = i64::try_from(checkpoint.after).unwrap_or(0);
        let before = self.unverified(after).await?;
        Ok(checkpoint.since(before.as_ref()))
    }

    /// A checkpoint by its own word. Where it is nobody's, the verifier says so.
    async fn unverified(&self, size: i64) -> Result<Option<Checkpoint>, StoreError> {
        let row = self.store.checkpoint(size).await?;
        Ok(row.and_then(|row| Checkpoint::unverified(&row.note)))
    }

    fn is_full(&self) -> bool {
        self.items.len() >= self.limit || self.bytes >= PAGE_BYTES
    }
}

fn removed_meanwhile() -> StoreError {
    let why = "entries of the audit trail were archived while it was read; read it anew".to_owned();
    StoreError::Unavailable { why, unknown: false }
}

/// After every lane.
const PAST_LANES: BrokerId = BrokerId(Uuid::max());
/// Length from which on a page takes no more. One entry can be longer than that.
const PAGE_BYTES: usize = 1 << 20;
/// Entries that are read at once.
const SCAN: i64 = 250;
