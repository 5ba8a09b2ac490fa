//! When a sidecar is asked to leave: its stream is old, or the broker stops.
//!
//! It is told, served on until it has gone or its time is over, and only then shut out. Who leaves
//! an old stream opens the next one first, so that it is never without one.

use super::{End, Session, jittered};
use secretref_proto::v1;
use std::time::Duration;
use tokio::time::Instant;
use tonic::Status;

/// That a stream is to be left.
pub(super) struct Notice {
    reason: v1::GoAwayReason,
    tell_at: Instant,
    end_at: Instant,
    told: bool,
}

impl Notice {
    /// When there is something to do about it.
    pub(super) fn next(&self) -> Instant {
        if self.told { self.end_at } else { self.tell_at }
    }
}

impl Session {
    pub(super) fn is_draining(&self) -> bool {
        self.notice.as_ref().is_some_and(|notice| notice.reason == v1::GoAwayReason::Drain)
    }

    /// The broker stops. Sidecars are told one by one over the first half of the time that is left,
    /// so that those who have another broker do not go there all at once.
    pub(super) fn begin_drain(&mut self) {
        let now = Instant::now();
        let tell_at = now + self.drain.mul_f64(fastrand::f64() / 2.0);
        let end_at = now + self.drain;
        let reason = v1::GoAwayReason::Drain;
        self.notice = Some(Notice { reason, tell_at, end_at, told: false });
    }

    /// Tells the sidecar to leave when it is time to, and ends the stream when its time is over.
    pub(super) async fn leave(&mut self) -> Result<(), End> {
        let now = Instant::now();
        if self.notice.is_none() && self.custody.now() >= self.old_at {
            let (reason, end_at) = (v1::GoAwayReason::Age, now + AGE_NOTICE);
            self.notice = Some(Notice { reason, tell_at: now, end_at, told: false });
        }
        let Some(notice) = &mut self.notice else { return Ok(()) };
        if !notice.told && now >= notice.tell_at {
            notice.told = true;
            let (reason, left) = (notice.reason, notice.end_at.saturating_duration_since(now));
            let go_away = self.go_away(reason, left);
            self.out.send(&self.custody, v1::watch_response::Message::GoAway(go_away)).await?;
        }
        match &self.notice {
            Some(notice) if Instant::now() >= notice.end_at => {
                Err(Status::unavailable(notice.reason.as_str_name()).into())
            }
            _ => Ok(()),
        }
    }

    /// A newer stream of the same instance took this one's place.
    pub(super) async fn superseded(&mut self) -> Result<(), End> {
        let reason = v1::GoAwayReason::Superseded;
        let go_away = v1::GoAway { reason: reason.into(), ..v1::GoAway::default() };
        self.out.send(&self.custody, v1::watch_response::Message::GoAway(go_away)).await?;
        Err(Status::unavailable(reason.as_str_name()).into())
    }

    fn go_away(&self, reason: v1::GoAwayReason, left: Duration) -> v1::GoAway {
        let (from, window) = match reason {
            // This broker is gone then; who comes back to its address comes spread out.
            v1::GoAwayReason::Drain => (left, self.return_window()),
            _ => (Duration::ZERO, AGE_WINDOW),
        };
        v1::GoAway {
            reason: reason.into(),
            deadline_ms: millis(left),
            retry_after_min_ms: millis(from),
            retry_after_max_ms: millis(from + window),
        }
    }

    /// How long it takes to take in all who are here, at the rate at which streams are opened.
    fn return_window(&self) -> Duration {
        let streams = u32::try_from(*self.custody.feed().count().borrow()).unwrap_or(u32::MAX);
        let window = Duration::from_secs(streams.into()) / self.streams_per_second;
        window.clamp(RETURN_WINDOW_MIN, RETURN_WINDOW_MAX)
    }
}

/// When a stream that is opened now will be old, ± 20 %: those that were opened together are not
/// opened anew together.
pub(super) fn age(seconds: u32) -> i64 {
    let age = jittered(Duration::from_secs(seconds.into()));
    i64::try_from(age.as_secs()).unwrap_or(i64::MAX)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// How long the sidecar of an old stream has to open the next one.
const AGE_NOTICE: Duration = Duration::from_mins(1);
/// When it begins to, at the latest.
const AGE_WINDOW: Duration = Duration::from_secs(1);
const RETURN_WINDOW_MIN: Duration = Duration::from_secs(1);
const RETURN_WINDOW_MAX: Duration = Duration::from_mins(1);
