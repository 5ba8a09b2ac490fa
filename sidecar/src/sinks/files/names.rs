//! The names of the folder's own machinery. All start with two dots, which no [`FileName`] can.

use secretref_domain::name::FileName;
use std::fmt;

/// The one link that says which set is in place.
pub(super) const DATA: &str = "..data";
/// The link to be, for the moment before it is renamed over [`DATA`].
pub(super) const DATA_NEXT: &str = "..data.next";
/// The file that is locked while a sink has the folder.
pub(super) const LOCK: &str = "..lock";

const SET_PREFIX: &str = "..set.";
const LINK_PREFIX: &str = "..link.";
const RANDOM_DIGITS: usize = 16;

/// Name of a set's folder: `..set.<number>.<16 hexadecimal digits>`.
///
/// The random part is no secret: nobody else can write to the folder. It keeps a handle on a set
/// of an earlier run from being taken for one of this run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SetName {
    number: u64,
    random: u64,
}

impl SetName {
    pub(super) fn new(number: u64) -> Self {
        Self { number, random: fastrand::u64(..) }
    }

    /// Takes the one spelling of a set's name: no leading zeros, lower case.
    pub(super) fn parse(given: &str) -> Option<Self> {
        let (number, random) = given.strip_prefix(SET_PREFIX)?.split_once('.')?;
        if random.len() != RANDOM_DIGITS {
            return None;
        }
        let name =
            Self { number: number.parse().ok()?, random: u64::from_str_radix(random, 16).ok()? };
        (name.to_string() == given).then_some(name)
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }
}

impl fmt::Display for SetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SET_PREFIX}{}.{:016x}", self.number, self.random)
    }
}

/// One of the machinery's names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum OwnName {
    Data,
    NextData,
    Lock,
    Set(SetName),
    StagedLink(FileName),
}

impl OwnName {
    /// What the name is of ours; `None` where it is not of ours.
    pub(super) fn parse(given: &str) -> Option<Self> {
        match given {
            DATA => Some(Self::Data),
            DATA_NEXT => Some(Self::NextData),
            LOCK => Some(Self::Lock),
            _ => match given.strip_prefix(LINK_PREFIX) {
                Some(name) => FileName::parse(name).ok().map(Self::StagedLink),
                None => SetName::parse(given).map(Self::Set),
            },
        }
    }
}

impl fmt::Display for OwnName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data => f.write_str(DATA),
            Self::NextData => f.write_str(DATA_NEXT),
            Self::Lock => f.write_str(LOCK),
            Self::Set(name) => name.fmt(f),
            Self::StagedLink(name) => f.write_str(&staged_link(name)),
        }
    }
}

/// Where a visible link waits for the swap.
pub(super) fn staged_link(name: &FileName) -> String {
    format!("{LINK_PREFIX}{name}")
}

/// What a visible link leads to.
pub(super) fn link_target(name: &FileName) -> String {
    format!("{DATA}/{name}")
}
