//! The two chains that the writer extends: the MAC chain of the authority log, and the hash chain
//! of this broker's audit lane.
//!
//! ```text
//! authority: mac  = HMAC(row-MAC key, epoch | mac before | revision | position | record)
//! audit:     hash = SHA-256(hash before | canonical entry)
//! ```

use crate::store::{AuditRow, Head, LaneHead, LogRow};
use secretref_domain::{
    audit::{Entry, Event},
    change::Record,
    clock::Timestamp,
    id::BrokerId,
    version::Revision,
};
use secretref_envelope::{Keyring, chain_hash};

/// A log that is not what was written.
#[derive(Debug, thiserror::Error)]
#[error("the authority log is not what was written, from {revision} position {position} on: {why}")]
pub(super) struct ChainError {
    revision: Revision,
    position: i64,
    why: String,
}

/// Extends the authority log by one record.
pub(super) fn extend(
    keyring: &Keyring,
    head: &mut Head,
    revision: Revision,
    position: i64,
    record: &Record,
) -> Result<LogRow, serde_json::Error> {
    let record = serde_json::to_vec(record)?;
    let mac = keyring.authority_mac(&parts(
        head.epoch.as_bytes(),
        &head.mac,
        &revision.0.to_be_bytes(),
        &position.to_be_bytes(),
        &record,
    ));
    head.mac = mac;
    head.revision = revision;
    Ok(LogRow { revision, position, record, mac })
}

/// Checks the next row of the authority log and returns its record. Only verified bytes are
/// parsed.
pub(super) fn verify(
    keyring: &Keyring,
    head: &mut Head,
    row: &LogRow,
) -> Result<Record, ChainError> {
    let error = |why: &str| ChainError {
        revision: row.revision,
        position: row.position,
        why: why.to_owned(),
    };
    let authentic = keyring.verify_authority_mac(
        &parts(
            head.epoch.as_bytes(),
            &head.mac,
            &row.revision.0.to_be_bytes(),
            &row.position.to_be_bytes(),
            &row.record,
        ),
        &row.mac,
    );
    if !authentic {
        return Err(error("a record was edited, moved, inserted or deleted"));
    }
    let record = serde_json::from_slice(&row.record)
        .map_err(|problem| error(&format!("this broker cannot read a record: {problem}")))?;
    head.mac = row.mac;
    head.revision = row.revision;
    Ok(record)
}

fn parts<'a>(
    epoch: &'a [u8],
    mac: &'a [u8],
    revision: &'a [u8],
    position: &'a [u8],
    record: &'a [u8],
) -> [&'a [u8]; 5] {
    [epoch, mac, revision, position, record]
}

/// Extends an audit lane by one entry.
pub(super) fn append(
    lane: BrokerId,
    head: &mut LaneHead,
    at: Timestamp,
    authority: &Head,
    event: Event,
) -> AuditRow {
    let entry = Entry {
        lane,
        seq: head.seq + 1,
        at,
        revision: authority.revision,
        authority_mac: authority.mac,
        event,
    };
    let bytes = entry.encode();
    let hash = chain_hash(&head.hash, &bytes);
    *head = LaneHead { seq: entry.seq, hash };
    AuditRow { lane, seq: entry.seq, at, entry: bytes, hash }
}
