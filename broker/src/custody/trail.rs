//! Reading the audit trail.

use super::{Custody, CustodyError, plan::event};
use crate::store::{AuditCursor, StoreError};
use secretref_domain::{audit::DecodedEntry, caller::Caller, clock::Timestamp, policy::Action};

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
        loop {
            let rows = self.shared.store.audit_after(after, filter.since, SCAN).await?;
            let last = rows.len() < usize::try_from(SCAN).unwrap_or(usize::MAX);
            for row in rows {
                let cursor = AuditCursor { at: row.at, lane: row.lane, seq: row.seq };
                let entry = DecodedEntry::decode(&row.entry).map_err(|error| {
                    StoreError::Damaged(format!("audit entry {} {}: {error}", row.lane, row.seq))
                })?;
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
    }
}

impl AuditFilter {
    fn wants(&self, entry: &DecodedEntry) -> bool {
        // A rotation is asked for by the ref, and goes on by the secret behind it.
        let of_secrets = matches!(entry.object_kind.as_str(), "secret" | "ref");
        let secret =
            self.secret.as_ref().is_none_or(|secret| of_secrets && entry.object == *secret);
        let environment =
            self.environment.as_ref().is_none_or(|environment| entry.environment == *environment);
        secret && environment && self.agent.as_ref().is_none_or(|agent| concerns(entry, agent))
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
