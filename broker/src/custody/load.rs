//! What a broker does before it believes its database.

use super::chain;
use crate::store::{Head, LaneHead, Store, StoreError};
use secretref_domain::{audit::DecodedEntry, id::BrokerId, ledger::Ledger, version::Revision};
use secretref_envelope::Keyring;

/// The verified state of the store.
pub(super) struct Loaded {
    pub(super) ledger: Ledger,
    pub(super) head: Head,
    pub(super) lane: LaneHead,
}

/// Folds the whole authority log, verifying every record, and holds its end against the head and
/// against this broker's audit lane, whose entries name the revision of their time: a log that was
/// cut back together with its head is older than the trail.
pub(super) async fn load(
    store: &Store,
    keyring: &Keyring,
    broker: BrokerId,
) -> Result<Loaded, StoreError> {
    // Before the head is read, which only moves on: what is committed meanwhile is no rollback.
    let audited = match store.lane_tail(broker).await? {
        Some(row) => DecodedEntry::decode(&row.entry).map_err(|error| damaged(&error))?.revision,
        None => Revision(0),
    };
    let head = target(store).await?;
    let ledger = fold_log(store, keyring, &head, |_| {}).await?;
    let lane = store.lane_head(broker).await?;
    if audited > head.revision {
        return Err(damaged(&format!(
            "the authority log ends at {} and the audit trail has seen {audited}: it was rolled \
             back; restore a backup",
            head.revision
        )));
    }
    Ok(Loaded { ledger, head, lane })
}

/// Where the log has to end.
pub(super) async fn target(store: &Store) -> Result<Head, StoreError> {
    store.head().await?.ok_or_else(|| {
        StoreError::Unusable("it holds no broker's data: run `secretref-broker init`".to_owned())
    })
}

/// Folds the authority log up to a head, verifying every record; `seen` is told where it stands
/// after each.
pub(super) async fn fold_log(
    store: &Store,
    keyring: &Keyring,
    target: &Head,
    mut seen: impl FnMut(&Head) + Send,
) -> Result<Ledger, StoreError> {
    let mut head = Head { revision: Revision(0), mac: [0; 32], epoch: target.epoch };
    let mut ledger = Ledger::default();
    let mut position = -1;
    loop {
        let rows = store.log_after(head.revision, position, PAGE).await?;
        for row in &rows {
            if row.revision > target.revision {
                // Committed by another broker since the head was read: the writer catches up.
                break;
            }
            let record = chain::verify(keyring, &mut head, row).map_err(|error| damaged(&error))?;
            ledger.fold(row.revision, &record).map_err(|error| damaged(&error))?;
            position = row.position;
            seen(&head);
        }
        if rows.is_empty() || rows.last().is_some_and(|row| row.revision > target.revision) {
            break;
        }
    }
    if head != *target {
        return Err(damaged(&format!(
            "the authority log ends at {} and the head says {}: records were deleted or the head \
             was edited; restore a backup",
            head.revision, target.revision
        )));
    }
    Ok(ledger)
}

fn damaged(error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Damaged(error.to_string())
}

/// Records that are read at once.
const PAGE: i64 = 1000;
