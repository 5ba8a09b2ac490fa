//! The ways by which an agent gets a secret, and what is known of each.

use crate::clock::Timestamp;
use serde::{Deserialize, Serialize};

/// How a sidecar knows that a secret is in place. Numbers as on the wire and in the store; what was
/// only written is never called in use.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Evidence {
    /// It does not.
    #[default]
    None = 0,
    /// It was written, or handed over, there.
    Written = 1,
    /// The agent read it.
    Read = 2,
    /// The agent's reload hook answered.
    Reloaded = 3,
    /// The agent passed its health check with it.
    Gated = 4,
    /// The agent said so.
    Confirmed = 5,
}

/// A way by which an agent gets a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// A file in the secrets folder.
    File = 1,
    /// The sidecar's socket.
    Socket = 2,
    /// The environment of a process that the sidecar started.
    Environment = 3,
}

/// What a rotation does to an agent's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Nothing: the process has to look by itself.
    Nothing = 1,
    /// It gets a signal.
    Signal = 2,
    /// A hook of its own is called.
    Hook = 3,
    /// It is stopped, and started with the new value.
    Restart = 4,
    /// One with the new value is started, and then it is stopped.
    HandOver = 5,
}

/// One way by which an agent gets a secret, as its sidecar says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Which way.
    pub way: Way,
    /// Name of the file or variable, or path of the socket; at most
    /// [`crate::limit::DETAIL_BYTES_MAX`] bytes.
    pub place: String,
    /// Version that is really there; 0 where none is.
    pub version: i64,
    /// How the sidecar knows that the agent has it.
    pub evidence: Evidence,
    /// Since when it is so, by the sidecar's clock.
    pub since: Timestamp,
    /// What the next rotation will do to the agent's process.
    pub effect: Effect,
}

impl Evidence {
    /// The evidence of a number; none where it is unknown.
    #[must_use]
    pub fn of(number: i64) -> Self {
        [Self::Written, Self::Read, Self::Reloaded, Self::Gated, Self::Confirmed]
            .into_iter()
            .find(|evidence| *evidence as i64 == number)
            .unwrap_or_default()
    }

    /// As status and audit print it; empty where there is none.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Written => "written",
            Self::Read => "read",
            Self::Reloaded => "reloaded",
            Self::Gated => "gated",
            Self::Confirmed => "confirmed",
        }
    }
}

impl Way {
    /// The way of a number.
    #[must_use]
    pub fn of(number: i64) -> Option<Self> {
        [Self::File, Self::Socket, Self::Environment].into_iter().find(|way| *way as i64 == number)
    }
}

impl Effect {
    /// The effect of a number; nothing where it is unknown.
    #[must_use]
    pub fn of(number: i64) -> Self {
        [Self::Signal, Self::Hook, Self::Restart, Self::HandOver]
            .into_iter()
            .find(|effect| *effect as i64 == number)
            .unwrap_or(Self::Nothing)
    }
}
