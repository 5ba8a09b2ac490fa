//! `secretref status`.

mod change;
mod screen;
mod watch;

use super::{agent_name, group_name};
use crate::{
    args::interval,
    connect::{Session, ask, pages},
    failure::{Exit, Failure},
    print::{Printer, json, status, time},
};
use secretref_proto::v1::{self, AgentState, agents_service_client::AgentsServiceClient};
use std::time::Duration;
use tonic::transport::Channel;

/// Show what each agent is owed and what its instances really hold.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    secretref status --agent payment-analyst --secrets\n  \
    secretref status --secrets --all --json\n  \
    secretref status --group finance\n  \
    secretref status --watch --secrets --all | grep -v ✅\n\
    `written` means that the sidecar put the value in place; whether the agent uses it is not \
    said. --watch draws the state anew on a terminal; in a pipe it prints what there is and then a \
    line for each change, and with --json the whole agent that changed, one a line. Ctrl-C ends \
    it with code 0.")]
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
    /// Every agent of every environment, revoked ones too; with --environment or --group those
    /// of that one
    #[arg(long)]
    all: bool,
    /// Go on, and show what changes
    #[arg(long)]
    watch: bool,
    /// How often --watch looks, 1s to 1h: 2s
    #[arg(long, value_name = "DURATION", value_parser = interval, requires = "watch")]
    interval: Option<Duration>,
}

/// Which agents are meant.
pub(super) enum Scope {
    /// Those of the environment.
    Environment,
    /// Those of every environment.
    Fleet,
    /// One.
    Agent(String),
    /// Those of the environment that name a group.
    Group(String),
}

/// How statuses are shown.
#[derive(Clone, Copy)]
struct View {
    /// Each ref, rather than each agent in a line.
    secrets: bool,
    /// Agents of several environments.
    fleet: bool,
    /// One agent alone, that need not be named.
    single: bool,
}

impl Status {
    /// Prints once, or again with every change.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let scope = self.scope(session)?;
        let view = View {
            secrets: self.secrets,
            fleet: matches!(scope, Scope::Fleet),
            single: matches!(scope, Scope::Agent(_)),
        };
        let revoked = self.all || view.single;
        let watch = watch::Watch { session, scope, revoked, view };
        if self.watch {
            return watch.run(self.interval.unwrap_or(INTERVAL)).await;
        }
        let statuses = watch.read(&session.agents().await?).await?;
        print(session.out, view, &statuses)?;
        Ok(Exit::Done)
    }

    fn scope(&self, session: &Session<'_>) -> Result<Scope, Failure> {
        Ok(match (&self.agent, &self.group) {
            (Some(agent), _) => Scope::Agent(agent_name(agent)?),
            (None, Some(group)) => Scope::Group(group_name(group)?),
            (None, None) if self.all && session.environment().is_empty() => Scope::Fleet,
            (None, None) => Scope::Environment,
        })
    }
}

fn print(out: Printer, view: View, statuses: &[v1::AgentStatus]) -> Result<(), Failure> {
    if out.json {
        let agents: Vec<status::Agent> = statuses.iter().cloned().map(Into::into).collect();
        return out.json(&agents);
    }
    if statuses.is_empty() {
        out.note(NOBODY);
        return Ok(());
    }
    if let [only] = statuses
        && view.single
        && view.secrets
        && matches!(only.state(), AgentState::Revoked | AgentState::Quarantined)
    {
        out.warning(&format!("agent {} is {}", only.agent, json::agent_state(only.state())));
    }
    let lines = view.lines(out, statuses, &time::now());
    lines.iter().try_for_each(|line| out.line(line))
}

/// The statuses of the agents that are meant, in their order.
pub(super) async fn all(
    session: &Session<'_>,
    scope: &Scope,
) -> Result<Vec<v1::AgentStatus>, Failure> {
    read(&session.agents().await?, session.environment(), scope).await
}

async fn read(
    client: &AgentsServiceClient<Channel>,
    environment: String,
    scope: &Scope,
) -> Result<Vec<v1::AgentStatus>, Failure> {
    let mut wanted = v1::ListAgentStatusesRequest {
        environment,
        page_size: PAGE_SIZE,
        ..v1::ListAgentStatusesRequest::default()
    };
    match scope {
        Scope::Environment => {}
        Scope::Fleet => wanted.all_environments = true,
        Scope::Agent(name) => wanted.agent.clone_from(name),
        Scope::Group(name) => wanted.group.clone_from(name),
    }
    pages(|page_token| {
        let mut client = client.clone();
        let request = v1::ListAgentStatusesRequest { page_token, ..wanted.clone() };
        async move {
            let answer = ask(client.list_agent_statuses(request)).await?;
            Ok((answer.statuses, answer.next_page_token))
        }
    })
    .await
}

/// How often `--watch` looks where nothing is said.
const INTERVAL: Duration = Duration::from_secs(2);
const PAGE_SIZE: i32 = 100;
const NOBODY: &str = "no agent to show; secretref apply -f FILE makes some";
