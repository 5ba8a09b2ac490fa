//! Why a provider had no value for a ref, and what that means for the ref's chain.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a provider had no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// It cannot be reached, or says that it cannot answer now (HTTP 429 and 5xx).
    Unreachable,
    /// It is there and sealed.
    Sealed,
    /// It did not answer in time.
    TimedOut,
    /// It answered that it holds no such thing.
    NotFound,
    /// It answered that this broker may not have it.
    Denied,
    /// It answered something that is not what it should be.
    Malformed,
    /// It answered more than a value may be.
    TooLarge,
    /// It is not set up so that it could be asked.
    Misconfigured,
}

impl Fault {
    /// Every fault with its word.
    pub const ALL: [(&'static str, Self); 8] = [
        ("unreachable", Self::Unreachable),
        ("sealed", Self::Sealed),
        ("timed-out", Self::TimedOut),
        ("not-found", Self::NotFound),
        ("denied", Self::Denied),
        ("malformed", Self::Malformed),
        ("too-large", Self::TooLarge),
        ("misconfigured", Self::Misconfigured),
    ];

    /// Whether the next place of the chain is asked. A provider that is not there, or has nothing,
    /// may be stood in for; one that refuses or answers nonsense is a mistake that somebody has to
    /// see, and a value from elsewhere would hide it.
    #[must_use]
    pub fn falls_through(self) -> bool {
        matches!(self, Self::Unreachable | Self::Sealed | Self::TimedOut | Self::NotFound)
    }

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, fault)| *fault == self).map_or("", |(word, _)| word)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
