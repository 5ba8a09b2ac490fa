//! Being somebody while no stream is open: the certificate is renewed by short calls, and what the
//! broker has to know is told by a look, which brings no value.

use super::{
    Backoff, Introduction,
    dial::{Plan, Session, dial},
    end::End,
    renew,
};
use crate::{
    fold::Offer,
    snapshot::Snapshot,
    state::{Identity, State, StateError},
    status::Status,
};
use secretref_domain::clock::Clock;
use secretref_proto::v1::watch_response::Message as Said;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{sleep, timeout},
};

/// A sidecar at rest.
pub struct Rest {
    introduction: Introduction,
    state: Arc<State>,
    identity: Arc<Identity>,
    clock: Arc<dyn Clock>,
    status: watch::Sender<Status>,
    /// When to renew, in seconds since the epoch.
    renew_due: i64,
}

impl Rest {
    /// At rest as whoever the state folder says; nothing where that is nobody.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn new(
        introduction: Introduction,
        state: Arc<State>,
        clock: Arc<dyn Clock>,
        status: watch::Sender<Status>,
    ) -> Result<Option<Self>, StateError> {
        let Some(identity) = state.identity()? else { return Ok(None) };
        let renew_due = renew::due(identity.validity(), None, fastrand::f64());
        let identity = Arc::new(identity);
        Ok(Some(Self { introduction, state, identity, clock, status, renew_due }))
    }

    /// Looks what the agent would get, and tells what the program does. No value comes.
    ///
    /// # Errors
    /// [`End`], as for a stream.
    pub async fn look(&mut self) -> Result<Offer, End> {
        let outcome = self.look_as_it_is().await;
        self.note(outcome.as_ref().err());
        outcome
    }

    async fn look_as_it_is(&mut self) -> Result<Offer, End> {
        if self.seconds_now() >= self.identity.validity().not_after {
            self.renew().await?;
        }
        match self.look_once().await {
            // The broker's clock is ahead of ours, and it is the one that counts.
            Err(End::CertificateExpired) => {
                self.renew().await?;
                self.look_once().await
            }
            other => other,
        }
    }

    /// Looks until that works, or only a person can help.
    ///
    /// # Errors
    /// What only a person can help with.
    pub async fn look_until_told(&mut self) -> Result<Offer, End> {
        let mut backoff = Backoff::new();
        loop {
            let end = match self.look().await {
                Ok(offer) => return Ok(offer),
                Err(end) => end,
            };
            if matches!(
                end,
                End::Revoked(_) | End::Refused(_) | End::Hopeless(_) | End::Protocol(_)
            ) {
                return Err(end);
            }
            let wait = self.introduction.wait_after(&end, &mut backoff);
            tracing::warn!(reason = %end, ?wait, "the broker could not be asked; trying again");
            sleep(wait).await;
        }
    }

    /// Tells the broker what it was not told yet, once.
    ///
    /// # Errors
    /// [`End`], as for a stream.
    pub async fn tell(&mut self) -> Result<(), End> {
        match self.introduction.news() {
            Some(_) => self.look().await.map(drop),
            None => Ok(()),
        }
    }

    /// Keeps the identity valid, and tells what the broker was not told yet, for ever. Whoever
    /// drops this loses nothing: a certificate that came and was not stored is issued again.
    pub async fn keep(&mut self) {
        let mut backoff = Backoff::new();
        loop {
            let outcome = if self.introduction.news().is_some() {
                self.look().await.map(drop)
            } else if self.seconds_now() >= self.renew_due {
                let outcome = self.renew().await;
                self.note(outcome.as_ref().err());
                outcome
            } else {
                let left = self.renew_due.saturating_sub(self.seconds_now()).unsigned_abs();
                sleep(Duration::from_secs(left).min(LOOK_AGAIN)).await;
                continue;
            };
            match outcome {
                Ok(()) => backoff = Backoff::new(),
                Err(end) => {
                    let wait = self.introduction.wait_after(&end, &mut backoff);
                    tracing::warn!(reason = %end, ?wait, "the broker was not reached at rest");
                    sleep(wait).await;
                }
            }
        }
    }

    async fn look_once(&self) -> Result<Offer, End> {
        // Nothing is held at rest.
        let (_held, receiver) = watch::channel(Arc::new(Snapshot::default()));
        let plan = Plan {
            introduction: self.introduction.clone(),
            broker: self.introduction.brokers.here(),
            identity: Arc::clone(&self.identity),
            clock: Arc::clone(&self.clock),
            stream_seq: self.introduction.next_stream(),
            resync: false,
            values_withheld: true,
            witness: None,
            held: receiver,
        };
        let mut session = dial(plan).await?;
        let silent = || End::Lost(format!("the broker did not answer within {ANSWER_MAX:?}"));
        let offer = timeout(ANSWER_MAX, answer(&mut session)).await.map_err(|_| silent())??;
        session.finish().await;
        Ok(offer)
    }

    async fn renew(&mut self) -> Result<(), End> {
        let broker = self.introduction.brokers.here();
        let identity = Arc::clone(&self.identity);
        let next = renew::renew(broker, identity, Arc::clone(&self.clock)).await?;
        let next = Arc::new(next);
        let (state, stored) = (Arc::clone(&self.state), Arc::clone(&next));
        // The one before was used just now: only its successor waits for its first use.
        let stored =
            spawn_blocking(move || state.promote().and_then(|()| state.store_next(&stored)));
        match stored.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                return Err(End::Lost(format!("the identity was not stored: {error}")));
            }
            Err(error) => return Err(End::Lost(error.to_string())),
        }
        let now = self.seconds_now();
        self.renew_due = renew::due(next.validity(), Some(now), fastrand::f64());
        tracing::info!(not_after = next.validity().not_after, "certificate renewed at rest");
        self.identity = next;
        Ok(())
    }

    /// Health checks are told where the broker revoked this identity.
    fn note(&self, end: Option<&End>) {
        let revoked = matches!(end, Some(End::Revoked(_)));
        if revoked || end.is_none() {
            self.status.send_if_modified(|status| {
                std::mem::replace(&mut status.revoked, revoked) != revoked
            });
        }
    }

    fn seconds_now(&self) -> i64 {
        self.clock.now().as_micros().div_euclid(1_000_000)
    }
}

/// The manifest that a look is answered with.
async fn answer(session: &mut Session) -> Result<Offer, End> {
    loop {
        let frame = session.incoming.message().await?.ok_or(End::Farewell)?;
        let (epoch, revision) = (frame.store_epoch, frame.revision);
        match frame.message {
            Some(Said::Manifest(part)) => {
                let pushed = session.parts.push(&epoch, revision, part);
                if let Some(offer) = pushed.map_err(|error| End::Protocol(error.to_string()))? {
                    return Ok(offer);
                }
            }
            Some(Said::Error(error)) => return Err(error.into()),
            _ => {}
        }
    }
}

/// How long a look may take, once the broker has said welcome.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Clocks are set, and states change: how often it is looked whether there is something to do.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
