//! Following the trail as it is written. A place in it is the number that each lane was read up to:
//! numbers of a lane have no gaps, while its times are a clock's, and another lane's entry may be
//! committed after one that is younger.

use super::{AuditFilter, AuditLine, decoded};
use crate::{
    custody::{Custody, CustodyError, plan::event},
    store::AuditRow,
};
use secretref_domain::{caller::Caller, id::BrokerId, limit::LANES_MAX, policy::Action};
use std::{collections::BTreeMap, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, timeout, timeout_at},
};

/// The number of the last entry of each lane that was read.
pub type Position = BTreeMap<BrokerId, i64>;

/// Somebody who follows the trail.
pub struct Follower {
    custody: Custody,
    filter: AuditFilter,
    position: Position,
    written: watch::Receiver<u64>,
}

/// What came: entries that are wanted, and where they end.
pub struct Followed {
    /// The entries, those of each lane in order.
    pub entries: Vec<AuditLine>,
    /// What was read so far.
    pub position: Position,
}

impl Custody {
    /// Follows the trail: from a position on, else from the filter's time on.
    ///
    /// # Errors
    /// A denial, or [`CustodyError::Store`].
    pub async fn follow_trail(
        &self,
        caller: &Caller,
        filter: AuditFilter,
        position: Option<Position>,
    ) -> Result<Follower, CustodyError> {
        self.permit(caller, Action::AuditRead, || event(caller, "audit.follow")).await?;
        let written = self.shared.written.subscribe();
        let position = match position {
            Some(position) => position,
            None => self.beginning(&filter).await?,
        };
        Ok(Follower { custody: self.clone(), filter, position, written })
    }

    async fn beginning(&self, filter: &AuditFilter) -> Result<Position, CustodyError> {
        let mut position = Position::new();
        for (lane, end) in self.shared.store.lane_ends().await? {
            let first = self.shared.store.lane_since(lane, filter.since).await?;
            position.insert(lane, first.map_or(end.seq, |first| first - 1));
        }
        Ok(position)
    }
}

impl Follower {
    /// Waits for entries that are wanted; gives none where none came for a while. Cancel-safe.
    ///
    /// # Errors
    /// [`CustodyError::Store`].
    pub async fn next(&mut self) -> Result<Followed, CustodyError> {
        let until = Instant::now() + QUIET;
        loop {
            self.written.mark_unchanged();
            let (rows, more) = self.read().await?;
            let mut entries = Vec::new();
            for row in rows {
                let entry = decoded(&row)?;
                let read = self.position.entry(row.lane).or_insert(0);
                *read = row.seq.max(*read);
                if self.filter.wants(&entry) {
                    entries.push(AuditLine { entry, canonical: row.entry, hash: row.hash });
                }
            }
            if !entries.is_empty() || Instant::now() >= until {
                return Ok(Followed { entries, position: self.position.clone() });
            }
            if !more {
                // Of what other brokers write nobody tells this one.
                let written = timeout(LOOK_EVERY, self.written.changed());
                drop(timeout_at(until, written).await);
            }
        }
    }

    /// The next entries of all lanes together in the order of time, and whether there are more.
    async fn read(&self) -> Result<(Vec<AuditRow>, bool), CustodyError> {
        let (mut rows, mut bound) = (Vec::new(), None);
        let store = &self.custody.shared.store;
        for (lane, end) in store.lane_ends().await?.into_iter().take(LANES_MAX) {
            let read = self.position.get(&lane).copied().unwrap_or(0);
            if read >= end.seq {
                continue;
            }
            let page = store.lane_entries(lane, read, end.seq, PAGE).await?;
            if let Some(first) = page.first().filter(|first| first.seq > read + 1) {
                return Err(archived(lane, read + 1, first.seq - 1));
            }
            if page.len() >= usize::try_from(PAGE).unwrap_or(usize::MAX) {
                let end = page.iter().map(|row| row.at).max();
                bound = [bound, end].into_iter().flatten().min();
            }
            rows.push(page);
        }
        // Beyond the end of its page a lane may have what is older than others' entries.
        let bounded = |page: Vec<AuditRow>| {
            page.into_iter().take_while(move |row| bound.is_none_or(|bound| row.at <= bound))
        };
        let mut rows: Vec<AuditRow> = rows.into_iter().flat_map(bounded).collect();
        rows.sort_by_key(|row| row.at);
        Ok((rows, bound.is_some()))
    }
}

fn archived(lane: BrokerId, first: i64, last: i64) -> CustodyError {
    CustodyError::Precondition {
        code: "ARCHIVED",
        message: format!("entries {first} to {last} of lane {lane} were archived and removed"),
        fix: "read them in the archive, and follow without a position".to_owned(),
    }
}

/// Entries of one lane that are read at once: one of a delivery may name 10,000 recipients.
const PAGE: i64 = 50;
/// How often it is looked for what others wrote.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long at most nothing is said.
const QUIET: Duration = Duration::from_secs(10);
