//! One running program.

use super::{reap::End, signals};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::time::{Duration, Instant};
use tokio::{sync::oneshot, time::timeout};

/// Whether a program has a process group of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// It has, and what it starts is in it too: signals go to all of them.
    Own,
    /// It shares the sidecar's, because it shares a terminal with it: signals go to it alone,
    /// and those of the terminal reach it by themselves.
    Terminal,
}

/// A program that was started. Dropping it kills it.
pub(super) struct Child {
    pid: Pid,
    waiting: oneshot::Receiver<End>,
    end: Option<End>,
    group: Group,
    /// When it was started.
    pub(super) started: Instant,
}

impl Child {
    pub(super) fn new(pid: Pid, waiting: oneshot::Receiver<End>, group: Group) -> Self {
        Self { pid, waiting, end: None, group, started: Instant::now() }
    }

    /// Its process id.
    pub(super) fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Waits for its end, and says how it was; again where it is asked again.
    pub(super) async fn ended(&mut self) -> End {
        if let Some(end) = self.end {
            return end;
        }
        // Nobody who waited is left only where the runtime ends, and the program with it.
        let end = (&mut self.waiting).await.unwrap_or(End::Signal(KILL));
        self.end = Some(end);
        end
    }

    /// Sends a signal to it, and to what it started where it has a group of its own.
    pub(super) fn signal(&self, signal: Signal) {
        if self.end.is_some() {
            return;
        }
        let sent = match self.group {
            Group::Own => kill_process_group(self.pid, signal),
            Group::Terminal => kill_process(self.pid, signal),
        };
        if let Err(error) = sent {
            tracing::debug!(pid = self.pid(), ?signal, %error, "a signal had nobody to go to");
        }
    }

    /// Passes on a signal that the sidecar got, unless it has it already.
    pub(super) fn forward(&self, signal: Signal) {
        if self.group == Group::Own || !signals::of_terminal(signal) {
            self.signal(signal);
        }
    }

    /// Stops it: SIGTERM, time to end, SIGKILL. What it started does not outlive it.
    pub(super) async fn stop(mut self, within: Duration) -> End {
        self.signal(Signal::TERM);
        self.finish(within).await
    }

    /// Waits for the end that it was asked for, and no longer than this.
    pub(super) async fn finish(&mut self, within: Duration) -> End {
        let Ok(end) = timeout(within, self.ended()).await else {
            tracing::warn!(pid = self.pid(), ?within, "the program did not end in time; killed");
            self.signal(Signal::KILL);
            return self.ended().await;
        };
        self.clear();
        end
    }

    /// Kills what it started and left behind.
    pub(super) fn clear(&self) {
        if self.group == Group::Own {
            // As a rule there is nobody.
            let _ = kill_process_group(self.pid, Signal::KILL);
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Number of `SIGKILL`.
const KILL: u8 = 9;
