//! A checkpoint: what the audit trail was at a moment, in a few lines that are signed
//! (<https://c2sp.org/tlog-checkpoint>).
//!
//! ```text
//! example.org/audit                              whose trail it is
//! 1234                                           entries of all lanes
//! qKjw…=                                         root of the tree over them, see [`crate::tree`]
//! after 1000                                     size of the checkpoint before; 0 for none
//! lane 0190…-… 800 ZXhh…=                        each lane: its newest entry, and the chain there
//! lane 0191…-… 434 bXBs…=
//! ```
//! The leaves of the tree are the canonical bytes of entries. Each checkpoint appends, lane by lane
//! in the order of their identities, what came since the one before: so the lines say where each
//! entry stands, and a verifier needs nothing else.

use crate::{id::BrokerId, tree::Hash};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use std::{collections::BTreeMap, fmt};

/// What the trail was at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Whose trail: the trust domain and `/audit`.
    pub origin: String,
    /// Entries of all lanes.
    pub size: u64,
    /// Root of the tree over them.
    pub root: Hash,
    /// Size of the checkpoint before; 0 for none.
    pub after: u64,
    /// Where each lane ended.
    pub lanes: BTreeMap<BrokerId, LaneEnd>,
}

/// Where a lane ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneEnd {
    /// Number of its newest entry, from 1.
    pub seq: i64,
    /// The chain's hash of that entry.
    pub hash: Hash,
}

impl LaneEnd {
    /// Before the first entry.
    pub const START: Self = Self { seq: 0, hash: [0; 32] };
}

/// A text that is no checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no checkpoint of an audit trail: {0}")]
pub struct NotACheckpoint(&'static str);

/// Whose trail it is, by the trust domain.
#[must_use]
pub fn origin(trust_domain: &str) -> String {
    format!("{trust_domain}/audit")
}

impl Checkpoint {
    /// Reads the text of a signed note. A checkpoint has exactly one text, and no other is taken.
    ///
    /// # Errors
    /// [`NotACheckpoint`].
    pub fn parse(text: &str) -> Result<Self, NotACheckpoint> {
        let mut lines = text.lines();
        let mut next = || lines.next().ok_or(NotACheckpoint("it is cut off"));
        let origin = next()?.to_owned();
        let size = next()?.parse().map_err(|_| NotACheckpoint("its size is no number"))?;
        let root = hash(next()?)?;
        let after = next()?.strip_prefix("after ").and_then(|after| after.parse().ok());
        let after = after.ok_or(NotACheckpoint("it does not say which one it follows"))?;
        let lanes = lines.map(lane).collect::<Result<_, _>>()?;
        let found = Self { origin, size, root, after, lanes };
        if found.to_string() != text {
            return Err(NotACheckpoint("it is not written as one is"));
        }
        if found.size == 0 || found.after >= found.size || found.covered() != Some(found.size) {
            return Err(NotACheckpoint("its sizes do not add up"));
        }
        Ok(found)
    }

    /// What a signed note says, whoever signed it: to find what it speaks of, and to believe
    /// nothing.
    #[must_use]
    pub fn unverified(note: &str) -> Option<Self> {
        let (text, _) = note.rsplit_once("\n\n")?;
        Self::parse(&format!("{text}\n")).ok()
    }

    /// Where a lane ended; at its start where there was none.
    #[must_use]
    pub fn end_of(&self, lane: BrokerId) -> LaneEnd {
        self.lanes.get(&lane).copied().unwrap_or(LaneEnd::START)
    }

    /// The entries that it signs and the one before does not, in the order of the tree: for each
    /// lane that grew, after which entry and up to which.
    #[must_use]
    pub fn since(&self, before: Option<&Self>) -> Vec<(BrokerId, i64, i64)> {
        let start = |lane| before.map_or(LaneEnd::START, |before| before.end_of(lane)).seq;
        let ranges = self.lanes.iter().map(|(lane, end)| (*lane, start(*lane), end.seq));
        ranges.filter(|(_, after, last)| after < last).collect()
    }

    /// Entries of all lanes, added up: each lane counts from 1 without gaps.
    fn covered(&self) -> Option<u64> {
        self.lanes.values().try_fold(0_u64, |sum, end| {
            let seq = u64::try_from(end.seq).ok().filter(|seq| *seq > 0)?;
            sum.checked_add(seq)
        })
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, BASE64_STANDARD.encode(self.root))?;
        writeln!(f, "after {}", self.after)?;
        for (lane, LaneEnd { seq, hash }) in &self.lanes {
            writeln!(f, "lane {lane} {seq} {}", BASE64_STANDARD.encode(hash))?;
        }
        Ok(())
    }
}

fn lane(line: &str) -> Result<(BrokerId, LaneEnd), NotACheckpoint> {
    let problem = NotACheckpoint("a line of it says nothing of a lane");
    let mut words = line.strip_prefix("lane ").ok_or(problem)?.splitn(3, ' ');
    let mut next = || words.next().ok_or(problem);
    let lane = next()?.parse().map_err(|_| problem)?;
    let seq = next()?.parse().map_err(|_| problem)?;
    Ok((lane, LaneEnd { seq, hash: hash(next()?)? }))
}

fn hash(text: &str) -> Result<Hash, NotACheckpoint> {
    let bytes = BASE64_STANDARD.decode(text).ok();
    let hash = bytes.and_then(|bytes| Hash::try_from(bytes).ok());
    hash.ok_or(NotACheckpoint("a hash of it is none"))
}

/// Lanes that a checkpoint tells of, so that it keeps within [`NOTE_BYTES_MAX`].
pub const LANES_MAX: usize = 512;
/// Length of a signed checkpoint, in bytes.
pub const NOTE_BYTES_MAX: usize = 65_536;

#[cfg(test)]
mod tests;
