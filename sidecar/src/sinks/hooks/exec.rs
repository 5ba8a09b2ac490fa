//! A program of this host, where whoever started the sidecar allowed it.

use super::{HookedFile, Permits};
use crate::sinks::process::End;
use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
};
use tokio::sync::oneshot;

/// Runs it with the names of what is new, and nothing else of the sidecar's.
pub(super) async fn run(
    program: &str,
    files: &[HookedFile],
    permits: &Permits,
) -> Result<(), String> {
    let names = files.iter().map(|file| file.file.as_str());
    let running = start(program, names, Stdio::null(), permits)?;
    match running.ended().await? {
        End::Code(0) => Ok(()),
        end => Err(end.to_string()),
    }
}

/// Starts it where it is allowed: no shell, no environment but a search path, no open file but
/// where it writes to. Dropping what runs ends it with all its own children.
pub(super) fn start<'a>(
    program: &str,
    words: impl IntoIterator<Item = &'a str>,
    output: Stdio,
    permits: &Permits,
) -> Result<Running, String> {
    let path = Path::new(program);
    let allowed = permits.allow_exec.iter().any(|allowed| allowed == path);
    let Some(reaper) = permits.reaper.as_ref().filter(|_| allowed) else {
        return Err(format!("this sidecar was not started with --allow-exec {program}"));
    };
    let mut command = Command::new(path);
    command
        .args(words)
        .env_clear()
        .env("PATH", SEARCH_PATH)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(Stdio::null())
        .process_group(0);
    let started = reaper.spawn(&mut command);
    let (pid, ended) = started.map_err(|error| format!("it was not started: {error}"))?;
    Ok(Running { group: Group(Some(pid)), ended })
}

/// A program that was started.
pub(super) struct Running {
    group: Group,
    ended: oneshot::Receiver<End>,
}

impl Running {
    /// How it ended.
    pub(super) async fn ended(mut self) -> Result<End, String> {
        let end = (&mut self.ended).await.map_err(|_| "the sidecar is ending".to_owned())?;
        // It is reaped: its number may be another's now.
        self.group.0 = None;
        Ok(end)
    }
}

/// Ends a program that is still running, and its own children with it.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // It may have ended this moment.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

#[cfg(test)]
mod tests;
