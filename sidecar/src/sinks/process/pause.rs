//! How long to wait before a program that ended by itself is started again.

use std::time::Duration;

/// Pauses that double from [`PAUSE_MIN`] to [`PAUSE_MAX`] and are forgotten when the program lived
/// for [`LIVED`].
#[derive(Default)]
pub(super) struct Pauses {
    ends: u32,
}

impl Pauses {
    /// The next pause, of a program that lived so long. `spread`, from 0 to 1, keeps those that
    /// fell together from getting up together: a pause is at least half of what it could be.
    pub(super) fn next(&mut self, lived: Duration, spread: f64) -> Duration {
        self.ends = if lived >= LIVED { 0 } else { self.ends };
        let whole = PAUSE_MIN.saturating_mul(2_u32.saturating_pow(self.ends)).min(PAUSE_MAX);
        self.ends = self.ends.saturating_add(1);
        whole.mul_f64(0.5 + spread.clamp(0.0, 1.0) / 2.0)
    }
}

/// The first pause.
const PAUSE_MIN: Duration = Duration::from_millis(200);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// A program that lived so long is no crash loop.
const LIVED: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
