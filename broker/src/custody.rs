//! The one door to a secret: authorise → act → record, in one transaction. Every verb takes its
//! caller first. Nothing else in the broker opens a sealed value, changes the authority log or
//! writes the audit trail.

mod admins;
mod agents;
mod archives;
mod bodies;
mod chain;
mod channels;
mod checkpoints;
mod conditions;
mod delivery;
mod enrolment;
mod environments;
mod error;
mod expiry;
mod figures;
mod follow;
mod heads;
mod load;
mod manifests;
mod matches;
mod plan;
mod presence;
mod receipts;
mod references;
mod refusals;
mod reports;
mod resolve;
mod root_keys;
mod rotations;
mod secrets;
mod sources;
mod state;
mod traces;
mod trail;
mod whole_trail;
mod writer;

pub(crate) use admins::{AUDIT_KEY, AUTHORITY, KEK_CHECK, KEK_ID, MAC_KEY};
pub use admins::{AdminGrant, AdminView, CertifiedAdmin, NewAdmin};
pub use agents::{Revocation, TokenGrant};
pub use bodies::Body;
pub use channels::{ChannelView, OpenChannel};
pub(crate) use checkpoints::CHECKPOINTS;
pub use checkpoints::Unsigned;
pub use conditions::Remembered;
pub use delivery::{Admission, Frame, FrameSecret, Sent};
pub use enrolment::Enrolled;
pub use environments::{EnvironmentView, Move, Switch, Switched};
pub use error::CustodyError;
pub use heads::TrailHead;
pub use manifests::{Applied, AppliedChange, Apply, Unresolved};
pub use matches::{Match, Matches};
pub use plan::{Committed, RequestKey};
pub(crate) use receipts::RECEIPTS;
pub use references::{BindingView, ProviderView, ReferenceView, SourceView};
pub use reports::{AgentReport, AgentSchedule, Report, ReportState};
pub use resolve::{Refused, Resolved};
pub use root_keys::Rewrapped;
pub(crate) use root_keys::{
    brokers_without, keyring_blobs, missing, sealed_keyring, switch_root_key,
};
pub use rotations::{Begin, Lease, ToTest, Turn, Work};
pub use secrets::{Put, SecretRead, SecretView, VersionState, VersionView};
pub use sources::{Coming, Itinerary, Observation, Place, Seen};
pub use state::{State, StateError, verify_state};
pub use traces::{
    AgentReach, Examined, HeldSecret, Holder, Replacement, SecretReach, Use, VersionFate,
};
pub use trail::{AuditFilter, AuditLine, AuditPage, Followed, Follower, Position};
pub use whole_trail::{TrailCursor, TrailItem, TrailPage, WholeTrail};

use crate::{
    authority::Authority,
    feed::Feed,
    store::{Store, StoreError},
};
use arc_swap::ArcSwap;
use bodies::Bodies;
use follow::{Following, follow};
use heads::Heads;
use presence::Presence;
use reports::Results;
use secretref_domain::{
    audit::{Decision, Event},
    caller::Caller,
    clock::{Clock, Timestamp},
    id::BrokerId,
    ledger::Ledger,
    name::EnvironmentName,
    policy::{Action, authorise},
};
use secretref_envelope::Keyring;
use std::{
    sync::{
        Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Semaphore, watch},
    time::timeout,
};
use uuid::Uuid;
use writer::{Writer, WriterHandle};

/// Custody. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Custody {
    shared: Arc<Shared>,
    writer: WriterHandle,
}

/// What custody is made of.
pub struct Parts {
    /// The store, migrated and initialised.
    pub store: Store,
    /// The keys.
    pub keyring: Keyring,
    /// The certificate authority.
    pub authority: Authority,
    /// Identity of this broker; names its audit lane.
    pub broker: BrokerId,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// How long an agent's certificate is valid.
    pub certificate_life: Duration,
    /// How long a sidecar may keep what it has without a sign of the broker.
    pub lease: Duration,
}

/// What every verb works with.
struct Shared {
    store: Store,
    keyring: ArcSwap<Keyring>,
    /// One looks through all values at a time.
    matching: Semaphore,
    authority: ArcSwap<Authority>,
    /// The authority as it was sealed in the store when it was looked at last.
    authority_seen: Mutex<Vec<u8>>,
    broker: BrokerId,
    epoch: Uuid,
    /// When the database was made from a backup, in microseconds; 0 for one that was not.
    restored_at: i64,
    clock: Arc<dyn Clock>,
    certificate_life: Duration,
    lease: Duration,
    /// When the store last answered, by the broker's clock in microseconds.
    contact: AtomicI64,
    /// Whether this process has said who is connected.
    presence_told: AtomicBool,
    /// Who is connected here, as it was said last, and to other brokers, as they say.
    presence: Mutex<Presence>,
    /// Since when nothing could be recorded, and why; none while it can.
    unrecorded: Mutex<Option<(Timestamp, StoreError)>>,
    feed: Feed,
    following: Following,
    heads: Heads,
    bodies: Bodies,
    results: Results,
    /// How many batches this process has written; whoever follows the trail waits for the next.
    written: watch::Sender<u64>,
    ledger: RwLock<Ledger>,
}

impl Shared {
    /// The ledger. Held for as long as a set is worked out, never over an await. A poisoned lock
    /// is taken all the same: a fold that panicked has been reported, and readers fail closed on
    /// what it left out.
    fn ledger(&self) -> RwLockReadGuard<'_, Ledger> {
        self.ledger.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the store has just answered.
    fn touch(&self) {
        self.contact.fetch_max(self.clock.now().as_micros(), Ordering::Relaxed);
    }

    /// Notes whether the last batch was recorded.
    fn note_recorded(&self, outcome: Result<(), &StoreError>) {
        let mut unrecorded = self.unrecorded.lock().unwrap_or_else(PoisonError::into_inner);
        *unrecorded = match (outcome, unrecorded.take()) {
            (Ok(()), _) => None,
            (Err(error), Some((since, _))) => Some((since, error.clone())),
            (Err(error), None) => Some((self.clock.now(), error.clone())),
        };
    }

    fn unrecorded(&self) -> Option<(Timestamp, StoreError)> {
        self.unrecorded.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn ledger_mut(&self) -> RwLockWriteGuard<'_, Ledger> {
        self.ledger.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Custody {
    /// Loads and verifies the authority log, and starts the writer.
    ///
    /// # Errors
    /// [`CustodyError`] where the log or this broker's audit lane is not what was written, or the
    /// store does not answer.
    pub async fn open(parts: Parts) -> Result<Self, CustodyError> {
        let loaded = load::load(&parts.store, &parts.keyring, parts.broker).await?;
        let standing = parts.store.stand(parts.broker, loaded.head.revision).await?;
        let restored_at = parts.store.restored_at().await?;
        let timeline = standing.map_or(0, |standing| standing.timeline);
        let shared = Arc::new(Shared {
            feed: Feed::new(loaded.head.revision),
            following: Following::new(parts.store.is_shared(), timeline),
            heads: Heads::new(),
            bodies: Bodies::new(),
            results: Results::new(),
            written: watch::Sender::new(0),
            ledger: RwLock::new(loaded.ledger),
            epoch: loaded.head.epoch,
            restored_at,
            store: parts.store,
            keyring: ArcSwap::from_pointee(parts.keyring),
            matching: Semaphore::new(1),
            authority: ArcSwap::from_pointee(parts.authority),
            authority_seen: Mutex::default(),
            broker: parts.broker,
            presence_told: AtomicBool::new(false),
            presence: Mutex::default(),
            unrecorded: Mutex::new(None),
            contact: AtomicI64::new(parts.clock.now().as_micros()),
            clock: parts.clock,
            certificate_life: parts.certificate_life,
            lease: parts.lease,
        });
        let (handle, commands) = WriterHandle::queue();
        let writer = Writer::new(Arc::clone(&shared), commands, loaded.head, loaded.lane);
        if let Some(doorbell) = shared.store.doorbell() {
            tokio::spawn(follow(Arc::clone(&shared), doorbell));
        }
        // Detached on purpose: a caller that goes away must not take the writer with him.
        tokio::spawn(writer.run());
        Ok(Self { shared, writer: handle })
    }

    /// The connected streams.
    #[must_use]
    pub fn feed(&self) -> &Feed {
        &self.shared.feed
    }

    /// The time, by the broker's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// Identity of this broker.
    #[must_use]
    pub fn broker(&self) -> BrokerId {
        self.shared.broker
    }

    /// Identity of the history of one environment, as sidecars are told it: versions of one say
    /// nothing of another's, so an agent that moves begins anew, and so does every one where the
    /// database has another timeline or was made from a backup.
    #[must_use]
    pub fn epoch_in(&self, environment: &EnvironmentName) -> String {
        let Shared { epoch, restored_at, following, .. } = &*self.shared;
        format!("{epoch}.{restored_at}.{}/{environment}", following.timeline())
    }

    /// The certificate authority as it is now.
    #[must_use]
    pub fn authority(&self) -> Arc<Authority> {
        self.shared.authority.load_full()
    }

    /// The environment that requests without one mean.
    #[must_use]
    pub fn active_environment(&self) -> EnvironmentName {
        self.shared.ledger().active_environment().clone()
    }

    /// How long a sidecar may keep what it has without a sign of the broker.
    #[must_use]
    pub fn lease(&self) -> Duration {
        self.shared.lease
    }

    /// Whether the store has not answered for so long that leases are not renewed.
    #[must_use]
    pub fn stale(&self) -> bool {
        let contact = Timestamp::from_micros(self.shared.contact.load(Ordering::Relaxed));
        self.now().millis_since(contact) > STALE_MILLIS
    }

    /// Names a request for idempotent retries: who asks, for what, with which content. The keyed
    /// hash says nothing of the content.
    #[must_use]
    pub fn request_key(
        &self,
        caller: &Caller,
        id: Uuid,
        method: &str,
        content: &[u8],
    ) -> RequestKey {
        let who = caller.to_string();
        let parts = [b"request".as_slice(), who.as_bytes(), method.as_bytes(), content];
        RequestKey { id, fingerprint: self.shared.keyring().blind(&parts) }
    }

    /// Housekeeping: overwrites old bodies, forgets old requests and schedules. To be called now
    /// and then.
    ///
    /// # Errors
    /// [`CustodyError::Store`].
    pub async fn tidy(&self) -> Result<(), CustodyError> {
        self.shared.bodies.tidy().await;
        let before = self.now().plus_seconds(-REQUEST_SECONDS_MAX);
        self.shared.store.forget_requests(before).await?;
        self.shared.store.forget_schedules(self.now()).await?;
        Ok(())
    }

    /// Whether the store answers now, and takes records: after one that it did not take, it is
    /// tried, and what is tried says for how long the trail stood still.
    ///
    /// # Errors
    /// [`CustodyError::Store`] where it does not.
    pub async fn check(&self) -> Result<(), CustodyError> {
        self.shared.store.head().await?;
        self.shared.touch();
        let Some((since, error)) = self.shared.unrecorded() else { return Ok(()) };
        let mut record = plan::event(&Caller::Broker { id: self.broker() }, "audit.resume");
        record.reason = format!("nothing was recorded since {since}, and nothing left: {error}");
        self.writer.note(vec![record]).await
    }

    /// Saves what sidecars said last and closes the store; nothing can be done any more.
    pub async fn close(&self) {
        drop(timeout(SETTLE_TIME_MAX, self.reports_settled()).await);
        drop(timeout(SETTLE_TIME_MAX, self.unfollow()).await);
        self.shared.store.close().await;
    }

    /// Lets a caller do something, or records that he may not.
    async fn permit(
        &self,
        caller: &Caller,
        action: Action,
        event: impl FnOnce() -> Event + Send,
    ) -> Result<(), CustodyError> {
        let Err(denied) = authorise(caller, action) else { return Ok(()) };
        let mut event = event();
        event.decision = Decision::Denied;
        event.reason = denied.to_string();
        self.writer.note(vec![event]).await?;
        Err(denied.into())
    }

    fn environment(&self, named: Option<EnvironmentName>) -> EnvironmentName {
        named.unwrap_or_else(|| self.shared.ledger().active_environment().clone())
    }
}

/// After so long without a stream an instance is away.
const AWAY_MILLIS: i64 = 45_000;
/// After so long without an answer of the store, what a broker says is stale.
const STALE_MILLIS: i64 = 15_000;
/// How long the store may take at the end to save what sidecars said.
const SETTLE_TIME_MAX: Duration = Duration::from_secs(2);
/// Recipients that one audit entry names.
const RECIPIENTS_MAX: usize = 10_000;
/// How long the answer of a request is kept for a retry, in seconds.
const REQUEST_SECONDS_MAX: i64 = 24 * 3600;
