//! A program of this host, where whoever started the sidecar allowed it.

use super::{HookedFile, Permits};
use crate::sinks::process::End;
use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
};

/// Runs it with the names of what is new, and nothing else of the sidecar's: no shell, no
/// environment but a search path, no open file. Dropping the future ends it with all its own
/// children.
pub(super) async fn run(
    program: &str,
    files: &[HookedFile],
    permits: &Permits,
) -> Result<(), String> {
    let path = Path::new(program);
    let allowed = permits.allow_exec.iter().any(|allowed| allowed == path);
    let Some(reaper) = permits.reaper.as_ref().filter(|_| allowed) else {
        return Err(format!("this sidecar was not started with --allow-exec {program}"));
    };
    let mut command = Command::new(path);
    command
        .args(files.iter().map(|file| file.file.as_str()))
        .env_clear()
        .env("PATH", SEARCH_PATH)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    let started = reaper.spawn(&mut command);
    let (pid, ended) = started.map_err(|error| format!("it was not started: {error}"))?;
    let mut group = Group(Some(pid));
    let end = ended.await.map_err(|_| "the sidecar is ending".to_owned())?;
    // It is reaped: its number may be another's now.
    group.0 = None;
    if end == End::Code(0) { Ok(()) } else { Err(end.to_string()) }
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
