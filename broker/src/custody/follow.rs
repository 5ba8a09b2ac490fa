//! Following the other brokers over the same database: what they commit is folded here as well,
//! and nothing is sent by a state that may be old.
//!
//! ```text
//! others commit ─▶ doorbell ─┐                 ┌─ head is ours ─▶ values may leave for a second
//!                  each 0.3 s ┴▶ say how far, ask ┤
//!                                              └─ head is newer ─▶ the writer folds ─▶ again
//! ```
//! Whoever revokes waits until each broker has said that it followed, or has not said anything for
//! so long that it sends nothing any more ([`Custody::everywhere`]).

use super::{Custody, CustodyError, Shared, load::target};
use crate::store::{Doorbell, Standing, StoreError};
use secretref_domain::version::Revision;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

/// What custody knows of where the database stands.
pub(super) struct Following {
    /// Whether there may be other brokers at all.
    shared: bool,
    /// Since when it is known that nobody had moved the head from where the ledger is.
    confirmed: watch::Sender<Option<Instant>>,
    /// The writer is to look what others committed.
    pub(super) look: Notify,
    /// The follower is to look at once.
    rung: Notify,
    /// The server's timeline of the ledger, and the one that was seen last.
    timelines: Mutex<(i64, i64)>,
    stop: CancellationToken,
}

impl Following {
    /// Nothing is confirmed yet.
    pub(super) fn new(shared: bool, timeline: i64) -> Self {
        Self {
            shared,
            confirmed: watch::Sender::new(None),
            look: Notify::new(),
            rung: Notify::new(),
            timelines: Mutex::new((timeline, timeline)),
            stop: CancellationToken::new(),
        }
    }

    /// The timeline that the ledger is of.
    pub(super) fn timeline(&self) -> i64 {
        self.timelines().0
    }

    /// The timeline that the database has now, where the ledger is of another.
    pub(super) fn other_timeline(&self) -> Option<i64> {
        let (ledger, seen) = *self.timelines();
        (ledger != seen).then_some(seen)
    }

    /// The ledger is of this timeline now.
    pub(super) fn moved_to(&self, timeline: i64) {
        self.timelines().0 = timeline;
    }

    fn timelines(&self) -> std::sync::MutexGuard<'_, (i64, i64)> {
        self.timelines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_fresh(&self) -> bool {
        let confirmed = *self.confirmed.borrow();
        !self.shared || confirmed.is_some_and(|at| at.elapsed() < FRESH_FOR)
    }
}

impl Custody {
    /// Whether other brokers may be over the same database.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.shared.following.shared
    }

    /// Whether what the ledger says is known to have been so within the last second.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.shared.following.is_fresh()
    }

    /// Waits until [`Custody::is_fresh`], for two seconds at most.
    ///
    /// # Errors
    /// [`CustodyError::Behind`]: no value may leave.
    pub async fn fresh(&self) -> Result<(), CustodyError> {
        if self.is_fresh() {
            return Ok(());
        }
        let following = &self.shared.following;
        let mut confirmed = following.confirmed.subscribe();
        following.rung.notify_one();
        let wait = async { while !following.is_fresh() && confirmed.changed().await.is_ok() {} };
        drop(timeout(CATCH_UP_MAX, wait).await);
        if following.is_fresh() { Ok(()) } else { Err(CustodyError::Behind) }
    }

    /// Waits until the ledger has reached a revision that a sidecar was told elsewhere, or it is
    /// known that there is none in this history; for two seconds at most. Where there are no other
    /// brokers there is nothing to wait for.
    ///
    /// # Errors
    /// [`CustodyError::Behind`].
    pub async fn reach(&self, revision: Revision) -> Result<(), CustodyError> {
        let following = &self.shared.following;
        if !following.shared || self.feed().revision() >= revision {
            return Ok(());
        }
        match self.settle().await {
            Err(CustodyError::Behind) if self.feed().revision() >= revision => Ok(()),
            outcome => outcome,
        }
    }

    /// Waits until everything is folded that was committed before this was asked, for two seconds
    /// at most: before somebody is refused whom another broker has just let in.
    ///
    /// # Errors
    /// [`CustodyError::Behind`].
    pub async fn settle(&self) -> Result<(), CustodyError> {
        let following = &self.shared.following;
        if !following.shared {
            return Ok(());
        }
        let asked = Instant::now();
        let mut confirmed = following.confirmed.subscribe();
        following.rung.notify_one();
        let known = confirmed.wait_for(|at| at.is_some_and(|at| at >= asked));
        timeout(CATCH_UP_MAX, known).await.map(drop).map_err(|_| CustodyError::Behind)
    }

    /// Waits until no broker sends anything by a state from before a revision: each has followed
    /// it, or has been without the database for so long that it sends no value.
    pub(super) async fn everywhere(&self, revision: Revision) {
        let shared = &self.shared;
        let wait = async {
            let mut pause = EVERYWHERE_PAUSE;
            loop {
                match shared.store.brokers_behind(shared.broker, revision, SILENT_AFTER).await {
                    Ok(0) => return,
                    Ok(_) => {}
                    Err(error) => tracing::warn!(%error, "whether all brokers follow is not known"),
                }
                sleep(pause).await;
                pause = (pause * 2).min(EVERYWHERE_PAUSE_MAX);
            }
        };
        if timeout(EVERYWHERE_MAX, wait).await.is_err() {
            tracing::warn!(%revision, "another broker did not follow a revocation in time");
        }
    }

    /// Stops to follow, and says so.
    pub(super) async fn unfollow(&self) {
        self.shared.following.stop.cancel();
        if let Err(error) = self.shared.store.forget_broker(self.shared.broker).await {
            tracing::info!(%error, "the other brokers were not told that this one ends");
        }
    }
}

/// Follows until it is told to stop.
pub(super) async fn follow(shared: Arc<Shared>, doorbell: Doorbell) {
    let stop = shared.following.stop.clone();
    let _ringing = AbortOnDropHandle::new(tokio::spawn(ring(Arc::clone(&shared), doorbell)));
    let (mut failing, mut at_head) = (false, true);
    while !stop.is_cancelled() {
        // One that is behind says nothing, so that nobody waits for it: it sends no value.
        let stepped = match at_head {
            true => step(&shared).await,
            false => catch_up(&shared).await,
        };
        let next = match stepped {
            Ok(true) => {
                failing = false;
                // Having caught up is no reason to wait: only what is said then counts.
                let pause = POLL_EVERY.mul_f64(0.8 + 0.4 * fastrand::f64());
                if std::mem::replace(&mut at_head, true) { pause } else { Duration::ZERO }
            }
            Ok(false) => {
                at_head = false;
                Duration::ZERO
            }
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(%error, "no value leaves: what others change is not known");
                }
                POLL_EVERY
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = shared.following.rung.notified() => {}
            () = sleep(next) => {}
        }
    }
}

async fn ring(shared: Arc<Shared>, mut doorbell: Doorbell) {
    loop {
        doorbell.rung(|| shared.feed.revision()).await;
        shared.following.rung.notify_one();
    }
}

/// Says how far this broker is, and looks whether that is the end; whether it was.
async fn step(shared: &Shared) -> Result<bool, StoreError> {
    let began = Instant::now();
    let said = shared.feed.revision();
    let Some(Standing { head, timeline }) = shared.store.stand(shared.broker, said).await? else {
        return Ok(true);
    };
    shared.touch();
    shared.following.timelines().1 = timeline;
    let at_head = shared.is_at(head.revision);
    // What this broker itself committed meanwhile has been folded, or is about to be.
    if at_head {
        shared.following.confirmed.send_replace(Some(began));
    }
    Ok(at_head)
}

/// Has the writer fold what others committed; whether the ledger has reached the head now.
async fn catch_up(shared: &Shared) -> Result<bool, StoreError> {
    let head = target(&shared.store).await?;
    if shared.is_at(head.revision) {
        return Ok(true);
    }
    let mut revisions = shared.feed.revisions();
    shared.following.look.notify_one();
    // The writer's answer is the revision; where it cannot fold, it says why, and is asked again.
    let folded = revisions.wait_for(|_| shared.is_at(head.revision));
    Ok(timeout(POLL_EVERY, folded).await.is_ok())
}

impl Shared {
    /// Whether everything up to a revision of the database's present history is folded.
    fn is_at(&self, revision: Revision) -> bool {
        self.following.other_timeline().is_none() && self.feed.revision() >= revision
    }
}

/// How often it is looked where the database stands, ± 20 %, whether it rang or not.
const POLL_EVERY: Duration = Duration::from_millis(300);
/// How long values may leave after it was known that nobody had moved the head.
const FRESH_FOR: Duration = Duration::from_secs(1);
/// After so long without a word of a broker it sends no value any more: longer than it may, as
/// clocks run differently.
const SILENT_AFTER: Duration = Duration::from_millis(1_200);
/// How long somebody waits for the ledger to be known as current.
const CATCH_UP_MAX: Duration = Duration::from_secs(2);
const EVERYWHERE_PAUSE: Duration = Duration::from_millis(2);
const EVERYWHERE_PAUSE_MAX: Duration = Duration::from_millis(50);
/// How long a revocation waits for other brokers: one that says that it is there and does not
/// follow is broken.
const EVERYWHERE_MAX: Duration = Duration::from_secs(5);
