//! Time as an argument, in the unit of certificates.

use rustls::{pki_types::UnixTime, time_provider::TimeProvider};
use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Something that knows the time in seconds since 1970-01-01T00:00:00Z. Handshakes ask it, so a
/// test decides what has expired.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> i64 + Send + Sync>);

impl Clock {
    /// A clock that asks `now` each time.
    pub fn new(now: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The clock of the system; before 1970 it says 0.
    #[must_use]
    pub fn system() -> Self {
        Self::new(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
        })
    }

    /// Seconds since the epoch.
    #[must_use]
    pub fn now(&self) -> i64 {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

impl TimeProvider for Clock {
    /// `None` before 1970, which fails the handshake.
    fn current_time(&self) -> Option<UnixTime> {
        unix_time(self.now())
    }
}

/// Seconds since the epoch as rustls takes them; `None` before 1970.
pub(crate) fn unix_time(seconds: i64) -> Option<UnixTime> {
    let seconds = u64::try_from(seconds).ok()?;
    Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
}

/// What rustls says as seconds since the epoch; stops at the end of time.
pub(crate) fn seconds(time: UnixTime) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}
