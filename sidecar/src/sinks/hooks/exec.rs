//! A program of this host, where whoever started the sidecar allowed it.

use super::HookedFile;
use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
};
use tokio::process::Command;

/// Runs it with the names of what is new, and nothing else of the sidecar's: no shell, no
/// environment but a search path, no open file. Dropping the future ends it with all its own
/// children.
pub(super) async fn run(
    program: &str,
    files: &[HookedFile],
    allowed: &[PathBuf],
) -> Result<(), String> {
    let path = Path::new(program);
    if !allowed.iter().any(|allowed| allowed == path) {
        return Err(format!("this sidecar was not started with --allow-exec {program}"));
    }
    let mut child = Command::new(path)
        .args(files.iter().map(|file| file.file.as_str()))
        .env_clear()
        .env("PATH", SEARCH_PATH)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("it was not started: {error}"))?;
    let mut group = Group(child.id());
    let status = child.wait().await.map_err(|error| error.to_string())?;
    // It is reaped: its number may be another's now.
    group.0 = None;
    if status.success() { Ok(()) } else { Err(end(status)) }
}

fn end(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it ended with code {code}"),
        (None, Some(signal)) => format!("it was ended by signal {signal}"),
        (None, None) => "it ended".to_owned(),
    }
}

/// Ends a program that is still running, and its own children with it.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        let leader = self.0.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        if let Some(leader) = leader {
            // It may have ended this moment.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

#[cfg(test)]
mod tests;
