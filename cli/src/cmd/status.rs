//! `secretref status`.

use super::{agent_name, group_name};
use crate::{
    connect::{Session, ask, pages},
    failure::{Exit, Failure},
    print::{json, plain, status, time},
};
use secretref_proto::v1::{self, AgentState, RefState};
use std::time::Duration;

/// Show what each agent is owed and what its instances really hold.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    secretref status --agent payment-analyst --secrets\n  \
    secretref status --secrets --all --json\n  \
    secretref status --group finance\n  \
    secretref status --watch\n\
    `written` means that the sidecar put the value in place; whether the agent uses it is not \
    said.")]
pub(crate) struct Status {
    /// Only this agent
    #[arg(long, value_name = "NAME", conflicts_with = "all")]
    agent: Option<String>,
    /// Only agents that name this group
    #[arg(long, value_name = "NAME", conflicts_with = "agent")]
    group: Option<String>,
    /// Show each ref, and what each instance said of it last
    #[arg(long)]
    secrets: bool,
    /// Show revoked agents too
    #[arg(long)]
    all: bool,
    /// Go on, and print again whenever something changed
    #[arg(long)]
    watch: bool,
}

impl Status {
    /// Prints once, or again with every change.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let agent = self.agent.as_deref().map(agent_name).transpose()?;
        let mut statuses = self.read(session, agent.as_deref()).await?;
        self.print(session, &statuses)?;
        if !self.watch {
            return Ok(Exit::Done);
        }
        loop {
            tokio::time::sleep(WATCH_EVERY).await;
            match self.read(session, agent.as_deref()).await {
                Ok(now) if now == statuses => {}
                Ok(now) => {
                    statuses = now;
                    self.print(session, &statuses)?;
                }
                // Whoever watches wants to see the broker come back.
                Err(failure) if failure.exit == Exit::Unreachable => {
                    session.out.failure(&failure);
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    async fn read(
        &self,
        session: &Session<'_>,
        agent: Option<&str>,
    ) -> Result<Vec<v1::AgentStatus>, Failure> {
        let group = self.group.as_deref().map(group_name).transpose()?;
        let mut statuses = all(session, agent, group.as_deref()).await?;
        if agent.is_none() && !self.all {
            statuses.retain(|status| status.state() != AgentState::Revoked);
        }
        Ok(statuses)
    }

    fn print(&self, session: &Session<'_>, statuses: &[v1::AgentStatus]) -> Result<(), Failure> {
        let out = session.out;
        if out.json {
            let agents: Vec<status::Agent> = statuses.iter().cloned().map(Into::into).collect();
            return out.json(&agents);
        }
        if self.watch && out.terminal {
            out.bytes(CLEAR)?;
        }
        if statuses.is_empty() {
            out.note("no agent to show; secretref apply -f FILE makes some");
            return Ok(());
        }
        if !self.secrets {
            let rows: Vec<Vec<String>> = statuses.iter().map(row).collect();
            return out.table(&["AGENT", "STATE", "CONNECTED", "REFS", ""], &rows);
        }
        let now = time::now();
        for found in statuses {
            if self.agent.is_none() {
                out.line(&out.strong(&title(found)))?;
            } else if found.state() == AgentState::Revoked {
                out.warning(&format!("agent {} is revoked", found.agent));
            }
            let lines = found.refs.iter().flat_map(|found| status::lines(found, &now));
            lines.into_iter().try_for_each(|line| out.line(&line))?;
        }
        Ok(())
    }
}

/// The statuses of all agents of the environment, or of one, or of one group's.
pub(super) async fn all(
    session: &Session<'_>,
    agent: Option<&str>,
    group: Option<&str>,
) -> Result<Vec<v1::AgentStatus>, Failure> {
    let client = session.agents().await?;
    pages(|page_token| {
        let mut client = client.clone();
        let request = v1::ListAgentStatusesRequest {
            environment: session.environment(),
            agent: agent.unwrap_or_default().to_owned(),
            page_size: PAGE_SIZE,
            page_token,
            group: group.unwrap_or_default().to_owned(),
        };
        async move {
            let answer = ask(client.list_agent_statuses(request)).await?;
            Ok((answer.statuses, answer.next_page_token))
        }
    })
    .await
}

/// One agent in one line.
fn row(found: &v1::AgentStatus) -> Vec<String> {
    let connected = found.instances.iter().filter(|instance| instance.connected).count();
    let injected = found.refs.iter().filter(|found| found.state() == RefState::Injected).count();
    let mut rest: Vec<String> = Vec::new();
    for state in NOT_WELL {
        let refs = found.refs.iter().filter(|found| found.state() == state);
        let labels: Vec<&str> = refs.map(status::label).collect();
        if !labels.is_empty() {
            rest.push(format!("{}: {}", status::state(state), labels.join(", ")));
        }
    }
    vec![
        found.agent.clone(),
        json::agent_state(found.state()).to_owned(),
        format!("{connected} of {}", found.instances.len()),
        format!("{injected} of {} injected", found.refs.len()),
        rest.join("; "),
    ]
}

fn title(found: &v1::AgentStatus) -> String {
    let state = json::agent_state(found.state());
    plain(&format!("{} ({}, {state})", found.agent, found.environment))
}

const NOT_WELL: [RefState; 5] = [
    RefState::Denied,
    RefState::Unresolved,
    RefState::Failed,
    RefState::Pending,
    RefState::Waiting,
];

/// How often `--watch` looks.
const WATCH_EVERY: Duration = Duration::from_secs(1);

/// Home, and clear to the end of the screen.
const CLEAR: &[u8] = b"\x1b[H\x1b[2J\x1b[3J";

const PAGE_SIZE: i32 = 100;
