//! The one writer: it groups what callers want, makes it durable in one transaction, and only then
//! answers them and wakes the streams.
//!
//! While a commit is under way, the next commands gather; so the busier it is, the more commands
//! share a commit. A batch with changes takes the head's lock, gets one revision, and extends the
//! authority log and the audit lane under it. A batch of notes alone (deliveries, results,
//! denials) touches only this broker's lane, so that brokers do not wait for one another.
//!
//! Whoever asks may go away at any time: his command is carried out whole or not at all.

mod batch;
mod job;

use super::{
    CustodyError, Shared, chain,
    load::{load, target},
    plan::{Committed, Plan, RequestKey},
};
use crate::{
    feed::Publication,
    metrics,
    store::{Head, LaneHead, Locked, LogRow, StoreError},
};
use batch::Draft;
pub(super) use batch::delivery_events;
use job::{Job, Verb};
use secretref_domain::{audit::Event, ledger::Ledger, traceparent::TraceParent};
use serde::{Serialize, de::DeserializeOwned};
use std::{collections::HashSet, sync::Arc};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

/// Something on its way to the writer.
pub(super) enum Command {
    /// The plan of a verb.
    Change(Change),
    /// Something to be recorded that changes nothing.
    Note(Note),
}

pub(super) struct Change {
    request: Option<RequestKey>,
    /// The span of whoever asks.
    trace: Option<TraceParent>,
    job: Box<dyn Job>,
}

pub(super) struct Note {
    events: Vec<Event>,
    reply: oneshot::Sender<Result<(), CustodyError>>,
}

/// The callers' end of the writer.
#[derive(Clone)]
pub(super) struct WriterHandle(mpsc::Sender<Command>);

impl WriterHandle {
    /// A queue for a writer.
    pub(super) fn queue() -> (Self, mpsc::Receiver<Command>) {
        let (sender, commands) = mpsc::channel(COMMANDS_MAX);
        (Self(sender), commands)
    }

    /// Hands a plan to the writer and waits until its effects are durable.
    pub(super) async fn change<T>(
        &self,
        request: Option<RequestKey>,
        plan: Plan<T>,
    ) -> Result<Committed<T>, CustodyError>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
    {
        let (job, answer) = Verb::new(plan);
        let change = Change { request, trace: secretref_spans::current(), job: Box::new(job) };
        self.0.send(Command::Change(change)).await.map_err(|_| CustodyError::Stopping)?;
        answer.await.map_err(|_| CustodyError::Stopping)?
    }

    /// Records events, and waits until they are durable.
    pub(super) async fn note(&self, events: Vec<Event>) -> Result<(), CustodyError> {
        let (reply, answer) = oneshot::channel();
        let note = Note { events, reply };
        self.0.send(Command::Note(note)).await.map_err(|_| CustodyError::Stopping)?;
        answer.await.map_err(|_| CustodyError::Stopping)?
    }
}

/// The writer. There is one for each broker.
pub(super) struct Writer {
    shared: Arc<Shared>,
    commands: mpsc::Receiver<Command>,
    /// The ledger with everything that is planned; the readers' one follows when it is durable.
    ledger: Ledger,
    head: Head,
    lane: LaneHead,
    /// Whether a batch failed, so that ledger, head and lane may not be what is durable.
    astray: bool,
}

impl Writer {
    /// A writer that goes on from a head and a lane.
    pub(super) fn new(
        shared: Arc<Shared>,
        commands: mpsc::Receiver<Command>,
        head: Head,
        lane: LaneHead,
    ) -> Self {
        let ledger = shared.ledger().clone();
        Self { shared, commands, ledger, head, lane, astray: false }
    }

    /// Runs until every handle is gone.
    pub(super) async fn run(mut self) {
        let mut held_back = Vec::new();
        loop {
            let mut batch = std::mem::take(&mut held_back);
            if batch.is_empty() {
                tokio::select! {
                    biased;
                    command = self.commands.recv() => match command {
                        Some(command) => batch.push(command),
                        None => return,
                    },
                    () = self.shared.results.due() => {}
                    () = self.shared.following.look.notified() => {
                        if let Err(error) = self.look().await {
                            tracing::error!(%error, "what other brokers committed is not followed");
                        }
                        continue;
                    }
                }
            }
            while batch.len() < BATCH_MAX
                && let Ok(command) = self.commands.try_recv()
            {
                batch.push(command);
            }
            held_back = hold_back_twins(&mut batch);
            self.commit(batch).await;
        }
    }

    async fn commit(&mut self, batch: Vec<Command>) {
        let results = self.shared.results.take();
        let mut draft = Draft::new(batch, results, self.shared.clock.now());
        let began = Instant::now();
        match self.write(&mut draft).await {
            Ok(recorded) => {
                metrics::committed(Some(draft.entries()), began.elapsed());
                self.shared.touch();
                if recorded {
                    self.shared.note_recorded(Ok(()));
                }
                self.shared.written.send_modify(|count| *count += 1);
                let publication = self.make_visible(&mut draft).await;
                let revision = self.head.revision;
                self.shared.feed.publish(revision, &publication);
                draft.answer(&self.shared, revision);
            }
            Err(error) => {
                metrics::committed(None, began.elapsed());
                tracing::warn!(%error, "a batch was not written");
                self.astray = true;
                self.shared.note_recorded(Err(&error));
                draft.refuse(&self.shared, &error);
            }
        }
    }

    /// Makes a batch durable; whether there was anything to be.
    async fn write(&mut self, draft: &mut Draft) -> Result<bool, StoreError> {
        if self.astray {
            self.find_back().await?;
        }
        if !draft.has_changes() {
            return self.append(draft).await;
        }
        let mut locked = self.shared.store.lock().await?;
        if *locked.head() != self.head {
            self.catch_up(&mut locked).await?;
        }
        let recorded = locked.requests(&draft.request_ids()).await?;
        draft.replay(recorded);
        let mut head = self.head.clone();
        // The ledger may run ahead of what is durable from here on; `astray` brings it back.
        draft.plan(&self.shared, &mut self.ledger, &mut head)?;
        if !draft.has_effects() {
            drop(locked);
            return self.append(draft).await;
        }
        let mut lane = self.lane.clone();
        let rows = draft.rows(&self.shared, &self.ledger, &head, &mut lane);
        locked.commit(rows).await?;
        (self.head, self.lane) = (head, lane);
        Ok(true)
    }

    async fn append(&mut self, draft: &mut Draft) -> Result<bool, StoreError> {
        let mut lane = self.lane.clone();
        let rows = draft.rows(&self.shared, &self.ledger, &self.head, &mut lane);
        let anything = !rows.audit.is_empty() || !rows.reports.is_empty();
        if anything {
            self.shared.store.append(rows).await?;
        }
        self.lane = lane;
        Ok(anything)
    }

    /// Folds what is durable into the readers' ledger, and says whom it concerns.
    async fn make_visible(&mut self, draft: &mut Draft) -> Publication {
        for (key, body) in draft.bodies() {
            self.shared.bodies.insert(key, body).await;
        }
        for key in draft.shredded() {
            self.shared.bodies.forget(&key).await;
        }
        let revision = self.head.revision;
        let mut ledger = self.shared.ledger_mut();
        for record in draft.records() {
            if let Err(error) = ledger.fold(revision, record) {
                // The same record has just been folded into the writer's own ledger.
                tracing::error!(%error, "the readers' ledger differs from the writer's");
            }
        }
        drop(ledger);
        draft.publication()
    }

    /// Reads what other brokers committed since, and folds it.
    async fn catch_up(&mut self, locked: &mut Locked) -> Result<(), StoreError> {
        let target = locked.head().clone();
        let rows = locked.log_after(self.head.revision, i64::MAX).await?;
        self.fold_rows(&rows, &target)
    }

    /// Reads and folds what other brokers committed, without the lock: nobody waits for it.
    async fn look(&mut self) -> Result<(), StoreError> {
        if let Some(timeline) = self.shared.following.other_timeline() {
            return Box::pin(self.begin_anew(timeline)).await;
        }
        if self.astray {
            return self.find_back().await;
        }
        let target = target(&self.shared.store).await?;
        if target == self.head {
            return Ok(());
        }
        let mut rows = self.shared.store.log_after(self.head.revision, i64::MAX, i64::MAX).await?;
        // What was committed since the head was read is seen at the next look.
        rows.retain(|row| row.revision <= target.revision);
        self.fold_rows(&rows, &target)
    }

    /// The database has another timeline: what this broker saw committed may be gone, and other
    /// records may have its revisions. Everything is read and verified from the beginning, and
    /// every sidecar is told its set anew, as one of another history.
    async fn begin_anew(&mut self, timeline: i64) -> Result<(), StoreError> {
        let loaded = load(&self.shared.store, &self.shared.keyring(), self.shared.broker).await?;
        tracing::warn!(
            timeline,
            before = %self.head.revision,
            now = %loaded.head.revision,
            "the database is on another timeline; the log of authority was read anew"
        );
        self.ledger = loaded.ledger.clone();
        *self.shared.ledger_mut() = loaded.ledger;
        (self.head, self.lane, self.astray) = (loaded.head, loaded.lane, false);
        self.shared.bodies.clear();
        self.shared.following.moved_to(timeline);
        self.shared.feed.rebase(self.head.revision);
        Ok(())
    }

    fn fold_rows(&mut self, rows: &[LogRow], target: &Head) -> Result<(), StoreError> {
        let damaged = |error: &dyn std::fmt::Display| StoreError::Damaged(error.to_string());
        let mut head = self.head.clone();
        let mut records = Vec::with_capacity(rows.len());
        for row in rows {
            let record = chain::verify(&self.shared.keyring(), &mut head, row)
                .map_err(|error| damaged(&error))?;
            records.push((row.revision, record));
        }
        if head != *target {
            return Err(damaged(&"the authority log does not end at the head"));
        }
        let mut publication = Publication::default();
        let mut readers = self.shared.ledger_mut();
        for (revision, record) in &records {
            let touched = self.ledger.fold(*revision, record).map_err(|error| damaged(&error))?;
            readers.fold(*revision, record).map_err(|error| damaged(&error))?;
            batch::trace(&mut publication, &touched, record.trace);
            batch::concern(&mut publication, touched);
        }
        drop(readers);
        self.head = head;
        self.shared.feed.publish(self.head.revision, &publication);
        Ok(())
    }

    /// After a failed batch: goes back to what the readers have, and on to what is durable. A
    /// commit whose answer was lost is found here.
    async fn find_back(&mut self) -> Result<(), StoreError> {
        let mut locked = self.shared.store.lock().await?;
        self.ledger = self.shared.ledger().clone();
        if *locked.head() != self.head {
            self.catch_up(&mut locked).await?;
        }
        drop(locked);
        self.lane = self.shared.store.lane_head(self.shared.broker).await?;
        self.astray = false;
        Ok(())
    }
}

/// Of commands with one request id, only the first may be in a batch: the others come after its
/// answer is recorded.
fn hold_back_twins(batch: &mut Vec<Command>) -> Vec<Command> {
    let mut seen = HashSet::new();
    let twin = |command: &mut Command| match command {
        Command::Change(Change { request: Some(request), .. }) => !seen.insert(request.id),
        _ => false,
    };
    batch.extract_if(.., twin).collect()
}

/// Commands that share a commit at most.
const BATCH_MAX: usize = 256;
/// Commands that wait at most; more callers wait for a place.
const COMMANDS_MAX: usize = 1024;

#[cfg(test)]
mod tests;
