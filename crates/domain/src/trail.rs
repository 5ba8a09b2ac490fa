//! Whether an audit trail is what was written: the verifier, for whoever reads one from a broker,
//! a database or a file.
//!
//! It is handed a trail item by item, in one order, and keeps no more of it than where each lane
//! ends and the edge of the tree:
//!
//! ```text
//! checkpoint                  what follows up to the next one is what it signs:
//!   entry…                      lane by lane, by identity, what came since the one before
//! checkpoint
//!   entry…
//! entry…                      after the last one: not signed yet, lane by lane
//! ```
//! It ends with the first thing that is wrong. Only a trail that was read to its end gives a
//! [`Verified`], and nothing else can make one: whatever else happens is no success.

use crate::{
    audit::DecodedEntry,
    checkpoint::{Checkpoint, LaneEnd},
    hash::chain_hash,
    id::BrokerId,
    tree::{Frontier, leaf},
};
use std::{collections::BTreeMap, fmt};

/// What is wrong with a trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// An entry is not what was written.
    Altered,
    /// An entry or a checkpoint is missing, was put in, or stands in another place.
    Misplaced,
    /// Entries that a checkpoint signs are gone from the end.
    Truncated,
    /// A checkpoint is not signed by the key, or two of them contradict one another.
    Forked,
}

/// Where something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot {
    /// The lane.
    pub lane: BrokerId,
    /// The first entry that may be it.
    pub first: i64,
    /// The last one that may be it: the same where it is known.
    pub last: i64,
}

/// The first thing that is wrong with a trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What kind of thing.
    pub verdict: Verdict,
    /// Where; none where it is no entry.
    pub spot: Option<Spot>,
    /// What, in words.
    pub what: String,
}

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
    entries: u64,
    checkpoints: u64,
    lanes: usize,
    newest: Option<Checkpoint>,
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
    entries: u64,
    checkpoints: u64,
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

impl Verdict {
    /// The exit code of whoever verifies.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Altered => 10,
            Self::Misplaced => 11,
            Self::Truncated => 12,
            Self::Forked => 13,
        }
    }

    /// In one word, for programs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Altered => "altered",
            Self::Misplaced => "missing-or-reordered",
            Self::Truncated => "truncated",
            Self::Forked => "bad-signature-or-fork",
        }
    }
}

/// The exit code where the trail could not be verified to its end.
pub const EXIT_INTERNAL: u8 = 20;

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
            entries: 0,
            checkpoints: 0,
            in_tail: false,
        };
        if let Some(note) = trusted {
            let read = verifier.read(note);
            let named = |why: String| forked(format!("the checkpoint that is trusted: {why}"));
            verifier.trusted = Some(read.map_err(named)?);
        }
        Ok(verifier)
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

    /// Says that nothing follows.
    ///
    /// # Errors
    /// What the end shows to be wrong.
    pub fn finish(mut self) -> Result<Verified, Finding> {
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
            entries: self.entries,
            checkpoints: self.checkpoints,
            lanes: self.lanes.len(),
            newest: self.newest,
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
        let end = follow(self.end_of(row.lane), row)?;
        self.lanes.insert(row.lane, end);
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
    /// Entries of all lanes.
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
        self.entries - self.newest.as_ref().map_or(0, |newest| newest.size)
    }
}

impl Spot {
    fn of(lane: BrokerId, seq: i64) -> Self {
        Self { lane, first: seq, last: seq }
    }
}

impl Finding {
    fn of(verdict: Verdict, spot: Option<Spot>, what: String) -> Self {
        Self { verdict, spot, what }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Altered => "altered",
            Verdict::Misplaced => "missing or reordered",
            Verdict::Truncated => "truncated",
            Verdict::Forked => "bad signature or fork",
        };
        write!(f, "{verdict}: ")?;
        match self.spot {
            Some(Spot { lane, first, last }) if first == last => {
                write!(f, "entry {first} of lane {lane}: ")?;
            }
            Some(Spot { lane, first, last }) => {
                write!(f, "one of entries {first} to {last} of lane {lane}: ")?;
            }
            None => {}
        }
        f.write_str(&self.what)
    }
}

/// Where a lane ends after the entry that has to be next.
///
/// # Errors
/// What is wrong with it.
pub fn follow(end: LaneEnd, row: Row<'_>) -> Result<LaneEnd, Finding> {
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
    Ok(LaneEnd { seq, hash })
}

fn missing(lane: BrokerId, seq: i64) -> Finding {
    let what = "it is not in its place, and later ones are there".to_owned();
    Finding::of(Verdict::Misplaced, Some(Spot::of(lane, seq)), what)
}

fn forked(what: String) -> Finding {
    Finding::of(Verdict::Forked, None, what)
}
