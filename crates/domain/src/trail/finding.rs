//! What can be wrong with a trail, and where.

use crate::id::BrokerId;
use std::fmt;

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

impl Spot {
    pub(super) fn of(lane: BrokerId, seq: i64) -> Self {
        Self { lane, first: seq, last: seq }
    }
}

impl Finding {
    pub(super) fn of(verdict: Verdict, spot: Option<Spot>, what: String) -> Self {
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

pub(super) fn missing(lane: BrokerId, seq: i64) -> Finding {
    let what = "it is not in its place, and later ones are there".to_owned();
    Finding::of(Verdict::Misplaced, Some(Spot::of(lane, seq)), what)
}

pub(super) fn forked(what: String) -> Finding {
    Finding::of(Verdict::Forked, None, what)
}
