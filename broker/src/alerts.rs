//! Alerts on their way to people.
//!
//! ```text
//! sessions ─ raise / observe ─▶ troubles ─▶ queue ─▶ a lane for each channel ─▶ custody, notifier
//!                               once each   bounded   so many a minute           a few tries
//! ```
//! Whoever raises an alert waits for nothing: what is known already is dropped, what is new goes
//! into a bounded queue. One task empties it. A channel that does not answer keeps its own lane
//! waiting and no other.

mod dispatch;
mod lane;
mod monitor;
mod tries;
mod troubles;

pub use monitor::{Monitor, Sent};
pub use tries::NotSent;

use crate::{custody::Custody, outbound::Outbound};
use dispatch::Dispatch;
use secretref_domain::{
    alert::{Alert, AlertKind, ChannelName, Notice},
    caller::Caller,
    id::AgentId,
    name::EnvironmentName,
    version::Revision,
};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use troubles::Troubles;
use uuid::Uuid;

/// The task that sends alerts.
pub struct Alerts {
    handle: Handle,
    task: JoinHandle<()>,
    /// Ends the task where nobody drains it.
    stop: DropGuard,
}

/// Where alerts are raised. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Handle(Arc<Shared>);

/// How often, how long and how patiently people are told.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Messages by one channel within `window`; what is more is summed up in the next.
    pub per_window_max: usize,
    /// See `per_window_max`.
    pub window: Duration,
    /// How long to wait before the second try, the third, and so on; there is one more than these.
    pub waits: [Duration; 4],
    /// How long whoever answers may ask to be left alone.
    pub retry_after_max: Duration,
    /// After how long a trouble that is still there is told again, at the earliest, in seconds.
    pub repeat_seconds: i64,
}

/// What everything here works with.
struct Shared {
    custody: Custody,
    outbound: Outbound,
    pace: Pace,
    troubles: Mutex<Troubles>,
    queue: mpsc::Sender<Notice>,
    stopping: CancellationToken,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            per_window_max: 10,
            window: Duration::from_secs(60),
            waits: [2, 10, 30, 90].map(Duration::from_secs),
            retry_after_max: Duration::from_secs(300),
            repeat_seconds: 3600,
        }
    }
}

impl Alerts {
    /// Starts the task.
    #[must_use]
    pub fn start(custody: Custody, outbound: Outbound, pace: Pace) -> Self {
        let (queue, raised) = mpsc::channel(QUEUE_MAX);
        let (troubles, stopping) = (Mutex::default(), CancellationToken::new());
        let stop = stopping.clone().drop_guard();
        let shared = Arc::new(Shared { custody, outbound, pace, troubles, queue, stopping });
        let task = tokio::spawn(Dispatch::new(Arc::clone(&shared), raised).run());
        Self { handle: Handle(shared), task, stop }
    }

    /// Where alerts are raised.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Ends the task: what waits is sent once more, in one message a channel, and nothing is
    /// waited for longer than a few seconds.
    pub async fn drain(mut self) {
        drop(self.stop);
        if timeout(DRAIN_TIME_MAX, &mut self.task).await.is_err() {
            tracing::warn!("alerts were not sent in time: they are dropped");
            self.task.abort();
        }
    }
}

impl Handle {
    /// Has people told of something, unless they were told of it and it is not resolved since.
    pub fn raise(&self, alert: Alert) {
        let (now, pace) = (self.0.custody.now(), self.0.pace);
        let notice = self.troubles().raise(alert, now, pace.repeat_seconds);
        self.send(notice);
    }

    /// Notes that something is over, so that people are told when it comes again.
    pub fn resolve(&self, alert: &Alert) {
        self.troubles().resolve(alert);
    }

    /// Takes all that fails of an agent at a revision: what is new is raised, and of what is no
    /// longer among it people are told that it is over. What is older than what was observed last
    /// changes nothing.
    pub fn observe(&self, agent: AgentId, revision: Revision, failing: Vec<Alert>) {
        let (now, pace) = (self.0.custody.now(), self.0.pace);
        let found = self.troubles().observe(agent, revision, failing, now, pace.repeat_seconds);
        self.send(found);
    }

    /// Sends a test alert by a channel, once and at once, by the way that every alert goes. It is
    /// sent to its end whether or not anybody waits for it.
    ///
    /// # Errors
    /// [`NotSent`].
    pub async fn test(
        &self,
        environment: EnvironmentName,
        channel: ChannelName,
    ) -> Result<(), NotSent> {
        let reason = "somebody tries the channel with `secretref alert test`".to_owned();
        let alert = Alert { reason, ..Alert::of(AlertKind::Test, environment.clone()) };
        let at = self.0.custody.now();
        let notice = Notice { id: Uuid::now_v7(), at, alert, more: 0 };
        let shared = Arc::clone(&self.0);
        let sent = async move { tries::once(&shared, &environment, &channel, &notice).await };
        let ended = tokio::spawn(sent).await;
        ended.unwrap_or_else(|error| Err(NotSent::of(error.to_string())))
    }

    /// Has people told of something that is news for certain; waits until it has a place.
    async fn tell(&self, notice: Notice) {
        if self.0.queue.send(notice).await.is_err() {
            tracing::warn!("a notice came when the broker had stopped: it is dropped");
        }
    }

    fn send(&self, notices: impl IntoIterator<Item = Notice>) {
        for notice in notices {
            let Err(error) = self.0.queue.try_send(notice) else { continue };
            let Notice { alert, .. } = error.into_inner();
            tracing::warn!(about = alert.subject(), "an alert found no place and is dropped");
            // So that it is raised again.
            self.resolve(&alert);
        }
    }

    /// A poisoned lock is taken all the same: what is known is whole after every insertion.
    fn troubles(&self) -> MutexGuard<'_, Troubles> {
        self.0.troubles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// As whom the broker acts here.
    fn caller(&self) -> Caller {
        Caller::Broker { id: self.custody.broker() }
    }
}

/// Alerts that wait to be sorted into lanes.
const QUEUE_MAX: usize = 1024;
/// How long what waits at the end may take.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(5);
