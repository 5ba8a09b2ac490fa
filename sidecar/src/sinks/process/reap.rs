//! Waiting for processes: for those that were started here, and, where the sidecar is the first
//! process of its container, for every orphan that becomes its child.
//!
//! One task waits for all of them, so that none is waited for twice: it goes through them whenever
//! the system says that a child changed.

use rustix::process::{Pid, WaitOptions, WaitStatus, getpid, wait, waitpid};
use std::{
    collections::BTreeMap,
    fmt, io,
    process::Command,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};
use tokio_util::task::AbortOnDropHandle;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By itself, with this code.
    Code(u8),
    /// By this signal.
    Signal(u8),
}

impl End {
    /// The exit code that says the same: 128 and the number for a signal.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal(number) => number.saturating_add(128),
        }
    }

    fn of(status: WaitStatus) -> Option<Self> {
        let small = |number: i32| u8::try_from(number).unwrap_or(u8::MAX);
        let code = status.exit_status().map(|code| Self::Code(small(code)));
        code.or_else(|| status.terminating_signal().map(|number| Self::Signal(small(number))))
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "it ended with code {code}"),
            Self::Signal(number) => write!(f, "signal {number} ended it"),
        }
    }
}

/// Waits for processes until it and its clones are dropped. There is one in a sidecar: two would
/// take each other's.
#[derive(Debug, Clone)]
pub struct Reaper {
    own: Arc<Own>,
    _task: Arc<AbortOnDropHandle<()>>,
}

/// Processes that were started here, and who waits for each.
type Own = Mutex<BTreeMap<i32, oneshot::Sender<End>>>;

impl Reaper {
    /// Begins to wait.
    ///
    /// # Errors
    /// Where the system does not say when a child changes.
    pub fn start() -> io::Result<Self> {
        let mut changed = signal(SignalKind::child())?;
        let own: Arc<Own> = Arc::default();
        let waiting = Arc::clone(&own);
        let first = getpid().is_init();
        let task = tokio::spawn(async move {
            while changed.recv().await.is_some() {
                // Several ends may come to one signal.
                if first { reap_all(&waiting) } else { reap_own(&waiting) }
            }
        });
        Ok(Self { own, _task: Arc::new(AbortOnDropHandle::new(task)) })
    }

    /// Starts a process; says which it is, and later how it ended.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn spawn(&self, command: &mut Command) -> io::Result<(Pid, oneshot::Receiver<End>)> {
        let (sender, ended) = oneshot::channel();
        // Held until it is known here: it may end before this returns.
        let mut own = lock(&self.own);
        let pid = Pid::from_child(&command.spawn()?);
        own.insert(pid.as_raw_nonzero().get(), sender);
        Ok((pid, ended))
    }
}

fn reap_own(own: &Own) {
    let mut own = lock(own);
    let ended: Vec<_> = own
        .keys()
        .filter_map(|raw| {
            let (_, status) = waitpid(Pid::from_raw(*raw), WaitOptions::NOHANG).ok()??;
            Some((*raw, status))
        })
        .collect();
    for (raw, status) in ended {
        tell(&mut own, raw, status);
    }
}

fn reap_all(own: &Own) {
    let mut own = lock(own);
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        tell(&mut own, pid.as_raw_nonzero().get(), status);
    }
}

fn tell(own: &mut BTreeMap<i32, oneshot::Sender<End>>, raw: i32, status: WaitStatus) {
    let Some(end) = End::of(status) else { return };
    match own.remove(&raw) {
        // Who waited may have given up, as for the check of a gate that took too long.
        Some(waiting) => drop(waiting.send(end)),
        None => tracing::debug!(pid = raw, "an orphan was reaped"),
    }
}

fn lock(own: &Own) -> MutexGuard<'_, BTreeMap<i32, oneshot::Sender<End>>> {
    own.lock().unwrap_or_else(PoisonError::into_inner)
}
