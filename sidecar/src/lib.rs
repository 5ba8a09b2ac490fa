//! The guest beside the agent: one outgoing stream to a broker, and the agent's files kept
//! current by it.
//!
//! ```text
//! broker ══ link ══▶ fold ──▶ snapshot ──▶ sinks::files ──▶ the agent's folder
//!             ▲                   │      └──▶ sinks::socket ─▶ whoever asks
//!             │                   │ lease: what lapses leaves
//!             └──── results ──────┴────────── sinks::hooks ──▶ tells the agent
//! ```

pub mod app;
pub mod command;
pub mod config;
pub mod fold;
pub mod hardening;
pub mod health;
pub mod lease;
pub mod link;
pub mod refusals;
pub mod sinks;
pub mod snapshot;
pub mod state;
pub mod status;
pub mod telemetry;
pub mod trail;
pub mod witness;

use secretref_domain::clock::{Clock, Timestamp};
use std::time::{SystemTime, UNIX_EPOCH};

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}
