//! What sidecars say became of what they were sent.

use super::{Admission, Custody, CustodyError, plan::event};
use crate::store::ReportRow;
use secretref_domain::{
    audit::{Event, Recipient},
    caller::Caller,
    clock::Timestamp,
    id::{AgentId, BrokerId, InstanceId, SecretId},
    ledger::Ledger,
    limit::DETAIL_BYTES_MAX,
    name::SecretName,
    policy::Action,
};
use uuid::Uuid;

/// What became of a secret at a sidecar; numbers as on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportState {
    /// It arrived; the result follows.
    Received = 0,
    /// In place.
    Applied = 1,
    /// Could not be put in place.
    Failed = 2,
    /// Will be put in place later.
    Deferred = 3,
    /// Taken away.
    Wiped = 4,
}

impl ReportState {
    /// The state of a number, if there is one.
    #[must_use]
    pub fn of(number: i64) -> Option<Self> {
        [Self::Received, Self::Applied, Self::Failed, Self::Deferred, Self::Wiped]
            .into_iter()
            .find(|state| *state as i64 == number)
    }

    /// As status and audit print it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Received => "RECEIVED",
            Self::Applied => "APPLIED",
            Self::Failed => "FAILED",
            Self::Deferred => "DEFERRED",
            Self::Wiped => "WIPED",
        }
    }
}

/// One result of a sidecar.
#[derive(Debug, Clone)]
pub struct Report {
    /// The secret.
    pub name: SecretName,
    /// The version.
    pub version: i64,
    /// What became of it.
    pub state: ReportState,
    /// How the sidecar knows; a number as on the wire.
    pub evidence: i64,
    /// Why it failed.
    pub detail: String,
}

/// What an instance said last of a secret.
#[derive(Debug, Clone)]
pub struct AgentReport {
    /// The instance.
    pub instance: InstanceId,
    /// The secret.
    pub secret: SecretId,
    /// The version.
    pub version: i64,
    /// What became of it.
    pub state: ReportState,
    /// How the sidecar knows; a number as on the wire.
    pub evidence: i64,
    /// Why it failed.
    pub detail: String,
    /// When it was said, by the broker's clock.
    pub at: Timestamp,
}

impl Custody {
    /// Records what an instance says. Reports of secrets that it is not bound to are dropped: a
    /// sidecar speaks only of what it was sent.
    ///
    /// # Errors
    /// [`CustodyError::Store`].
    pub async fn report(
        &self,
        admission: &Admission,
        boot: Uuid,
        reports: Vec<Report>,
    ) -> Result<(), CustodyError> {
        let now = self.now();
        let (mut rows, mut events) = (Vec::new(), Vec::new());
        {
            let ledger = self.shared.ledger();
            for report in reports {
                let named = ledger.secret_named(&admission.environment, &report.name);
                let Some(secret) = named else { continue };
                if !ledger.binds(admission.agent, &report.name)
                    && report.state != ReportState::Wiped
                {
                    continue;
                }
                events.push(told(self.broker(), admission, &ledger, secret.id, &report));
                rows.push(ReportRow {
                    environment: admission.environment.clone(),
                    agent: admission.agent,
                    instance: admission.instance,
                    secret: secret.id,
                    version: report.version,
                    state: report.state as i64,
                    evidence: report.evidence,
                    detail: cut(report.detail),
                    boot,
                    at: now,
                });
            }
        }
        if rows.is_empty() { Ok(()) } else { self.writer.note(events, rows).await }
    }

    /// What the instances of an agent said last.
    ///
    /// # Errors
    /// A denial, or [`CustodyError::Store`].
    pub async fn agent_reports(
        &self,
        caller: &Caller,
        agent: AgentId,
    ) -> Result<Vec<AgentReport>, CustodyError> {
        self.permit(caller, Action::MetadataRead, || event(caller, "agent.status")).await?;
        let rows = self.shared.store.reports(agent).await?;
        let report = |row: ReportRow| {
            Some(AgentReport {
                instance: row.instance,
                secret: row.secret,
                version: row.version,
                state: ReportState::of(row.state)?,
                evidence: row.evidence,
                detail: row.detail,
                at: row.at,
            })
        };
        Ok(rows.into_iter().filter_map(report).collect())
    }

    /// Name of a secret by its identity, deleted or not.
    #[must_use]
    pub fn secret_name(&self, id: SecretId) -> Option<SecretName> {
        self.shared.ledger().secret(id).map(|secret| secret.name.clone())
    }
}

fn told(
    broker: BrokerId,
    admission: &Admission,
    ledger: &Ledger,
    secret: SecretId,
    report: &Report,
) -> Event {
    let environment = ledger.secret(secret).map(|secret| secret.environment.to_string());
    Event {
        environment: environment.unwrap_or_default(),
        object_kind: "secret",
        object: report.name.to_string(),
        object_id: secret.0,
        version: report.version,
        reason: cut(report.detail.clone()),
        recipients: vec![Recipient {
            agent: admission.agent,
            name: admission.name.to_string(),
            instance: admission.instance,
        }],
        // Written on behalf of the recipients, so that what many say alike is one entry.
        ..event(&Caller::Broker { id: broker }, action(report.state))
    }
}

fn action(state: ReportState) -> &'static str {
    match state {
        ReportState::Received => "secret.received",
        ReportState::Applied => "secret.applied",
        ReportState::Failed => "secret.failed",
        ReportState::Deferred => "secret.deferred",
        ReportState::Wiped => "secret.wiped",
    }
}

/// A detail is the sidecar's text: it is cut, and control characters are taken out.
fn cut(detail: String) -> String {
    let clean: String = detail.chars().filter(|it| !it.is_control()).collect();
    let mut end = clean.len().min(DETAIL_BYTES_MAX);
    while !clean.is_char_boundary(end) {
        end -= 1;
    }
    clean[..end].to_owned()
}
