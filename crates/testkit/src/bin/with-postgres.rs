//! `with-postgres COMMAND…`: runs a command beside a throwaway Postgres.
//!
//! The command finds the superuser's URL in `SECRETREF_TEST_POSTGRES`. The cluster is stopped and
//! removed when the command ends, and its exit code passed on. SIGINT, SIGTERM and SIGHUP are
//! passed on to the command.

use anyhow::{Context, Result};
use secretref_testkit::postgres::{Postgres, VARIABLE};
use std::{
    env,
    os::unix::process::ExitStatusExt,
    process::{ExitCode, ExitStatus},
};
use tokio::{
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode> {
    let mut words = env::args_os().skip(1);
    let program = words.next().context("usage: with-postgres COMMAND [ARGUMENT]…")?;
    let cluster = Postgres::start()?;
    let child = Command::new(&program)
        .args(words)
        .env(VARIABLE, cluster.superuser_url())
        .spawn()
        .with_context(|| format!("starting {}", program.display()))?;
    let status = run(child).await?;
    drop(cluster);
    Ok(ExitCode::from(code(status)))
}

/// Waits for the command and hands it the signals that come meanwhile.
async fn run(mut child: Child) -> Result<ExitStatus> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    loop {
        let kind = tokio::select! {
            status = child.wait() => return Ok(status?),
            _ = interrupt.recv() => rustix::process::Signal::INT,
            _ = terminate.recv() => rustix::process::Signal::TERM,
            _ = hang_up.recv() => rustix::process::Signal::HUP,
        };
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
            // It may have ended meanwhile; the next turn sees that.
            let _ = rustix::process::kill_process(pid, kind);
        }
    }
}

/// The code that a shell would show: 128 + N for signal N.
fn code(status: ExitStatus) -> u8 {
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    u8::try_from(code).unwrap_or(1)
}
