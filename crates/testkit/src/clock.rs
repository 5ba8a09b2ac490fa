//! A clock that stands still until a test moves it.

use secretref_domain::clock::{Clock, Timestamp};
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

/// A clock that tests move by hand. Its clones show the same time.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock that shows this time.
    #[must_use]
    pub fn at(start: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(start.as_micros())))
    }

    /// Moves it, forward or back, and returns the new time.
    pub fn advance_seconds(&self, seconds: i64) -> Timestamp {
        let micros = seconds.saturating_mul(1_000_000);
        let before = self.0.fetch_add(micros, Ordering::SeqCst);
        Timestamp::from_micros(before.saturating_add(micros))
    }

    /// Sets it.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.as_micros(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests;
