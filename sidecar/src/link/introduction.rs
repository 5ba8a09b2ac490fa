//! What a sidecar says of itself.

use secretref_domain::name::ProviderAlias;
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};
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
}

impl Introduction {
    /// An introduction of this process to a broker.
    #[must_use]
    pub fn new(broker: &str, secrets_provider: Option<ProviderAlias>) -> Self {
        let (boot_id, streams) = (Uuid::new_v4(), Arc::new(AtomicI64::new(0)));
        Self { broker: broker.into(), secrets_provider, boot_id, streams }
    }

    /// The number of the next stream, from 1.
    pub(super) fn next_stream(&self) -> i64 {
        self.streams.fetch_add(1, Ordering::Relaxed) + 1
    }
}
