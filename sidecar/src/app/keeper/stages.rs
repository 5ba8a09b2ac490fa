//! The stages of a set: put in place, then told to the program, then settled.

use super::{Keeper, Results};
use crate::{
    app::{
        place::{Outcome, Place},
        trial::{Candidate, Next},
    },
    config::Choice,
    sinks::process::{Offer, Program, Verdict, plan},
    snapshot::Snapshot,
};
use secretref_domain::name::SecretName;
use std::{
    collections::{BTreeMap, BTreeSet},
    future::pending,
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::oneshot,
    task::{JoinError, JoinHandle, spawn_blocking},
    time::Instant,
};

/// What a job was, and what came of it.
pub(super) enum Done {
    /// A candidate was put in place.
    Put(Place, Box<(Candidate, Outcome)>),
    /// Something else was done to the folder; when to come again.
    Other(Place, Option<std::time::Instant>),
}

/// A set that is in place, and that the program is being told of.
pub(super) struct Telling {
    candidate: Candidate,
    outcome: Outcome,
    verdict: oneshot::Receiver<Verdict>,
}

impl Keeper {
    pub(super) fn prune(&mut self) {
        self.prune_at = None;
        self.with_place(|mut place| {
            let next = place.prune();
            Done::Other(place, next)
        });
    }

    /// Puts what is held in place, where that is due and the set before is through.
    pub(super) fn start_job(&mut self) {
        if !self.dirty || !self.is_idle() {
            return;
        }
        self.dirty = false;
        let clear = std::mem::take(&mut self.clear);
        self.serving.append(&mut self.waiting);
        let choice = self.choice();
        let unfit = choice.map(|choice| plan::unfit(&self.held, choice)).unwrap_or_default();
        let candidate = self.trial.candidate(&self.held, unfit, self.clock.now());
        // What is kept back has another end than what it is kept back for.
        self.lease.hold(candidate.snapshot.terms());
        let record = self.record();
        self.with_place(move |mut place| {
            let outcome = place.put(&candidate.snapshot, &record, clear);
            Done::Put(place, Box::new((candidate, outcome)))
        });
    }

    pub(super) fn with_place(&mut self, job: impl FnOnce(Place) -> Done + Send + 'static) {
        if let Some(place) = self.place.take() {
            self.job = Some(spawn_blocking(move || job(place)));
        }
    }

    pub(super) fn finished(&mut self, done: Done) {
        let (place, next_prune) = match done {
            Done::Put(place, put) => {
                let (candidate, outcome) = *put;
                let next_prune = outcome.next_prune;
                self.there.clone_from(&outcome.there);
                // First: what was known of the versions before is not known of these.
                self.outlets.placed(&candidate.snapshot, &outcome.placed, &self.missing);
                self.tell(candidate, outcome);
                (place, next_prune)
            }
            Done::Other(place, next_prune) => (place, next_prune),
        };
        self.recorded = place.recorded();
        self.place = Some(place);
        self.prune_at = next_prune.map(Instant::from_std);
    }

    /// The files are in place: tells who has to be told.
    fn tell(&mut self, candidate: Candidate, outcome: Outcome) {
        let Some((program, _)) = &self.program else { return self.settle(&candidate, outcome) };
        if outcome.trouble.is_some() {
            return self.settle(&candidate, outcome);
        }
        let (reply, verdict) = oneshot::channel();
        let offer = Offer {
            snapshot: Arc::clone(&candidate.snapshot),
            missing: self.missing.clone(),
            trial: !candidate.good,
            reply,
        };
        // Where nobody takes it, the program has ended and the sidecar is ending.
        drop(program.offers.try_send(offer));
        self.telling = Some(Telling { candidate, outcome, verdict });
    }

    /// The program has taken the set or not.
    pub(super) fn judged(&mut self, verdict: Option<Verdict>) {
        let Some(Telling { candidate, mut outcome, .. }) = self.telling.take() else { return };
        match verdict {
            Some(Verdict::Taken) => self.trial.taken(&candidate),
            Some(Verdict::Refused(why)) => {
                let next = self.trial.refused(&candidate, &why);
                tracing::error!(%why, ?next, "the program does not do with the new set");
                if next != Next::Nothing && !candidate.good {
                    self.dirty = true;
                    return;
                }
                let names = candidate.snapshot.entries().map(|(name, _)| name.clone());
                outcome.failed.extend(names.map(|name| (name, why.clone())));
            }
            None => {}
        }
        self.settle(&candidate, outcome);
    }

    /// The set is through: says what became of it.
    fn settle(&mut self, candidate: &Candidate, outcome: Outcome) {
        let Candidate { snapshot, held, kept_back, .. } = candidate;
        let Outcome { applied, failed, trouble, .. } = outcome;
        self.reported = self.has();
        let mut failing = kept_back.clone();
        failing.extend(failed.clone());
        let mut answered = BTreeSet::new();
        for waiting in std::mem::take(&mut self.serving) {
            answered.extend(waiting.changed.iter().map(|(name, _)| name.clone()));
            let mut results: Results = self.results(snapshot, held, &waiting, &failing);
            self.outlets.amend(&mut results);
            drop(waiting.reply.send(results));
        }
        self.tell_news(snapshot, &failing, &answered);
        for (name, why) in failing.iter().filter(|(name, _)| !self.failed.contains_key(*name)) {
            tracing::error!(secret = %name, %why, "not in place; what was there before stays");
        }
        if let Some(why) = trouble.as_ref().filter(|_| !self.trouble) {
            tracing::error!(%why, "the set is not in place; trying again");
        }
        self.trouble = trouble.is_some();
        self.plan_retry(failed.is_empty());
        self.tell_status(snapshot, &failing, applied);
        self.failed = failing;
    }

    /// What could not be written is tried again; what the program refused is not.
    fn plan_retry(&mut self, written: bool) {
        if written && !self.trouble {
            self.tries = 0;
        } else {
            self.tries = self.tries.saturating_add(1);
            let wait = RETRY_MIN.saturating_mul(2_u32.saturating_pow(self.tries - 1));
            self.retry_at = Some(Instant::now() + wait.min(RETRY_MAX));
        }
    }

    fn tell_status(
        &mut self,
        snapshot: &Snapshot,
        failing: &BTreeMap<SecretName, String>,
        applied: BTreeMap<SecretName, secretref_domain::version::Version>,
    ) {
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
        self.status.send_modify(|status| {
            status.complete = self.complete;
            status.lapsed = snapshot.entries().any(|(_, held)| held.value.is_none());
            status.revision = snapshot.revision();
            status.applied = applied;
            status.failed.clone_from(failing);
        });
    }
}

pub(super) async fn ended(job: &mut Option<JoinHandle<Done>>) -> Result<Done, JoinError> {
    let Some(running) = job else { return pending().await };
    let outcome = running.await;
    *job = None;
    outcome
}

/// What the program says; `None` where it has ended.
pub(super) async fn told(telling: &mut Option<Telling>) -> Option<Verdict> {
    match telling {
        Some(telling) => (&mut telling.verdict).await.ok(),
        None => pending().await,
    }
}

/// The program was started or ended by itself.
pub(super) async fn has_changed(program: &mut Option<(Program, Choice)>) {
    let Some((program, _)) = program else { return pending().await };
    if program.has.changed().await.is_err() {
        // It has ended for good, and the sidecar is ending.
        pending::<()>().await;
    }
}

const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_mins(1);
