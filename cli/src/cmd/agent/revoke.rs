//! `secretref agent revoke`.

use crate::{
    cmd::{agent_name, incomplete, request_id},
    connect::{Session, ask_twice},
    failure::{Exit, Failure},
    print::{counted, json, plain},
};
use secretref_proto::v1;
use serde::Serialize;

/// Revoke an agent: its streams are cut, and what it holds is wiped.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  \
    secretref agent revoke payment-analyst --reason \"host compromised\"\n\
    `secretref agent token NAME --readmit` lets it come in again.")]
pub(crate) struct Revoke {
    /// Agent to revoke
    agent: String,
    /// Why, for the audit trail: 512 bytes at most
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Serialize)]
struct Revoked<'a> {
    agent: &'a str,
    state: &'a str,
    cut_streams: i32,
    held_secrets: &'a [String],
}

impl Revoke {
    /// Returns when no further byte can reach the agent.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let request = v1::RevokeAgentRequest {
            name: agent_name(&self.agent)?,
            environment: session.environment(),
            reason: self.reason.unwrap_or_default(),
            request_id: request_id(),
        };
        let client = session.agents().await?;
        let answer = ask_twice(|| {
            let (mut client, request) = (client.clone(), request.clone());
            async move { client.revoke_agent(request).await }
        })
        .await?;
        let agent = answer.agent.ok_or_else(|| incomplete("agent"))?;
        let state = json::agent_state(agent.state());
        let (cut_streams, held) = (answer.cut_streams, answer.held_secrets);
        if session.out.json {
            let agent = &agent.name;
            session.out.json(&Revoked { agent, state, cut_streams, held_secrets: &held })?;
            return Ok(Exit::Done);
        }
        let cut = counted(usize::try_from(cut_streams).unwrap_or(0), "stream");
        session.out.line(&format!("{} {state}, {cut} cut", agent.name))?;
        if !held.is_empty() {
            let names = plain(&held.join(", "));
            session.out.line(&format!("sent to it and not known to be wiped: {names}"))?;
            session.out.note("if its host is not to be trusted, give these a new value");
        }
        Ok(Exit::Done)
    }
}
