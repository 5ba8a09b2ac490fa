//! `secretref agent revoke`.

use super::list;
use crate::{
    cmd::{agent_name, confirm, group_name, incomplete, request_id},
    connect::{Session, ask_twice},
    failure::{Exit, Failure},
    print::{counted, json, plain},
};
use secretref_proto::v1;
use serde::Serialize;

/// Revoke an agent: its streams are cut, and what it holds is wiped.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    secretref agent revoke payment-analyst --reason \"host compromised\"\n  \
    secretref agent revoke --group finance --reason \"leak\" --yes\n\
    `secretref agent token NAME --readmit` lets it come in again.")]
pub(crate) struct Revoke {
    /// Agent to revoke
    #[arg(required_unless_present = "group", conflicts_with = "group")]
    agent: Option<String>,
    /// Revoke every agent that names this group; on a terminal it shows them and asks first
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// Do not ask before a whole group is revoked
    #[arg(long, requires = "group")]
    yes: bool,
    /// Why, for the audit trail: 512 bytes at most
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Serialize)]
struct Revoked {
    agent: String,
    state: &'static str,
    cut_streams: i32,
    held_secrets: Vec<String>,
}

impl Revoke {
    /// Returns when no further byte can reach the agent, or any agent of the group.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        if let Some(group) = &self.group {
            return self.revoke_group(session, &group_name(group)?).await;
        }
        let agent = agent_name(self.agent.as_deref().unwrap_or_default())?;
        let revoked = self.revoke(session, agent).await?;
        if session.out.json {
            session.out.json(&revoked)?;
        } else {
            revoked.print(session)?;
        }
        Ok(Exit::Done)
    }

    /// One agent after another: what fails does not spare the others.
    async fn revoke_group(&self, session: &Session<'_>, group: &str) -> Result<Exit, Failure> {
        let agents = list::all(session, Some(group)).await?;
        let names: Vec<String> = agents
            .into_iter()
            .filter(|agent| agent.state() != v1::AgentState::Revoked)
            .map(|agent| agent.name)
            .collect();
        if names.is_empty() {
            session.out.note(&format!("group {group} has no agent that is not revoked"));
        } else if !self.agreed(session, group, &names)? {
            session.out.note("nothing was changed");
            return Ok(Exit::Refused);
        }
        let (mut all, mut exit) = (Vec::with_capacity(names.len()), Exit::Done);
        for name in names {
            match self.revoke(session, name).await {
                Ok(revoked) if session.out.json => all.push(revoked),
                Ok(revoked) => revoked.print(session)?,
                Err(failure) => {
                    session.out.failure(&failure);
                    exit = failure.exit;
                }
            }
        }
        if session.out.json {
            session.out.json(&all)?;
        }
        Ok(exit)
    }

    fn agreed(
        &self,
        session: &Session<'_>,
        group: &str,
        names: &[String],
    ) -> Result<bool, Failure> {
        if self.yes {
            return Ok(true);
        }
        let agents = counted(names.len(), "agent");
        if !confirm::can_ask() {
            let names = names.join(", ");
            let what = format!("{agents} of group {group} would be revoked: {names}");
            return Err(Failure::usage(what, "add --yes, as nobody can be asked here"));
        }
        session.out.note(&format!("group {group}: {}", names.join(", ")));
        confirm::agreed(&format!("Revoke {agents}?"))
    }

    async fn revoke(&self, session: &Session<'_>, name: String) -> Result<Revoked, Failure> {
        let request = v1::RevokeAgentRequest {
            name,
            environment: session.environment(),
            reason: self.reason.clone().unwrap_or_default(),
            request_id: request_id(),
        };
        let client = session.agents().await?;
        let answer = ask_twice(|| {
            let (mut client, request) = (client.clone(), request.clone());
            async move { client.revoke_agent(request).await }
        })
        .await?;
        let agent = answer.agent.ok_or_else(|| incomplete("agent"))?;
        Ok(Revoked {
            state: json::agent_state(agent.state()),
            agent: agent.name,
            cut_streams: answer.cut_streams,
            held_secrets: answer.held_secrets,
        })
    }
}

impl Revoked {
    fn print(&self, session: &Session<'_>) -> Result<(), Failure> {
        let Self { agent, state, cut_streams, held_secrets } = self;
        let cut = counted(usize::try_from(*cut_streams).unwrap_or(0), "stream");
        session.out.line(&format!("{agent} {state}, {cut} cut"))?;
        if !held_secrets.is_empty() {
            let names = plain(&held_secrets.join(", "));
            session.out.line(&format!("sent to it and not known to be wiped: {names}"))?;
            session.out.note("if its host is not to be trusted, give these a new value");
        }
        Ok(())
    }
}
