//! `secretref explain`.

use super::{
    audit::refs,
    secret_name, show,
    status::{self, Scope},
};
use crate::{
    connect::{Session, ask},
    failure::{Exit, Failure},
    print::{json, plain, status as words, time},
};
use secretref_proto::v1;
use serde::Serialize;

/// Explain a ref: where it comes from, who may have it, who has which version.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  secretref explain stripe-api-key")]
pub(crate) struct Explain {
    /// Name of the ref, or of a secret of the store
    name: String,
}

#[derive(Serialize)]
struct Explained {
    name: String,
    reference: Option<refs::Ref>,
    secret: Option<json::Secret>,
    agents: Vec<words::Agent>,
}

impl Explain {
    /// Puts together what the store and the statuses of all agents say of one name.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let name = secret_name(&self.name)?;
        let request =
            v1::GetSecretRequest { name: name.clone(), environment: session.environment() };
        let mut client = session.secrets().await?;
        let stored = match ask(client.get_secret(request)).await {
            Ok(answer) => answer.secret,
            Err(failure) if failure.exit == Exit::NotFound => None,
            Err(failure) => return Err(failure),
        };
        let mut agents = status::all(session, &Scope::Environment).await?;
        agents.iter_mut().for_each(|agent| agent.refs.retain(|one| one.secret_ref == name));
        agents.retain(|agent| !agent.refs.is_empty());
        let reference = match refs::one(session, &name).await {
            Ok(reference) => reference,
            Err(failure) if failure.exit == Exit::NotFound => None,
            Err(failure) => return Err(failure),
        };
        if stored.is_none() && agents.is_empty() && reference.is_none() {
            let what = format!("the store has no secret \"{name}\", and no agent is bound to it");
            let fix = format!("secretref list, or secretref put {name}");
            return Err(Failure::new(Exit::NotFound, what, fix));
        }
        if session.out.json {
            let secret = stored.map(json::Secret::from);
            let agents = agents.into_iter().map(words::Agent::from).collect();
            session.out.json(&Explained { name, reference, secret, agents })?;
            return Ok(Exit::Done);
        }
        lines(&name, reference.as_ref(), stored.as_ref(), &agents)
            .iter()
            .try_for_each(|line| session.out.line(line))?;
        Ok(Exit::Done)
    }
}

fn lines(
    name: &str,
    reference: Option<&refs::Ref>,
    stored: Option<&v1::Secret>,
    agents: &[v1::AgentStatus],
) -> Vec<String> {
    let mut lines: Vec<String> =
        reference.into_iter().flat_map(refs::Ref::lines).map(|line| plain(&line)).collect();
    match stored {
        Some(secret) => lines.extend(show::lines(secret)),
        None if reference.is_none() => {
            lines.push(format!("the store has no secret {name}; the agents' refs say more"));
        }
        None => {}
    }
    if agents.is_empty() {
        lines.push("no agent is bound to it".to_owned());
    }
    let now = time::now();
    for agent in agents {
        let state = json::agent_state(agent.state());
        lines.push(plain(&format!("bound by {} ({}, {state})", agent.agent, agent.environment)));
        let refs = agent.refs.iter().flat_map(|one| words::lines(one, &now));
        lines.extend(refs.map(|line| format!("  {line}")));
    }
    lines
}
