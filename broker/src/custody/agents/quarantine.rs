//! Quarantine: an agent is shut out as if it were revoked, and nothing of it is forgotten, so that
//! one word lets it in again where it was a false alarm.

use super::{Revocation, ShutOut, agent_event, find};
use crate::custody::{
    Custody, CustodyError,
    plan::{Committed, Effects, Plan, Planned, RequestKey},
};
use secretref_domain::{
    caller::Caller,
    change::Change,
    ledger::Agent,
    limit::REASON_BYTES_MAX,
    name::{AgentName, EnvironmentName},
    policy::Action,
};

impl Custody {
    /// Quarantines an agent: as a revocation, until it is released. One that is in quarantine
    /// already stays there.
    ///
    /// # Errors
    /// [`CustodyError`]; nothing is changed then.
    pub async fn quarantine_agent(
        &self,
        caller: &Caller,
        environment: Option<EnvironmentName>,
        name: AgentName,
        reason: String,
        request: Option<RequestKey>,
    ) -> Result<Committed<Revocation>, CustodyError> {
        let out = ShutOut { environment: self.environment(environment), name, reason, request };
        self.shut_out(caller, "agent.quarantine", out, |agent| {
            if !agent.active && agent.quarantined_at.is_none() {
                return Err(revoked(agent, "nothing of it can come in as it is"));
            }
            Ok(Change::AgentQuarantined { agent: agent.id })
        })
        .await
    }

    /// Releases a quarantined agent: its instances may come in again, with the certificates that
    /// they have.
    ///
    /// # Errors
    /// [`CustodyError`]; a precondition where it is not in quarantine.
    pub async fn release_agent(
        &self,
        caller: &Caller,
        environment: Option<EnvironmentName>,
        name: AgentName,
        reason: String,
        request: Option<RequestKey>,
    ) -> Result<(), CustodyError> {
        if reason.len() > REASON_BYTES_MAX {
            let problem = format!("it is longer than {REASON_BYTES_MAX} bytes");
            return Err(CustodyError::invalid("reason", problem));
        }
        let environment = self.environment(environment);
        let mut event = agent_event(caller, "agent.release", &environment, &name);
        event.reason = reason;
        event.request_id = request.map(|request| request.id.to_string()).unwrap_or_default();
        self.permit(caller, Action::AgentWrite, || event.clone()).await?;
        let plan: Plan<()> = Box::new(move |ground| {
            let agent = find(ground.ledger, &environment, &name)?;
            if agent.quarantined_at.is_none() {
                return Err(not_quarantined(agent));
            }
            event.object_id = agent.id.0;
            let changes = vec![Change::AgentReleased { agent: agent.id }];
            let effects = Effects { changes, events: vec![event], ..Effects::default() };
            Ok(Planned { effects, answer: () })
        });
        self.writer.change(request, plan).await.map(drop)
    }
}

fn not_quarantined(agent: &Agent) -> CustodyError {
    if !agent.active {
        return revoked(agent, "a release does not undo that");
    }
    CustodyError::Precondition {
        code: "AGENT_NOT_QUARANTINED",
        message: format!("agent {:?} is not in quarantine", agent.name),
        fix: format!("secretref agent show {}, for how it is", agent.name),
    }
}

fn revoked(agent: &Agent, so: &str) -> CustodyError {
    CustodyError::Precondition {
        code: "AGENT_REVOKED",
        message: format!("agent {:?} is revoked; {so}", agent.name),
        fix: format!("secretref agent token {} --readmit, to let it in again", agent.name),
    }
}
