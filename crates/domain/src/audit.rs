//! Entries of the audit trail and their canonical bytes.
//!
//! ```text
//! entry = u8 format (1) | field…            in the order of `Entry`
//! field = text:   u32 length | UTF-8
//!         number: i64
//!         bytes:  u32 length | bytes
//!         list:   u32 count | item…
//! ```
//! All numbers are big-endian. An entry has exactly one encoding, and a decoder takes no other:
//! nothing may follow the last field. The chain's hash is SHA-256(previous hash | entry).

use crate::{
    clock::Timestamp,
    id::{AgentId, BrokerId, InstanceId},
    version::Revision,
};
use uuid::Uuid;

/// Whether the act was allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It was, and happened in the same transaction.
    Allowed,
    /// It was not, and nothing happened.
    Denied,
}

/// Somebody that a delivery went to, or that a rotation was proven by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// Identity of the agent.
    pub agent: AgentId,
    /// Name of the agent when it happened.
    pub name: String,
    /// The instance.
    pub instance: InstanceId,
}

/// What is written before it is chained: everything but its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Environment; may be empty.
    pub environment: String,
    /// Who, as [`crate::caller::Caller`] prints.
    pub actor: String,
    /// What, such as `secret.put`.
    pub action: &'static str,
    /// Kind of the object, such as `secret`.
    pub object_kind: &'static str,
    /// Name of the object.
    pub object: String,
    /// Identity of the object; nil where it has none.
    pub object_id: Uuid,
    /// Version of the object; 0 where it has none.
    pub version: i64,
    /// Whether it was allowed.
    pub decision: Decision,
    /// Why.
    pub reason: String,
    /// Address of the peer; may be empty.
    pub peer: String,
    /// Request that caused it; may be empty.
    pub request_id: String,
    /// Agents and instances that a delivery went to, or that a rotation was proven by.
    pub recipients: Vec<Recipient>,
}

/// One entry of a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Lane: the broker that wrote it.
    pub lane: BrokerId,
    /// Number in the lane, from 1, without gaps.
    pub seq: i64,
    /// When it was written.
    pub at: Timestamp,
    /// Revision of the store when it was written; the act's own where it changed something.
    pub revision: Revision,
    /// MAC of the authority log at that revision, which ties the two chains together: a log that
    /// is older than its trail was rolled back.
    pub authority_mac: [u8; 32],
    /// What happened.
    pub event: Event,
}

/// Bytes that are not an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an audit entry: {0}")]
pub struct DecodeError(&'static str);

const FORMAT: u8 = 1;

impl Entry {
    /// The canonical bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let event = &self.event;
        let mut out = Writer(vec![FORMAT]);
        out.bytes(self.lane.0.as_bytes());
        out.number(self.seq);
        out.number(self.at.as_micros());
        out.number(self.revision.0);
        out.bytes(&self.authority_mac);
        for text in [&event.environment, &event.actor] {
            out.bytes(text.as_bytes());
        }
        out.bytes(event.action.as_bytes());
        out.bytes(event.object_kind.as_bytes());
        out.bytes(event.object.as_bytes());
        out.bytes(event.object_id.as_bytes());
        out.number(event.version);
        out.number(match event.decision {
            Decision::Allowed => 1,
            Decision::Denied => 2,
        });
        for text in [&event.reason, &event.peer, &event.request_id] {
            out.bytes(text.as_bytes());
        }
        out.length(event.recipients.len());
        for recipient in &event.recipients {
            out.bytes(recipient.agent.0.as_bytes());
            out.bytes(recipient.name.as_bytes());
            out.bytes(recipient.instance.0.as_bytes());
        }
        out.0
    }
}

/// An entry as it was read back: like [`Entry`], with the action and kinds as text, since a newer
/// broker may have written ones that this one does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodedEntry {
    /// Lane.
    pub lane: BrokerId,
    /// Number in the lane.
    pub seq: i64,
    /// When it was written.
    pub at: Timestamp,
    /// Revision of the store when it was written.
    pub revision: Revision,
    /// MAC of the authority log at that revision.
    pub authority_mac: [u8; 32],
    /// Environment.
    pub environment: String,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// Kind of the object.
    pub object_kind: String,
    /// Name of the object.
    pub object: String,
    /// Identity of the object.
    pub object_id: Uuid,
    /// Version of the object.
    pub version: i64,
    /// Whether it was allowed.
    pub decision: Decision,
    /// Why.
    pub reason: String,
    /// Address of the peer.
    pub peer: String,
    /// Request that caused it.
    pub request_id: String,
    /// Agents and instances that a delivery went to, or that a rotation was proven by.
    pub recipients: Vec<Recipient>,
}

impl DecodedEntry {
    /// Reads canonical bytes.
    ///
    /// # Errors
    /// [`DecodeError`] where they are anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut from = Reader(bytes);
        if from.take(1)? != [FORMAT] {
            return Err(DecodeError("its format is unknown"));
        }
        let entry = Self {
            lane: BrokerId(from.uuid()?),
            seq: from.number()?,
            at: Timestamp::from_micros(from.number()?),
            revision: Revision(from.number()?),
            authority_mac: from.bytes()?.try_into().map_err(|_| DecodeError("a MAC is short"))?,
            environment: from.text()?,
            actor: from.text()?,
            action: from.text()?,
            object_kind: from.text()?,
            object: from.text()?,
            object_id: from.uuid()?,
            version: from.number()?,
            decision: match from.number()? {
                1 => Decision::Allowed,
                2 => Decision::Denied,
                _ => return Err(DecodeError("its decision is unknown")),
            },
            reason: from.text()?,
            peer: from.text()?,
            request_id: from.text()?,
            recipients: from.recipients()?,
        };
        if from.0.is_empty() { Ok(entry) } else { Err(DecodeError("something follows it")) }
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn length(&mut self, length: usize) {
        // Every field has a limit far below 4 GiB; a longer one would end the chain, not wrap.
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        self.0.extend_from_slice(&length.to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    fn number(&mut self, number: i64) {
        self.0.extend_from_slice(&number.to_be_bytes());
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(DecodeError("it is cut off"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn length(&mut self) -> Result<usize, DecodeError> {
        let bytes = self.take(4)?.try_into().map_err(|_| DecodeError("it is cut off"))?;
        usize::try_from(u32::from_be_bytes(bytes)).map_err(|_| DecodeError("a field is too long"))
    }

    fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.length()?;
        self.take(length)
    }

    fn number(&mut self) -> Result<i64, DecodeError> {
        let bytes = self.take(8)?.try_into().map_err(|_| DecodeError("it is cut off"))?;
        Ok(i64::from_be_bytes(bytes))
    }

    fn text(&mut self) -> Result<String, DecodeError> {
        let bytes = self.bytes()?.to_vec();
        String::from_utf8(bytes).map_err(|_| DecodeError("a text is not UTF-8"))
    }

    fn uuid(&mut self) -> Result<Uuid, DecodeError> {
        Uuid::from_slice(self.bytes()?).map_err(|_| DecodeError("an identity is not 16 bytes"))
    }

    fn recipients(&mut self) -> Result<Vec<Recipient>, DecodeError> {
        let count = self.length()?;
        let mut recipients = Vec::with_capacity(count.min(1024));
        for _ in 0..count {
            recipients.push(Recipient {
                agent: AgentId(self.uuid()?),
                name: self.text()?,
                instance: InstanceId(self.uuid()?),
            });
        }
        Ok(recipients)
    }
}

#[cfg(test)]
mod tests;
