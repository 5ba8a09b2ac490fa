//! Looks at what is so, on change and now and then, and has people told of what is news.
//!
//! Every broker looks, so that whoever asks any of them is answered; one of them tells, under a
//! lease, by the book that all of them share.

use super::{Handle, NotSent, tries};
use crate::{
    custody::{Custody, CustodyError, Lease, Remembered, Work},
    metrics,
};
use secretref_domain::{
    alert::{ChannelName, Notice},
    condition::{Bounds, Condition, ConditionKey, ConditionKind, Edge},
    name::EnvironmentName,
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::{
    sync::{Mutex, watch},
    time::{Instant, MissedTickBehavior, interval, sleep},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Looks at what is so. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Monitor(Arc<Shared>);

struct Shared {
    custody: Custody,
    alerts: Handle,
    bounds: Bounds,
    quiet_seconds: i64,
    /// Since when instances have been seen to be behind.
    remembered: Mutex<Remembered>,
    /// Looks that came to an end.
    looks: watch::Sender<u64>,
    /// When the first began.
    began: Instant,
}

/// What came of telling people by one channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sent {
    /// How many conditions they were told of.
    pub told: usize,
    /// Why they were not told of the others.
    pub failed: Option<NotSent>,
}

impl Monitor {
    /// Looks with these bounds, and leaves people alone for so long with what comes and goes.
    #[must_use]
    pub fn new(custody: Custody, alerts: Handle, bounds: Bounds, quiet_seconds: i64) -> Self {
        Self(Arc::new(Shared {
            custody,
            alerts,
            bounds,
            quiet_seconds,
            remembered: Mutex::default(),
            looks: watch::Sender::default(),
            began: Instant::now(),
        }))
    }

    /// How many looks came to an end, now and from now on.
    #[must_use]
    pub fn looks(&self) -> watch::Receiver<u64> {
        self.0.looks.subscribe()
    }

    /// Looks until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut revisions = self.0.custody.feed().revisions();
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut lease, mut measured) = (None, None::<Instant>);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = looks.tick() => {}
                changed = revisions.changed() => if changed.is_err() { break },
            }
            revisions.mark_unchanged();
            let began = Instant::now();
            match self.look(&mut lease).await {
                Ok(()) => {}
                Err(error) => tracing::warn!(%error, "what is so was not looked at"),
            }
            self.0.looks.send_modify(|looks| *looks += 1);
            if measured.is_none_or(|at| at.elapsed() >= MEASURE_EVERY) {
                self.measure().await;
                measured = Some(Instant::now());
            }
            // Changes that come together are looked at together, and looking takes a small part
            // of the time, however much there is to look at.
            let rest = REST_MIN.max(began.elapsed() * REST_TIMES);
            tokio::select! {
                () = stop.cancelled() => break,
                () = sleep(rest) => {}
            }
        }
        if let Some(lease) = lease {
            self.0.custody.leave(lease).await;
        }
    }

    /// Everything that is so in an environment, or in all, the worst first; with `days`, values
    /// that end within so many days, whether or not they are rotated by themselves.
    ///
    /// # Errors
    /// [`CustodyError::Store`].
    pub async fn conditions(
        &self,
        environment: Option<&EnvironmentName>,
        days: Option<i64>,
    ) -> Result<Vec<Condition>, CustodyError> {
        let bounds = match days {
            Some(days) => Bounds {
                expiring_seconds: days * DAY_SECONDS,
                trusts_rotation: false,
                ..self.0.bounds
            },
            None => self.0.bounds,
        };
        let mut found = self.all(environment, &bounds, true).await?;
        found.sort_by(|one, other| (other.severity, &one.key).cmp(&(one.severity, &other.key)));
        Ok(found)
    }

    /// Tells people by one channel of what is so, once and at once: of these, or of all where none
    /// is named; and that others are over.
    ///
    /// # Errors
    /// [`CustodyError::Store`] where it is not known what is so.
    pub async fn tell(
        &self,
        environment: &EnvironmentName,
        channel: &ChannelName,
        days: Option<i64>,
        named: BTreeSet<ConditionKey>,
        over: BTreeSet<ConditionKey>,
    ) -> Result<Sent, CustodyError> {
        let (custody, alerts) = (&self.0.custody, &self.0.alerts);
        let so = self.conditions(Some(environment), days).await?;
        let book = custody.book().await?;
        let at = custody.now();
        let id = |key: &ConditionKey| book.entry(key).map_or_else(Uuid::now_v7, |it| it.id);
        let all = named.is_empty() && over.is_empty();
        let wanted = so.iter().filter(|it| all || named.contains(&it.key));
        let mut notices: Vec<Notice> =
            wanted.map(|it| Notice { id: id(&it.key), at, alert: it.alert(), more: 0 }).collect();
        let ended = over.iter().filter(|key| so.iter().all(|it| it.key != **key));
        notices.extend(ended.map(|key| {
            let since = book.entry(key).map_or(at, |entry| entry.since);
            let was = book.entry(key).map_or("", |entry| entry.message.as_str());
            Notice { id: id(key), at, alert: Condition::over(key, since, was), more: 0 }
        }));
        let more = notices.len().saturating_sub(alerts.0.pace.per_window_max);
        notices.truncate(alerts.0.pace.per_window_max);
        if let Some(last) = notices.last_mut() {
            last.more = more;
        }
        let mut sent = Sent::default();
        for notice in notices {
            let (shared, stands_for) = (Arc::clone(&alerts.0), 1 + notice.more);
            let (environment, channel) = (environment.clone(), channel.clone());
            // It is sent to its end whether or not anybody waits for it.
            let sending =
                tokio::spawn(
                    async move { tries::once(&shared, &environment, &channel, &notice).await },
                );
            match sending.await.unwrap_or_else(|error| Err(NotSent::of(error.to_string()))) {
                Ok(()) => sent.told += stands_for,
                Err(failed) => return Ok(Sent { failed: Some(failed), ..sent }),
            }
        }
        Ok(sent)
    }

    async fn all(
        &self,
        environment: Option<&EnvironmentName>,
        bounds: &Bounds,
        agents: bool,
    ) -> Result<Vec<Condition>, CustodyError> {
        let custody = &self.0.custody;
        let seen = {
            let mut remembered = self.0.remembered.lock().await;
            custody.seen(bounds, &mut remembered).await?
        };
        Ok(custody.conditions(environment, &seen, bounds, agents).await)
    }

    /// Measures what is so, with what each agent goes without.
    async fn measure(&self) {
        match self.all(None, &self.0.bounds, true).await {
            Ok(so) => metrics::looked(&so),
            Err(error) => tracing::debug!(%error, "what is so was not measured"),
        }
    }

    async fn look(&self, lease: &mut Option<Lease>) -> Result<(), CustodyError> {
        let Shared { custody, alerts, bounds, quiet_seconds, .. } = &*self.0;
        let mut so = self.all(None, bounds, false).await?;
        // Asked after the look: a broker that was slow does not tell what another has told.
        *lease = custody.take_work(Work::Telling).await?;
        if lease.is_none() {
            return Ok(());
        }
        let mut book = custody.book().await?;
        // Whoever held a stream before this broker was started is about to come back.
        if self.0.began.elapsed() < RETURN_TIME {
            let kind = ConditionKind::ConsumerLagging;
            so.retain(|condition| condition.key.kind != kind);
            book.forget(kind);
        }
        let told = custody.environments_with_channels();
        let tells = |key: &ConditionKey| told.contains(&key.environment);
        let now = custody.now();
        let turn = book.look(so, now, *quiet_seconds, EDGES_MAX, tells, Uuid::now_v7);
        for edge in &turn.edges {
            let (id, alert) = match edge {
                Edge::Began { id, condition } => (*id, condition.alert()),
                Edge::Over { id, key, since, was } => (*id, Condition::over(key, *since, was)),
            };
            alerts.tell(Notice { id, at: now, alert, more: 0 }).await;
        }
        custody.keep_told(&turn).await
    }
}

/// How often it is looked where nothing changes: time passes.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How often what is so is measured: with all agents, which takes longer than a look.
const MEASURE_EVERY: Duration = Duration::from_secs(15);
/// The shortest time between two looks.
const REST_MIN: Duration = Duration::from_millis(500);
/// How much longer than a look the time to the next one is.
const REST_TIMES: u32 = 9;
/// How long sidecars take to come back to a broker that was started again.
const RETURN_TIME: Duration = Duration::from_secs(30);
/// What people are told of in one look; more is told in the next.
const EDGES_MAX: usize = 500;
const DAY_SECONDS: i64 = 24 * 3600;
