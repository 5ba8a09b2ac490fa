//! `secretref agent release`.

use crate::{
    cmd::{agent_name, incomplete, request_id},
    connect::{Session, ask_twice},
    failure::{Exit, Failure},
    print::json,
};
use secretref_proto::v1;

/// Release a quarantined agent: its instances may come in again.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  \
    secretref agent release payment-analyst --reason \"a false alarm\"\n\
    A sidecar that was told of the quarantine asks again after five minutes at most, or at once \
    when it is started again. A certificate that ended more than 7 days ago stays out: `agent \
    token` lets that instance enrol anew.")]
pub(crate) struct Release {
    /// Agent to release
    agent: String,
    /// Why, for the audit trail: 512 bytes at most
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
}

impl Release {
    /// Lets an agent in again.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let request = v1::ReleaseAgentRequest {
            name: agent_name(&self.agent)?,
            environment: session.environment(),
            reason: self.reason,
            request_id: request_id(),
        };
        let client = session.agents().await?;
        let answer = ask_twice(|| {
            let (mut client, request) = (client.clone(), request.clone());
            async move { client.release_agent(request).await }
        })
        .await?;
        let agent = answer.agent.ok_or_else(|| incomplete("agent"))?;
        let state = json::agent_state(agent.state());
        if session.out.json {
            session.out.json(&json::Agent::from(agent))?;
        } else {
            session.out.line(&format!("{} released, it is {state}", agent.name))?;
        }
        Ok(Exit::Done)
    }
}
