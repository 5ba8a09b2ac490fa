//! The wire to the broker. It ends when it is told to, and never because of an error: whatever
//! goes wrong, it says so, waits as long as that error deserves, and tries again. What the agent
//! has meanwhile is the lease's business, not the link's.

mod backoff;
mod brokers;
mod dial;
pub mod end;
pub mod enrol;
mod introduction;
pub mod orders;
mod renew;
pub mod report;
mod rest;
mod stream;
mod successor;
mod trail;

use crate::{
    state::{Identity, State},
    status::Status,
    trail::Trail,
};
pub use backoff::{Backoff, Cause};
pub use brokers::Brokers;
use dial::{Plan, Session, dial};
use end::End;
pub use introduction::Introduction;
use orders::Orders;
pub use rest::Rest;
use secretref_domain::clock::Clock;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

/// One sidecar's link.
pub struct Link {
    introduction: Introduction,
    clock: Arc<dyn Clock>,
    state: Arc<State>,
    identity: Arc<Identity>,
    orders: Orders,
    status: watch::Sender<Status>,
    shutdown: CancellationToken,
    /// Number of the stream that was opened last.
    stream_seq: i64,
    resync: bool,
    /// What is witnessed of the broker's audit trail.
    trail: Trail,
    /// When to renew, in seconds since the epoch.
    renew_due: i64,
}

impl Link {
    /// A link of this identity; nothing is sent before [`Link::run`].
    #[must_use]
    pub fn new(
        introduction: Introduction,
        clock: Arc<dyn Clock>,
        state: Arc<State>,
        identity: Identity,
        orders: Orders,
        status: watch::Sender<Status>,
        shutdown: CancellationToken,
    ) -> Self {
        let renew_due = renew::due(identity.validity(), None, fastrand::f64());
        Self {
            introduction,
            clock,
            state,
            identity: Arc::new(identity),
            orders,
            status,
            shutdown,
            stream_seq: 0,
            resync: false,
            trail: Trail::default(),
            renew_due,
        }
    }

    /// Keeps a stream open until the sidecar is told to end.
    pub async fn run(mut self) {
        self.recall_trail().await;
        let mut backoff = Backoff::new();
        loop {
            let end = self.live(&mut backoff).await;
            self.status.send_modify(|status| status.connected = false);
            if matches!(end, End::Stopped) {
                return;
            }
            if let End::Revoked(_) = end
                && self.revoked().await.is_err()
            {
                return;
            }
            self.resync |= end.wants_resync();
            let wait = self.introduction.wait_after(&end, &mut backoff);
            tell(&end, wait);
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                () = sleep(wait) => {}
            }
        }
    }

    /// From one identity to the end of its last stream.
    async fn live(&mut self, backoff: &mut Backoff) -> End {
        if self.seconds_now() >= self.identity.validity().not_after
            && let Err(end) = self.renew_first().await
        {
            return end;
        }
        let plan = self.plan();
        let dialled = tokio::select! {
            () = self.shutdown.cancelled() => return End::Stopped,
            dialled = dial(plan) => dialled,
        };
        let mut session = match dialled {
            Ok(session) => session,
            Err(end) => {
                if matches!(end, End::CertificateExpired) {
                    // The broker's clock is ahead of ours, and it is the one that counts.
                    self.renew_due = 0;
                    return self.renew_first().await.err().unwrap_or(End::Farewell);
                }
                return end;
            }
        };
        loop {
            let opened = session.opened;
            self.opened(&session).await;
            match self.drive(session).await {
                End::Succeeded(next) => session = *next,
                end => {
                    backoff.stream_ended(opened.elapsed(), std::time::Instant::now());
                    return end;
                }
            }
        }
    }

    /// A stream is open: its identity is the one in use from now on.
    async fn opened(&mut self, session: &Session) {
        self.resync = false;
        self.introduction.brokers.arrived();
        let state = Arc::clone(&self.state);
        match spawn_blocking(move || state.promote()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the renewed identity was not promoted"),
            Err(error) => tracing::error!(%error, "the renewed identity was not promoted"),
        }
        self.status.send_modify(|status| {
            status.instance = Some(self.identity.instance);
            status.connected = true;
            status.revoked = false;
            status.streams += 1;
        });
        self.pin_trail(&session.trail_key).await;
        tracing::info!(
            agent = %self.identity.agent,
            instance = %self.identity.instance,
            stream = session.stream_seq,
            "connected"
        );
    }

    /// With a certificate that has ended nothing is open but renewal.
    async fn renew_first(&mut self) -> Result<(), End> {
        let broker = self.introduction.brokers.here();
        let (identity, clock) = (self.identity.clone(), self.clock.clone());
        let next = tokio::select! {
            () = self.shutdown.cancelled() => return Err(End::Stopped),
            next = renew::renew(broker, identity, clock) => next?,
        };
        self.renewed(next).await
    }

    /// A successor came: stored before it is used.
    async fn renewed(&mut self, next: Identity) -> Result<(), End> {
        let next = Arc::new(next);
        let (state, stored) = (Arc::clone(&self.state), Arc::clone(&next));
        let stored = spawn_blocking(move || state.store_next(&stored)).await;
        let problem = match stored {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(problem) = problem {
            return Err(End::Lost(format!("the renewed identity was not stored: {problem}")));
        }
        let now = self.seconds_now();
        self.renew_due = renew::due(next.validity(), Some(now), fastrand::f64());
        self.identity = next;
        tracing::info!(
            serial = %self.identity.credentials.serial(),
            not_after = self.identity.validity().not_after,
            "certificate renewed"
        );
        Ok(())
    }

    /// Nothing of a revoked agent stays.
    async fn revoked(&mut self) -> Result<(), orders::Closed> {
        self.status.send_modify(|status| status.revoked = true);
        self.orders.wipe().await.map(drop)
    }

    fn plan(&mut self) -> Plan {
        self.stream_seq = self.introduction.next_stream();
        Plan {
            introduction: self.introduction.clone(),
            broker: self.introduction.brokers.here(),
            identity: self.identity.clone(),
            clock: self.clock.clone(),
            stream_seq: self.stream_seq,
            resync: self.resync,
            values_withheld: false,
            held: self.orders.held_receiver(),
            witness: Some(self.trail.said()),
        }
    }

    fn seconds_now(&self) -> i64 {
        self.clock.now().as_micros().div_euclid(1_000_000)
    }

    /// How long until the certificate is to be renewed; looked at again at least once a minute,
    /// because clocks are set.
    fn renew_in(&self) -> Duration {
        let seconds = self.renew_due.saturating_sub(self.seconds_now());
        Duration::from_secs(u64::try_from(seconds).unwrap_or(0)).min(RENEW_LOOK)
    }
}

fn tell(end: &End, wait: Duration) {
    match end {
        End::Farewell | End::Stopping(_) | End::Resync | End::CertificateExpired => {
            tracing::info!(reason = %end, ?wait, "the stream ended; coming again");
        }
        End::Revoked(_) | End::Hopeless(_) | End::Superseded | End::Refused(_) => {
            tracing::error!(reason = %end, ?wait, "no stream; trying again seldom");
        }
        _ => tracing::warn!(reason = %end, ?wait, "no stream; trying again"),
    }
}

/// When a timer is due, as the runtime counts.
fn after(wait: Duration) -> Instant {
    Instant::now() + wait
}

const RENEW_LOOK: Duration = Duration::from_mins(1);
