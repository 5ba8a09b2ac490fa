//! What holds for every batch, on either engine, before a byte of it is written.

use super::{AuditRow, Batch, Head, LaneHead, ReportRow, ScheduleRow, StoreError};
use secretref_domain::id::BrokerId;
use std::collections::BTreeMap;

impl Batch {
    /// Checks a batch that is written under the head's lock.
    pub(super) fn check_change(&self, before: &Head) -> Result<(), StoreError> {
        let revision = before.revision.next();
        if self.head.as_ref().is_some_and(|head| head.revision != revision) {
            return Err(refused("the new head does not have the revision after the locked one"));
        }
        if self.head.is_none() && !self.log.is_empty() {
            return Err(refused("log records need a new head"));
        }
        let in_place = |(at, row): (usize, &super::LogRow)| {
            row.revision == revision && usize::try_from(row.position) == Ok(at)
        };
        if !self.log.iter().enumerate().all(in_place) {
            return Err(refused("a log record is not at its place in its revision"));
        }
        self.check_lane()
    }

    /// Checks a batch that is written without the head's lock.
    pub(super) fn check_append(&self) -> Result<(), StoreError> {
        if self.head.is_some()
            || !self.log.is_empty()
            || !self.sealed.is_empty()
            || !self.shredded.is_empty()
            || !self.requests.is_empty()
        {
            return Err(refused(
                "only audit entries and what sidecars said go without the head's lock",
            ));
        }
        self.check_lane()
    }

    /// The entries must go on where the lane ended, without a gap.
    fn check_lane(&self) -> Result<(), StoreError> {
        let Some((lane, before)) = &self.lane_before else {
            return match self.audit.is_empty() {
                true => Ok(()),
                false => Err(refused("audit entries need the end of their lane")),
            };
        };
        let follows = |(entry, seq): (&AuditRow, i64)| entry.lane == *lane && entry.seq == seq;
        if !self.audit.iter().zip(before.seq + 1..).all(follows) {
            return Err(refused("an audit entry is not at its place in its lane"));
        }
        Ok(())
    }

    /// The lane that this batch moves: its name, its end before and after.
    pub(super) fn lane_move(&self) -> Option<(BrokerId, LaneHead, LaneHead)> {
        let (lane, before) = self.lane_before.clone()?;
        let last = self.audit.last()?;
        Some((lane, before, LaneHead { seq: last.seq, hash: last.hash }))
    }

    /// The last report of each key, in the order of the keys: one statement must not touch a row
    /// twice, and two brokers that lock rows in one order do not wait for one another in a circle.
    pub(super) fn last_reports(&mut self) -> Vec<ReportRow> {
        let keyed = std::mem::take(&mut self.reports)
            .into_iter()
            .map(|report| ((report.agent, report.instance, report.secret), report));
        keyed.collect::<BTreeMap<_, _>>().into_values().collect()
    }

    /// The last word of each instance on its schedule, in the order of the keys, as above.
    pub(super) fn last_schedules(&mut self) -> Vec<ScheduleRow> {
        let keyed = std::mem::take(&mut self.schedules)
            .into_iter()
            .map(|row| ((row.agent, row.instance), row));
        keyed.collect::<BTreeMap<_, _>>().into_values().collect()
    }

    /// Takes out sealed versions that the same batch shreds: they are never written.
    pub(super) fn drop_stillborn(&mut self) {
        let shredded = &self.shredded;
        self.sealed.retain(|row| !shredded.contains(&(row.secret, row.version)));
    }
}

fn refused(why: &str) -> StoreError {
    StoreError::Refused(why.to_owned())
}
