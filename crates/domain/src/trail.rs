//! Whether an audit trail is what was written: the verifier, for whoever reads one from a broker,
//! a database or a file.
//!
//! It is handed a trail item by item, in one order, and keeps no more of it than where each lane
//! ends and the edge of the tree:
//!
//! ```text
//! beginning                   where older entries were archived: the checkpoint that signs them
//! checkpoint                  what follows up to the next one is what it signs:
//!   entry…                      lane by lane, by identity, what came since the one before
//! checkpoint
//!   entry…
//! entry…                      after the last one: not signed yet, lane by lane
//! ```
//! Entries are removed only after an entry of the trail itself, which a checkpoint signs, says that
//! they were archived: a beginning without one is a finding, except for a segment, which says that
//! it is a part.
//!
//! It ends with the first thing that is wrong. Only a trail that was read to its end gives a
//! [`Verified`], and nothing else can make one: whatever else happens is no success.

pub mod export;
mod finding;

pub use finding::{Finding, Spot, Verdict};

use crate::{
    audit::{Decision, DecodedEntry},
    checkpoint::{Checkpoint, LaneEnd},
    hash::chain_hash,
    id::BrokerId,
    tree::{Frontier, Hash, leaf},
};
use finding::{forked, missing};
use std::collections::BTreeMap;

/// An entry as it is kept.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// The lane that it is kept under.
    pub lane: BrokerId,
    /// The number that it is kept under.
    pub seq: i64,
    /// Its canonical bytes.
    pub canonical: &'a [u8],
    /// The chain's hash that is kept with it.
    pub hash: [u8; 32],
}

/// That a trail was read to its end and nothing is wrong with it. Only [`Verifier::finish`] makes
/// one.
#[derive(Debug)]
pub struct Verified {
    begins: u64,
    entries: u64,
    checkpoints: u64,
    lanes: usize,
    newest: Option<Checkpoint>,
    archives: BTreeMap<u64, String>,
}

/// Checks a trail. `open` gives the text of a note that is signed by the key, or says why it is
/// not believed.
pub struct Verifier<O> {
    open: O,
    /// Whose trail it is: each checkpoint has to say so.
    origin: String,
    trusted: Option<Checkpoint>,
    tree: Frontier,
    lanes: BTreeMap<BrokerId, LaneEnd>,
    newest: Option<Checkpoint>,
    ahead: Option<Ahead>,
    /// An entry that a checkpoint signs and that did not come: whether it is missing or the trail
    /// is cut off there shows in what follows, and nothing else is looked for any more.
    awaited: Option<(BrokerId, i64)>,
    /// Entries before the first that is read.
    begins: u64,
    entries: u64,
    checkpoints: u64,
    /// What signed entries say of archives, by how far they reach.
    archives: BTreeMap<u64, String>,
    /// The same of entries that the checkpoint ahead signs, until all of them are read.
    claims: BTreeMap<u64, String>,
    /// Whether entries came that no checkpoint signs.
    in_tail: bool,
}

/// A checkpoint whose entries are being read.
struct Ahead {
    checkpoint: Checkpoint,
    /// Lanes that grew, in order, and up to where.
    lanes: Vec<(BrokerId, LaneEnd)>,
    /// Which of them is being read.
    at: usize,
}

impl<O> Verifier<O>
where
    O: for<'n> Fn(&'n str) -> Result<&'n str, String>,
{
    /// A verifier of the trail of an origin. A checkpoint that is trusted, which was kept
    /// elsewhere, has to be part of the trail.
    ///
    /// # Errors
    /// [`Finding`] where that checkpoint is not signed by the key.
    pub fn new(origin: &str, trusted: Option<&str>, open: O) -> Result<Self, Finding> {
        let mut verifier = Self {
            open,
            origin: origin.to_owned(),
            trusted: None,
            tree: Frontier::default(),
            lanes: BTreeMap::new(),
            newest: None,
            ahead: None,
            awaited: None,
            begins: 0,
            entries: 0,
            checkpoints: 0,
            archives: BTreeMap::new(),
            claims: BTreeMap::new(),
            in_tail: false,
        };
        if let Some(note) = trusted {
            let read = verifier.read(note);
            let named = |why: String| forked(format!("the checkpoint that is trusted: {why}"));
            verifier.trusted = Some(read.map_err(named)?);
        }
        Ok(verifier)
    }

    /// Takes the place where what follows begins: the checkpoint that signs all that is archived,
    /// and the complete subtrees of its tree, the largest first. Where something was read already,
    /// what follows has to go on from there.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn begin(&mut self, note: &str, edge: Vec<Hash>) -> Result<(), Finding> {
        self.await_rest();
        if self.awaited.is_some() {
            return Ok(());
        }
        let read = self.read(note);
        let read =
            read.map_err(|why| forked(format!("the checkpoint that it begins at: {why}")))?;
        let size = read.size;
        let tree = Frontier::of(size, edge).filter(|tree| tree.root() == read.root);
        let Some(tree) = tree else {
            return Err(forked(format!(
                "the edge that is shown of the tree is not that of the checkpoint of size {size}"
            )));
        };
        if self.entries > 0 {
            return if self.newest.as_ref() == Some(&read) && !self.in_tail {
                Ok(())
            } else {
                let what = format!(
                    "what begins after entry {size} does not go on from what was read before, \
                     which signs {}",
                    self.tree.size()
                );
                Err(Finding::of(Verdict::Misplaced, None, what))
            };
        }
        if let Some(trusted) = self.trusted.as_ref().filter(|trusted| trusted.size < size) {
            let what = format!(
                "the checkpoint of size {} that is trusted is of an archived part: it begins after \
                 entry {size}. Verify the segments before it together with it",
                trusted.size
            );
            return Err(Finding::of(Verdict::Misplaced, None, what));
        }
        (self.tree, self.begins) = (tree, size);
        self.lanes.clone_from(&read.lanes);
        self.newest = Some(read);
        self.compare_trusted()
    }

    /// Takes the next checkpoint; its entries follow.
    ///
    /// # Errors
    /// What is wrong with it, or with what came before it.
    pub fn checkpoint(&mut self, note: &str) -> Result<(), Finding> {
        self.await_rest();
        if self.awaited.is_some() {
            return Ok(());
        }
        let checkpoint = self.read(note).map_err(|why| {
            forked(format!("the checkpoint after that of size {}: {why}", self.tree.size()))
        })?;
        let (size, after, before) = (checkpoint.size, checkpoint.after, self.tree.size());
        if self.in_tail {
            let what = format!("the checkpoint of size {size} comes after entries that it signs");
            return Err(Finding::of(Verdict::Misplaced, None, what));
        }
        if after > before {
            let what = format!(
                "the checkpoint of size {size} follows one of size {after}, which is not there"
            );
            return Err(Finding::of(Verdict::Misplaced, None, what));
        }
        if after < before {
            return Err(forked(format!(
                "the checkpoints of sizes {size} and {before} both follow the one of size {after}"
            )));
        }
        let mut grown = Vec::new();
        for (lane, end) in &self.lanes {
            let then = checkpoint.end_of(*lane);
            if then.seq < end.seq || then.seq == end.seq && then.hash != end.hash {
                return Err(forked(format!(
                    "the checkpoints of sizes {before} and {size} contradict one another: lane \
                     {lane} ends at {} in the one and at {} in the other",
                    end.seq, then.seq
                )));
            }
        }
        for (lane, end) in &checkpoint.lanes {
            if end.seq > self.end_of(*lane).seq {
                grown.push((*lane, *end));
            }
        }
        self.checkpoints += 1;
        self.ahead = Some(Ahead { checkpoint, lanes: grown, at: 0 });
        Ok(())
    }

    /// Takes the next entry.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn entry(&mut self, row: Row<'_>) -> Result<(), Finding> {
        if let Some((lane, seq)) = self.awaited {
            return if row.lane == lane && row.seq >= seq {
                Err(missing(lane, seq))
            } else {
                Ok(())
            };
        }
        let due = self.ahead.as_ref().and_then(|ahead| ahead.lanes.get(ahead.at)).copied();
        let Some((lane, signed)) = due else {
            self.in_tail = true;
            return self.chain(row);
        };
        if row.lane != lane {
            self.await_rest();
            return Ok(());
        }
        self.chain(row)?;
        self.tree.push(leaf(row.canonical), |_, _| {});
        self.compare_trusted()?;
        if row.seq == signed.seq { self.end_lane(lane, signed, row.hash) } else { Ok(()) }
    }

    /// The newest checkpoint all of whose entries were read.
    #[must_use]
    pub fn newest(&self) -> Option<&Checkpoint> {
        self.newest.as_ref()
    }

    /// Says that nothing follows, and that this was the whole trail.
    ///
    /// # Errors
    /// What the end shows to be wrong.
    pub fn finish(self) -> Result<Verified, Finding> {
        let verified = self.finish_segment()?;
        let begins = verified.begins;
        if begins > 0 && verified.archives.range(begins..).next().is_none() {
            let what = format!(
                "the first {begins} entries are not there, and no signed entry says that they were \
                 archived"
            );
            return Err(Finding::of(Verdict::Misplaced, None, what));
        }
        Ok(verified)
    }

    /// Says that nothing follows of a segment, which may begin and end anywhere.
    ///
    /// # Errors
    /// What the end shows to be wrong.
    pub fn finish_segment(mut self) -> Result<Verified, Finding> {
        self.await_rest();
        if let Some((lane, seq)) = self.awaited {
            let what = "the lane ends before it, and a checkpoint signs it".to_owned();
            return Err(Finding::of(Verdict::Truncated, Some(Spot::of(lane, seq)), what));
        }
        let size = self.tree.size();
        if let Some(trusted) = self.trusted.as_ref().filter(|trusted| trusted.size > size) {
            let what = format!(
                "the newest checkpoint covers {size} entries, and the one that is trusted {}",
                trusted.size
            );
            let gone = trusted.lanes.iter().find(|(lane, end)| end.seq > self.end_of(**lane).seq);
            let spot = gone.map(|(lane, _)| Spot::of(*lane, self.end_of(*lane).seq + 1));
            return Err(Finding::of(Verdict::Truncated, spot, what));
        }
        Ok(Verified {
            begins: self.begins,
            entries: self.entries,
            checkpoints: self.checkpoints,
            lanes: self.lanes.len(),
            newest: self.newest,
            archives: self.archives,
        })
    }

    fn read(&self, note: &str) -> Result<Checkpoint, String> {
        let text = (self.open)(note)?;
        let checkpoint = Checkpoint::parse(text).map_err(|error| error.to_string())?;
        if checkpoint.origin == self.origin {
            Ok(checkpoint)
        } else {
            Err(format!("it is of {:?}, and not of {:?}", checkpoint.origin, self.origin))
        }
    }

    /// Extends the chain of a lane.
    fn chain(&mut self, row: Row<'_>) -> Result<(), Finding> {
        let (end, entry) = extend(self.end_of(row.lane), row)?;
        self.lanes.insert(row.lane, end);
        if entry.action == ARCHIVED && entry.decision == Decision::Allowed && !self.in_tail {
            self.claims.insert(u64::try_from(entry.version).unwrap_or(0), entry.object);
        }
        self.entries += 1;
        Ok(())
    }

    /// Compares a lane with what the checkpoint ahead says of its end, and the tree with its root
    /// where this was the last lane.
    fn end_lane(&mut self, lane: BrokerId, signed: LaneEnd, hash: [u8; 32]) -> Result<(), Finding> {
        if signed.hash != hash {
            let before = self.newest.as_ref().map_or(LaneEnd::START, |it| it.end_of(lane));
            let spot = Spot { lane, first: before.seq + 1, last: signed.seq };
            let size = self.ahead.as_ref().map_or(0, |ahead| ahead.checkpoint.size);
            let what = format!(
                "the chain fits, and is not the one that the checkpoint of size {size} signs: it \
                 was written anew"
            );
            return Err(Finding::of(Verdict::Altered, Some(spot), what));
        }
        let Some(mut ahead) = self.ahead.take() else { return Ok(()) };
        ahead.at += 1;
        if ahead.at < ahead.lanes.len() {
            self.ahead = Some(ahead);
            return Ok(());
        }
        if ahead.checkpoint.root != self.tree.root() {
            return Err(forked(format!(
                "the checkpoint of size {} has another root than its entries",
                ahead.checkpoint.size
            )));
        }
        self.newest = Some(ahead.checkpoint);
        self.archives.append(&mut self.claims);
        Ok(())
    }

    fn compare_trusted(&self) -> Result<(), Finding> {
        let here = self.trusted.as_ref().filter(|trusted| trusted.size == self.tree.size());
        match here {
            Some(trusted) if trusted.root != self.tree.root() => Err(forked(format!(
                "the trail is not the one that the trusted checkpoint of size {} was made of",
                trusted.size
            ))),
            _ => Ok(()),
        }
    }

    /// Where an entry of the checkpoint ahead is still due, nothing else may come.
    fn await_rest(&mut self) {
        if let Some(ahead) = &self.ahead
            && let Some((lane, _)) = ahead.lanes.get(ahead.at)
            && self.awaited.is_none()
        {
            self.awaited = Some((*lane, self.end_of(*lane).seq + 1));
        }
    }

    fn end_of(&self, lane: BrokerId) -> LaneEnd {
        self.lanes.get(&lane).copied().unwrap_or(LaneEnd::START)
    }
}

impl Verified {
    /// Entries that were archived and are not in it: it begins after them.
    #[must_use]
    pub fn begins(&self) -> u64 {
        self.begins
    }

    /// What its signed entries say of archives: up to which entry of the trail each reaches, and
    /// the SHA-256 of its file, hexadecimal.
    #[must_use]
    pub fn archives(&self) -> &BTreeMap<u64, String> {
        &self.archives
    }

    /// Entries of all lanes that are in it.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Checkpoints.
    #[must_use]
    pub fn checkpoints(&self) -> u64 {
        self.checkpoints
    }

    /// Lanes that have an entry.
    #[must_use]
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// The newest checkpoint; none where nothing is signed yet.
    #[must_use]
    pub fn newest(&self) -> Option<&Checkpoint> {
        self.newest.as_ref()
    }

    /// Entries that no checkpoint signs yet. Nothing shows whether some of them are gone.
    #[must_use]
    pub fn unsigned(&self) -> u64 {
        self.begins + self.entries - self.newest.as_ref().map_or(0, |newest| newest.size)
    }
}

/// Where a lane ends after the entry that has to be next.
///
/// # Errors
/// What is wrong with it.
pub fn follow(end: LaneEnd, row: Row<'_>) -> Result<LaneEnd, Finding> {
    extend(end, row).map(|(end, _)| end)
}

fn extend(end: LaneEnd, row: Row<'_>) -> Result<(LaneEnd, DecodedEntry), Finding> {
    let Row { lane, seq, canonical, hash } = row;
    let spot = Some(Spot::of(lane, seq));
    if seq > end.seq + 1 {
        return Err(missing(lane, end.seq + 1));
    }
    if seq <= end.seq {
        let what = "it stands there again".to_owned();
        return Err(Finding::of(Verdict::Misplaced, spot, what));
    }
    let entry = DecodedEntry::decode(canonical)
        .map_err(|error| Finding::of(Verdict::Altered, spot, error.to_string()))?;
    if (entry.lane, entry.seq) != (lane, seq) {
        let what = format!("in its place stands entry {} of lane {}", entry.seq, entry.lane);
        return Err(Finding::of(Verdict::Misplaced, spot, what));
    }
    if chain_hash(&end.hash, canonical) != hash {
        let what = "its hash is not that of the entry before and its bytes".to_owned();
        return Err(Finding::of(Verdict::Altered, spot, what));
    }
    Ok((LaneEnd { seq, hash }, entry))
}

/// The action of an entry that says that a part of the trail is in an archive: its version is up to
/// which entry, its object the SHA-256 of the file, hexadecimal.
pub const ARCHIVED: &str = "audit.archive";
/// The exit code where the trail could not be verified to its end.
pub const EXIT_INTERNAL: u8 = 20;
