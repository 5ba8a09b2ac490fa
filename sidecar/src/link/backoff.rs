//! When to try again. Pure: time and chance are arguments.
//!
//! Full jitter (Marc Brooker, "Exponential Backoff And Jitter", 2015): a fleet that lost its
//! broker together comes back spread out. Two things are held apart from it, so that a broker
//! that was restarted has its fleet back within a second or two: an end that was announced, and a
//! port that nobody listens on yet.

use std::time::{Duration, Instant};

/// Why there is something to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The broker said goodbye, or ended the stream in order.
    Farewell,
    /// The broker said that it stops, and when to come back: a moment of its own for each.
    Announced(Duration),
    /// Nobody listens on the broker's port.
    PortClosed,
    /// Anything else that may pass by itself.
    Trouble,
    /// The broker said that it has too much to do, and from when on to come again.
    Overloaded(Duration),
    /// Another sidecar shows the same identity, or the broker breaks the protocol: coming again
    /// soon would only repeat it.
    Conflict,
    /// This identity is revoked or lost; only a person can help.
    Hopeless,
}

impl Cause {
    /// Whether another broker may do better: it is this one that is away or has too much to do.
    pub(super) fn is_the_brokers(self) -> bool {
        matches!(self, Self::PortClosed | Self::Trouble | Self::Overloaded(_) | Self::Announced(_))
    }
}

/// Counts failures and says how long to wait.
#[derive(Debug)]
pub struct Backoff {
    failures: u32,
    port_closed: u32,
    outage_began: Option<Instant>,
}

impl Backoff {
    /// Nothing has failed yet.
    #[must_use]
    pub fn new() -> Self {
        Self { failures: 0, port_closed: 0, outage_began: None }
    }

    /// A stream ended that had lived this long. Only a long life counts as recovery: a broker
    /// that takes streams and drops them is not well.
    pub fn stream_ended(&mut self, lived: Duration, now: Instant) {
        if lived >= LIVED_MIN {
            self.failures = 0;
        }
        self.port_closed = 0;
        self.outage_began = Some(now);
    }

    /// How long to wait now. `chance` is uniform in 0..1.
    pub fn wait(&mut self, cause: Cause, now: Instant, chance: f64) -> Duration {
        let began = *self.outage_began.get_or_insert(now);
        let restarting = now.duration_since(began) < RESTART_WINDOW;
        match cause {
            Cause::Farewell => BASE.mul_f64(chance),
            Cause::Announced(after) => {
                // From then on, a closed port is a broker that is not up again yet.
                self.outage_began = Some(now + after);
                after
            }
            Cause::PortClosed if restarting => {
                self.port_closed = self.port_closed.saturating_add(1);
                doubled(self.port_closed - 1).min(RESTART_CAP).mul_f64(chance)
            }
            Cause::PortClosed | Cause::Trouble => self.next(chance),
            Cause::Overloaded(after) => after.min(CAP) + self.next(chance),
            Cause::Conflict => CAP.mul_f64(0.5 + chance / 2.0),
            Cause::Hopeless => HOPELESS.mul_f64(0.9 + chance / 5.0),
        }
    }

    fn next(&mut self, chance: f64) -> Duration {
        self.failures = self.failures.saturating_add(1);
        doubled(self.failures - 1).min(CAP).mul_f64(chance)
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

fn doubled(times: u32) -> Duration {
    BASE.saturating_mul(2_u32.saturating_pow(times))
}

/// First and shortest reach of the jitter.
const BASE: Duration = Duration::from_millis(200);
/// Longest reach of the jitter.
const CAP: Duration = Duration::from_secs(30);
/// A stream that lived this long makes earlier failures forgotten.
const LIVED_MIN: Duration = Duration::from_mins(1);
/// How long a closed port is taken for a broker that is being restarted.
const RESTART_WINDOW: Duration = Duration::from_secs(10);
/// Longest wait while a broker is being restarted.
const RESTART_CAP: Duration = Duration::from_secs(1);
/// How often one asks who only a person can help.
const HOPELESS: Duration = Duration::from_mins(5);

#[cfg(test)]
mod tests;
