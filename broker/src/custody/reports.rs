//! What sidecars say became of what they were sent.

mod results;
mod schedules;

use results::Said;
pub(super) use results::{Results, Round};
pub use schedules::AgentSchedule;

use super::{Admission, Custody, CustodyError, plan::event};
use crate::store::ReportRow;
use secretref_domain::{
    caller::Caller,
    clock::Timestamp,
    delivery::{Delivery, Evidence},
    id::{AgentId, InstanceId, SecretId},
    limit::{DELIVERIES_MAX, DETAIL_BYTES_MAX},
    name::{EnvironmentName, SecretName},
    policy::Action,
    version::Version,
};
use uuid::Uuid;

/// What became of a secret at a sidecar; numbers as on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportState {
    /// It was sent where there was none, or arrived; the result follows.
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
    /// How the sidecar knows.
    pub evidence: Evidence,
    /// Why it failed.
    pub detail: String,
    /// Each way by which the agent gets it.
    pub deliveries: Vec<Delivery>,
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
    /// How the sidecar knows.
    pub evidence: Evidence,
    /// Why it failed.
    pub detail: String,
    /// Each way by which the agent gets it.
    pub deliveries: Vec<Delivery>,
    /// Process of the sidecar that said it.
    pub boot: Uuid,
    /// When it was said, by the broker's clock.
    pub at: Timestamp,
}

impl Custody {
    /// Takes what an instance says; it is durable a moment later. Reports of secrets that it is not
    /// bound to are dropped: a sidecar speaks only of what it was sent.
    pub fn report(&self, admission: &Admission, boot: Uuid, reports: Vec<Report>) {
        let now = self.now();
        let ledger = self.shared.ledger();
        let said = reports.into_iter().filter_map(|report| {
            let secret = ledger.secret_named(&admission.environment, &report.name)?;
            let bound = ledger.binds(admission.agent, &report.name);
            let row = || ReportRow {
                environment: admission.environment.clone(),
                agent: admission.agent,
                instance: admission.instance,
                secret: secret.id,
                version: report.version,
                state: report.state as i64,
                evidence: report.evidence as i64,
                detail: cut(report.detail),
                deliveries: written(report.deliveries),
                boot,
                at: now,
            };
            let agent = admission.name.clone();
            (bound || report.state == ReportState::Wiped).then(|| Said { agent, row: row() })
        });
        self.shared.results.add(said);
    }

    /// Whether a secret ever had a version, kept or not.
    #[must_use]
    pub fn has_been(&self, environment: &EnvironmentName, name: &SecretName, version: i64) -> bool {
        let ledger = self.shared.ledger();
        let secret = ledger.secret_named(environment, name);
        let newest = secret.and_then(|secret| secret.versions.keys().next_back());
        newest.is_some_and(|newest| (1..=newest.get()).contains(&version))
    }

    /// Notes that an instance is about to be sent secrets of which it has none, before it can have
    /// them: one that dies before it answers may be on them all the same, and a rotation has to
    /// wait for it.
    pub(super) async fn note_sent(&self, admission: &Admission, what: &[(SecretId, Version)]) {
        let now = self.now();
        let sent = what.iter().map(|(secret, version)| Said {
            agent: admission.name.clone(),
            row: ReportRow {
                environment: admission.environment.clone(),
                agent: admission.agent,
                instance: admission.instance,
                secret: *secret,
                version: version.get(),
                state: ReportState::Received as i64,
                evidence: Evidence::None as i64,
                detail: String::new(),
                deliveries: written(Vec::new()),
                boot: admission.boot,
                at: now,
            },
        });
        self.shared.results.add(sent);
        self.reports_settled().await;
    }

    /// Waits until everything that was said so far is durable, or could not be made so.
    pub(super) async fn reports_settled(&self) {
        self.shared.results.settled().await;
    }

    /// What the instances of an agent said last, up to this moment.
    ///
    /// # Errors
    /// A denial, or [`CustodyError::Store`].
    pub async fn agent_reports(
        &self,
        caller: &Caller,
        agent: AgentId,
    ) -> Result<Vec<AgentReport>, CustodyError> {
        self.permit(caller, Action::MetadataRead, || event(caller, "agent.status")).await?;
        self.reports_settled().await;
        let rows = self.shared.store.reports(agent).await?;
        let report = |row: ReportRow| {
            Some(AgentReport {
                instance: row.instance,
                secret: row.secret,
                version: row.version,
                state: ReportState::of(row.state)?,
                evidence: Evidence::of(row.evidence),
                detail: row.detail,
                // Informs and decides nothing: what cannot be read is not shown.
                deliveries: serde_json::from_str(&row.deliveries).unwrap_or_default(),
                boot: row.boot,
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

fn action(state: ReportState) -> &'static str {
    match state {
        ReportState::Received => "secret.received",
        ReportState::Applied => "secret.applied",
        ReportState::Failed => "secret.failed",
        ReportState::Deferred => "secret.deferred",
        ReportState::Wiped => "secret.wiped",
    }
}

/// As the store keeps them.
fn written(mut deliveries: Vec<Delivery>) -> String {
    deliveries.truncate(DELIVERIES_MAX);
    for delivery in &mut deliveries {
        delivery.place = cut(std::mem::take(&mut delivery.place));
    }
    serde_json::to_string(&deliveries).unwrap_or_else(|_| "[]".to_owned())
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
