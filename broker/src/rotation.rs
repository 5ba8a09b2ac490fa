//! Takes rotations from one phase to the next, and begins those that are due.
//!
//! ```text
//!            what is under way                 next step              it happened
//! custody ─────────────────────▶ one task for ──────────▶ rotator ──────────────▶ custody
//!    ▲                           each, under a             owner of
//!    │ what consumers say        lease                     the value
//!    └──────────────────────────────┘
//! ```
//! A rotation is one broker's at a time. Where that one dies another goes on from the last record,
//! and may do the last step again. What is to be done next is the domain's to say; here it is done.

mod open;
mod steps;
mod trials;

use crate::{
    custody::{Begin, Custody, CustodyError, Lease, Place, Turn},
    permits::Permits,
    rotators::RotatorError,
};
use futures_util::future::BoxFuture;
use secretref_domain::{
    caller::Caller,
    clock::Timestamp,
    id::RotationId,
    name::{EnvironmentName, SecretName},
    rotation::{
        Consumer, Happened, Phase, Proof, Rotation, RotationPolicy, Step, Touch, Trigger, Trouble,
        Waiting,
    },
    value::SecretValue,
};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// Takes rotations further. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Rotations(Arc<Shared>);

struct Shared {
    custody: Custody,
    permits: Arc<Permits>,
    write_back: WriteBack,
}

/// Gives a value to the provider that a place is in, so that what is rotated here is so there too.
pub type WriteBack = Arc<
    dyn Fn(Place, Arc<SecretValue>, Option<Timestamp>) -> BoxFuture<'static, Result<(), NotWritten>>
        + Send
        + Sync,
>;

/// Why a provider does not have a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotWritten {
    /// Whether it is of no use to try again as things are.
    pub lasting: bool,
    /// Why, with what helps.
    pub message: String,
}

/// Refs that were due and could not be begun, each with when it is tried again.
type Refused = HashMap<(EnvironmentName, SecretName), Timestamp>;

/// A rotation that somebody asks for.
#[derive(Debug, Clone)]
pub struct Request {
    /// Environment; absent means the active one.
    pub environment: Option<EnvironmentName>,
    /// The ref.
    pub reference: SecretName,
    /// What for.
    pub reason: String,
    /// What sets it off.
    pub trigger: Trigger,
    /// Without windows and without overlap.
    pub force: bool,
}

/// What a rotation would do.
pub struct Planned {
    /// How the ref is rotated.
    pub policy: RotationPolicy,
    /// Name of the secret behind it.
    pub secret: SecretName,
    /// Whether the service can hold two credentials at once.
    pub overlaps: bool,
    /// What it does to whom.
    pub touched: Vec<Touch>,
}

impl Rotations {
    /// Takes further what custody has under way.
    #[must_use]
    pub fn new(custody: Custody, permits: Arc<Permits>, write_back: WriteBack) -> Self {
        Self(Arc::new(Shared { custody, permits, write_back }))
    }

    /// Begins a rotation.
    ///
    /// # Errors
    /// [`CustodyError`]; nothing is begun then.
    pub async fn begin(&self, caller: &Caller, request: Request) -> Result<Rotation, CustodyError> {
        let custody = &self.0.custody;
        let Request { environment, reference, reason, trigger, force } = request;
        // Whoever may not begin one is told so before anything is opened.
        let policy = custody.may_rotate(caller, environment.clone(), &reference).await?;
        let overlaps = self.overlaps(environment.as_ref(), &policy.rotator).await?;
        let begin = Begin { environment, reference, reason, trigger, force, overlaps };
        Ok(custody.begin_rotation(caller, begin).await?.answer)
    }

    /// Ends the overlap of what is under way for these refs, so that the next one can begin, and
    /// waits for a while until it is over. What still has to wait for somebody goes on.
    ///
    /// # Errors
    /// [`CustodyError`].
    pub async fn hurry(
        &self,
        caller: &Caller,
        environment: Option<&EnvironmentName>,
        references: &[SecretName],
    ) -> Result<(), CustodyError> {
        let custody = &self.0.custody;
        let mut revisions = custody.feed().revisions();
        let mut hurried = Vec::new();
        for reference in references {
            hurried.extend(custody.hurry_rotation(caller, environment.cloned(), reference).await?);
        }
        let is_over = |id: &RotationId| custody.rotation(*id).is_none_or(|it| it.phase.is_over());
        let all_are_over =
            async { while !hurried.iter().all(is_over) && revisions.changed().await.is_ok() {} };
        if timeout(HURRY_TIME_MAX, all_are_over).await.is_err() {
            tracing::info!("rotations that were hurried still wait for somebody");
        }
        Ok(())
    }

    /// What a rotation would do to whom.
    ///
    /// # Errors
    /// [`CustodyError`] where the ref cannot be rotated.
    pub async fn plan(
        &self,
        caller: &Caller,
        environment: Option<EnvironmentName>,
        reference: &SecretName,
    ) -> Result<Planned, CustodyError> {
        let custody = &self.0.custody;
        let (policy, secret, touched) =
            custody.plan_rotation(caller, environment.clone(), reference).await?;
        let overlaps = self.overlaps(environment.as_ref(), &policy.rotator).await?;
        Ok(Planned { policy, secret, overlaps, touched })
    }

    /// Begins what is due and takes further what is under way, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let custody = &self.0.custody;
        let mut revisions = custody.feed().revisions();
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut working: JoinSet<RotationId> = JoinSet::new();
        let mut taken = HashSet::new();
        let mut refused = Refused::new();
        loop {
            for rotation in custody.rotations_under_way() {
                if taken.insert(rotation.id) {
                    let (rotations, stop) = (self.clone(), stop.clone());
                    working.spawn(async move {
                        Box::pin(rotations.work(rotation.id, &stop)).await;
                        rotation.id
                    });
                }
            }
            tokio::select! {
                () = stop.cancelled() => break,
                _ = looks.tick() => self.begin_due(&mut refused).await,
                Some(Ok(done)) = working.join_next() => drop(taken.remove(&done)),
                changed = revisions.changed() => if changed.is_err() { break },
            }
        }
        while working.join_next().await.is_some() {}
    }

    async fn begin_due(&self, refused: &mut Refused) {
        let (custody, now) = (&self.0.custody, self.0.custody.now());
        let caller = Caller::Broker { id: custody.broker() };
        refused.retain(|_, until| now < *until);
        for (environment, reference, trigger) in custody.due_rotations() {
            let which = (environment.clone(), reference.clone());
            if refused.contains_key(&which) {
                continue;
            }
            let (reason, force) = (String::new(), false);
            let request = Request {
                environment: Some(environment),
                reference: reference.clone(),
                reason,
                trigger,
                force,
            };
            // Two brokers may find it due at once: the second is told that it is under way.
            if let Err(error) = self.begin(&caller, request).await {
                tracing::warn!(%reference, %error, "a rotation that is due was not begun");
                refused.insert(which, now.plus_seconds(REFUSED_SECONDS));
            }
        }
    }

    /// Takes one further as long as it is this broker's.
    async fn work(&self, id: RotationId, stop: &CancellationToken) {
        let custody = &self.0.custody;
        let lease = match custody.take_rotation(id).await {
            Ok(Some(lease)) => lease,
            Ok(None) => return sleep_or(Lease::BEAT, stop).await,
            Err(error) => {
                tracing::warn!(%id, %error, "a rotation was not taken");
                return sleep_or(Lease::BEAT, stop).await;
            }
        };
        tokio::select! {
            () = self.drive(id) => {}
            () = self.lose(id, &lease) => {}
            () = stop.cancelled() => {}
        }
        custody.leave(lease).await;
    }

    /// Returns once a rotation is another broker's.
    async fn lose(&self, id: RotationId, lease: &Lease) {
        loop {
            sleep(Lease::BEAT).await;
            match self.0.custody.keep_lease(lease).await {
                Ok(true) => {}
                Ok(false) => return tracing::warn!(%id, "a rotation was lost to another broker"),
                // It may be prolonged yet; where not, it is another's before anything is recorded.
                Err(error) => tracing::warn!(%id, %error, "a lease was not prolonged"),
            }
        }
    }

    /// One step after another, until it is over.
    async fn drive(&self, id: RotationId) {
        let custody = &self.0.custody;
        let (mut revisions, mut reports) = (custody.feed().revisions(), custody.reports_saved());
        while let Some(rotation) = custody.rotation(id).filter(|it| !it.phase.is_over()) {
            // Looked at before the state is, so that nothing falls between the two.
            revisions.mark_unchanged();
            reports.mark_unchanged();
            match Box::pin(self.step(&rotation)).await {
                Ok(true) => {}
                Ok(false) => tokio::select! {
                    _ = revisions.changed() => {}
                    _ = reports.changed() => {}
                    () = sleep(WAIT_MAX) => {}
                },
                Err(error) => {
                    tracing::warn!(%id, %error, "a step of a rotation was not recorded");
                    sleep(AGAIN_AFTER).await;
                }
            }
        }
    }

    /// Does what is next; whether anything came of it.
    async fn step(&self, rotation: &Rotation) -> Result<bool, CustodyError> {
        let custody = &self.0.custody;
        let (step, _) = self.next(rotation).await?;
        let outcome = match step {
            Step::Wait(_) | Step::Nothing => return Ok(false),
            Step::Record(happened) => Ok(happened),
            Step::Mint => return Box::pin(self.mint(rotation)).await,
            Step::Set => self.set(rotation).await.map(|()| Happened::Set),
            Step::Test => self.test(rotation).await.map(|()| Happened::Tested),
            Step::Promote => Box::pin(self.give_back(rotation)).await.map(|()| Happened::Promoted),
            Step::RevokeOld => self.revoke_old(rotation).await.map(|()| Happened::Revoked),
            Step::RevokeNew => self.withdraw(rotation).await.map(|()| Happened::Revoked),
        };
        let happened = outcome.unwrap_or_else(|failed| self.failed(rotation, failed));
        let moved = Turn { rotation: rotation.id, phase: rotation.phase.clone(), happened };
        custody.rotation_happened(moved).await.map(|_| true)
    }

    /// What a rotation needs next, and who has its credential.
    ///
    /// # Errors
    /// [`CustodyError::Store`].
    pub async fn next(&self, rotation: &Rotation) -> Result<(Step, Vec<Consumer>), CustodyError> {
        let custody = &self.0.custody;
        let asks = matches!(
            rotation.phase,
            Phase::Pushing { .. }
                | Phase::Promoting
                | Phase::Draining { .. }
                | Phase::Withdrawing { .. }
        );
        let consumers = if asks { custody.consumers(rotation).await? } else { Vec::new() };
        let current = custody.current_version(rotation.secret).unwrap_or(rotation.old);
        Ok((rotation.next(&consumers, current, custody.now()), consumers))
    }

    /// Whom a rotation waits for, and who is proven to be on the new version.
    ///
    /// # Errors
    /// [`CustodyError::Store`].
    pub async fn standing(
        &self,
        rotation: &Rotation,
    ) -> Result<(Vec<Waiting>, Vec<Proof>), CustodyError> {
        let (step, consumers) = self.next(rotation).await?;
        let (waiting, proven) = rotation.standings(&consumers, self.0.custody.now());
        Ok(match step {
            Step::Wait(waiting) => (waiting, proven),
            _ if matches!(rotation.phase, Phase::Withdrawing { .. }) => (Vec::new(), proven),
            // About to go on without those who are away, it waits for them all the same.
            _ => (waiting, proven),
        })
    }

    /// What a step that failed comes to: it is tried again, or the rotation turns back.
    fn failed(&self, rotation: &Rotation, failed: Failed) -> Happened {
        let times = rotation.trouble.as_ref().map_or(0, |trouble| trouble.times) + 1;
        let hopeless = failed.lasting || times >= TRIES_MAX;
        if hopeless && rotation.phase.can_turn_back() {
            return Happened::Refused(failed.message);
        }
        let wait = (1_i64 << times.min(12)).min(AGAIN_SECONDS_MAX);
        let again_at = self.0.custody.now().plus_seconds(wait);
        Happened::Troubled(Trouble { message: failed.message, times, again_at })
    }
}

/// Why a step was not done.
struct Failed {
    lasting: bool,
    message: String,
}

impl From<RotatorError> for Failed {
    fn from(error: RotatorError) -> Self {
        Self { lasting: error.lasting, message: error.to_string() }
    }
}

impl From<CustodyError> for Failed {
    fn from(error: CustodyError) -> Self {
        Self { lasting: false, message: error.to_string() }
    }
}

impl From<NotWritten> for Failed {
    fn from(NotWritten { lasting, message }: NotWritten) -> Self {
        Self { lasting, message }
    }
}

async fn sleep_or(time: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = sleep(time) => {}
        () = stop.cancelled() => {}
    }
}

/// How often it is looked what is due, and what another broker has left.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long one that is due and cannot be begun is let be, in seconds: each try opens its rotator,
/// and reads the secrets of that, which is recorded.
const REFUSED_SECONDS: i64 = 60;
/// How long a rotation waits at most before it looks again: other brokers' sidecars tell them.
const WAIT_MAX: Duration = Duration::from_secs(1);
/// How long a step waits that could not be recorded.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
/// How long whoever forces a rotation waits for the one before it.
const HURRY_TIME_MAX: Duration = Duration::from_secs(10);
/// How often a step is tried before the rotation turns back, where it can.
const TRIES_MAX: u32 = 8;
/// The longest time until a step is tried again, in seconds.
const AGAIN_SECONDS_MAX: i64 = 300;
