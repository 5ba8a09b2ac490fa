//! What a sidecar says of itself.

use secretref_domain::{name::ProviderAlias, schedule::Told};
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicI64, Ordering},
};
use tokio::sync::watch;
use uuid::Uuid;

/// Where this process opens its streams, and what it says of itself on each. Its clones are one.
#[derive(Debug, Clone)]
pub struct Introduction {
    /// Where the broker is: `host:port`.
    pub(super) broker: Arc<str>,
    /// The one provider that values are taken from.
    pub(super) secrets_provider: Option<ProviderAlias>,
    pub(super) boot_id: Uuid,
    streams: Arc<AtomicI64>,
    /// What the program does, where it runs by a schedule.
    schedule: Option<watch::Receiver<Told>>,
    /// What of that the broker was told last.
    told: Arc<Mutex<Option<Told>>>,
}

impl Introduction {
    /// An introduction of this process to a broker.
    #[must_use]
    pub fn new(broker: &str, secrets_provider: Option<ProviderAlias>) -> Self {
        Self {
            broker: broker.into(),
            secrets_provider,
            boot_id: Uuid::new_v4(),
            streams: Arc::new(AtomicI64::new(0)),
            schedule: None,
            told: Arc::default(),
        }
    }

    /// The same, of a sidecar that runs its program by a schedule.
    #[must_use]
    pub fn with_schedule(self, schedule: watch::Receiver<Told>) -> Self {
        Self { schedule: Some(schedule), ..self }
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
