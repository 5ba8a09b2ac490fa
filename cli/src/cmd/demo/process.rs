//! The demo's processes: each writes into a log of its own, is waited for by what it says, and is
//! ended by its id.

use crate::failure::{Exit, Failure};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};
use tokio::{io::AsyncWriteExt, process::Command, time};

/// A running program of the demo.
pub(super) struct Process {
    name: &'static str,
    child: tokio::process::Child,
    log: PathBuf,
    read: u64,
    partial: String,
}

/// What is started, where, and what it may know.
pub(super) struct Start<'a> {
    /// For people, and for the log's name.
    pub(super) name: &'static str,
    /// The program.
    pub(super) program: &'a Path,
    /// This program, if the process shall not outlive it.
    pub(super) keeper: Option<&'a Path>,
    /// Folder of the demo: home, configuration and logs.
    pub(super) folder: &'a Path,
    /// What it reads on standard input.
    pub(super) input: &'a str,
}

impl Start<'_> {
    /// Starts the program in a process group of its own, so that Ctrl-C reaches the demo alone,
    /// and without the operator's environment.
    pub(super) async fn spawn<A: AsRef<OsStr>>(self, arguments: &[A]) -> Result<Process, Failure> {
        let wrong = |error: std::io::Error| {
            let what = format!("{} cannot be started: {error}", self.program.display());
            Failure::new(Exit::Refused, what, "build it: cargo build --workspace --bins")
        };
        let log = self.folder.join(format!("{}.log", self.name));
        let out = File::create(&log).map_err(wrong)?;
        let mut command = match self.keeper {
            Some(keeper) => {
                let mut command = Command::new(keeper);
                command.args(["demo", "child", "--parent"]).arg(std::process::id().to_string());
                command.arg("--").arg(self.program);
                command
            }
            None => Command::new(self.program),
        };
        let mut child = command
            .args(arguments)
            .env_clear()
            .env("HOME", self.folder)
            .env("XDG_CONFIG_HOME", self.folder.join("config"))
            .current_dir(self.folder)
            .stdin(Stdio::piped())
            .stdout(out.try_clone().map_err(wrong)?)
            .stderr(out)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(wrong)?;
        if let Some(mut stdin) = child.stdin.take() {
            // Who does not read its input says in its log why.
            let _ = stdin.write_all(self.input.as_bytes()).await;
        }
        Ok(Process { name: self.name, child, log, read: 0, partial: String::new() })
    }
}

impl Process {
    /// Its id; absent where it has ended.
    pub(super) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until it ends well.
    pub(super) async fn success(&mut self) -> Result<(), Failure> {
        match time::timeout(PATIENCE, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(self.disappointment(&format!("ended with {status}"))),
            Ok(Err(error)) => Err(self.disappointment(&format!("cannot be waited for: {error}"))),
            Err(_) => Err(self.disappointment("did not end in time")),
        }
    }

    /// Waits for a line that `wanted` takes; lines before it are passed over.
    pub(super) async fn line<T>(
        &mut self,
        what: &str,
        wanted: impl Fn(&str) -> Option<T>,
    ) -> Result<T, Failure> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let ended = !matches!(self.child.try_wait(), Ok(None));
            while let Some(line) = self.next_line() {
                if let Some(found) = wanted(&line) {
                    return Ok(found);
                }
            }
            if ended {
                return Err(self.disappointment(&format!("ended before it said {what}")));
            }
            if Instant::now() > deadline {
                return Err(self.disappointment(&format!("did not say {what} in time")));
            }
            time::sleep(READ_EVERY).await;
        }
    }

    /// Ends it: politely, then not.
    pub(super) async fn end(mut self) {
        if let Some(pid) = self.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
            // It may have ended by itself in this moment, which is just as well.
            let _ = kill_process(pid, Signal::TERM);
        }
        if time::timeout(GRACE, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }

    /// Lets it live on without the demo.
    pub(super) fn release(self) {
        // Dropping the child would kill it.
        std::mem::forget(self.child);
    }

    /// The last lines of its log.
    pub(super) fn last_words(&self) -> Vec<String> {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
        last.iter().map(|line| format!("{}: {line}", self.name)).collect()
    }

    fn next_line(&mut self) -> Option<String> {
        if !self.partial.contains('\n') {
            let mut file = File::open(&self.log).ok()?;
            file.seek(SeekFrom::Start(self.read)).ok()?;
            let mut new = Vec::new();
            file.read_to_end(&mut new).ok()?;
            self.read += u64::try_from(new.len()).unwrap_or(0);
            self.partial.push_str(&String::from_utf8_lossy(&new));
        }
        let end = self.partial.find('\n')?;
        let rest = self.partial.split_off(end + 1);
        let line = std::mem::replace(&mut self.partial, rest);
        Some(line.trim_end().to_owned())
    }

    fn disappointment(&self, what: &str) -> Failure {
        let what = format!("{} {what}", self.name);
        Failure::new(Exit::Refused, what, "see its last lines below")
    }
}

/// How long the demo waits for anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a process may take to end politely.
const GRACE: Duration = Duration::from_secs(5);

/// How often a log is read. The agent's own timestamps are measured, not these.
const READ_EVERY: Duration = Duration::from_millis(2);

/// How much of a log is shown after a failure.
const LAST_LINES: usize = 8;

#[cfg(test)]
mod tests;
