//! Checks the audit trail's chains again, from the entries alone: what the broker shows must be
//! what it hashed, and each hash must follow from the one before.

use aws_lc_rs::digest::{Context, SHA256};
use secretref_domain::audit::{Decision, DecodedEntry};
use secretref_proto::v1;
use std::collections::BTreeMap;

/// What was checked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Checked {
    /// Entries in all.
    pub(super) entries: usize,
    /// Lanes that they stand in.
    pub(super) lanes: usize,
}

/// Checks whole lanes, each from its first entry on. Says which entry is wrong, and how.
pub(super) fn check(entries: &[v1::AuditEntry]) -> Result<Checked, String> {
    let mut lanes: BTreeMap<&str, Vec<&v1::AuditEntry>> = BTreeMap::new();
    for entry in entries {
        lanes.entry(&entry.lane).or_default().push(entry);
    }
    for (lane, entries) in &mut lanes {
        entries.sort_by_key(|entry| entry.seq);
        check_lane(entries).map_err(|why| format!("audit lane {lane}, {why}"))?;
    }
    Ok(Checked { entries: entries.len(), lanes: lanes.len() })
}

fn check_lane(entries: &[&v1::AuditEntry]) -> Result<(), String> {
    let mut previous = [0; 32];
    for (entry, seq) in entries.iter().zip(1..) {
        if entry.seq != seq {
            return Err(format!("entry {seq} is missing"));
        }
        previous = hash(&previous, &entry.canonical);
        if entry.hash != previous {
            return Err(format!(
                "entry {seq} does not have the hash of its content after the entry before it"
            ));
        }
        if !shows_what_was_hashed(entry) {
            return Err(format!("entry {seq} shows something else than was hashed"));
        }
    }
    Ok(())
}

fn hash(previous: &[u8; 32], canonical: &[u8]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(previous);
    context.update(canonical);
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

fn shows_what_was_hashed(entry: &v1::AuditEntry) -> bool {
    let Ok(hashed) = DecodedEntry::decode(&entry.canonical) else { return false };
    let decision = match hashed.decision {
        Decision::Allowed => "allowed",
        Decision::Denied => "denied",
    };
    hashed.lane.to_string() == entry.lane
        && hashed.seq == entry.seq
        && hashed.revision.0 == entry.revision
        && hashed.actor == entry.actor
        && hashed.action == entry.action
        && hashed.object_kind == entry.object_kind
        && hashed.object == entry.object
        && hashed.version == entry.version
        && hashed.reason == entry.reason
        && decision == entry.decision
        && hashed.recipients.len() == entry.recipients.len()
}

#[cfg(test)]
mod tests;
