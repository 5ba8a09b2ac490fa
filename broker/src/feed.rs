//! Which sidecars are connected, and the wake-up of those that a commit concerns.
//!
//! Nothing is queued: a stream has one flag that says "look again", so its memory does not grow
//! with what it has not read, and it can miss no last state.

use secretref_domain::{
    clock::Timestamp,
    condition::TrailAlarm,
    id::{AgentId, InstanceId, SecretId},
    traceparent::TraceParent,
    version::{Revision, Version},
};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Why a stream has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The agent or instance is revoked.
    Revoked,
    /// A newer stream of the same instance took its place.
    Superseded,
    /// What was sent on it is of another history than what there is now.
    Rebased,
}

/// All connected streams.
#[derive(Clone)]
pub struct Feed(Arc<Shared>);

struct Shared {
    streams: Mutex<HashMap<AgentId, BTreeMap<u64, Arc<Stream>>>>,
    next: AtomicU64,
    /// Instances that held a stream and hold none any more, until somebody notes it.
    departed: Mutex<HashSet<InstanceId>>,
    revision: watch::Sender<Revision>,
    count: watch::Sender<usize>,
}

/// One connected stream, as the rest of the broker reaches it.
struct Stream {
    instance: InstanceId,
    boot: Uuid,
    /// What its sidecar called its version.
    version: Mutex<String>,
    /// What its sidecar found wrong with the audit trail, and since when it says so.
    alarm: Mutex<Option<(Timestamp, String)>>,
    pending: Mutex<Pending>,
    wake: Notify,
    /// Besides `wake`, where it has to end.
    cut: Notify,
    revoked: CancellationToken,
}

#[derive(Default)]
struct Pending {
    dirty: bool,
    recorded: HashMap<SecretId, Version>,
    trace: Option<TraceParent>,
    /// When the first commit came that it has not looked at yet.
    since: Option<Instant>,
    cut: Option<Cut>,
}

/// What a stream finds when it is woken.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Woken {
    /// Deliveries whose audit record is durable already.
    pub recorded: HashMap<SecretId, Version>,
    /// The span of the commit that it was woken by last.
    pub trace: Option<TraceParent>,
    /// When the first commit came that it was woken by.
    pub since: Option<Instant>,
    /// Whether it has to end.
    pub cut: Option<Cut>,
}

/// A stream's own end of the feed; it leaves when this is dropped.
pub struct Subscription {
    feed: Feed,
    agent: AgentId,
    key: u64,
    stream: Arc<Stream>,
    rival: Option<Uuid>,
}

/// Whom a commit concerns.
#[derive(Debug, Default)]
pub struct Publication {
    /// Agents whose set may have changed.
    pub agents: Vec<AgentId>,
    /// Agents that are no longer admitted.
    pub revoked: Vec<AgentId>,
    /// Instances that are no longer admitted.
    pub revoked_instances: Vec<(AgentId, InstanceId)>,
    /// The span of the commit, for each agent that it touches.
    pub traces: HashMap<AgentId, TraceParent>,
    /// Deliveries whose audit record was part of the commit.
    pub recorded: Vec<((AgentId, SecretId, Version), HashSet<InstanceId>)>,
}

impl Feed {
    /// A feed that has reached a revision.
    #[must_use]
    pub fn new(revision: Revision) -> Self {
        Self(Arc::new(Shared {
            streams: Mutex::default(),
            next: AtomicU64::new(1),
            departed: Mutex::default(),
            revision: watch::Sender::new(revision),
            count: watch::Sender::new(0),
        }))
    }

    /// Adds a stream. To be done before its first set is worked out, so that no commit falls
    /// between the two. `boot` names the process that the stream comes from: an older stream of the
    /// same instance is superseded at once where it is another process's, and by
    /// [`Subscription::supersede`] where it is its own, so that a sidecar is never without one.
    #[must_use]
    pub fn subscribe(&self, agent: AgentId, instance: InstanceId, boot: Uuid) -> Subscription {
        let key = self.0.next.fetch_add(1, Ordering::Relaxed);
        let pending = Mutex::new(Pending { dirty: true, ..Pending::default() });
        let (wake, cut, revoked) = (Notify::new(), Notify::new(), CancellationToken::new());
        let (version, alarm) = (Mutex::default(), Mutex::default());
        let stream =
            Arc::new(Stream { instance, boot, version, alarm, pending, wake, cut, revoked });
        stream.wake.notify_one();
        let mut streams = lock(&self.0.streams);
        let of_agent = streams.entry(agent).or_default();
        let mut rival = None;
        let others = of_agent.values().filter(|it| it.instance == instance && it.boot != boot);
        for older in others {
            rival = rival.or(Some(older.boot));
            older.cut(Cut::Superseded);
        }
        of_agent.insert(key, Arc::clone(&stream));
        self.0.count.send_modify(|count| *count += 1);
        Subscription { feed: self.clone(), agent, key, stream, rival }
    }

    /// The instances of an agent that hold a stream here.
    #[must_use]
    pub fn live(&self, agent: AgentId) -> Vec<InstanceId> {
        let streams = lock(&self.0.streams);
        let of_agent = streams.get(&agent).into_iter().flat_map(BTreeMap::values);
        let mut live: Vec<_> = of_agent.map(|stream| stream.instance).collect();
        live.sort_unstable();
        live.dedup();
        live
    }

    /// The instances that hold a stream here.
    #[must_use]
    pub fn present(&self) -> HashSet<InstanceId> {
        let streams = lock(&self.0.streams);
        streams.values().flat_map(BTreeMap::values).map(|stream| stream.instance).collect()
    }

    /// The instances that have held their last stream here since this was asked before.
    #[must_use]
    pub fn departed(&self) -> HashSet<InstanceId> {
        let present = self.present();
        let mut departed = std::mem::take(&mut *lock(&self.0.departed));
        departed.retain(|instance| !present.contains(instance));
        departed
    }

    /// What the sidecars of an agent call their versions, for each instance that holds a stream
    /// here; of two streams of one instance, the newer one's.
    #[must_use]
    pub fn versions(&self, agent: AgentId) -> HashMap<InstanceId, String> {
        let streams = lock(&self.0.streams);
        let of_agent = streams.get(&agent).into_iter().flat_map(BTreeMap::values);
        of_agent.map(|stream| (stream.instance, lock(&stream.version).clone())).collect()
    }

    /// What the sidecars of an agent that hold a stream here found wrong with the audit trail.
    #[must_use]
    pub fn alarms(&self, agent: AgentId) -> HashMap<InstanceId, String> {
        let streams = lock(&self.0.streams);
        let of_agent = streams.get(&agent).into_iter().flat_map(BTreeMap::values);
        let alarm = |stream: &Arc<Stream>| {
            let (_, what) = lock(&stream.alarm).clone()?;
            Some((stream.instance, what))
        };
        of_agent.filter_map(alarm).collect()
    }

    /// The same of all agents.
    #[must_use]
    pub fn all_alarms(&self) -> HashMap<AgentId, Vec<TrailAlarm>> {
        let mut alarms: HashMap<AgentId, Vec<TrailAlarm>> = HashMap::new();
        for (agent, of_agent) in lock(&self.0.streams).iter() {
            for stream in of_agent.values() {
                if let Some((since, what)) = lock(&stream.alarm).clone() {
                    let alarm = TrailAlarm { instance: stream.instance, since, what };
                    alarms.entry(*agent).or_default().push(alarm);
                }
            }
        }
        alarms
    }

    /// Wakes those that a commit concerns. To be called once it is durable and folded.
    pub fn publish(&self, revision: Revision, publication: &Publication) {
        let streams = lock(&self.0.streams);
        for ((agent, secret, version), instances) in &publication.recorded {
            for stream in streams.get(agent).into_iter().flat_map(BTreeMap::values) {
                if instances.contains(&stream.instance) {
                    lock(&stream.pending).recorded.insert(*secret, *version);
                }
            }
        }
        // Those who lose something go first.
        for agent in &publication.revoked {
            for stream in streams.get(agent).into_iter().flat_map(BTreeMap::values) {
                stream.cut(Cut::Revoked);
            }
        }
        for (agent, instance) in &publication.revoked_instances {
            for stream in streams.get(agent).into_iter().flat_map(BTreeMap::values) {
                if stream.instance == *instance {
                    stream.cut(Cut::Revoked);
                }
            }
        }
        let now = Instant::now();
        for agent in &publication.agents {
            for stream in streams.get(agent).into_iter().flat_map(BTreeMap::values) {
                let mut pending = lock(&stream.pending);
                pending.trace = publication.traces.get(agent).copied().or(pending.trace);
                pending.since.get_or_insert(now);
                let dirty = std::mem::replace(&mut pending.dirty, true);
                drop(pending);
                // One that has not looked since it was woken costs nothing more.
                if !dirty {
                    stream.wake.notify_one();
                }
            }
        }
        drop(streams);
        self.0.revision.send_if_modified(|reached| {
            let newer = revision > *reached;
            *reached = revision.max(*reached);
            newer
        });
    }

    /// Begins at another revision, which may be an older one, and ends every stream.
    pub fn rebase(&self, revision: Revision) {
        self.0.revision.send_replace(revision);
        for stream in lock(&self.0.streams).values().flat_map(BTreeMap::values) {
            stream.cut(Cut::Rebased);
        }
    }

    /// The revision that the feed has reached.
    #[must_use]
    pub fn revision(&self) -> Revision {
        *self.0.revision.borrow()
    }

    /// The revision that the feed has reached, now and from now on.
    #[must_use]
    pub fn revisions(&self) -> watch::Receiver<Revision> {
        self.0.revision.subscribe()
    }

    /// How many streams there are, now and from now on.
    #[must_use]
    pub fn count(&self) -> watch::Receiver<usize> {
        self.0.count.subscribe()
    }
}

impl Stream {
    fn cut(&self, cut: Cut) {
        // Revocation goes before everything else, and nothing takes it back.
        let mut pending = lock(&self.pending);
        if pending.cut != Some(Cut::Revoked) {
            pending.cut = Some(cut);
        }
        drop(pending);
        if cut == Cut::Revoked {
            self.revoked.cancel();
        }
        self.wake.notify_one();
        self.cut.notify_one();
    }
}

impl Subscription {
    /// Notes what the sidecar calls its version.
    pub fn introduce(&self, version: String) {
        *lock(&self.stream.version) = version;
    }

    /// Notes what the sidecar found wrong with the audit trail.
    pub fn alarm(&self, what: String, now: Timestamp) {
        let mut alarm = lock(&self.stream.alarm);
        let since = alarm.as_ref().map_or(now, |(since, _)| *since);
        *alarm = Some((since, what));
    }

    /// Another process that held a stream of this instance when it came: one of the two has a copy
    /// of the other's key.
    #[must_use]
    pub fn rival(&self) -> Option<Uuid> {
        self.rival
    }

    /// Ends the older streams of the same instance. To be called once the sidecar has shown that it
    /// is at home on this one.
    pub fn supersede(&self) {
        let streams = lock(&self.feed.0.streams);
        let of_agent = streams.get(&self.agent).into_iter().flat_map(|all| all.range(..self.key));
        for (_, older) in of_agent.filter(|(_, older)| older.instance == self.stream.instance) {
            older.cut(Cut::Superseded);
        }
    }

    /// Waits until there is something to look at. Cancel-safe: a wake-up is kept until `take`.
    pub async fn woken(&self) {
        self.stream.wake.notified().await;
    }

    /// Waits until the stream has to end: for one that could do nothing with anything else. Leaves
    /// to [`Subscription::woken`] what comes meanwhile. Cancel-safe, as it is.
    pub async fn cut(&self) {
        self.stream.cut.notified().await;
    }

    /// Waits until the agent or instance is revoked; returns at once from then on. For what must
    /// not go on, however far it is.
    pub async fn revoked(&self) {
        self.stream.revoked.cancelled().await;
    }

    /// What there is to look at; nothing where a wake-up was spurious.
    #[must_use]
    pub fn take(&self) -> Option<Woken> {
        let mut pending = lock(&self.stream.pending);
        let dirty = std::mem::take(&mut pending.dirty);
        let recorded = std::mem::take(&mut pending.recorded);
        let (trace, since, cut) = (pending.trace.take(), pending.since.take(), pending.cut);
        (dirty || cut.is_some()).then_some(Woken { recorded, trace, since, cut })
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut streams = lock(&self.feed.0.streams);
        if let Some(of_agent) = streams.get_mut(&self.agent) {
            of_agent.remove(&self.key);
            if of_agent.is_empty() {
                streams.remove(&self.agent);
            }
        }
        drop(streams);
        lock(&self.feed.0.departed).insert(self.stream.instance);
        self.feed.0.count.send_modify(|count| *count -= 1);
    }
}

/// A poisoned lock is taken all the same: every critical section here leaves its state whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
