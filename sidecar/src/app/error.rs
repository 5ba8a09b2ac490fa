//! Why a sidecar ends, and whose fault that is.

use crate::{
    lease::record::LeaseFileError,
    link::enrol::EnrolError,
    sinks::{files::FileSinkError, process::NotStarted, socket::SocketError},
    state::StateError,
};
use secretref_domain::name::AgentName;
use std::{io, net::SocketAddr, path::PathBuf, time::Duration};

/// Why the sidecar did not start, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The state folder cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The secrets folder cannot be used.
    #[error(transparent)]
    Sink(#[from] FileSinkError),
    /// The socket cannot be made.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The lease's record cannot be used.
    #[error(transparent)]
    Lease(#[from] LeaseFileError),
    /// It did not become somebody.
    #[error(transparent)]
    Enrol(#[from] EnrolError),
    /// It is nobody, and has no token.
    #[error(
        "this sidecar has no identity yet: {state_dir} holds none and no token was given. \
         Fix: secretref agent token AGENT > FILE, and add --token-file FILE",
        state_dir = state_dir.display()
    )]
    Nobody {
        /// The state folder.
        state_dir: PathBuf,
    },
    /// It is somebody else.
    #[error(
        "--agent {wanted}: the identity in {state_dir} is that of agent {found}. \
         Fix: give --agent {found}, or another --state-dir", state_dir = state_dir.display()
    )]
    OtherAgent {
        /// What was asked for.
        wanted: AgentName,
        /// What is there.
        found: AgentName,
        /// The state folder.
        state_dir: PathBuf,
    },
    /// Health cannot be answered there.
    #[error("--health-listen {address}: {source}. Fix: name a free address and port")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The first whole set was not in place in time.
    #[error(
        "the first whole set was not in place after {0:?} (--wait-timeout). \
         Fix: see the messages above, and check that the broker runs"
    )]
    WaitedTooLong(Duration),
    /// The files are still there.
    #[error("the agent's files could not be wiped; remove the secrets folder's content by hand")]
    NotWiped,
    /// The system does not give what it takes to run a program.
    #[error("programs cannot be started and watched here: {0}")]
    Processes(io::Error),
    /// The program could not be started.
    #[error("{0}. Fix: check its path and that it may be executed")]
    NotStarted(NotStarted),
    /// What the program cannot work without is not there. One line for each ref.
    #[error("{0}")]
    Unresolved(String),
    /// The program did not pass its gate.
    #[error("the program was stopped: {0}. Fix: check it, or the `gate` in the agent's manifest")]
    Gate(String),
    /// The broker does not take this identity, before there was anything to run.
    #[error("{0}")]
    Refused(String),
    /// Nobody says what to run.
    #[error(
        "the agent's manifest names no `command`. \
         Fix: add it there, or end the line with -- PROGRAM ARGUMENTS"
    )]
    NoCommand,
    /// The runtime ended a task.
    #[error("a task ended by itself: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl AppError {
    /// The exit code that says whose fault it was.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Enrol(EnrolError::Unreachable(_)) | Self::WaitedTooLong(_) => UNREACHABLE,
            Self::Enrol(
                EnrolError::Refused(_) | EnrolError::OtherBroker(_) | EnrolError::Answer(_),
            )
            | Self::NotWiped
            | Self::Refused(_)
            | Self::Gate(_)
            | Self::Processes(_)
            | Self::Task(_) => REFUSED,
            Self::NotStarted(error) => error.code(),
            Self::Unresolved(_) => UNRESOLVED,
            _ => USAGE,
        }
    }
}

/// The server said no.
const REFUSED: u8 = 1;
/// Wrong usage or unusable input.
const USAGE: u8 = 2;
/// What the program needs is not there, `EX_CONFIG`.
const UNRESOLVED: u8 = 78;
/// The broker cannot be reached.
const UNREACHABLE: u8 = 69;
