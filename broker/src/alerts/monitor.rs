//! Watches what stands, and has people told of each edge.

use super::{Handle, edges::Edges};
use crate::custody::Lease;
use secretref_domain::{clock::Timestamp, ledger::EXPIRING_SECONDS_DEFAULT};
use std::{collections::BTreeSet, time::Duration};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

impl Handle {
    /// Watches until `stop`. Of several brokers one watches; another goes on when that one is gone,
    /// and tells of what stands then once more.
    pub async fn watch(self, stop: CancellationToken) {
        let custody = &self.0.custody;
        let mut revisions = custody.feed().revisions();
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut edges, mut looked_at, mut led_at) = (None, None, None);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = looks.tick() => {}
            }
            if led_at.is_none_or(|at: Instant| at.elapsed() >= Lease::BEAT) {
                led_at = None;
                match custody.lead(WATCH).await {
                    Ok(true) => led_at = Some(Instant::now()),
                    Ok(false) => edges = None,
                    // It may still be this broker's: nothing is told meanwhile.
                    Err(error) => tracing::warn!(%error, "whether this broker watches is unknown"),
                }
            }
            if led_at.is_none() {
                continue;
            }
            let edges: &mut Edges = edges.get_or_insert_default();
            let now = custody.now();
            let changed = revisions.has_changed().unwrap_or(false);
            if changed || self.is_time(edges, looked_at, now) {
                revisions.mark_unchanged();
                looked_at = Some(now);
                let found: BTreeSet<_> = custody.all_conditions(EXPIRING_SECONDS_DEFAULT);
                self.send(edges.look(found, now, self.0.pace.quiet_seconds));
            }
        }
        custody.follow(WATCH).await;
    }

    /// Whether it is time to look although nothing changed: values end by themselves.
    fn is_time(&self, edges: &Edges, looked_at: Option<Timestamp>, now: Timestamp) -> bool {
        let ends = edges.next(self.0.pace.quiet_seconds);
        ends.is_some_and(|at| at <= now)
            || looked_at.is_none_or(|at| now < at || at.plus_seconds(LOOK_SECONDS_MAX) <= now)
    }
}

/// What one broker does for all.
const WATCH: &str = "alerts/watch";
/// How often it is looked whether anything changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long it is not looked at most where nothing changed.
const LOOK_SECONDS_MAX: i64 = 30;
