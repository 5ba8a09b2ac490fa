//! The one task that holds the set: it folds manifests, has them put in place, watches leases,
//! and takes everything away when it is told to, or when nobody is left to tell it.
//!
//! ```text
//! link ── Take ──▶ fold ──▶ held ──▶ put in place (one at a time, on a thread of its own)
//!      ◀─ taken ──┘          │                 │
//!      ◀──────────── results ┼─────────────────┘
//!        lease lapses ──▶ held without those values ──▶ put in place
//! ```
//! While a set is being put in place, newer ones are folded; the next to be put in place is the
//! newest. So a slow disk delays, and never queues.

use super::{
    outlets::Outlets,
    place::{self, Outcome, Place},
};
use crate::{
    fold::{Folded, Offer, Refusal, fold},
    lease::{Lease, record::LeaseRecord},
    link::{
        orders::{Desk, Order},
        report::{applied, failed, wiped},
    },
    sinks::hooks::effect,
    snapshot::Snapshot,
    status::Status,
};
use secretref_domain::{
    clock::{Clock, Timestamp},
    id::InstanceId,
    name::SecretName,
    version::Version,
};
use secretref_proto::v1::{MissingRef, SecretResult};
use std::{
    collections::{BTreeMap, BTreeSet},
    future::pending,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{oneshot, watch},
    task::{JoinError, JoinHandle, spawn_blocking},
    time::{Instant, sleep, sleep_until},
};

type Results = Vec<SecretResult>;

pub(super) struct Keeper {
    desk: Desk,
    clock: Arc<dyn Clock>,
    status: watch::Sender<Status>,
    instance: InstanceId,
    secrets_dir: PathBuf,
    held: Arc<Snapshot>,
    lease: Lease,
    /// Until when files of an earlier run may stay, while nothing newer is in place.
    inherited: Option<Timestamp>,
    outlets: Outlets,
    /// At home here, but for while a job has it.
    place: Option<Place>,
    recorded: Option<Timestamp>,
    job: Option<JoinHandle<Done>>,
    /// Whether what is held is not what the last job was given.
    dirty: bool,
    waiting: Vec<Waiting>,
    /// What the running job will answer.
    serving: Vec<Waiting>,
    failed: BTreeMap<SecretName, String>,
    /// Whether the last set could not be put in place at all.
    trouble: bool,
    /// Whether what an earlier run left has to go first.
    clear: bool,
    retry_at: Option<Instant>,
    tries: u32,
    prune_at: Option<Instant>,
    missing: Vec<MissingRef>,
    complete: bool,
}

/// Somebody who waits for what becomes of a manifest, or of a wipe.
struct Waiting {
    changed: Vec<(SecretName, Version)>,
    removed: Vec<(SecretName, Version)>,
    reply: oneshot::Sender<Results>,
}

/// What a job was, and what came of it.
enum Done {
    Put(Place, Arc<Snapshot>, Outcome),
    Other(Place, Option<std::time::Instant>),
}

impl Keeper {
    pub(super) fn new(
        desk: Desk,
        clock: Arc<dyn Clock>,
        status: watch::Sender<Status>,
        place: Place,
        outlets: Outlets,
        instance: InstanceId,
        inherited: Option<Timestamp>,
    ) -> Self {
        let lease = Lease::new(0, clock.now());
        Self {
            desk,
            status,
            instance,
            secrets_dir: place.secrets_dir().to_owned(),
            held: Arc::new(Snapshot::default()),
            lease,
            inherited,
            outlets,
            recorded: place.recorded(),
            place: Some(place),
            job: None,
            dirty: false,
            waiting: Vec::new(),
            serving: Vec::new(),
            failed: BTreeMap::new(),
            trouble: false,
            clear: false,
            retry_at: None,
            tries: 0,
            prune_at: None,
            missing: Vec::new(),
            complete: false,
            clock,
        }
    }

    /// Serves until the last one who gives orders is gone, then wipes. Says whether nothing was
    /// left behind.
    ///
    /// # Errors
    /// Where the runtime ended a job, and the folder is gone with it.
    pub(super) async fn run(mut self) -> Result<bool, JoinError> {
        loop {
            self.start_job();
            let lapse = self.lapse_in();
            let (retry_at, prune_at) = (self.retry_at, self.prune_at);
            tokio::select! {
                biased;
                done = ended(&mut self.job) => self.finished(done?),
                order = self.desk.orders.recv() => match order {
                    Some(order) => self.order(order),
                    None => return self.end().await,
                },
                () = sleep(lapse), if self.holds_anything() => self.lapse(),
                names = self.outlets.news() => self.tell_of(&names),
                () = at(retry_at) => { self.retry_at = None; self.dirty = true; }
                () = at(prune_at), if self.place.is_some() => self.prune(),
            }
        }
    }

    fn order(&mut self, order: Order) {
        match order {
            Order::Take { offer, first, answer } => {
                // Whoever asked may be gone; what was taken is taken.
                drop(answer.send(self.take(offer, first)));
            }
            Order::Contact { lease_ms } => self.contact(lease_ms),
            Order::Wipe { done } => {
                let removed = self.held.entries();
                let removed = removed.map(|(name, held)| (name.clone(), held.version)).collect();
                // What was promised an answer before gets none: it was never in place.
                self.waiting.clear();
                self.hold(Snapshot::default());
                self.inherited = None;
                self.waiting.push(Waiting { changed: Vec::new(), removed, reply: done });
            }
        }
    }

    fn take(&mut self, offer: Offer, first: bool) -> Result<oneshot::Receiver<Results>, Refusal> {
        let Folded { snapshot, changed, removed } = fold(&self.held, &offer, first)?;
        if self.missing != offer.missing {
            offer.missing.iter().for_each(tell_missing);
            self.missing = offer.missing;
        }
        changed.iter().for_each(|(name, _)| tell_hooks(&snapshot, name));
        self.hold(snapshot);
        let (reply, results) = oneshot::channel();
        self.waiting.push(Waiting { changed, removed, reply });
        Ok(results)
    }

    /// Holds another set from now on.
    fn hold(&mut self, snapshot: Snapshot) {
        self.lease.hold(snapshot.terms());
        self.held = Arc::new(snapshot);
        self.outlets.withdraw(&self.held);
        self.desk.held.send_replace(Arc::clone(&self.held));
        self.dirty = true;
        self.retry_at = None;
        self.tries = 0;
        // It may have lapsed on its way here, as by a clock that is ahead.
        self.lapse();
    }

    fn contact(&mut self, lease_ms: i64) {
        let now = self.clock.now();
        self.lease.set_default(lease_ms);
        self.lease.contact(now);
        let Some(until) = self.lease.next_deadline() else { return };
        let settled = self.job.is_none() && !self.dirty;
        if settled && place::due(self.recorded, until, now) {
            let record = self.record();
            self.with_place(move |mut place| {
                place.renew(&record);
                let next = place.prune();
                Done::Other(place, next)
            });
        }
    }

    fn lapse(&mut self) {
        let now = self.clock.now();
        if self.inherited.is_some_and(|until| until <= now) {
            tracing::warn!("the lease of the run before has lapsed; its files are wiped");
            self.inherited = None;
            self.clear = true;
            self.dirty = true;
        }
        let lapsed: BTreeSet<SecretName> = self.lease.lapsed(now).into_iter().collect();
        if lapsed.is_empty() {
            return;
        }
        tracing::warn!(secrets = ?lapsed, "the lease of these has lapsed; their files are wiped");
        let held = self.held.without_values(&lapsed);
        self.lease.hold(held.terms());
        self.held = Arc::new(held);
        self.outlets.withdraw(&self.held);
        self.desk.held.send_replace(Arc::clone(&self.held));
        self.dirty = true;
    }

    fn prune(&mut self) {
        self.prune_at = None;
        self.with_place(|mut place| {
            let next = place.prune();
            Done::Other(place, next)
        });
    }

    fn start_job(&mut self) {
        if !self.dirty || self.job.is_some() {
            return;
        }
        self.dirty = false;
        let clear = std::mem::take(&mut self.clear);
        self.serving.append(&mut self.waiting);
        let (snapshot, record) = (Arc::clone(&self.held), self.record());
        self.with_place(move |mut place| {
            let outcome = place.put(&snapshot, &record, clear);
            Done::Put(place, snapshot, outcome)
        });
    }

    fn with_place(&mut self, job: impl FnOnce(Place) -> Done + Send + 'static) {
        if let Some(place) = self.place.take() {
            self.job = Some(spawn_blocking(move || job(place)));
        }
    }

    fn finished(&mut self, done: Done) {
        let (place, next_prune) = match done {
            Done::Put(place, snapshot, outcome) => {
                let next_prune = outcome.next_prune;
                self.placed(&snapshot, outcome);
                (place, next_prune)
            }
            Done::Other(place, next_prune) => (place, next_prune),
        };
        self.recorded = place.recorded();
        self.place = Some(place);
        self.prune_at = next_prune.map(Instant::from_std);
    }

    fn placed(&mut self, snapshot: &Snapshot, outcome: Outcome) {
        let now = self.clock.now();
        let Outcome { applied: there, placed, failed: failing, trouble, .. } = outcome;
        // First: what was known of the versions before is not known of these.
        self.outlets.placed(snapshot, &placed, &self.missing);
        let mut answered = BTreeSet::new();
        for waiting in std::mem::take(&mut self.serving) {
            answered.extend(waiting.changed.iter().map(|(name, _)| name.clone()));
            let mut results = results(snapshot, &waiting, &failing, now);
            self.outlets.amend(&mut results);
            drop(waiting.reply.send(results));
        }
        self.tell_news(snapshot, &failing, &answered, now);
        for (name, why) in failing.iter().filter(|(name, _)| !self.failed.contains_key(*name)) {
            tracing::error!(secret = %name, %why, "not in place; what was there before stays");
        }
        if let Some(why) = trouble.as_ref().filter(|_| !self.trouble) {
            tracing::error!(%why, "the set is not in place; trying again");
        }
        self.trouble = trouble.is_some();
        if failing.is_empty() && !self.trouble {
            self.tries = 0;
        } else {
            self.tries = self.tries.saturating_add(1);
            let wait = RETRY_MIN.saturating_mul(2_u32.saturating_pow(self.tries - 1));
            self.retry_at = Some(Instant::now() + wait.min(RETRY_MAX));
        }
        let received = !snapshot.epoch().is_empty();
        let required = |name: &SecretName| {
            let held = snapshot.entry(name);
            held.is_none_or(|held| held.targets.iter().any(|target| target.required))
        };
        if received && !self.trouble && !failing.keys().any(required) {
            self.inherited = None;
            self.complete = true;
        } else if !received {
            self.complete = false;
        }
        self.failed = failing;
        self.status.send_modify(|status| {
            status.complete = self.complete;
            status.lapsed = snapshot.entries().any(|(_, held)| held.value.is_none());
            status.revision = snapshot.revision();
            status.applied = there;
            status.failed = self.failed.clone();
        });
    }

    /// More is known of these than that they are in place.
    fn tell_of(&self, names: &BTreeSet<SecretName>) {
        let now = self.clock.now();
        let there = self.status.borrow().applied.clone();
        let results = names.iter().filter(|name| !self.failed.contains_key(*name));
        let results = results.filter_map(|name| Some(applied(name, *there.get(name)?, now)));
        self.tell(results.collect());
    }

    /// What failed before and is in place now, what fails because of another, and what lapsed,
    /// nobody waits for.
    fn tell_news(
        &self,
        snapshot: &Snapshot,
        failing: &BTreeMap<SecretName, String>,
        answered: &BTreeSet<SecretName>,
        now: Timestamp,
    ) {
        let recovered = self.failed.keys().filter(|name| !failing.contains_key(*name));
        let recovered = recovered.filter_map(|name| {
            let held = snapshot.entry(name)?;
            held.value.is_some().then(|| applied(name, held.version, now))
        });
        let before = self.status.borrow().applied.clone();
        let lapsed = snapshot.entries().filter(|(name, held)| {
            held.value.is_none() && before.contains_key(*name) && !failing.contains_key(*name)
        });
        let lapsed = lapsed.map(|(name, held)| wiped(name, held.version, now));
        let fails = failing
            .iter()
            .filter(|(name, why)| !answered.contains(*name) && self.failed.get(*name) != Some(why));
        let fails = fails
            .filter_map(|(name, why)| Some(failed(name, snapshot.entry(name)?.version, why, now)));
        self.tell(recovered.chain(lapsed).chain(fails).collect());
    }

    fn tell(&self, mut news: Results) {
        self.outlets.amend(&mut news);
        if !news.is_empty() && self.desk.news.try_send(news).is_err() {
            tracing::debug!("nobody is connected who could be told what changed");
        }
    }

    /// Nobody is left who gives orders: nothing stays.
    async fn end(mut self) -> Result<bool, JoinError> {
        for _ in 0..END_TRIES {
            if self.job.is_some() {
                let done = ended(&mut self.job).await?;
                self.finished(done);
            }
            self.waiting.clear();
            self.hold(Snapshot::default());
            self.start_job();
            let done = ended(&mut self.job).await?;
            self.finished(done);
            if !self.trouble {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn record(&self) -> LeaseRecord {
        self.lease.record(self.instance, self.secrets_dir.clone())
    }

    fn holds_anything(&self) -> bool {
        self.inherited.is_some() || self.lease.next_deadline().is_some()
    }

    /// How long until the next lease may lapse; looked at again at least every second, because
    /// clocks are set.
    fn lapse_in(&self) -> Duration {
        let next = self.lease.next_deadline().into_iter().chain(self.inherited).min();
        let left = next.map_or(0, |next| next.millis_since(self.clock.now()));
        Duration::from_millis(u64::try_from(left).unwrap_or(0) + 1).min(LAPSE_LOOK)
    }
}

/// What became of what one manifest changed.
fn results(
    snapshot: &Snapshot,
    waiting: &Waiting,
    failing: &BTreeMap<SecretName, String>,
    now: Timestamp,
) -> Results {
    let mut results = Vec::with_capacity(waiting.changed.len() + waiting.removed.len());
    for (name, version) in &waiting.changed {
        let Some(held) = snapshot.entry(name).filter(|held| held.version == *version) else {
            // A newer manifest took its place before it was put there.
            continue;
        };
        results.push(match failing.get(name) {
            Some(why) => failed(name, *version, why, now),
            None if held.value.is_none() => wiped(name, *version, now),
            None => applied(name, *version, now),
        });
    }
    for (name, version) in &waiting.removed {
        if snapshot.entry(name).is_none() {
            results.push(match failing.get(name) {
                Some(why) => failed(name, *version, why, now),
                None => wiped(name, *version, now),
            });
        }
    }
    results
}

/// Whoever relies on a hook has to know that there is none here: this sidecar starts no program,
/// so it has none to signal or to start again. Hooks that it calls by itself are not meant.
fn tell_hooks(snapshot: &Snapshot, name: &SecretName) {
    let targets = snapshot.entry(name).map(|held| Arc::clone(&held.targets)).unwrap_or_default();
    for target in targets.iter() {
        let hook = target.on_rotate.as_deref().filter(|hook| *hook != "none");
        let hook = hook.filter(|hook| effect::callable(Some(hook)).is_none());
        if let Some(on_rotate) = hook {
            let file = &target.file;
            tracing::info!(secret = %name, %file, on_rotate, "no program to tell of the change");
        }
    }
}

fn tell_missing(missing: &MissingRef) {
    let (reference, reason) = (&missing.secret_ref, &missing.reason);
    if missing.required {
        tracing::error!(reference, reason, "a required ref has no value");
    } else {
        tracing::warn!(reference, reason, "a ref has no value");
    }
}

async fn ended(job: &mut Option<JoinHandle<Done>>) -> Result<Done, JoinError> {
    let Some(running) = job else { return pending().await };
    let outcome = running.await;
    *job = None;
    outcome
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}

const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_mins(1);
const LAPSE_LOOK: Duration = Duration::from_secs(1);
const END_TRIES: u32 = 3;
