//! Starting a program by way of the sidecar's own binary, which does first what can only be done
//! from within: it ties the process to the sidecar's life and takes back the usual file mode mask.
//!
//! ```text
//! sidecar ── starts ─▶ secretref-sidecar exec-child --parent PID --report NAME … -- PROGRAM …
//!    ▲                    │ dies with its parent; 1 connects to NAME; 2 becomes PROGRAM
//!    └──── NAME ──────────┘ the connection closes: it became PROGRAM
//!                           four bytes come: it could not, and this is the system's reason
//! ```
//! The report is a socket of this host's abstract namespace with a random name; what any other
//! process says on it is not heard.

use super::{
    child::{Child, Group},
    environment::Environment,
    reap::Reaper,
};
use crate::config::ExecChildConfig;
use rustix::{
    fs::Mode,
    process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal, umask},
};
use std::{
    ffi::{OsStr, OsString},
    io::{self, Write},
    os::{
        linux::net::SocketAddrExt,
        unix::{
            net::{SocketAddr, UnixListener as StdListener, UnixStream as StdStream},
            process::CommandExt,
        },
    },
    process::Command,
};
use tokio::{io::AsyncReadExt, net::UnixListener};

/// Starts programs.
pub(super) struct Launcher {
    reaper: Reaper,
    reports: UnixListener,
    name: String,
    umask: u32,
    group: Group,
}

/// A program that could not be started.
#[derive(Debug, thiserror::Error)]
#[error("{program:?} cannot be started: {source}")]
pub struct NotStarted {
    /// The program.
    pub program: OsString,
    /// What the system said.
    pub source: io::Error,
}

impl NotStarted {
    /// The exit code of shells: 127 where there is no such program, else 126.
    #[must_use]
    pub fn code(&self) -> u8 {
        if self.source.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { NOT_EXECUTABLE }
    }
}

impl Launcher {
    /// A launcher; `umask` is the file mode mask of the programs.
    pub(super) fn new(umask: u32, group: Group, reaper: Reaper) -> io::Result<Self> {
        let name = format!("secretref-{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        let listener = StdListener::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
        listener.set_nonblocking(true)?;
        let reports = UnixListener::from_std(listener)?;
        Ok(Self { reaper, reports, name, umask, group })
    }

    /// Starts a program and comes back when it really runs.
    pub(super) async fn start(
        &self,
        words: &[OsString],
        environment: &Environment,
    ) -> Result<Child, NotStarted> {
        let program = words.first().cloned().unwrap_or_default();
        let failed = |source| NotStarted { program: program.clone(), source };
        let mut command = Command::new(OWN_PROGRAM);
        command
            .arg0(env!("CARGO_PKG_NAME"))
            .args(["exec-child", "--parent", &getpid().to_string(), "--report", &self.name])
            .args(["--umask", &format!("{:o}", self.umask), "--"])
            .args(words)
            .env_clear()
            .envs(environment.variables());
        if self.group == Group::Own {
            command.process_group(0);
        }
        let (pid, ended) = self.reaper.spawn(&mut command).map_err(failed)?;
        let mut child = Child::new(pid, ended, self.group);
        let said = tokio::select! {
            said = self.report(pid) => Some(said),
            _ = child.ended() => None,
        };
        match said {
            Some(Ok(None)) | None => Ok(child),
            Some(Ok(Some(errno))) => {
                child.ended().await;
                Err(failed(io::Error::from_raw_os_error(errno)))
            }
            Some(Err(error)) => Err(failed(error)),
        }
    }

    /// What a process says of its own start: nothing where it became the program.
    async fn report(&self, pid: Pid) -> io::Result<Option<i32>> {
        loop {
            let (stream, _) = self.reports.accept().await?;
            let from = stream.peer_cred()?.pid();
            if from != Some(pid.as_raw_nonzero().get()) {
                continue;
            }
            let mut errno = Vec::new();
            stream.take(4).read_to_end(&mut errno).await?;
            return Ok(errno.try_into().ok().map(i32::from_be_bytes));
        }
    }
}

/// Becomes a program. Comes back only where it cannot, with the exit code that says so.
#[must_use]
pub fn become_program(config: &ExecChildConfig) -> u8 {
    let Some((program, arguments)) = config.command.split_first() else { return NOT_FOUND };
    let tied = set_parent_process_death_signal(Some(Signal::KILL)).is_ok();
    // The parent may have ended before it was tied to it, and then nothing would end this one.
    let parent = getppid().map(|pid| pid.as_raw_nonzero().get());
    if !tied || parent != Some(config.parent) {
        return NOT_EXECUTABLE;
    }
    umask(Mode::from_raw_mode(config.umask));
    // Closed by the system when this process becomes the program.
    let report = SocketAddr::from_abstract_name(&config.report)
        .and_then(|address| StdStream::connect_addr(&address));
    let Ok(mut report) = report else { return NOT_EXECUTABLE };
    let error = become_now(program, arguments);
    let errno = error.raw_os_error().unwrap_or(INVALID);
    // Where nobody listens any more, the code says it.
    drop(report.write_all(&errno.to_be_bytes()));
    NotStarted { program: program.clone(), source: error }.code()
}

fn become_now(program: &OsStr, arguments: &[OsString]) -> io::Error {
    Command::new(program).args(arguments).exec()
}

/// This very binary, even where another has taken its place on disk.
const OWN_PROGRAM: &str = "/proc/self/exe";
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;
/// `EINVAL`, for what is refused before the system is asked.
const INVALID: i32 = 22;
