//! `secretref environment list`.

use crate::{
    connect::{Session, ask_twice},
    failure::{Exit, Failure},
};
use secretref_proto::v1;
use serde::Serialize;

/// List the environments.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  secretref environment list --json")]
pub(crate) struct List {}

#[derive(Serialize)]
struct Shown {
    name: String,
    active: bool,
    active_provider: String,
    refs: i32,
    agents: i32,
    secrets: i32,
}

impl List {
    /// Prints all environments, ordered by name.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let client = session.environments().await?;
        let answer = ask_twice(|| {
            let mut client = client.clone();
            async move { client.list_environments(v1::ListEnvironmentsRequest {}).await }
        })
        .await?;
        let shown = |it: v1::Environment| Shown {
            name: it.name,
            active: it.active,
            active_provider: it.active_provider,
            refs: it.refs,
            agents: it.agents,
            secrets: it.secrets,
        };
        let environments: Vec<Shown> = answer.environments.into_iter().map(shown).collect();
        if session.out.json {
            session.out.json(&environments)?;
            return Ok(Exit::Done);
        }
        let row = |it: &Shown| {
            let name = if it.active { format!("{} (active)", it.name) } else { it.name.clone() };
            let counts = [it.refs, it.agents, it.secrets].map(|count| count.to_string());
            [name, it.active_provider.clone()].into_iter().chain(counts).collect()
        };
        let rows: Vec<Vec<String>> = environments.iter().map(row).collect();
        session.out.table(&["ENVIRONMENT", "PROVIDER", "REFS", "AGENTS", "SECRETS"], &rows)?;
        Ok(Exit::Done)
    }
}
