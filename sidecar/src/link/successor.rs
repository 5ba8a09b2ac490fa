//! The next stream, opened while the old one still runs: make before break.

use super::{
    Link,
    dial::{Plan, Session, dial},
    end::End,
    renew,
};
use crate::state::Identity;
use std::{future::pending, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};
use tokio_util::task::AbortOnDropHandle;

/// What goes on beside an open stream. Ends with it.
#[derive(Default)]
pub(super) struct Beside {
    renewal: Option<AbortOnDropHandle<Result<Box<Identity>, End>>>,
    dialling: Option<AbortOnDropHandle<Result<Box<Session>, End>>>,
    tries: u32,
}

/// What came of it.
pub(super) enum News {
    /// A renewal ended.
    Renewed(Result<Box<Identity>, End>),
    /// A dial ended.
    Dialled(Result<Box<Session>, End>),
}

impl Beside {
    /// Whether a renewal is under way.
    pub(super) fn is_renewing(&self) -> bool {
        self.renewal.is_some()
    }

    /// Whether a successor is on its way.
    pub(super) fn is_dialling(&self) -> bool {
        self.dialling.is_some()
    }

    /// Starts to renew the link's certificate.
    pub(super) fn renew(&mut self, link: &Link) {
        let broker = link.introduction.brokers.here();
        let (identity, clock) = (Arc::clone(&link.identity), Arc::clone(&link.clock));
        let renewal = async move { renew::renew(broker, identity, clock).await.map(Box::new) };
        let task = tokio::spawn(renewal);
        self.renewal = Some(AbortOnDropHandle::new(task));
    }

    /// Opens a successor after a while. One that was on its way is given up.
    pub(super) fn dial(&mut self, plan: Plan, after: Duration) {
        self.dialling = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            sleep(after).await;
            dial(plan).await.map(Box::new)
        })));
    }

    /// How long to wait before a successor is tried again: the old stream still does its work.
    pub(super) fn again(&mut self) -> Duration {
        self.tries = self.tries.saturating_add(1);
        let reach = AGAIN.saturating_mul(2_u32.saturating_pow(self.tries)).min(AGAIN_MAX);
        reach.mul_f64(fastrand::f64())
    }

    /// What comes of the dial that is under way; never, where none is.
    pub(super) async fn dialled(&mut self) -> Result<Box<Session>, End> {
        ended(&mut self.dialling).await
    }

    /// The next thing that comes of it; never, where nothing is under way.
    pub(super) async fn next(&mut self) -> News {
        tokio::select! {
            renewed = ended(&mut self.renewal) => News::Renewed(renewed),
            dialled = ended(&mut self.dialling) => News::Dialled(dialled),
        }
    }
}

/// The end of a task, once.
async fn ended<T>(task: &mut Option<AbortOnDropHandle<Result<T, End>>>) -> Result<T, End> {
    let Some(running) = task else { return pending().await };
    let outcome = running.await;
    *task = None;
    outcome.unwrap_or_else(|error| Err(End::Lost(error.to_string())))
}

/// When a timer is due that may not be set.
pub(super) async fn due(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => pending().await,
    }
}

const AGAIN: Duration = Duration::from_millis(200);
const AGAIN_MAX: Duration = Duration::from_secs(10);
