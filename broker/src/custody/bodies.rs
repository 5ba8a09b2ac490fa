//! Values that were decrypted a moment ago, so that a push to a thousand streams decrypts once.

use bytes::Bytes;
use moka::future::Cache;
use secretref_domain::{id::SecretId, value::SecretValue, version::Version};
use std::{sync::Arc, time::Duration};

use super::CustodyError;

/// A value, shared by every frame that carries it; overwritten when the last of them is gone.
pub struct Body(Bytes);

impl Body {
    /// The value again, for what takes one: a copy, overwritten like any other.
    #[must_use]
    pub fn to_value(&self) -> Option<SecretValue> {
        SecretValue::new(self.expose().to_vec()).ok()
    }

    /// Makes a value ready to be sent.
    #[must_use]
    pub fn new(value: SecretValue) -> Self {
        Self(Bytes::from_owner(value))
    }

    /// The bytes for a frame: shared, not copied.
    #[must_use]
    pub fn expose(&self) -> Bytes {
        self.0.clone()
    }
}

/// The bodies of the last seconds.
#[derive(Clone)]
pub(super) struct Bodies(Cache<(SecretId, Version), Arc<Body>>);

impl Bodies {
    pub(super) fn new() -> Self {
        let cache = Cache::builder()
            .weigher(|_, body: &Arc<Body>| u32::try_from(body.0.len() + 128).unwrap_or(u32::MAX))
            .max_capacity(BODIES_BYTES_MAX)
            .time_to_live(BODY_AGE_MAX)
            .build();
        Self(cache)
    }

    pub(super) async fn insert(&self, key: (SecretId, Version), body: Arc<Body>) {
        self.0.insert(key, body).await;
    }

    pub(super) async fn get(&self, key: &(SecretId, Version)) -> Option<Arc<Body>> {
        self.0.get(key).await
    }

    /// The body, or what `load` makes it; many who ask at once wait for one load.
    pub(super) async fn or_load<F>(
        &self,
        key: (SecretId, Version),
        load: F,
    ) -> Result<Arc<Body>, Arc<CustodyError>>
    where
        F: Future<Output = Result<Arc<Body>, CustodyError>>,
    {
        self.0.try_get_with(key, load).await
    }

    /// Overwrites what is too old.
    pub(super) async fn tidy(&self) {
        self.0.run_pending_tasks().await;
    }

    /// Overwrites everything.
    pub(super) fn clear(&self) {
        self.0.invalidate_all();
    }

    pub(super) async fn forget(&self, key: &(SecretId, Version)) {
        self.0.invalidate(key).await;
    }
}

/// Bytes of values that are held decrypted at any time.
const BODIES_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// How long a value is held decrypted: long enough for a push and a herd that comes back.
const BODY_AGE_MAX: Duration = Duration::from_secs(5);
