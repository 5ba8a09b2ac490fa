//! Reading the audit trail.

mod follow;

pub use follow::{Followed, Follower, Position};

use super::{Custody, CustodyError, plan::event};
use crate::store::{AuditCursor, AuditRow, StoreError};
use secretref_domain::{
    audit::{Decision, DecodedEntry},
    caller::Caller,
    clock::Timestamp,
    policy::Action,
};
use tokio::sync::watch;

/// Which entries are wanted.
#[derive(Debug, Clone)]
pub struct AuditFilter {
    /// After this place.
    pub after: Option<AuditCursor>,
    /// From this time on.
    pub since: Timestamp,
    /// Of this agent, as actor or recipient.
    pub agent: Option<String>,
    /// Of this secret.
    pub secret: Option<String>,
    /// Of this environment.
    pub environment: Option<String>,
    /// Of this action, or of those that begin with it and a dot.
    pub action: Option<String>,
    /// Of this decision.
    pub decision: Option<Decision>,
    /// From before this time.
    pub until: Option<Timestamp>,
    /// How many at most.
    pub limit: usize,
}

/// A page of the trail.
pub struct AuditPage {
    /// Entries with their canonical bytes, hash and the hash before it.
    pub entries: Vec<AuditLine>,
    /// Where the next page begins; absent on the last.
    pub next: Option<AuditCursor>,
}

/// One entry of a page.
pub struct AuditLine {
    /// The entry.
    pub entry: DecodedEntry,
    /// Its canonical bytes.
    pub canonical: Vec<u8>,
    /// Its hash.
    pub hash: [u8; 32],
}

impl Custody {
    /// A page of the trail, ordered by time, lane and number.
    ///
    /// # Errors
    /// A denial, or [`CustodyError::Store`].
    pub async fn trail(
        &self,
        caller: &Caller,
        filter: AuditFilter,
    ) -> Result<AuditPage, CustodyError> {
        self.permit(caller, Action::AuditRead, || event(caller, "audit.list")).await?;
        let (mut entries, mut after) = (Vec::new(), filter.after);
        for _ in 0..SCANS_MAX {
            let rows = self.shared.store.audit_after(after, filter.since, SCAN).await?;
            let last = rows.len() < usize::try_from(SCAN).unwrap_or(usize::MAX);
            for row in rows {
                let cursor = AuditCursor { at: row.at, lane: row.lane, seq: row.seq };
                if filter.until.is_some_and(|until| row.at >= until) {
                    return Ok(AuditPage { entries, next: None });
                }
                let entry = decoded(&row)?;
                if filter.wants(&entry) {
                    if entries.len() == filter.limit {
                        return Ok(AuditPage { entries, next: after });
                    }
                    entries.push(AuditLine { entry, canonical: row.entry, hash: row.hash });
                }
                after = Some(cursor);
            }
            if last {
                return Ok(AuditPage { entries, next: None });
            }
        }
        Ok(AuditPage { entries, next: after })
    }
}

impl Custody {
    /// At most `limit` entries of this broker's own lane after a number, in order. For the copy
    /// that the broker keeps beside the database.
    ///
    /// # Errors
    /// [`CustodyError::Store`].
    pub async fn own_entries(
        &self,
        after: i64,
        limit: i64,
    ) -> Result<Vec<AuditLine>, CustodyError> {
        let store = &self.shared.store;
        let rows = store.lane_entries(self.broker(), after, i64::MAX, limit).await?;
        rows.into_iter()
            .map(|row| {
                let entry = decoded(&row)?;
                Ok(AuditLine { entry, canonical: row.entry, hash: row.hash })
            })
            .collect()
    }

    /// Number of the batches that this broker has written, now and from now on.
    #[must_use]
    pub fn written(&self) -> watch::Receiver<u64> {
        self.shared.written.subscribe()
    }
}

fn decoded(row: &AuditRow) -> Result<DecodedEntry, StoreError> {
    DecodedEntry::decode(&row.entry).map_err(|error| {
        StoreError::Damaged(format!("audit entry {} {}: {error}", row.lane, row.seq))
    })
}

impl AuditFilter {
    fn wants(&self, entry: &DecodedEntry) -> bool {
        // A rotation is asked for by the ref, and goes on by the secret behind it.
        let of_secrets = matches!(entry.object_kind.as_str(), "secret" | "ref");
        let secret =
            self.secret.as_ref().is_none_or(|secret| of_secrets && entry.object == *secret);
        let environment =
            self.environment.as_ref().is_none_or(|environment| entry.environment == *environment);
        let action = self.action.as_ref().is_none_or(|action| {
            let rest = entry.action.strip_prefix(action.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        });
        let decision = self.decision.is_none_or(|decision| entry.decision == decision);
        let what = secret && environment && action && decision;
        what && self.agent.as_ref().is_none_or(|agent| concerns(entry, agent))
    }
}

fn concerns(entry: &DecodedEntry, agent: &str) -> bool {
    let actor = entry.actor.strip_prefix("agent:").and_then(|actor| actor.split('/').next());
    actor == Some(agent)
        || entry.object_kind == "agent" && entry.object == agent
        || entry.recipients.iter().any(|recipient| recipient.name == agent)
}

/// Entries that are read at once.
const SCAN: i64 = 1000;
/// How many times entries are read for one page: whoever wants few of many gets a place to go on
/// from instead of an answer that is too late.
const SCANS_MAX: usize = 50;
