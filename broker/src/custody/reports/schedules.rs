//! What sidecars say of programs that they run by a schedule.

use super::results::Scheduled;
use crate::{
    custody::{Admission, Custody, CustodyError, plan::event},
    store::ScheduleRow,
};
use secretref_domain::{
    caller::Caller,
    clock::Timestamp,
    id::{AgentId, InstanceId},
    policy::Action,
    schedule::Told,
};
use uuid::Uuid;

/// What an instance said last of the program that it runs by a schedule.
#[derive(Debug, Clone)]
pub struct AgentSchedule {
    /// The instance.
    pub instance: InstanceId,
    /// What it said.
    pub told: Told,
    /// Process of the sidecar that said it.
    pub boot: Uuid,
    /// When it was said, by the broker's clock.
    pub at: Timestamp,
}

impl Custody {
    /// Takes what an instance says of its scheduled program; it is durable a moment later.
    pub fn report_schedule(&self, admission: &Admission, boot: Uuid, told: &Told) {
        let now = self.now();
        let row = ScheduleRow {
            agent: admission.agent,
            instance: admission.instance,
            environment: admission.environment.clone(),
            boot,
            at: now,
            keep_until: told.next_run.unwrap_or(now).max(now).plus_seconds(KEPT_SECONDS),
            told: serde_json::to_string(told).unwrap_or_default(),
        };
        let agent = admission.name.clone();
        self.shared.results.add_schedule(Scheduled { agent, row, words: told.words() });
    }

    /// What the instances of an agent said last of scheduled programs, up to this moment.
    ///
    /// # Errors
    /// A denial, or [`CustodyError::Store`].
    pub async fn agent_schedules(
        &self,
        caller: &Caller,
        agent: AgentId,
    ) -> Result<Vec<AgentSchedule>, CustodyError> {
        self.permit(caller, Action::MetadataRead, || event(caller, "agent.status")).await?;
        self.reports_settled().await;
        let schedule = |row: ScheduleRow| {
            // Informs and decides nothing: what cannot be read is not shown.
            let told = serde_json::from_str(&row.told).ok()?;
            Some(AgentSchedule { instance: row.instance, told, boot: row.boot, at: row.at })
        };
        Ok(self.shared.store.schedules(agent).await?.into_iter().filter_map(schedule).collect())
    }
}

/// How long it is kept after the run that was due next: a sidecar that was away so long has to
/// enrol anew.
const KEPT_SECONDS: i64 = 8 * 24 * 3600;
