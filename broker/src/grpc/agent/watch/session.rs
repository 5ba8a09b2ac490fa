//! One stream: what it has sent, what is unanswered, and when it has to end.
//!
//! At most one manifest is unanswered. Behind it there is one flag, "look again", so a sidecar
//! that does not answer costs a flag, and one that answers late gets the last state at once.

mod inbound;
mod leave;
mod outbound;
mod outline;
mod pushes;
mod witness;

use super::Outgoing;
use crate::{
    alerts::Handle,
    config::Limits,
    custody::{Admission, Custody, CustodyError, Sent, TrailHead},
    feed::{Cut, Subscription},
    grpc::{rate::Bucket, rate::Rate, status, throttle::agent_rate},
};
use inbound::Opening;
use leave::Notice;
use outbound::Outbound;
use pushes::Pushes;
use secretref_domain::{
    clock::Timestamp,
    id::SecretId,
    ledger::Missing,
    version::{Revision, Version},
};
use secretref_proto::v1;
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status, Streaming};
use uuid::Uuid;

/// What a stream is served under.
pub(super) struct Terms {
    /// When the certificate of the connection ends, in seconds since the epoch.
    pub(super) not_after: i64,
    pub(super) limits: Limits,
    /// Where people are told of what an agent goes without.
    pub(super) alerts: Handle,
    /// Cancelled when the broker stops.
    pub(super) stop: CancellationToken,
}

/// A stream's session.
pub(super) struct Session {
    custody: Custody,
    alerts: Handle,
    admission: Admission,
    /// When the certificate of the connection ends.
    not_after: Timestamp,
    /// When the stream is old, by the broker's clock.
    old_at: Timestamp,
    out: Outbound,
    stop: CancellationToken,
    drain: Duration,
    streams_per_second: u32,
    /// Whether the sidecar is to leave, and when.
    notice: Option<Notice>,
    /// How often the sidecar may speak unasked; it is not listened to before `listens_at`.
    rate: Rate,
    spoken: Bucket,
    listens_at: Instant,
    boot: Uuid,
    /// What the sidecar holds, or will once it has answered.
    sent: Sent,
    digest: [u8; 32],
    missing: Vec<String>,
    /// What the agent's tools go without, as far as it is in the trail already.
    refusals: BTreeSet<String>,
    /// Names that a program asked its sidecar for and may not have, as far as they are on record.
    refused_ids: BTreeSet<String>,
    /// The manifest that is not answered yet.
    unanswered: Option<i64>,
    /// When the last manifest was answered, by the broker's clock in microseconds.
    settled_at: i64,
    /// Whether the sidecar could not apply a part of it: it holds something else, and says so.
    refused: bool,
    nonce: i64,
    /// Whether to look again.
    due: bool,
    /// Deliveries whose record is durable already.
    recorded: HashMap<SecretId, Version>,
    pushes: Pushes,
    /// When to look again though nobody says so: a value expires, or the store did not answer.
    look_at: Option<Instant>,
    heartbeat_at: Instant,
    heard_at: Instant,
    /// Size of the checkpoint that the sidecar holds, where it is a witness; whether to show it the
    /// newest one.
    witness: Option<u64>,
    head_due: bool,
    head: watch::Receiver<Option<TrailHead>>,
    /// Its place in the feed: whoever revokes waits until it is given up.
    subscription: Option<Arc<Subscription>>,
}

/// Why a session ended.
pub(super) enum End {
    /// The sidecar went, or the connection broke.
    Gone,
    /// The sidecar does not take what it is sent.
    Stalled,
    /// With this, after which the stream is closed.
    Said(Box<Status>),
}

impl From<Status> for End {
    fn from(status: Status) -> Self {
        Self::Said(Box::new(status))
    }
}

impl Session {
    pub(super) fn new(
        custody: Custody,
        admission: Admission,
        terms: Terms,
        outbound: mpsc::Sender<Outgoing>,
    ) -> Self {
        let now = Instant::now();
        let Terms { not_after, limits, alerts, stop } = terms;
        let head = custody.head();
        Self {
            out: Outbound::new(outbound, custody.epoch_in(&admission.environment)),
            old_at: custody.now().plus_seconds(leave::age(limits.stream_age_seconds)),
            custody,
            alerts,
            admission,
            not_after: Timestamp::from_micros(not_after.saturating_mul(1_000_000)),
            stop,
            drain: limits.drain(),
            streams_per_second: limits.streams_per_second,
            notice: None,
            rate: agent_rate(&limits),
            spoken: Bucket::default(),
            listens_at: now,
            boot: Uuid::nil(),
            sent: Sent::new(),
            digest: [0; 32],
            missing: Vec::new(),
            refusals: BTreeSet::new(),
            refused_ids: BTreeSet::new(),
            unanswered: None,
            settled_at: 0,
            refused: false,
            nonce: 0,
            due: true,
            recorded: HashMap::new(),
            pushes: Pushes::default(),
            look_at: None,
            heartbeat_at: now + jittered(HEARTBEAT_EVERY),
            heard_at: now,
            witness: None,
            head_due: false,
            head,
            subscription: None,
        }
    }

    /// Runs until the stream ends, and says why it did. The connection of a revoked instance, and
    /// of one that says nothing any more, is cut: what was said last is given a moment to leave,
    /// and then nothing can any more. One that takes nothing is cut at once.
    pub(super) async fn run(
        mut self,
        mut inbound: Streaming<v1::WatchRequest>,
        kill: CancellationToken,
    ) {
        match self.serve(&mut inbound).await {
            Err(End::Said(status))
                if matches!(status.code(), Code::PermissionDenied | Code::DeadlineExceeded) =>
            {
                drop(timeout(LINGER, self.out.fail(*status)).await);
                let subscription = self.subscription.take();
                tokio::spawn(async move {
                    tokio::time::sleep(LINGER).await;
                    kill.cancel();
                    // Only now is it gone: until then its buffers may empty themselves.
                    drop(subscription);
                });
            }
            Err(End::Said(status)) => self.out.fail(*status).await,
            Err(End::Stalled) => {
                tracing::info!(agent = %self.admission.name, "a sidecar that reads nothing is cut");
                kill.cancel();
            }
            Err(End::Gone) | Ok(()) => {}
        }
    }

    async fn serve(&mut self, inbound: &mut Streaming<v1::WatchRequest>) -> Result<(), End> {
        let opening = inbound::open(&self.custody, &self.admission, inbound).await?;
        if opening.values_withheld {
            return Box::pin(self.outline(opening, inbound)).await;
        }
        let witness = opening.witness.clone();
        let client_version = self.begin(opening);
        // Before the first set is worked out, so that no commit falls between the two.
        let subscription = self.custody.subscribe(&self.admission, self.boot).await;
        let subscription = Arc::new(subscription.map_err(status::of)?);
        subscription.introduce(client_version);
        self.subscription = Some(Arc::clone(&subscription));
        // After it has its place in the feed, where it is ended if the history becomes another.
        self.out.begin(self.custody.epoch_in(&self.admission.environment));
        let welcome = self.welcome().await;
        self.out.send(&self.custody, welcome).await?;
        witness.into_iter().for_each(|said| self.witnessed(said));
        loop {
            if self.due && self.unanswered.is_none() {
                // With what was recorded while it could not look.
                self.woken(&subscription, inbound).await?;
                self.push(&subscription, inbound).await?;
            }
            if self.head_due {
                Box::pin(self.show_head()).await?;
            }
            self.leave().await?;
            let (wake_at, draining) = (self.wake_at(), self.is_draining());
            let listens = Instant::now() >= self.listens_at;
            // Until the sidecar has answered it is sent no set, however many there are by then:
            // what thousands that do not answer would cost at each commit, others would wait for.
            let waits = self.due && self.unanswered.is_some();
            let (is_witness, head) = (self.witness.is_some(), &mut self.head);
            tokio::select! {
                () = subscription.woken(), if !waits => self.woken(&subscription, inbound).await?,
                () = subscription.cut(), if waits => self.woken(&subscription, inbound).await?,
                message = inbound.message(), if listens => self.heard(message, inbound).await?,
                () = sleep_until(wake_at) => self.tick(inbound).await?,
                Ok(()) = head.changed(), if is_witness => self.head_due = true,
                () = self.stop.cancelled(), if !draining => self.begin_drain(),
            }
        }
    }

    /// Takes what the sidecar says of itself; gives back what it calls its version.
    fn begin(&mut self, opening: Opening) -> String {
        (self.boot, self.sent) = (opening.boot, opening.sent);
        self.admission.boot = opening.boot;
        self.admission.secrets_provider = opening.secrets_provider;
        self.out.limit(opening.message_bytes_max);
        if let Some(told) = &opening.schedule {
            self.custody.report_schedule(&self.admission, self.boot, told);
        }
        opening.client_version
    }

    async fn welcome(&self) -> v1::watch_response::Message {
        // Where the store does not answer, the next stream brings it.
        let key = self.custody.key_of_heads().await;
        let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        v1::watch_response::Message::Welcome(v1::Welcome {
            agent: self.admission.name.to_string(),
            environment: self.admission.environment.to_string(),
            instance: self.admission.instance.to_string(),
            broker_id: self.custody.broker().to_string(),
            heartbeat_ms: millis(HEARTBEAT_EVERY),
            lease_ms: millis(self.custody.lease()),
            stream_age_max_ms: self
                .not_after
                .min(self.old_at)
                .millis_since(self.custody.now())
                .max(0),
            client_version_min: CLIENT_VERSION_MIN.to_owned(),
            trail_key: key.map(|key| key.to_string()).unwrap_or_default(),
        })
    }

    async fn woken(
        &mut self,
        subscription: &Subscription,
        inbound: &mut Streaming<v1::WatchRequest>,
    ) -> Result<(), End> {
        let Some(woken) = subscription.take() else { return Ok(()) };
        self.pushes.due(&woken);
        self.recorded.extend(woken.recorded);
        self.due = true;
        match woken.cut {
            None => Ok(()),
            Some(Cut::Revoked) => Box::pin(self.revoke(inbound)).await,
            Some(Cut::Superseded) => self.superseded().await,
            Some(Cut::Rebased) => {
                let message = "the database is on another timeline since; come again";
                self.end(v1::StreamErrorCode::Resync, message).await
            }
        }
    }

    /// Sends what the sidecar is owed and lacks. What hardly ever happens is boxed here and below,
    /// so that a stream that waits does not keep room for it.
    async fn push(
        &mut self,
        subscription: &Subscription,
        inbound: &mut Streaming<v1::WatchRequest>,
    ) -> Result<(), End> {
        self.due = false;
        let recorded = std::mem::take(&mut self.recorded);
        let frame = match self.custody.frame(&self.admission, &self.sent, &recorded).await {
            Ok(frame) => frame,
            Err(CustodyError::NotAdmitted { .. }) => return Box::pin(self.shut_out(inbound)).await,
            Err(error) => {
                // What cannot be recorded does not leave. The sidecar keeps what it has.
                tracing::warn!(%error, agent = %self.admission.name, "nothing was sent");
                self.due = true;
                self.recorded = recorded;
                self.unanswered = None;
                self.look_at = Some(Instant::now() + RETRY_AFTER);
                return Box::pin(self.pause(inbound)).await;
            }
        };
        self.look_at = frame.next_expiry.map(|end| self.instant(end));
        let first = self.nonce == 0;
        self.due = frame.behind;
        let (revision, lacking) = (frame.revision, frame.missing.clone());
        let missing: Vec<_> =
            frame.missing.iter().map(|it| format!("{}: {}", it.target.file, it.reason)).collect();
        let mut parts = super::frame::parts(frame, self.nonce + 1, self.out.part_bytes_max());
        if !first && parts.digest == self.digest && missing == self.missing {
            Box::pin(self.refuse(revision, &lacking)).await;
            return Ok(());
        }
        self.nonce += 1;
        self.pushes.begin(&self.admission, &mut parts.manifests);
        for manifest in parts.manifests {
            // A part may wait long for a slow reader, and a revocation waits for none.
            self.custody.fresh().await.map_err(status::of)?;
            if !self.custody.admitted(&self.admission) {
                return Box::pin(self.shut_out(inbound)).await;
            }
            let part = v1::watch_response::Message::Manifest(manifest);
            tokio::select! {
                biased;
                () = subscription.revoked() => return Box::pin(self.revoke(inbound)).await,
                sent = self.out.send(&self.custody, part) => sent?,
            }
        }
        (self.sent, self.digest, self.missing) = (parts.sent, parts.digest, missing);
        self.unanswered = Some(self.nonce);
        Box::pin(self.refuse(revision, &lacking)).await;
        Ok(())
    }

    /// Puts what the agent's tools go without on the record, and has people told of it where its
    /// manifest says so. After the set has left, which waits for none of it.
    pub(super) async fn refuse(&mut self, revision: Revision, lacking: &[Missing]) {
        let recorded = self.custody.refuse(&self.admission, lacking, &mut self.refusals).await;
        match recorded {
            Ok(failing) => self.alerts.observe(self.admission.agent, revision, failing),
            Err(error) => {
                let agent = &self.admission.name;
                tracing::warn!(%error, %agent, "what an agent goes without was not recorded");
                let again = Instant::now() + RETRY_AFTER;
                self.look_at = Some(self.look_at.map_or(again, |at| at.min(again)));
            }
        }
    }

    /// After a push that could not be recorded: listens until it is time to try again.
    async fn pause(&mut self, inbound: &mut Streaming<v1::WatchRequest>) -> Result<(), End> {
        let until = Instant::now() + RETRY_AFTER;
        tokio::select! {
            () = sleep_until(until) => Ok(()),
            message = inbound.message() => self.heard(message, inbound).await,
            () = self.stop.cancelled(), if !self.is_draining() => Ok(()),
        }
    }

    async fn tick(&mut self, inbound: &mut Streaming<v1::WatchRequest>) -> Result<(), End> {
        let now = Instant::now();
        if now >= self.heard_at + SILENCE_MAX {
            return Err(Status::deadline_exceeded("nothing was heard of the sidecar").into());
        }
        if !self.custody.admitted(&self.admission) {
            return Box::pin(self.shut_out(inbound)).await;
        }
        if self.look_at.is_some_and(|at| now >= at) {
            (self.look_at, self.due) = (None, true);
        }
        if now >= self.heartbeat_at {
            self.heartbeat_at = now + jittered(HEARTBEAT_EVERY);
            let heartbeat = v1::Heartbeat {
                manifest_digest: self.digest.to_vec(),
                stale: self.custody.stale(),
                echo: self.custody.now().as_micros(),
            };
            let message = v1::watch_response::Message::Heartbeat(heartbeat);
            self.out.send(&self.custody, message).await?;
        }
        Ok(())
    }

    fn wake_at(&self) -> Instant {
        let end = self.instant(self.not_after.min(self.old_at));
        let silence = self.heard_at + SILENCE_MAX;
        let mut next = self.heartbeat_at.min(end).min(silence);
        if self.listens_at > Instant::now() {
            next = next.min(self.listens_at);
        }
        if let Some(notice) = &self.notice {
            next = next.min(notice.next());
        }
        self.look_at.map_or(next, |at| at.min(next))
    }

    /// The moment of a time of the broker's clock; at most a heartbeat ahead, since that clock may
    /// be moved.
    fn instant(&self, at: Timestamp) -> Instant {
        let millis = u64::try_from(at.millis_since(self.custody.now()) + 1).unwrap_or(0);
        Instant::now() + Duration::from_millis(millis).min(HEARTBEAT_EVERY)
    }

    /// Ends the stream of an instance that is no longer admitted with this certificate. Only a
    /// revoked one loses what it has: another comes again with its newer certificate, or with the
    /// one that it gets for this one.
    pub(super) async fn shut_out(
        &mut self,
        inbound: &mut Streaming<v1::WatchRequest>,
    ) -> Result<(), End> {
        if self.custody.revoked(&self.admission) {
            return self.revoke(inbound).await;
        }
        if self.custody.moved(&self.admission) {
            let message = "the agent moved to another environment; come again";
            return self.end(v1::StreamErrorCode::Resync, message).await;
        }
        let message = "the certificate ended or was superseded; renew it and come again";
        self.end(v1::StreamErrorCode::CertificateExpired, message).await
    }

    /// Tells the sidecar to take everything away, and waits a moment for it to say that it has. One
    /// that does not even take the message is cut all the same.
    async fn revoke(&mut self, inbound: &mut Streaming<v1::WatchRequest>) -> Result<(), End> {
        self.nonce += 1;
        let reason = self.custody.shut_out_reason(&self.admission);
        let told = async {
            let revoke = v1::Revoke { nonce: self.nonce, reason: reason.clone() };
            self.out.send(&self.custody, v1::watch_response::Message::Revoke(revoke)).await?;
            while let Ok(Some(message)) = inbound.message().await {
                if let Some(v1::watch_request::Message::Ack(ack)) = message.message {
                    let answered = ack.nonce == self.nonce;
                    self.results(ack.results);
                    if answered {
                        break;
                    }
                }
            }
            self.end(v1::StreamErrorCode::Revoked, &reason).await
        };
        match timeout(REVOKE_TIME_MAX, told).await {
            Ok(Err(End::Said(status))) => Err(End::Said(status)),
            _ => Err(Status::permission_denied(reason).into()),
        }
    }

    async fn end(&mut self, code: v1::StreamErrorCode, message: &str) -> Result<(), End> {
        let error = v1::StreamError { code: code.into(), message: message.to_owned() };
        self.out.send(&self.custody, v1::watch_response::Message::Error(error)).await?;
        Err(match code {
            v1::StreamErrorCode::Revoked => Status::permission_denied(message),
            v1::StreamErrorCode::CertificateExpired => Status::unauthenticated(message),
            _ => Status::failed_precondition(message),
        }
        .into())
    }
}

/// ± 20 %, so that a fleet's heartbeats do not come together.
fn jittered(duration: Duration) -> Duration {
    duration.mul_f64(0.8 + 0.4 * fastrand::f64())
}

const HEARTBEAT_EVERY: Duration = Duration::from_secs(15);
/// Without a word for so long, a stream is closed.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// How long to wait after a push that could not be recorded.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How long a revoked sidecar has to say that it has wiped.
const REVOKE_TIME_MAX: Duration = Duration::from_millis(500);
/// How long what a session said last is given to leave.
const LINGER: Duration = Duration::from_millis(200);
const CLIENT_VERSION_MIN: &str = "0.1.0";
