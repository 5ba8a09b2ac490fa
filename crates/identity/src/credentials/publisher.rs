//! One writer half, one reader half: how a renewed identity reaches the next connection.

use arc_swap::ArcSwap;
use std::sync::Arc;

/// The writer half. There is one of it, so two renewals cannot overtake each other unseen.
pub struct Publisher<T>(Arc<ArcSwap<T>>);

/// The reader half. It may be cloned at will; each connection asks it once.
pub struct Holder<T>(Arc<ArcSwap<T>>);

/// Two halves around a first value.
pub fn publisher<T>(first: T) -> (Publisher<T>, Holder<T>) {
    let shared = Arc::new(ArcSwap::from_pointee(first));
    (Publisher(Arc::clone(&shared)), Holder(shared))
}

impl<T> Publisher<T> {
    /// Replaces the value. Whoever holds the older one keeps it whole; the next reader gets this.
    pub fn publish(&mut self, next: T) {
        self.0.store(Arc::new(next));
    }
}

impl<T> Holder<T> {
    /// A holder of what will never be replaced.
    pub fn fixed(value: T) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(value)))
    }

    /// The newest value.
    #[must_use]
    pub fn current(&self) -> Arc<T> {
        self.0.load_full()
    }
}

impl<T> Clone for Holder<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}
