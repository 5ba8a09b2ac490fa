//! How fast somebody is read. A peer that sends faster is not cut: it waits, in TCP's own way, and
//! what it sends costs no more than its share of time.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, Sleep};

/// How far somebody is ahead of his pace: when all that was read of him would have been read at it.
/// Of all his connections, those that are closed too: whoever opens another is not read the faster.
#[derive(Debug)]
pub(super) struct Account(Mutex<Instant>);

/// The pace of one connection.
pub(super) struct Pace {
    bytes_per_second: u32,
    burst: u32,
    account: Arc<Account>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Account {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Instant::now()))
    }

    /// Whether nothing would be different with a new one.
    pub(super) fn is_settled(&self) -> bool {
        self.spend(Duration::ZERO) <= Instant::now()
    }

    /// Adds to it, and says when all is paid.
    fn spend(&self, time: Duration) -> Instant {
        let mut due = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *due = (*due).max(Instant::now()) + time;
        *due
    }
}

impl Pace {
    pub(super) fn new(bytes_per_second: u32, burst: u32, account: Arc<Account>) -> Self {
        let mut pace = Self { bytes_per_second, burst, account, pause: None };
        // Another connection before may have left it far ahead.
        pace.read(0);
        pace
    }

    /// Whether more may be read now; wakes the task when it may.
    pub(super) fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(pause) = &mut self.pause {
            match pause.as_mut().poll(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) => self.pause = None,
            }
        }
        Poll::Ready(())
    }

    /// Counts what was read.
    pub(super) fn read(&mut self, bytes: usize) {
        let due = self.account.spend(self.time_of(u32::try_from(bytes).unwrap_or(u32::MAX)));
        let now = Instant::now();
        let until = due.checked_sub(self.time_of(self.burst)).unwrap_or(now);
        if until > now {
            self.pause = Some(Box::pin(tokio::time::sleep_until(until)));
        }
    }

    fn time_of(&self, bytes: u32) -> Duration {
        Duration::from_secs(1).mul_f64(f64::from(bytes) / f64::from(self.bytes_per_second))
    }
}

#[cfg(test)]
mod tests;
