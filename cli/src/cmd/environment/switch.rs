//! `secretref environment use`.

use crate::{
    cmd::{agent_name, confirm, request_id},
    connect::{Session, ask},
    failure::{Exit, Failure},
    print::plain,
};
use secretref_domain::name::EnvironmentName;
use secretref_proto::v1;
use serde::Serialize;

/// Use an environment from now on, and move agents to it.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    secretref environment use production --agent payment-analyst --agent finance-analyst\n  \
    secretref environment use development --all-agents --yes\n\
    Shows first what will change, and asks. Requests that name no environment mean this one from \
    then on. An agent that moves keeps its identity; its refs are the environment's own, so \
    that it never holds secrets of two. Without --agent and --all-agents no agent moves.")]
pub(crate) struct Use {
    /// Name of the environment
    name: String,
    /// Agent of the active environment that moves to it; may be repeated
    #[arg(long, value_name = "NAME", conflicts_with = "all_agents")]
    agent: Vec<String>,
    /// Every agent of the active environment moves to it
    #[arg(long)]
    all_agents: bool,
    /// Only show what would change
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

#[derive(Serialize)]
struct Switched {
    previous: String,
    environment: String,
    changed: bool,
    agents: Vec<Moved>,
    unresolved: Vec<Unresolved>,
}

#[derive(Serialize)]
struct Moved {
    agent: String,
    from: String,
    refs: Vec<Ref>,
}

#[derive(Serialize)]
struct Ref {
    #[serde(rename = "ref")]
    name: String,
    before: Option<String>,
    after: Option<String>,
}

#[derive(Serialize)]
struct Unresolved {
    #[serde(rename = "ref")]
    name: String,
    agents: Vec<String>,
    reason: String,
    fix: String,
    required: bool,
}

impl Use {
    /// Shows what would change, asks, and does it.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        EnvironmentName::parse(&self.name)
            .map_err(|error| Failure::usage(error.to_string(), "see secretref environment list"))?;
        let agents = self.agent.iter().map(|name| agent_name(name));
        let request = v1::UseEnvironmentRequest {
            environment: self.name.clone(),
            agents: agents.collect::<Result<_, _>>()?,
            all_agents: self.all_agents,
            validate_only: true,
            request_id: String::new(),
        };
        let mut client = session.environments().await?;
        let planned = ask(client.use_environment(request.clone())).await?;
        let changes = planned.previous_environment != planned.environment;
        if !session.out.json {
            lines(&planned).iter().try_for_each(|line| session.out.line(&plain(line)))?;
        }
        if self.dry_run || !changes {
            return print(session, planned, false);
        }
        if !self.yes {
            if !confirm::can_ask() {
                let what = "this changes what requests and agents get, and nobody can be asked";
                return Err(Failure::usage(what, "add --yes, or --dry-run to see what changes"));
            }
            if !confirm::agreed(&format!("Use environment {}?", self.name))? {
                return print(session, planned, false);
            }
        }
        let request =
            v1::UseEnvironmentRequest { validate_only: false, request_id: request_id(), ..request };
        let done = ask(client.use_environment(request)).await?;
        print(session, done, true)
    }
}

fn lines(planned: &v1::UseEnvironmentResponse) -> Vec<String> {
    let (before, after) = (&planned.previous_environment, &planned.environment);
    let mut lines = vec![match before == after {
        true => format!("environment {after} is the active one already"),
        false => format!("environment: {before} → {after}"),
    }];
    for moved in &planned.agents {
        lines.push(format!("agent {}: {} → {after}", moved.agent, moved.from));
        let nothing = |text: &str| if text.is_empty() { "nothing".into() } else { text.to_owned() };
        lines.extend(moved.refs.iter().map(|one| {
            format!("  {}: {} → {}", one.secret_ref, nothing(&one.before), nothing(&one.after))
        }));
    }
    lines.extend(planned.unresolved.iter().map(|one| {
        let agents = one.agents.join(", ");
        format!("❌ unresolved: {} ({agents}): {}. Fix: {}", one.secret_ref, one.reason, one.fix)
    }));
    lines
}

fn print(
    session: &Session<'_>,
    answer: v1::UseEnvironmentResponse,
    changed: bool,
) -> Result<Exit, Failure> {
    if !session.out.json {
        let moved = answer.agents.len();
        let said = match changed {
            true => format!("environment {} is active, {moved} agents moved", answer.environment),
            false => "nothing was changed".to_owned(),
        };
        session.out.note(&said);
        return Ok(Exit::Done);
    }
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    let one = |it: v1::RefMove| Ref {
        name: it.secret_ref,
        before: some(it.before),
        after: some(it.after),
    };
    let moved = |it: v1::AgentMove| Moved {
        agent: it.agent,
        from: it.from,
        refs: it.refs.into_iter().map(one).collect(),
    };
    let unresolved = |it: v1::UnresolvedRef| Unresolved {
        name: it.secret_ref,
        agents: it.agents,
        reason: it.reason,
        fix: it.fix,
        required: it.required,
    };
    session.out.json(&Switched {
        previous: answer.previous_environment,
        environment: answer.environment,
        changed,
        agents: answer.agents.into_iter().map(moved).collect(),
        unresolved: answer.unresolved.into_iter().map(unresolved).collect(),
    })?;
    Ok(Exit::Done)
}
