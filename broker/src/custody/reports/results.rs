//! What sidecars say on its way into the store.
//!
//! A push to a thousand sidecars has a thousand answers within milliseconds. They are gathered, the
//! last word of each instance on each secret, and the writer saves them together while the next
//! ones gather; so their number grows with the bindings and not with what is said. Nothing that
//! leaves waits for them.

use super::{ReportState, action};
use crate::{
    custody::{RECIPIENTS_MAX, agents::agent_event, plan::event},
    store::{ReportRow, ScheduleRow},
};
use secretref_domain::{
    audit::{Event, Recipient},
    caller::Caller,
    delivery::Evidence,
    id::{InstanceId, SecretId},
    ledger::Ledger,
    name::AgentName,
};
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep_until},
};

/// What was said and is not saved yet.
pub(in crate::custody) struct Results {
    gathered: Mutex<Gathered>,
    more: Notify,
    /// Number of the last round that was saved, or given up for now.
    done: watch::Sender<u64>,
}

struct Gathered {
    rows: HashMap<(InstanceId, SecretId), Said>,
    schedules: HashMap<InstanceId, Scheduled>,
    /// Number of the round that saves them, from 1.
    round: u64,
    /// When that round may begin.
    due_at: Instant,
}

/// What an instance said last of a secret.
pub(in crate::custody) struct Said {
    pub(super) agent: AgentName,
    pub(super) row: ReportRow,
}

/// What an instance said last of its scheduled program.
pub(in crate::custody) struct Scheduled {
    pub(super) agent: AgentName,
    pub(super) row: ScheduleRow,
    /// The same in words, for the trail.
    pub(super) words: String,
}

/// What one round saves.
#[derive(Default)]
pub(in crate::custody) struct Round {
    number: u64,
    said: Vec<Said>,
    scheduled: Vec<Scheduled>,
}

impl Results {
    pub(in crate::custody) fn new() -> Self {
        let (rows, schedules) = (HashMap::new(), HashMap::new());
        let gathered = Gathered { rows, schedules, round: 1, due_at: Instant::now() };
        Self { gathered: Mutex::new(gathered), more: Notify::new(), done: watch::Sender::new(0) }
    }

    pub(super) fn add(&self, said: impl Iterator<Item = Said>) {
        self.gather(|gathered| {
            for said in said {
                gathered.rows.insert((said.row.instance, said.row.secret), said);
            }
        });
    }

    pub(super) fn add_schedule(&self, said: Scheduled) {
        self.gather(|gathered| drop(gathered.schedules.insert(said.row.instance, said)));
    }

    fn gather(&self, add: impl FnOnce(&mut Gathered)) {
        let mut gathered = self.lock();
        let first = gathered.is_empty();
        add(&mut gathered);
        if first && !gathered.is_empty() {
            gathered.due_at = gathered.due_at.max(Instant::now() + GATHER);
            self.more.notify_one();
        }
    }

    /// Has what was said so far saved at once, and waits until it is, or could not be.
    pub(super) async fn settled(&self) {
        let round = {
            let mut gathered = self.lock();
            gathered.due_at = Instant::now();
            if gathered.is_empty() { gathered.round - 1 } else { gathered.round }
        };
        self.more.notify_one();
        // Fails only where the broker is going, and with it whoever waits.
        drop(self.done.subscribe().wait_for(|done| *done >= round).await);
    }

    /// Number of the last round that was saved, now and from now on.
    pub(in crate::custody) fn saved(&self) -> watch::Receiver<u64> {
        self.done.subscribe()
    }

    /// Waits until there is something to save, and time to. Cancel-safe.
    pub(in crate::custody) async fn due(&self) {
        loop {
            let due_at = {
                let gathered = self.lock();
                (!gathered.is_empty()).then_some(gathered.due_at)
            };
            match due_at {
                Some(due_at) => tokio::select! {
                    () = sleep_until(due_at) => return,
                    () = self.more.notified() => {}
                },
                None => self.more.notified().await,
            }
        }
    }

    /// What is to be saved now; nothing where it may still gather.
    pub(in crate::custody) fn take(&self) -> Option<Round> {
        let mut gathered = self.lock();
        if gathered.is_empty() || Instant::now() < gathered.due_at {
            return None;
        }
        let number = gathered.round;
        gathered.round += 1;
        let said = std::mem::take(&mut gathered.rows).into_values().collect();
        let scheduled = std::mem::take(&mut gathered.schedules).into_values().collect();
        Some(Round { number, said, scheduled })
    }

    /// Ends a round. What was not saved is saved with a later one, unless it was said anew.
    pub(in crate::custody) fn end(&self, round: Round, saved: bool) {
        if !saved {
            let mut gathered = self.lock();
            gathered.due_at = Instant::now() + RETRY_AFTER;
            for said in round.said {
                gathered.rows.entry((said.row.instance, said.row.secret)).or_insert(said);
            }
            for said in round.scheduled {
                gathered.schedules.entry(said.row.instance).or_insert(said);
            }
            drop(gathered);
            self.more.notify_one();
        }
        self.done.send_replace(round.number);
    }

    /// A poisoned lock is taken all the same: a map is whole after every insertion.
    fn lock(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gathered {
    fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.schedules.is_empty()
    }
}

impl Round {
    pub(in crate::custody) fn schedules(&self) -> impl Iterator<Item = ScheduleRow> {
        self.scheduled.iter().map(|said| said.row.clone())
    }

    pub(in crate::custody) fn rows(&self) -> impl Iterator<Item = ReportRow> {
        self.said.iter().map(|said| said.row.clone())
    }

    /// The entries of the trail: one for all who say the same, on whose behalf it is written.
    pub(in crate::custody) fn events(&self, caller: &Caller, ledger: &Ledger) -> Vec<Event> {
        let mut alike: HashMap<_, Vec<&Said>> = HashMap::new();
        // That something was sent is in the trail already, from before it was.
        let received = ReportState::Received as i64;
        for said in self.said.iter().filter(|said| said.row.state != received) {
            let row = &said.row;
            let words = (row.secret, row.version, row.state, row.evidence, row.detail.as_str());
            alike.entry(words).or_default().push(said);
        }
        let entries = alike.values().flat_map(|alike| alike.chunks(RECIPIENTS_MAX));
        let results = entries.filter_map(|alike| told(caller, ledger, alike));
        results.chain(self.scheduled.iter().map(|said| scheduled(caller, said))).collect()
    }
}

fn told(caller: &Caller, ledger: &Ledger, alike: &[&Said]) -> Option<Event> {
    let row = &alike.first()?.row;
    let secret = ledger.secret(row.secret)?;
    let recipient = |said: &&Said| Recipient {
        agent: said.row.agent,
        name: said.agent.to_string(),
        instance: said.row.instance,
    };
    Some(Event {
        environment: secret.environment.to_string(),
        object_kind: "secret",
        object: secret.name.to_string(),
        object_id: row.secret.0,
        version: row.version,
        // Why it failed, or else how the sidecar knows that it did not.
        reason: match row.detail.as_str() {
            "" => Evidence::of(row.evidence).as_str().to_owned(),
            detail => detail.to_owned(),
        },
        recipients: alike.iter().map(recipient).collect(),
        ..event(caller, action(ReportState::of(row.state)?))
    })
}

fn scheduled(caller: &Caller, said: &Scheduled) -> Event {
    let ScheduleRow { environment, agent, instance, .. } = &said.row;
    Event {
        object_id: agent.0,
        reason: said.words.clone(),
        recipients: vec![Recipient {
            agent: *agent,
            name: said.agent.to_string(),
            instance: *instance,
        }],
        ..agent_event(caller, "agent.schedule", environment, &said.agent)
    }
}

/// How long results gather: longer than a push to a thousand takes, so that saving them does not
/// slow it.
const GATHER: Duration = Duration::from_millis(50);
/// How long to wait after a round that was not saved.
const RETRY_AFTER: Duration = Duration::from_secs(1);
