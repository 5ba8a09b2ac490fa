//! What a sidecar says of itself.

use super::{Backoff, Brokers, Cause, end::End};
use crate::refusals::Refusals;
use secretref_domain::{name::ProviderAlias, schedule::Told};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use tokio::sync::watch;
use uuid::Uuid;

/// Where this process opens its streams, and what it says of itself on each. Its clones are one.
#[derive(Debug, Clone)]
pub struct Introduction {
    /// Where the brokers are.
    pub(super) brokers: Brokers,
    /// The one provider that values are taken from.
    pub(super) secrets_provider: Option<ProviderAlias>,
    pub(super) boot_id: Uuid,
    streams: Arc<AtomicI64>,
    /// What the program does, where it runs by a schedule.
    schedule: Option<watch::Receiver<Told>>,
    /// What was refused to programs of the agent.
    pub(super) refusals: Refusals,
    /// What of that the broker was told last.
    told: Arc<Mutex<Option<Told>>>,
}

impl Introduction {
    /// An introduction of this process to any of these brokers.
    #[must_use]
    pub fn new(brokers: Brokers, secrets_provider: Option<ProviderAlias>) -> Self {
        Self {
            brokers,
            secrets_provider,
            boot_id: Uuid::new_v4(),
            streams: Arc::new(AtomicI64::new(0)),
            schedule: None,
            refusals: Refusals::default(),
            told: Arc::default(),
        }
    }

    /// The same, of a sidecar that runs its program by a schedule.
    #[must_use]
    pub fn with_schedule(self, schedule: watch::Receiver<Told>) -> Self {
        Self { schedule: Some(schedule), ..self }
    }

    /// Where its brokers are.
    #[must_use]
    pub fn brokers(&self) -> Brokers {
        self.brokers.clone()
    }

    /// Where names are noted that are refused to programs of the agent.
    #[must_use]
    pub fn refusals(&self) -> Refusals {
        self.refusals.clone()
    }

    /// How long to wait after this end of a stream or call, and where to go then: to a broker that
    /// was not tried yet soon, and only when none is left as long as the end deserves.
    pub(super) fn wait_after(&self, end: &End, backoff: &mut Backoff) -> Duration {
        let cause = end.cause();
        let now = std::time::Instant::now();
        match cause.is_the_brokers() && self.brokers.leave() {
            true => backoff.wait(Cause::Farewell, now, fastrand::f64()),
            false => backoff.wait(cause, now, fastrand::f64()),
        }
    }

    /// The number of the next stream, from 1.
    pub(super) fn next_stream(&self) -> i64 {
        self.streams.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// What the program does now.
    pub(super) fn schedule(&self) -> Option<Told> {
        Some(self.schedule.as_ref()?.borrow().clone())
    }

    /// What the program does, where the broker was told something else.
    pub(super) fn news(&self) -> Option<Told> {
        let now = self.schedule()?;
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        (told.as_ref() != Some(&now)).then_some(now)
    }

    /// The broker was told this.
    pub(super) fn told(&self, told: Told) {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = Some(told);
    }

    /// Waits until the program does something else; never, where there is no schedule.
    pub(super) async fn changed(&mut self) {
        let changed = match &mut self.schedule {
            Some(schedule) => schedule.changed().await.is_ok(),
            None => false,
        };
        if !changed {
            std::future::pending::<()>().await;
        }
    }
}
