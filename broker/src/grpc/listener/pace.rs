//! How fast a connection is read. A peer that sends faster is not cut: it waits, in TCP's own way,
//! and what it sends costs no more than its share of time.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, Sleep};

/// The pace of one connection.
pub(super) struct Pace {
    bytes_per_second: u32,
    burst: u32,
    /// When what was read would have been read at the pace.
    due: Instant,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    pub(super) fn new(bytes_per_second: u32, burst: u32) -> Self {
        Self { bytes_per_second, burst, due: Instant::now(), pause: None }
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
        let now = Instant::now();
        self.due = self.due.max(now) + self.time_of(u32::try_from(bytes).unwrap_or(u32::MAX));
        let until = self.due.checked_sub(self.time_of(self.burst)).unwrap_or(now);
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
