//! `secretref provider list`.

use crate::{
    connect::{Session, ask_twice},
    failure::{Exit, Failure},
};
use secretref_proto::v1;
use serde::Serialize;

/// List the providers, and how many refs each answers for.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  secretref provider list --environment production --json")]
pub(crate) struct List {}

/// A provider as programs read it.
#[derive(Serialize)]
struct Shown {
    provider: String,
    #[serde(rename = "type")]
    kind: String,
    settings: serde_json::Value,
    refs: i32,
    failing_refs: i32,
}

impl List {
    /// Prints all providers, ordered by alias.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let providers = all(session).await?;
        if session.out.json {
            let shown: Vec<Shown> = providers.into_iter().map(shown).collect();
            session.out.json(&shown)?;
            return Ok(Exit::Done);
        }
        if providers.is_empty() {
            session.out.note("no provider is there yet; a manifest's secrets.providers sets some");
            return Ok(Exit::Done);
        }
        let row = |it: &v1::Provider| {
            let failing = match it.failing_refs {
                0 => "-".to_owned(),
                some => format!("{some} of {}: secretref provider check {}", it.refs, it.alias),
            };
            vec![it.alias.clone(), it.r#type.clone(), it.refs.to_string(), failing]
        };
        let rows: Vec<Vec<String>> = providers.iter().map(row).collect();
        session.out.table(&["PROVIDER", "TYPE", "REFS", "FAILING"], &rows)?;
        Ok(Exit::Done)
    }
}

/// All providers of an environment.
pub(super) async fn all(session: &Session<'_>) -> Result<Vec<v1::Provider>, Failure> {
    let request = v1::ListProvidersRequest { environment: session.environment() };
    let client = session.providers().await?;
    let answer = ask_twice(|| {
        let (mut client, request) = (client.clone(), request.clone());
        async move { client.list_providers(request).await }
    })
    .await?;
    Ok(answer.providers)
}

fn shown(provider: v1::Provider) -> Shown {
    Shown {
        settings: serde_json::from_str(&provider.settings_json).unwrap_or_default(),
        provider: provider.alias,
        kind: provider.r#type,
        refs: provider.refs,
        failing_refs: provider.failing_refs,
    }
}
