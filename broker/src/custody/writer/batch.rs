//! One batch: from commands to rows, and from the commit back to answers.

use super::{Change, Command, Job, Note};
use crate::{
    custody::{
        CustodyError, RECIPIENTS_MAX, Shared,
        bodies::Body,
        chain,
        plan::{Effects, Ground, RequestKey},
        reports::Round,
    },
    feed::Publication,
    store::{Batch, Head, LaneHead, LogRow, RequestRow, StoreError},
};
use secretref_domain::{
    audit::{Decision, Event, Recipient},
    caller::Caller,
    change::{Change as Fact, Record},
    clock::Timestamp,
    id::SecretId,
    ledger::{Ledger, Touched},
    name::SecretName,
    traceparent::TraceParent,
    version::{Revision, Version},
};
use secretref_spans::{Kind, Span};
use std::{collections::HashMap, mem, sync::Arc};
use uuid::Uuid;

/// A batch in the making.
pub(super) struct Draft {
    at: Timestamp,
    waiting: Vec<Change>,
    notes: Vec<Note>,
    /// What sidecars said, where it is time to save it.
    results: Option<Round>,
    /// Verbs whose effects are in this batch.
    planned: Vec<(Option<RequestKey>, Box<dyn Job>)>,
    /// Verbs that were refused; told so when the batch is durable, since what they were judged by
    /// may be in it.
    refused: Vec<(Box<dyn Job>, CustodyError)>,
    effects: Effects,
    log: Vec<LogRow>,
    records: Vec<Record>,
    touched: Touched,
    recorded: Publication,
    /// A span for each verb whose effects are in it.
    spans: Vec<Span>,
    /// How many entries of the trail it writes.
    entries: usize,
}

impl Draft {
    pub(super) fn new(batch: Vec<Command>, results: Option<Round>, at: Timestamp) -> Self {
        let (mut waiting, mut notes) = (Vec::new(), Vec::new());
        for command in batch {
            match command {
                Command::Change(change) => waiting.push(change),
                Command::Note(note) => notes.push(note),
            }
        }
        Self {
            at,
            waiting,
            notes,
            results,
            planned: Vec::new(),
            refused: Vec::new(),
            effects: Effects::default(),
            log: Vec::new(),
            records: Vec::new(),
            touched: Touched::default(),
            recorded: Publication::default(),
            spans: Vec::new(),
            entries: 0,
        }
    }

    pub(super) fn has_changes(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether a verb of this batch wants something durable.
    pub(super) fn has_effects(&self) -> bool {
        !self.planned.is_empty()
    }

    /// How many entries of the trail it writes.
    pub(super) fn entries(&self) -> usize {
        self.entries
    }

    pub(super) fn request_ids(&self) -> Vec<Uuid> {
        self.waiting.iter().filter_map(|change| Some(change.request?.id)).collect()
    }

    /// Answers those whose request was answered before.
    pub(super) fn replay(&mut self, mut recorded: HashMap<Uuid, RequestRow>) {
        for change in mem::take(&mut self.waiting) {
            let row = change.request.and_then(|request| recorded.remove(&request.id));
            match (row, change.request) {
                (Some(row), Some(request)) if row.fingerprint == request.fingerprint => {
                    change.job.replay(&row.answer);
                }
                (Some(row), _) => {
                    self.refused.push((change.job, CustodyError::RequestReused(row.id)));
                }
                (None, _) => self.waiting.push(change),
            }
        }
    }

    /// Works out every verb, each against what those before it want.
    pub(super) fn plan(
        &mut self,
        shared: &Shared,
        ledger: &mut Ledger,
        head: &mut Head,
    ) -> Result<(), StoreError> {
        let revision = head.revision.next();
        for Change { request, trace, mut job } in mem::take(&mut self.waiting) {
            let mut span = Span::new("commit", Kind::Internal, trace);
            let outcome = job.plan(&Ground { ledger, at: self.at });
            match outcome {
                Ok(effects) => {
                    span.number("secretref.revision", revision.0);
                    self.extend(shared, ledger, head, (revision, span.parent()), effects)?;
                    self.spans.push(span);
                    self.planned.push((request, job));
                }
                Err(error) => self.refused.push((job, error)),
            }
        }
        Ok(())
    }

    fn extend(
        &mut self,
        shared: &Shared,
        ledger: &mut Ledger,
        head: &mut Head,
        (revision, trace): (Revision, Option<TraceParent>),
        mut effects: Effects,
    ) -> Result<(), StoreError> {
        let failed = |error: &dyn std::fmt::Display| StoreError::Damaged(error.to_string());
        for change in mem::take(&mut effects.changes) {
            let record = Record { at: self.at, change, trace };
            let position = i64::try_from(self.log.len()).unwrap_or(i64::MAX);
            let row = chain::extend(&shared.keyring(), head, revision, position, &record)
                .map_err(|error| failed(&error))?;
            let touched = ledger.fold(revision, &record).map_err(|error| failed(&error))?;
            self::trace(&mut self.recorded, &touched, trace);
            self.touched.merge(touched);
            self.log.push(row);
            self.records.push(record);
        }
        self.effects.extend(effects);
        Ok(())
    }

    /// The rows of the batch: what verbs want, what notes say, and the record of the push that
    /// this batch is about to cause, so that the push need not wait for another commit.
    pub(super) fn rows(
        &mut self,
        shared: &Shared,
        ledger: &Ledger,
        head: &Head,
        lane: &mut LaneHead,
    ) -> Batch {
        let before = lane.clone();
        let changed = !self.log.is_empty();
        let mut audit = Vec::new();
        for event in mem::take(&mut self.effects.events) {
            audit.push(chain::append(shared.broker, lane, self.at, head, event));
        }
        for event in self.pushes(shared, ledger) {
            audit.push(chain::append(shared.broker, lane, self.at, head, event));
        }
        let mut told = Vec::new();
        for note in &mut self.notes {
            note.events.drain(..).for_each(|event| merge(&mut told, event));
        }
        if let Some(results) = &self.results {
            told.extend(results.events(&Caller::Broker { id: shared.broker }, ledger));
        }
        for event in told {
            audit.push(chain::append(shared.broker, lane, self.at, head, event));
        }
        self.entries = audit.len();
        Batch {
            head: changed.then(|| head.clone()),
            log: mem::take(&mut self.log),
            sealed: mem::take(&mut self.effects.sealed),
            shredded: self.effects.shredded.clone(),
            requests: self.request_rows(head.revision),
            reports: self.results.iter().flat_map(Round::rows).collect(),
            schedules: self.results.iter().flat_map(Round::schedules).collect(),
            lane_before: (!audit.is_empty()).then_some((shared.broker, before)),
            audit,
        }
    }

    fn request_rows(&self, revision: Revision) -> Vec<RequestRow> {
        let row = |(request, job): &(Option<RequestKey>, Box<dyn Job>)| {
            let request = (*request)?;
            let answer = job.answer_bytes(revision, self.at)?;
            let (id, fingerprint) = (request.id, request.fingerprint);
            Some(RequestRow { id, fingerprint, answer, at: self.at })
        };
        self.planned.iter().filter_map(row).collect()
    }

    /// One event for each secret that has a new version now, naming the connected instances that
    /// are about to get it.
    fn pushes(&mut self, shared: &Shared, ledger: &Ledger) -> Vec<Event> {
        let mut newest: HashMap<SecretId, (&SecretName, Version)> = HashMap::new();
        for record in &self.records {
            if let Fact::SecretPut { secret, name, version, .. } = &record.change {
                newest.insert(*secret, (name, *version));
            }
        }
        let mut events = Vec::new();
        for (id, (name, version)) in newest {
            let Some(secret) = ledger.secret(id) else { continue };
            let mut recipients = Vec::new();
            for agent in ledger.subscribers(&secret.environment, name) {
                let live = shared.feed.live(agent);
                let Some(found) = ledger.agent(agent).filter(|_| !live.is_empty()) else {
                    continue;
                };
                if !ledger.owes(found, id, self.at) {
                    continue;
                }
                let name = || found.name.to_string();
                recipients.extend(live.iter().map(|&instance| Recipient {
                    agent,
                    name: name(),
                    instance,
                }));
                self.recorded.recorded.push(((agent, id, version), live.into_iter().collect()));
            }
            if !recipients.is_empty() {
                events.extend(delivery_events(shared, ledger, id, version, recipients));
            }
        }
        events
    }

    pub(super) fn bodies(&mut self) -> Vec<((SecretId, Version), Arc<Body>)> {
        mem::take(&mut self.effects.bodies)
    }

    pub(super) fn shredded(&mut self) -> Vec<(SecretId, Version)> {
        mem::take(&mut self.effects.shredded)
    }

    pub(super) fn records(&self) -> &[Record] {
        &self.records
    }

    pub(super) fn publication(&mut self) -> Publication {
        let mut publication = mem::take(&mut self.recorded);
        concern(&mut publication, mem::take(&mut self.touched));
        publication
    }

    /// Tells everybody that it is durable.
    pub(super) fn answer(self, shared: &Shared, revision: Revision) {
        if let Some(results) = self.results {
            shared.results.end(results, true);
        }
        for (_, job) in self.planned {
            job.finish(Ok((revision, self.at)));
        }
        for (job, error) in self.refused {
            job.finish(Err(error));
        }
        for note in self.notes {
            drop(note.reply.send(Ok(())));
        }
    }

    /// Tells everybody that it is not.
    pub(super) fn refuse(mut self, shared: &Shared, error: &StoreError) {
        self.spans.iter_mut().for_each(|span| span.fail(error.to_string()));
        if let Some(results) = self.results {
            shared.results.end(results, false);
        }
        let waiting = self.waiting.into_iter().map(|change| change.job);
        for job in waiting.chain(self.planned.into_iter().map(|(_, job)| job)) {
            job.finish(Err(CustodyError::Store(error.clone())));
        }
        for (job, error) in self.refused {
            job.finish(Err(error));
        }
        for note in self.notes {
            drop(note.reply.send(Err(CustodyError::Store(error.clone()))));
        }
    }
}

/// The event of a delivery. One for all recipients: thousands of rows would cost more than the
/// push itself.
pub(in crate::custody) fn delivery_events(
    shared: &Shared,
    ledger: &Ledger,
    secret: SecretId,
    version: Version,
    recipients: Vec<Recipient>,
) -> Vec<Event> {
    let Some(found) = ledger.secret(secret) else { return Vec::new() };
    let mut recipients = recipients.into_iter().peekable();
    let mut events = Vec::new();
    while recipients.peek().is_some() {
        events.push(Event {
            environment: found.environment.to_string(),
            actor: format!("broker:{}", shared.broker),
            action: "secret.deliver",
            object_kind: "secret",
            object: found.name.to_string(),
            object_id: found.id.0,
            version: version.get(),
            decision: Decision::Allowed,
            reason: String::new(),
            peer: String::new(),
            request_id: String::new(),
            recipients: recipients.by_ref().take(RECIPIENTS_MAX).collect(),
        });
    }
    events
}

/// Adds an event, or only its recipients where another says the same: a thousand instances that
/// applied one version are one entry.
fn merge(told: &mut Vec<Event>, mut event: Event) {
    let recipients = mem::take(&mut event.recipients);
    for other in told.iter_mut().filter(|other| !other.recipients.is_empty()) {
        let theirs = mem::take(&mut other.recipients);
        let same = *other == event && theirs.len() + recipients.len() <= RECIPIENTS_MAX;
        other.recipients = theirs;
        if same && !recipients.is_empty() {
            other.recipients.extend(recipients);
            return;
        }
    }
    told.push(Event { recipients, ..event });
}

/// Notes whose span it is that agents are touched.
pub(super) fn trace(publication: &mut Publication, touched: &Touched, trace: Option<TraceParent>) {
    if let Some(trace) = trace {
        publication.traces.extend(touched.agents.iter().map(|agent| (*agent, trace)));
    }
}

pub(super) fn concern(publication: &mut Publication, touched: Touched) {
    publication.agents.extend(touched.agents);
    publication.revoked.extend(touched.revoked);
    publication.revoked_instances.extend(touched.revoked_instances);
}
