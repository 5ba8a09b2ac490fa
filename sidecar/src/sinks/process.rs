//! The process sink: the agent's program, started with its credentials in its environment, and
//! told when they change.
//!
//! ```text
//! keeper ── Offer: a set that is in place ──▶ supervisor ── decide ─▶ nothing │ signal │ restart
//!        ◀───────────── Verdict ─────────────     │                              │
//!        ◀──── Has: what it really has ──────     └── gate ◀─────────────────────┘
//! ```
//! An environment cannot change in a living process. So a program that has a value in its
//! environment is started again for a new one, unless its manifest says otherwise; what it really
//! has is told as it is.

mod child;
pub mod decide;
pub mod environment;
mod gate;
mod launch;
mod pause;
pub mod plan;
mod reap;
mod signals;
mod supervise;

pub use child::Group;
pub use launch::{NotStarted, become_program};
pub use reap::{End, Reaper};
pub use signals::Signals;
pub use supervise::Supervisor;

use crate::{config::RunConfig, snapshot::Snapshot, status::Status};
use secretref_domain::{
    clock::{Clock, Timestamp},
    name::{EnvVar, SecretName},
    version::Version,
};
use secretref_proto::v1::MissingRef;
use std::{collections::BTreeMap, ffi::OsString, io, sync::Arc};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

/// What a program finds where it is started.
#[derive(Clone)]
pub struct Host {
    /// The sidecar's own environment, of which little is passed on.
    pub variables: Vec<(OsString, OsString)>,
    /// File mode mask that the sidecar itself was started with.
    pub umask: u32,
    /// Whether it has a process group of its own.
    pub group: Group,
}

/// A set that is in place, offered to the program.
pub struct Offer {
    /// The set.
    pub snapshot: Arc<Snapshot>,
    /// Refs of the same manifest that have no value.
    pub missing: Vec<MissingRef>,
    /// Whether it is on trial: it has to pass the gate. A set that the program is put back on is
    /// not.
    pub trial: bool,
    /// Told what became of it; not at all where something else went before.
    pub reply: oneshot::Sender<Verdict>,
}

/// What became of an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The program has it, or was told of it, or has no use for it.
    Taken,
    /// The program does not do with it, and why.
    Refused(String),
}

/// What a running program really has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Has {
    /// Variables of its environment: the secret and version of each.
    pub variables: BTreeMap<EnvVar, (SecretName, Version)>,
    /// When it was started.
    pub since: Timestamp,
    /// Whether it passed its gate with what it was told of last.
    pub gated: bool,
}

/// Why there is no program any more, and nothing left to do.
#[derive(Debug)]
pub enum Ended {
    /// The sidecar was told to end before a program ran.
    Told,
    /// The program ended.
    Child(End),
    /// It could not be started.
    NotStarted(NotStarted),
    /// It was not started, because of these; one line each, with its fix.
    Unresolved(Vec<String>),
    /// It did not pass its gate, and there was nothing to put it back on.
    Gate(String),
    /// Nobody says what to start.
    NoCommand,
}

/// The keeper's end.
pub struct Program {
    /// Offers, one at a time; another one goes before it.
    pub offers: mpsc::Sender<Offer>,
    /// What the program really has; `None` while none runs.
    pub has: watch::Receiver<Option<Has>>,
}

/// A supervisor and the keeper's end of it. Signals of the sidecar are the program's from now on;
/// that `asked` is cancelled is one SIGTERM.
///
/// # Errors
/// Where the system does not give what it needs to start and watch processes.
pub fn supervisor(
    config: &RunConfig,
    host: Host,
    reaper: Reaper,
    clock: Arc<dyn Clock>,
    status: watch::Sender<Status>,
    asked: CancellationToken,
) -> io::Result<(Supervisor, Program)> {
    let (offers, offered) = mpsc::channel(1);
    let (has_to, has) = watch::channel(None);
    let config = (config.program.clone(), config.allow_exec.clone());
    let signals = Signals::hear(asked)?;
    let ends = (offered, has_to);
    let supervisor = Supervisor::new(config, host, reaper, clock, status, signals, ends)?;
    Ok((supervisor, Program { offers, has }))
}
