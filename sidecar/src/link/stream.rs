//! One open stream, from its welcome to its end.

use super::{
    Link, after,
    dial::{Late, Session, Stopping, Unanswered},
    end::End,
    report::{ack, failed, refused, report, scheduled},
    successor::{Beside, News, due},
};
use crate::state::Identity;
use secretref_domain::{name::SecretName, traceparent::TraceParent, version::Version};
use secretref_proto::v1::{
    GoAway, GoAwayReason, Heartbeat, Manifest, NeedSnapshot, Pong, ResultState, Revoke,
    SecretResult, SnapshotReason, TrustBundle, WatchRequest, WatchResponse,
    watch_request::Message as Saying, watch_response::Message as Said,
};
use secretref_spans::{Kind, Span};
use std::{future::pending, future::poll_fn, sync::Arc, task::Poll, time::Duration};
use tokio::{
    task::spawn_blocking,
    time::{Instant, timeout},
};
use tonic::Status;

/// What can happen on an open stream.
enum Event {
    Stop,
    Frame(Box<Result<Option<WatchResponse>, Status>>),
    Settled(Vec<SecretResult>),
    Late(Vec<SecretResult>),
    Slow,
    News(Option<Vec<SecretResult>>),
    Schedule,
    Refusals(Vec<String>),
    Silence,
    Leave,
    Look,
    Beside(News),
}

impl Link {
    /// Serves a stream until it ends, or a newer one takes over.
    pub(super) async fn drive(&mut self, mut session: Session) -> End {
        let mut beside = Beside::default();
        // What was told before this stream is told anew by its first manifest.
        while self.orders.news.try_recv().is_ok() {}
        loop {
            let event = self.event(&mut session, &mut beside).await;
            let went = match event {
                Event::Stop => return self.goodbye(session).await,
                Event::Frame(frame) => self.frame(&mut session, &mut beside, *frame).await,
                Event::Settled(results) => settle(&mut session, results),
                Event::Slow => free(&mut session),
                Event::Late(results) | Event::News(Some(results)) => tell(&session, results),
                Event::News(None) => Err(End::Stopped),
                Event::Schedule => self.tell_schedule(&session),
                Event::Refusals(ids) => self.tell_refusals(&session, ids),
                Event::Silence => Err(End::Lost(format!(
                    "nothing was heard of the broker for {:?}",
                    session.silence_max
                ))),
                Event::Leave => Err(End::Lost("the broker did not end its stream".to_owned())),
                Event::Look => {
                    // A clock may have been set, or only the minute be over.
                    if self.seconds_now() >= self.renew_due {
                        beside.renew(self);
                    }
                    Ok(())
                }
                Event::Beside(News::Renewed(renewed)) => {
                    self.after_renewal(&mut beside, renewed).await
                }
                Event::Beside(News::Dialled(dialled)) => self.after_dial(&mut beside, dialled),
            };
            match went {
                Ok(()) => {}
                Err(end @ End::Revoked(_)) => {
                    session.finish().await;
                    return end;
                }
                Err(end) => return self.ended(&session, beside, end).await,
            }
        }
    }

    /// The stream is over. Where its successor is on its way already, as when the broker closed
    /// this one because of it, that is what to wait for.
    async fn ended(&mut self, session: &Session, mut beside: Beside, end: End) -> End {
        let gone = matches!(end, End::Lost(_) | End::Farewell);
        if let Some(stopping) = session.stopping.filter(|_| gone) {
            return End::Stopping(stopping.back_at.saturating_duration_since(Instant::now()));
        }
        if gone && beside.is_dialling() {
            self.status.send_modify(|status| status.connected = false);
            return tokio::select! {
                () = self.shutdown.cancelled() => End::Stopped,
                dialled = beside.dialled() => dialled.map_or_else(|end| end, End::Succeeded),
            };
        }
        if gone && session.farewell { End::Farewell } else { end }
    }

    async fn event(&mut self, session: &mut Session, beside: &mut Beside) -> Event {
        let slow = session.unanswered.as_ref().map(|unanswered| unanswered.due);
        let silence = session.heard + session.silence_max;
        let leave = session.stopping.map(|stopping| stopping.leave_at);
        let refusals = self.introduction.refusals();
        let (renewing, renew_in) = (beside.is_renewing(), self.renew_in());
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => Event::Stop,
            results = settled(&mut session.unanswered) => Event::Settled(results),
            results = late(&mut session.late) => Event::Late(results),
            frame = session.incoming.message() => Event::Frame(Box::new(frame)),
            () = due(slow) => Event::Slow,
            () = due(leave) => Event::Leave,
            news = self.orders.news.recv() => Event::News(news),
            () = self.introduction.changed() => Event::Schedule,
            ids = refusals.news(), if session.begun => Event::Refusals(ids),
            news = beside.next() => Event::Beside(news),
            () = tokio::time::sleep(renew_in), if !renewing => Event::Look,
            () = tokio::time::sleep_until(silence) => Event::Silence,
        }
    }

    async fn frame(
        &mut self,
        session: &mut Session,
        beside: &mut Beside,
        frame: Result<Option<WatchResponse>, Status>,
    ) -> Result<(), End> {
        let frame = frame?.ok_or(End::Farewell)?;
        session.heard = Instant::now();
        let stale = matches!(&frame.message, Some(Said::Heartbeat(heartbeat)) if heartbeat.stale);
        if !stale {
            self.orders.contact(session.lease_ms).await?;
        }
        let (epoch, revision) = (frame.store_epoch, frame.revision);
        match frame.message {
            Some(Said::Manifest(part)) => self.manifest(session, &epoch, revision, part).await,
            Some(Said::Revoke(revoke)) => self.revoke(session, revoke).await,
            Some(Said::Heartbeat(heartbeat)) => self.heartbeat(session, beside, &heartbeat),
            Some(Said::GoAway(go_away)) => self.go_away(session, beside, &go_away),
            Some(Said::TrustBundle(bundle)) => self.trust(bundle).await,
            Some(Said::Error(error)) => Err(error.into()),
            Some(Said::Welcome(_)) => Err(End::Protocol("a second welcome came".to_owned())),
            Some(Said::Checkpoint(shown)) => self.witness(session, &shown).await,
            // What is unknown is a newer broker's.
            None => Ok(()),
        }
    }

    async fn manifest(
        &mut self,
        session: &mut Session,
        epoch: &str,
        revision: i64,
        part: Manifest,
    ) -> Result<(), End> {
        let parent = TraceParent::parse(&part.trace_parent).ok();
        let pushed = session.parts.push(epoch, revision, part);
        let Some(offer) = pushed.map_err(|error| End::Protocol(error.to_string()))? else {
            return Ok(());
        };
        // A broker that does not wait for the answer gets it late.
        free(session)?;
        let (nonce, digest) = (offer.nonce, offer.digest);
        let named: Vec<(SecretName, Version)> =
            offer.entries.iter().map(|entry| (entry.name.clone(), entry.version)).collect();
        match self.orders.take(offer, !session.begun).await? {
            Ok(results) => {
                session.begun = true;
                session.asked = false;
                session.refused = None;
                let due = after(ANSWER_WITHIN);
                let span = self.span(parent, revision);
                session.unanswered = Some(Unanswered { nonce, results, span, due });
                Ok(())
            }
            Err(refusal) => {
                tracing::error!(%refusal, revision, "a manifest was refused; what is held stays");
                let (now, detail) = (self.clock.now(), refusal.to_string());
                let results =
                    named.iter().map(|(name, version)| failed(name, *version, &detail, now));
                let stale = refusal.is_stale();
                let results = if stale { Vec::new() } else { results.collect() };
                answer(session, nonce, results)?;
                match refusal.remedy() {
                    Some(_) if session.asked => Err(End::Protocol(detail)),
                    Some(reason) => ask(session, reason),
                    None if stale => Ok(()),
                    None => {
                        session.refused = Some(digest);
                        Ok(())
                    }
                }
            }
        }
    }

    /// The span of putting a manifest in place, where its push was one.
    fn span(&self, parent: Option<TraceParent>, revision: i64) -> Span {
        let Some(parent) = parent else { return Span::none() };
        let mut span = Span::new("apply", Kind::Consumer, Some(parent));
        span.name("secretref.agent", self.identity.agent.as_str());
        span.name("secretref.instance", &self.identity.instance.to_string());
        span.number("secretref.revision", revision);
        span
    }

    async fn revoke(&mut self, session: &mut Session, revoke: Revoke) -> Result<(), End> {
        session.parts.abandon();
        session.unanswered = None;
        session.late.clear();
        let results = self.orders.wipe().await?;
        answer(session, revoke.nonce, results)?;
        Err(End::Revoked(revoke.reason.chars().take(REASON_CHARS_MAX).collect()))
    }

    fn heartbeat(
        &mut self,
        session: &mut Session,
        beside: &mut Beside,
        heartbeat: &Heartbeat,
    ) -> Result<(), End> {
        let brokers = &self.introduction.brokers;
        if heartbeat.stale && brokers.has_others() && !beside.is_dialling() {
            tracing::info!("the broker is without its database; trying another one");
            brokers.leave();
            beside.dial(self.plan(), Duration::ZERO);
        }
        let held = self.orders.held();
        let digest = held.digest();
        let pong = Pong { echo: heartbeat.echo, manifest_digest: digest.to_vec() };
        send(session, Saying::Pong(pong))?;
        if !session.begun || session.parts.is_open() {
            return Ok(());
        }
        let believed = <[u8; 32]>::try_from(heartbeat.manifest_digest.as_slice());
        match believed {
            // Asking for what was refused for good would bring it again, and again.
            Ok(believed) if session.refused == Some(believed) => Ok(()),
            Ok(believed) if believed != digest => ask(session, SnapshotReason::DigestMismatch),
            _ if !heartbeat.stale && held.lacks_values(self.clock.now()) => {
                ask(session, SnapshotReason::LocalLoss)
            }
            _ => Ok(()),
        }
    }

    fn go_away(
        &mut self,
        session: &mut Session,
        beside: &mut Beside,
        go_away: &GoAway,
    ) -> Result<(), End> {
        let reason = go_away.reason();
        if reason == GoAwayReason::Superseded {
            // By our own next stream, or by somebody else's.
            let own = beside.is_dialling() || session.stream_seq < self.stream_seq;
            return if own { Ok(()) } else { Err(End::Superseded) };
        }
        tracing::info!(reason = reason.as_str_name(), "the broker asks to come again");
        session.farewell = true;
        let return_in = within(go_away.retry_after_min_ms, go_away.retry_after_max_ms);
        let brokers = &self.introduction.brokers;
        if reason == GoAwayReason::Drain && brokers.has_others() {
            // The next one first: this stream serves until that one has taken over.
            if !beside.is_dialling() {
                brokers.leave();
                beside.dial(self.plan(), Duration::ZERO);
            }
        } else if reason == GoAwayReason::Drain {
            // There is no other broker to open the next stream at, so this one is used to its end.
            let deadline = within(go_away.deadline_ms, go_away.deadline_ms);
            let (leave_at, back_at) = (after(deadline + LEAVE_MARGIN), after(return_in));
            session.stopping = Some(Stopping { leave_at, back_at });
        } else if !beside.is_dialling() {
            brokers.choose(fastrand::f64());
            beside.dial(self.plan(), return_in);
        }
        Ok(())
    }

    async fn trust(&mut self, bundle: TrustBundle) -> Result<(), End> {
        let identity = match self.identity.believing(bundle) {
            Ok(identity) => Arc::new(identity),
            Err(error) => {
                tracing::error!(%error, "the broker's new roots cannot be used; the old ones stay");
                return Ok(());
            }
        };
        let (state, stored) = (Arc::clone(&self.state), Arc::clone(&identity));
        match spawn_blocking(move || state.replace(&stored)).await {
            Ok(Ok(())) => self.identity = identity,
            Ok(Err(error)) => tracing::error!(%error, "the broker's new roots were not stored"),
            Err(error) => tracing::error!(%error, "the broker's new roots were not stored"),
        }
        Ok(())
    }

    /// A renewed identity is used by opening the next stream with it.
    async fn after_renewal(
        &mut self,
        beside: &mut Beside,
        renewed: Result<Box<Identity>, End>,
    ) -> Result<(), End> {
        let trouble = match renewed {
            Ok(next) => match self.renewed(*next).await {
                Ok(()) => {
                    beside.dial(self.plan(), Duration::ZERO);
                    return Ok(());
                }
                Err(trouble) => trouble,
            },
            Err(End::Revoked(why)) => {
                self.orders.wipe().await?;
                return Err(End::Revoked(why));
            }
            Err(trouble) => trouble,
        };
        let now = self.seconds_now();
        self.renew_due = match trouble {
            End::Hopeless(_) => now.saturating_add(HOPELESS_SECONDS),
            _ => super::renew::again(self.identity.validity(), now),
        };
        tracing::warn!(%trouble, again_at = self.renew_due, "the certificate was not renewed");
        Ok(())
    }

    fn after_dial(
        &mut self,
        beside: &mut Beside,
        dialled: Result<Box<Session>, End>,
    ) -> Result<(), End> {
        match dialled {
            Ok(next) => Err(End::Succeeded(next)),
            Err(end @ End::Revoked(_)) => Err(end),
            Err(trouble) => {
                tracing::info!(%trouble, "the next stream did not open; the old one goes on");
                self.introduction.brokers.leave();
                let wait = beside.again();
                beside.dial(self.plan(), wait);
                Ok(())
            }
        }
    }

    /// Tells what the scheduled program does, where that is news.
    fn tell_schedule(&self, session: &Session) -> Result<(), End> {
        let Some(told) = self.introduction.news() else { return Ok(()) };
        push(session, scheduled(&told))?;
        self.introduction.told(told);
        Ok(())
    }

    /// Tells what was refused to programs of the agent, so that it is on record.
    fn tell_refusals(&self, session: &Session, ids: Vec<String>) -> Result<(), End> {
        let pushed = push(session, refused(ids.clone()));
        if pushed.is_err() {
            self.introduction.refusals.give_back(ids);
        }
        pushed
    }

    /// The sidecar is ending: everything is taken away, and the broker told so if it listens.
    async fn goodbye(&mut self, session: Session) -> End {
        let farewell = async {
            let results = self.orders.wipe().await?;
            tell(&session, results)?;
            self.tell_schedule(&session)?;
            session.finish().await;
            Ok::<(), End>(())
        };
        // The wipe is repeated by whoever ends the sidecar; only the message is lost here.
        if !matches!(timeout(GOODBYE_MAX, farewell).await, Ok(Ok(()))) {
            tracing::info!("the broker was not told that the files were wiped");
        }
        End::Stopped
    }
}

impl Session {
    /// Ends our half and waits until the broker has ended its own, so that what was said last
    /// still reaches it.
    pub(super) async fn finish(self) {
        let Self { outgoing, mut incoming, channel, .. } = self;
        drop(outgoing);
        let rest = async { while let Ok(Some(_)) = incoming.message().await {} };
        if timeout(FINISH_MAX, rest).await.is_err() {
            tracing::debug!("the broker did not end its half of the stream");
        }
        drop(channel);
    }
}

/// Results are there in time: they are the answer.
fn settle(session: &mut Session, results: Vec<SecretResult>) -> Result<(), End> {
    match session.unanswered.take() {
        Some(Unanswered { nonce, span, .. }) => {
            end(span, &results);
            answer(session, nonce, results)
        }
        None => Ok(()),
    }
}

/// It was put in place, or could not be.
fn end(mut span: Span, results: &[SecretResult]) {
    let failed = results.iter().find(|result| result.state() == ResultState::Failed);
    if let Some(failed) = failed {
        span.fail(failed.detail.clone());
    }
}

/// They are not: an empty answer frees the broker's frame, and they follow.
fn free(session: &mut Session) -> Result<(), End> {
    let Some(unanswered) = session.unanswered.take() else { return Ok(()) };
    let Unanswered { nonce, results, span, .. } = unanswered;
    session.late.push(Late { results, span });
    answer(session, nonce, Vec::new())
}

fn answer(session: &Session, nonce: i64, mut results: Vec<SecretResult>) -> Result<(), End> {
    let rest = results.split_off(results.len().min(RESULTS_MAX));
    push(session, ack(nonce, results))?;
    tell(session, rest)
}

fn tell(session: &Session, results: Vec<SecretResult>) -> Result<(), End> {
    results.chunks(RESULTS_MAX).try_for_each(|chunk| push(session, report(chunk.to_vec())))
}

fn ask(session: &mut Session, reason: SnapshotReason) -> Result<(), End> {
    tracing::warn!(reason = reason.as_str_name(), "asking for the whole set");
    session.asked = true;
    send(session, Saying::NeedSnapshot(NeedSnapshot { reason: reason.into() }))
}

fn send(session: &Session, message: Saying) -> Result<(), End> {
    push(session, WatchRequest { message: Some(message) })
}

/// Never waits: a broker that does not read is as good as gone.
pub(super) fn push(session: &Session, message: WatchRequest) -> Result<(), End> {
    let lost = |_| End::Lost("the broker does not read what it is told".to_owned());
    session.outgoing.try_send(message).map_err(lost)
}

/// The results of the manifest that is not answered yet.
async fn settled(unanswered: &mut Option<Unanswered>) -> Vec<SecretResult> {
    match unanswered {
        Some(unanswered) => (&mut unanswered.results).await.unwrap_or_default(),
        None => pending().await,
    }
}

/// The results of any manifest that was answered as received.
async fn late(waiting: &mut Vec<Late>) -> Vec<SecretResult> {
    poll_fn(|context| {
        for at in 0..waiting.len() {
            let results = std::pin::pin!(&mut waiting[at].results);
            if let Poll::Ready(results) = Future::poll(results, context) {
                let results = results.unwrap_or_default();
                end(waiting.swap_remove(at).span, &results);
                return Poll::Ready(results);
            }
        }
        Poll::Pending
    })
    .await
}

/// A moment in the broker's window, so that its fleet comes spread out.
fn within(from_ms: i64, to_ms: i64) -> Duration {
    let from = from_ms.clamp(0, WINDOW_MAX_MS);
    let to = to_ms.clamp(from, WINDOW_MAX_MS);
    Duration::from_millis(fastrand::u64(from.unsigned_abs()..=to.unsigned_abs()))
}

/// How long the broker waits for results before its frame is freed without.
const ANSWER_WITHIN: Duration = Duration::from_millis(100);
/// Results of one message.
const RESULTS_MAX: usize = 256;
/// How long the end of the sidecar waits for the broker.
const GOODBYE_MAX: Duration = Duration::from_secs(1);
const FINISH_MAX: Duration = Duration::from_millis(500);
/// How long after its deadline a stopping broker has to end a stream itself.
const LEAVE_MARGIN: Duration = Duration::from_secs(1);
/// Longest time that a broker may name.
const WINDOW_MAX_MS: i64 = 600_000;
const HOPELESS_SECONDS: i64 = 300;
const REASON_CHARS_MAX: usize = 512;
