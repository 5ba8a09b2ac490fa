//! Versions of a secret, and revisions of the store.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Number of a version of a secret: 1 for the first, one more for each next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Version(i64);

impl TryFrom<i64> for Version {
    type Error = &'static str;
    fn try_from(number: i64) -> Result<Self, &'static str> {
        Self::new(number).ok_or("a version is 1 or more")
    }
}

impl From<Version> for i64 {
    fn from(version: Version) -> Self {
        version.0
    }
}

impl Version {
    /// The first version of a secret.
    pub const FIRST: Self = Self(1);

    /// Takes a number from 1 up.
    #[must_use]
    pub const fn new(number: i64) -> Option<Self> {
        if number >= 1 { Some(Self(number)) } else { None }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The version after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

/// Revision of the store: one for every batch of changes, assigned under the lock of the head, so
/// that whoever sees revision N has every revision before it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Revision(pub i64);

impl Revision {
    /// The revision after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}

/// What is to come after the version that is current somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ahead<T> {
    /// It is not known: whoever has it does not say, or may not be asked.
    Unknown,
    /// Nothing.
    Nothing,
    /// This.
    Is(T),
}

impl<T> Ahead<T> {
    /// The same, of something else.
    #[must_use]
    pub fn map<U>(self, what: impl FnOnce(T) -> U) -> Ahead<U> {
        match self {
            Self::Unknown => Ahead::Unknown,
            Self::Nothing => Ahead::Nothing,
            Self::Is(it) => Ahead::Is(what(it)),
        }
    }

    /// What it is, where something is.
    #[must_use]
    pub fn known(self) -> Option<T> {
        match self {
            Self::Is(it) => Some(it),
            Self::Unknown | Self::Nothing => None,
        }
    }
}
