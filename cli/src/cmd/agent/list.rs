//! `secretref agent list`.

use crate::{
    cmd::group_name,
    connect::{Session, ask, pages},
    failure::{Exit, Failure},
    print::json,
};
use secretref_proto::v1;

/// List agents.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  secretref agent list --environment production\n  \
    secretref agent list --group finance")]
pub(crate) struct List {
    /// Only agents that name this group
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
}

impl List {
    /// Prints all agents of the environment, ordered by name.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let group = self.group.as_deref().map(group_name).transpose()?;
        let agents = all(session, group.as_deref()).await?;
        if session.out.json {
            let agents: Vec<json::Agent> = agents.into_iter().map(Into::into).collect();
            session.out.json(&agents)?;
            return Ok(Exit::Done);
        }
        if agents.is_empty() {
            session.out.note(match group {
                Some(_) => "no agent names this group",
                None => "no agent is there yet; secretref apply -f FILE makes some",
            });
            return Ok(Exit::Done);
        }
        let row = |agent: &v1::Agent| {
            let connected = agent.instances.iter().filter(|instance| instance.connected).count();
            vec![
                agent.name.clone(),
                json::agent_state(agent.state()).to_owned(),
                format!("{connected} of {}", agent.instances.len()),
                agent.bindings.len().to_string(),
                agent.groups.join(", "),
                agent.runtime.clone(),
                agent.display_name.clone(),
            ]
        };
        let rows: Vec<Vec<String>> = agents.iter().map(row).collect();
        let header = ["AGENT", "STATE", "CONNECTED", "BINDINGS", "GROUPS", "RUNTIME", "NAME"];
        session.out.table(&header, &rows)?;
        Ok(Exit::Done)
    }
}

/// All agents of the environment, or of one of its groups.
pub(super) async fn all(
    session: &Session<'_>,
    group: Option<&str>,
) -> Result<Vec<v1::Agent>, Failure> {
    let client = session.agents().await?;
    pages(|page_token| {
        let mut client = client.clone();
        let request = v1::ListAgentsRequest {
            environment: session.environment(),
            page_size: PAGE_SIZE,
            page_token,
            group: group.unwrap_or_default().to_owned(),
        };
        async move {
            let answer = ask(client.list_agents(request)).await?;
            Ok((answer.agents, answer.next_page_token))
        }
    })
    .await
}

const PAGE_SIZE: i32 = 100;
