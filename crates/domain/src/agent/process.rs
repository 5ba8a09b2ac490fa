//! How an agent's program is run, where a sidecar runs it.

use crate::{loopback::LoopbackUrl, name::EnvVar, name::FileName};
use serde::{Deserialize, Serialize};

/// What concerns an agent as a whole, rather than one of its credentials: what its sidecar is
/// told besides its secrets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentSettings {
    /// File of the secrets folder with a line for each environment variable.
    pub dotenv: Option<FileName>,
    /// Program and arguments where the sidecar was given none; empty for none.
    pub command: Vec<String>,
    /// How the program is run.
    pub process: ProcessSpec,
}

/// How an agent's program is run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcessSpec {
    /// Variables of the sidecar's own environment that it inherits besides the usual ones:
    /// [`INHERIT_MAX`] at most.
    pub inherit: Vec<EnvVar>,
    /// How long it has to end after SIGTERM, in milliseconds: 0 to [`SPAN_MS_MAX`].
    pub stop_timeout_ms: i64,
    /// What it has to pass before its credentials count as applied.
    pub gate: Option<GateSpec>,
    /// Whether the next one is started before the last one is stopped.
    pub hand_over: bool,
}

/// What a program has to pass after it was started or signalled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GateSpec {
    /// How long it has to live, in milliseconds: 0 to [`SPAN_MS_MAX`].
    pub alive_ms: i64,
    /// Address on its host that has to answer with a status of 2xx.
    pub http: Option<LoopbackUrl>,
    /// Program and arguments that have to exit with 0; empty for none.
    pub command: Vec<String>,
    /// How long all of it may take, in milliseconds: 1 to [`SPAN_MS_MAX`].
    pub timeout_ms: i64,
}

impl Default for ProcessSpec {
    fn default() -> Self {
        Self {
            inherit: Vec::new(),
            stop_timeout_ms: STOP_TIMEOUT_MS_DEFAULT,
            gate: None,
            hand_over: false,
        }
    }
}

impl Default for GateSpec {
    fn default() -> Self {
        Self { alive_ms: 0, http: None, command: Vec::new(), timeout_ms: GATE_TIMEOUT_MS_DEFAULT }
    }
}

/// Variables that a program may inherit by name.
pub const INHERIT_MAX: usize = 64;
/// Words of a command.
pub const COMMAND_WORDS_MAX: usize = 256;
/// Longest word of a command, in bytes.
pub const COMMAND_WORD_BYTES_MAX: usize = 4096;
/// Longest time to stop, to live or to pass a gate, in milliseconds.
pub const SPAN_MS_MAX: i64 = 600_000;
/// How long a program has to end where its manifest does not say, in milliseconds.
const STOP_TIMEOUT_MS_DEFAULT: i64 = 10_000;
/// How long a gate may take where its manifest does not say, in milliseconds.
const GATE_TIMEOUT_MS_DEFAULT: i64 = 30_000;
