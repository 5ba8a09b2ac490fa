//! One line: the keys of `secretref audit log --json`, without the canonical bytes.

use crate::custody::AuditLine;
use secretref_domain::{
    audit::{Decision, Recipient},
    hash::hex,
};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Line<'e> {
    time: String,
    lane: String,
    seq: i64,
    #[serde(skip_serializing_if = "str::is_empty")]
    environment: &'e str,
    actor: &'e str,
    action: &'e str,
    object_kind: &'e str,
    object: &'e str,
    #[serde(skip_serializing_if = "Option::is_none")]
    object_uid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<i64>,
    decision: &'static str,
    reason: &'e str,
    #[serde(skip_serializing_if = "str::is_empty")]
    peer: &'e str,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    recipients: Vec<String>,
    /// How many more there are than a message has room for.
    #[serde(skip_serializing_if = "Option::is_none")]
    recipients_left_out: Option<usize>,
    #[serde(skip_serializing_if = "str::is_empty")]
    request_id: &'e str,
    hash: String,
}

impl<'e> Line<'e> {
    /// Of an entry, with so many of its recipients at most.
    pub(super) fn of(AuditLine { entry, hash, .. }: &'e AuditLine, recipients_max: usize) -> Self {
        let left_out = entry.recipients.len().saturating_sub(recipients_max);
        let named = |it: &Recipient| format!("{}/{}", it.name, it.instance);
        let number = |number: i64| (number != 0).then_some(number);
        Self {
            time: entry.at.to_string(),
            lane: entry.lane.to_string(),
            seq: entry.seq,
            environment: &entry.environment,
            actor: &entry.actor,
            action: &entry.action,
            object_kind: &entry.object_kind,
            object: &entry.object,
            object_uid: (!entry.object_id.is_nil()).then(|| entry.object_id.to_string()),
            version: number(entry.version),
            decision: match entry.decision {
                Decision::Allowed => "allowed",
                Decision::Denied => "denied",
            },
            reason: &entry.reason,
            peer: &entry.peer,
            revision: number(entry.revision.0),
            recipients: entry.recipients.iter().take(recipients_max).map(named).collect(),
            recipients_left_out: (left_out > 0).then_some(left_out),
            request_id: &entry.request_id,
            hash: hex(hash),
        }
    }
}
