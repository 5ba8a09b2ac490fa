//! Opening a stream: connection, hello, welcome.

use super::{Introduction, end::End};
use crate::{fold::Parts, snapshot::Snapshot, state::Identity};
use secretref_domain::{clock::Clock, schedule::Told};
use secretref_identity::{
    client::{CONNECT_TIMEOUT, ClientConfig, connect_lazy},
    clock::Clock as CertificateClock,
    credentials::Holder,
};
use secretref_proto::{
    PROTOCOL_VERSION,
    convert::to_schedule,
    v1::{
        Hello, SecretResult, TrailWitness, WatchRequest, WatchResponse, Welcome,
        watch_request::Message as Saying, watch_response::Message as Said,
        watch_service_client::WatchServiceClient,
    },
};
use secretref_spans::Span;
use std::{fmt, sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Streaming, transport::Channel};

/// Everything that a stream is opened with.
pub(super) struct Plan {
    pub(super) introduction: Introduction,
    /// Where the broker is: `host:port`.
    pub(super) broker: Arc<str>,
    pub(super) identity: Arc<Identity>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) stream_seq: i64,
    /// Begin anew: say nothing of what is held.
    pub(super) resync: bool,
    /// Ask only what the agent would get.
    pub(super) values_withheld: bool,
    pub(super) held: watch::Receiver<Arc<Snapshot>>,
    /// What is witnessed of the audit trail; nothing for a look.
    pub(super) witness: Option<TrailWitness>,
}

/// An open stream, on which the broker has said welcome.
pub struct Session {
    pub(super) stream_seq: i64,
    pub(super) outgoing: mpsc::Sender<WatchRequest>,
    pub(super) incoming: Streaming<WatchResponse>,
    pub(super) opened: Instant,
    pub(super) heard: Instant,
    pub(super) silence_max: Duration,
    pub(super) lease_ms: i64,
    /// Key of the audit trail, by the broker's word.
    pub(super) trail_key: String,
    /// Whether the broker was told what is held of the trail, and has not answered yet.
    pub(super) witness_said: bool,
    pub(super) parts: Parts,
    /// Whether a manifest was taken on it.
    pub(super) begun: bool,
    /// Whether everything was asked for again, and has not come yet.
    pub(super) asked: bool,
    /// Whether the broker said goodbye.
    pub(super) farewell: bool,
    /// When this stream is over and when to come back, where the broker said that it stops.
    pub(super) stopping: Option<Stopping>,
    /// Digest of a manifest that was refused for good: the broker believes it to be held.
    pub(super) refused: Option<[u8; 32]>,
    pub(super) unanswered: Option<Unanswered>,
    pub(super) late: Vec<Late>,
    /// Closes the connection when it is dropped.
    pub(super) channel: Channel,
}

/// What a broker said that stops.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stopping {
    /// When its stream is left, in case that it does not end it.
    pub(super) leave_at: Instant,
    /// When to come back.
    pub(super) back_at: Instant,
}

/// A manifest that was taken and not answered yet.
pub(super) struct Unanswered {
    pub(super) nonce: i64,
    pub(super) results: oneshot::Receiver<Vec<SecretResult>>,
    /// Of its being put in place.
    pub(super) span: Span,
    /// From when on an empty answer frees the broker's frame.
    pub(super) due: Instant,
}

/// What is put in place and was answered as received.
pub(super) struct Late {
    pub(super) results: oneshot::Receiver<Vec<SecretResult>>,
    pub(super) span: Span,
}

/// Opens a stream. The broker's welcome has to name this identity.
pub(super) async fn dial(plan: Plan) -> Result<Session, End> {
    match timeout(DIAL_TIMEOUT, open(plan)).await {
        Ok(outcome) => outcome,
        Err(_) => {
            Err(End::Unreachable(format!("the broker did not say welcome within {DIAL_TIMEOUT:?}")))
        }
    }
}

/// A configuration with which a broker can be reached as this identity.
pub(super) fn identified(
    identity: &Identity,
    clock: &Arc<dyn Clock>,
) -> Result<Holder<ClientConfig>, End> {
    let config = ClientConfig::identified(&identity.credentials, certificate_clock(clock));
    config.map(Holder::fixed).map_err(|error| End::Hopeless(error.to_string()))
}

/// The sidecar's clock in the unit of certificates.
pub(super) fn certificate_clock(clock: &Arc<dyn Clock>) -> CertificateClock {
    let clock = Arc::clone(clock);
    CertificateClock::new(move || clock.now().as_micros().div_euclid(1_000_000))
}

async fn open(plan: Plan) -> Result<Session, End> {
    let config = identified(&plan.identity, &plan.clock)?;
    let channel = connect_lazy(&plan.broker, config, CONNECT_TIMEOUT)?;
    let (outgoing, sent) = mpsc::channel(OUTGOING_MAX);
    let schedule = plan.introduction.schedule();
    let hello = WatchRequest { message: Some(Saying::Hello(hello(&plan, schedule.as_ref()))) };
    outgoing.try_send(hello).map_err(|_| End::Stopped)?;
    let mut incoming = WatchServiceClient::new(channel.clone())
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX)
        .watch(ReceiverStream::new(sent))
        .await?
        .into_inner();
    let first = incoming.message().await?.and_then(|frame| frame.message);
    let welcome = match first {
        Some(Said::Welcome(welcome)) => welcome,
        Some(Said::Error(error)) => return Err(error.into()),
        Some(_) => return Err(End::Protocol("the first frame was no welcome".to_owned())),
        None => return Err(End::Farewell),
    };
    check(&welcome, &plan.identity)?;
    schedule.into_iter().for_each(|told| plan.introduction.told(told));
    let now = Instant::now();
    Ok(Session {
        stream_seq: plan.stream_seq,
        outgoing,
        incoming,
        opened: now,
        heard: now,
        silence_max: silence_max(welcome.heartbeat_ms),
        lease_ms: welcome.lease_ms.max(0),
        trail_key: welcome.trail_key,
        witness_said: false,
        parts: Parts::default(),
        begun: false,
        asked: false,
        farewell: false,
        stopping: None,
        refused: None,
        unanswered: None,
        late: Vec::new(),
        channel,
    })
}

fn hello(plan: &Plan, schedule: Option<&Told>) -> Hello {
    let held = Arc::clone(&plan.held.borrow());
    let resume = (!plan.resync).then(|| held.resume()).flatten();
    let Introduction { boot_id, secrets_provider, .. } = &plan.introduction;
    Hello {
        protocol_version: PROTOCOL_VERSION,
        client_version: env!("CARGO_PKG_VERSION").to_owned(),
        boot_id: boot_id.to_string(),
        stream_seq: plan.stream_seq,
        have: resume.as_ref().map(|_| held.have()).unwrap_or_default(),
        resume,
        message_bytes_max: i32::try_from(MESSAGE_BYTES_MAX).unwrap_or(i32::MAX),
        secrets_provider: secrets_provider.as_ref().map(ToString::to_string).unwrap_or_default(),
        schedule: schedule.map(to_schedule),
        values_withheld: plan.values_withheld,
        witness: plan.witness.clone(),
    }
}

/// A welcome to somebody else would make us apply somebody else's set.
fn check(welcome: &Welcome, identity: &Identity) -> Result<(), End> {
    let ours = welcome.agent == identity.agent.as_str()
        && welcome.instance == identity.instance.to_string();
    if ours {
        return Ok(());
    }
    Err(End::Protocol(format!(
        "the broker took agent {:?} instance {} for agent {:?} instance {:?}",
        identity.agent,
        identity.instance,
        welcome.agent.chars().take(64).collect::<String>(),
        welcome.instance.chars().take(64).collect::<String>(),
    )))
}

/// Three heartbeats, or what is the longest in any case.
fn silence_max(heartbeat_ms: i64) -> Duration {
    let heartbeat = u64::try_from(heartbeat_ms).ok().filter(|ms| *ms > 0);
    heartbeat.map_or(SILENCE_MAX, |ms| SILENCE_MAX.min(Duration::from_millis(ms) * 3))
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("stream_seq", &self.stream_seq).finish_non_exhaustive()
    }
}

/// From the first packet to the broker's welcome.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest silence on an open stream.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// Largest message either way: the largest value many times over.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// What may wait to be sent. A broker that leaves more unread is not reading.
const OUTGOING_MAX: usize = 32;
