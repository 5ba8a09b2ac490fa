//! Real processes under test: their output goes to files and to whoever waits for a line.

use anyhow::{Context, Result, bail};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open},
};
use std::{
    collections::VecDeque,
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// A running process. Killed with SIGKILL and waited for when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    output: Arc<Output>,
    readers: Vec<JoinHandle<()>>,
    log: PathBuf,
}

/// What a process has said.
#[derive(Debug, Default)]
struct Output {
    said: Mutex<Said>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct Said {
    /// The newest lines, at most [`LINES_MAX`].
    lines: VecDeque<String>,
    /// Pipes that are still open.
    open: usize,
}

impl Process {
    /// Starts a process. Both its outputs go to `NAME.log` in `logs`, which is appended to, so that
    /// the lines of one that is started again follow those of the first.
    ///
    /// # Errors
    /// Where it cannot be started or the file not be written.
    pub fn start(name: &str, command: &mut Command, logs: &Path) -> Result<Self> {
        let log = logs.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log);
        let file = file.with_context(|| format!("opening {}", log.display()))?;
        let program = command.get_program().to_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let output = Arc::new(Output::default());
        let mut readers = Vec::new();
        let stdout = child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>);
        let stderr = child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>);
        for pipe in [stdout, stderr].into_iter().flatten() {
            output.lock().open += 1;
            let (output, file) = (Arc::clone(&output), file.try_clone()?);
            readers.push(thread::spawn(move || output.copy(pipe, file)));
        }
        Ok(Self { name: name.to_owned(), child, output, readers, log })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The file that its output goes to.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Waits for a line that contains `wanted`, said before or later, and returns it.
    ///
    /// # Errors
    /// Where the process ends or the deadline passes without it; with its last lines.
    pub fn wait_for_line(&self, wanted: &str, deadline: Duration) -> Result<String> {
        self.wait_for(wanted, |line| line.contains(wanted), deadline)
    }

    /// As [`Process::wait_for_line`], for a line that starts with `wanted`: what a program
    /// announces, and not what its log says of it.
    ///
    /// # Errors
    /// As [`Process::wait_for_line`].
    pub fn wait_for_announcement(&self, wanted: &str, deadline: Duration) -> Result<String> {
        self.wait_for(wanted, |line| line.starts_with(wanted), deadline)
    }

    fn wait_for(
        &self,
        wanted: &str,
        is_it: impl Fn(&str) -> bool,
        deadline: Duration,
    ) -> Result<String> {
        let end = Instant::now() + deadline;
        let mut said = self.output.lock();
        loop {
            if let Some(line) = said.lines.iter().find(|line| is_it(line)) {
                return Ok(line.clone());
            }
            let left = end.saturating_duration_since(Instant::now());
            let problem = match (said.open, left.is_zero()) {
                (0, _) => "ended without",
                (_, true) => "did not say in time",
                _ => {
                    said = self.output.wait(said, left);
                    continue;
                }
            };
            let last: Vec<_> = said.lines.iter().rev().take(LINES_SHOWN).cloned().collect();
            let last = last.into_iter().rev().collect::<Vec<_>>().join("\n  ");
            bail!("{} {problem} {wanted:?}. It said:\n  {last}", self.name);
        }
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// Where the process is gone already.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(Pid::from_child(&self.child), signal)
            .with_context(|| format!("sending {signal:?} to {}", self.name))
    }

    /// Kills it at once, as a crash would, and waits until it is gone.
    ///
    /// # Errors
    /// Where it cannot be killed.
    pub fn kill9(&mut self) -> Result<()> {
        self.child.kill().with_context(|| format!("killing {}", self.name))?;
        self.child.wait()?;
        self.join_readers();
        Ok(())
    }

    /// Asks it to end with SIGTERM and waits for that.
    ///
    /// # Errors
    /// Where it is gone already or does not end in time.
    pub fn terminate(&mut self, deadline: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.wait(deadline)
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    /// Where it does not end in time.
    pub fn wait(&mut self, deadline: Duration) -> Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            self.join_readers();
            return Ok(status);
        }
        let handle = pidfd_open(Pid::from_child(&self.child), PidfdFlags::empty())?;
        let limit = Timespec::try_from(deadline)?;
        let ended = poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&limit))?;
        if ended == 0 {
            bail!("{} has not ended within {deadline:?}", self.name);
        }
        let status = self.child.wait()?;
        self.join_readers();
        Ok(status)
    }

    /// Everything that it has written so far, and what an earlier one of its name wrote.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn said(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&std::fs::read(&self.log)?).into_owned())
    }

    fn join_readers(&mut self) {
        for reader in self.readers.drain(..) {
            // A reader has nothing to say but that it is done.
            let _ = reader.join();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only where it is gone already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Output {
    fn lock(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, said: MutexGuard<'a, Said>, limit: Duration) -> MutexGuard<'a, Said> {
        self.more.wait_timeout(said, limit).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Copies a pipe to the log and to the lines until it is closed.
    fn copy(&self, pipe: impl Read, mut log: File) {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe
            .by_ref()
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', &mut line)
            .is_ok_and(|bytes| bytes > 0)
        {
            // One write a line, so that the lines of both pipes do not mix.
            let _ = log.write_all(&line);
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            line.clear();
            let mut said = self.lock();
            said.lines.push_back(text);
            if said.lines.len() > LINES_MAX {
                said.lines.pop_front();
            }
            drop(said);
            self.more.notify_all();
        }
        self.lock().open -= 1;
        self.more.notify_all();
    }
}

/// Where a binary of this workspace lies: beside the test that runs, or one folder up.
///
/// # Errors
/// Where it has not been built; with the command that builds it.
pub fn binary(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("finding the running program")?;
    own.ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .with_context(|| {
            format!("{name} is not built. Fix: cargo build --workspace --bins (or: make test)")
        })
}

const LINES_MAX: usize = 4096;
/// A longer line is kept as several.
const LINE_BYTES_MAX: u64 = 1 << 20;
const LINES_SHOWN: usize = 30;

#[cfg(test)]
mod tests;
