//! The alerts of one channel: one message at a time, so many within a window, and what is more
//! summed up in the first of the next.

use secretref_domain::alert::Notice;
use std::{collections::VecDeque, time::Duration};
use tokio::time::Instant;

/// The alerts of one channel.
#[derive(Default)]
pub(super) struct Lane {
    waiting: VecDeque<Notice>,
    /// Alerts beyond those that wait.
    more: usize,
    /// Messages of this window.
    sent: usize,
    window_ends: Option<Instant>,
    /// Whether a message is on its way.
    busy: bool,
}

impl Lane {
    /// Adds an alert. Where too many wait, it is only counted.
    pub(super) fn add(&mut self, notice: Notice) {
        if self.waiting.len() < WAITING_MAX {
            self.waiting.push_back(notice);
        } else {
            self.more += 1;
        }
    }

    /// The message that may go now.
    pub(super) fn next(
        &mut self,
        now: Instant,
        per_window_max: usize,
        window: Duration,
    ) -> Option<Notice> {
        if self.busy || self.waiting.is_empty() {
            return None;
        }
        let over = self.window_ends.is_none_or(|end| now >= end);
        let gathered = over && self.sent >= per_window_max;
        if over {
            (self.sent, self.window_ends) = (0, Some(now + window));
        }
        if self.sent >= per_window_max {
            return None;
        }
        self.sent += 1;
        self.busy = true;
        if gathered { self.all() } else { self.waiting.pop_front() }
    }

    /// One message for all that waits, whatever was sent before: it is the last.
    pub(super) fn last(&mut self) -> Option<Notice> {
        if self.busy {
            return None;
        }
        let all = self.all();
        self.busy = all.is_some();
        all
    }

    /// Notes that the message on its way has arrived, or was given up.
    pub(super) fn free(&mut self) {
        self.busy = false;
    }

    /// When there is something to send again, where nothing else wakes it.
    pub(super) fn wakes_at(&self) -> Option<Instant> {
        self.window_ends.filter(|_| !self.busy && !self.waiting.is_empty())
    }

    /// Whether nothing is lost when it is forgotten.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        !self.busy && self.waiting.is_empty() && self.window_ends.is_none_or(|end| now >= end)
    }

    fn all(&mut self) -> Option<Notice> {
        let first = self.waiting.pop_front()?;
        let more = first.more + self.waiting.drain(..).map(|it| it.more + 1).sum::<usize>();
        Some(Notice { more: more + std::mem::take(&mut self.more), ..first })
    }
}

/// Alerts of one channel that wait whole.
const WAITING_MAX: usize = 256;

#[cfg(test)]
mod tests;
