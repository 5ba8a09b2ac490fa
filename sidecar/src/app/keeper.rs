//! The one task that holds the set: it folds manifests, has them put in place, watches leases,
//! and takes everything away when it is told to, or when nobody is left to tell it.
//!
//! ```text
//! link ── Take ──▶ fold ──▶ held ──▶ put in place ──▶ tell who has to be told ──▶ results
//!      ◀─ taken ──┘                  (on a thread)     (the program)                 │
//!      ◀─────────────────────────────────────────────────────────────────────────────┘
//!        lease lapses ──▶ held without those values ──▶ put in place
//! ```
//! One set at a time goes through these stages. While it does, newer ones are folded; the next
//! is the newest. So a slow disk or a slow program delays, and never queues. What is taken away
//! waits for nobody: the stage of telling is left for it.

mod results;
mod stages;

use super::{
    outlets::Outlets,
    place::{self, Place, There},
    trial::Trial,
};
use crate::{
    config::Choice,
    fold::{Folded, Offer, Refusal, fold},
    lease::{Lease, record::LeaseRecord},
    link::orders::{Desk, Order},
    sinks::{
        hooks::effect,
        process::{Has, Program},
    },
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
use stages::{Done, Telling, ended, has_changed, told};
use std::{
    collections::{BTreeMap, BTreeSet},
    future::pending,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{oneshot, watch},
    task::{JoinError, JoinHandle},
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
    /// The program, and which credentials it gets, where the sidecar may run one.
    program: Option<(Program, Choice)>,
    trial: Trial,
    telling: Option<Telling>,
    /// The files that are in place.
    there: Vec<There>,
    /// What the program was last said to have.
    reported: Option<Has>,
    retry_at: Option<Instant>,
    tries: u32,
    prune_at: Option<Instant>,
    missing: Vec<MissingRef>,
    complete: bool,
}

/// What a keeper keeps.
pub(super) struct Kept {
    /// Where the files go.
    pub(super) place: Place,
    /// Who learns of a set once it is in place.
    pub(super) outlets: Outlets,
    /// Which copy of the agent it is.
    pub(super) instance: InstanceId,
    /// Until when files of an earlier run may stay.
    pub(super) inherited: Option<Timestamp>,
    /// The program, and which credentials it gets, where the sidecar may run one.
    pub(super) program: Option<(Program, Choice)>,
}

/// Somebody who waits for what becomes of a manifest, or of a wipe.
struct Waiting {
    changed: Vec<(SecretName, Version)>,
    removed: Vec<(SecretName, Version)>,
    reply: oneshot::Sender<Results>,
}

impl Keeper {
    pub(super) fn new(
        desk: Desk,
        clock: Arc<dyn Clock>,
        status: watch::Sender<Status>,
        kept: Kept,
    ) -> Self {
        let Kept { place, outlets, instance, inherited, program } = kept;
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
            program,
            trial: Trial::default(),
            telling: None,
            there: Vec::new(),
            reported: None,
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
                verdict = told(&mut self.telling) => self.judged(verdict),
                order = self.desk.orders.recv() => match order {
                    Some(order) => self.order(order),
                    None => return self.end().await,
                },
                () = sleep(lapse), if self.holds_anything() => self.lapse(),
                names = self.outlets.news() => self.tell_of(&names),
                () = at(retry_at) => { self.retry_at = None; self.dirty = true; }
                () = at(prune_at), if self.place.is_some() => self.prune(),
                () = has_changed(&mut self.program), if self.is_idle() => self.tell_program_news(),
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
                self.serving.clear();
                self.telling = None;
                self.trial.forget();
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
        if self.program.is_none() {
            changed.iter().for_each(|(name, _)| tell_hooks(&snapshot, name));
        }
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
        tracing::warn!(secrets = ?lapsed, "the lease of these has lapsed; they are wiped");
        let held = self.held.without_values(&lapsed);
        self.trial.lapse(&lapsed);
        // Who is being told of a set that has these values is told of the next one at once.
        self.telling = None;
        self.lease.hold(held.terms());
        self.held = Arc::new(held);
        self.outlets.withdraw(&self.held);
        self.desk.held.send_replace(Arc::clone(&self.held));
        self.dirty = true;
    }

    fn is_idle(&self) -> bool {
        self.job.is_none() && self.telling.is_none()
    }

    /// Nobody is left who gives orders: nothing stays.
    async fn end(mut self) -> Result<bool, JoinError> {
        // Whoever has the program ends it when nobody is left to make offers.
        (self.program, self.telling) = (None, None);
        self.trial.forget();
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

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}

const LAPSE_LOOK: Duration = Duration::from_secs(1);
const END_TRIES: u32 = 3;
