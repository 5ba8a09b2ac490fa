//! `secretref agent held`.

use crate::{
    args::since,
    cmd::{agent_name, impact, incomplete},
    connect::{Session, ask_slowly},
    failure::{Exit, Failure},
    print::{plain, time, trace, version},
};
use secretref_domain::clock::Timestamp;
use secretref_proto::v1;

/// Show every secret that an agent has held since a time, and whether it is still valid.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    secretref agent held payment-analyst --since 2026-11-23T12:03:00Z\n  \
    secretref agent held payment-analyst --since 2d --json\n\
    It needs the auditor or the operator role. What it had at that time counts, and what it was \
    sent from then on; an agent that was removed is found by what the trail says.")]
pub(crate) struct Command {
    /// Name of the agent
    agent: String,
    /// Since when: RFC 3339, a date, or a duration before now; without it, ever
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Timestamp>,
}

impl Command {
    /// Prints each version of each secret, and how it is replaced.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let agent = agent_name(&self.agent)?;
        let secrets = trace(session, agent.clone(), self.since).await?;
        if session.out.json {
            let secrets: Vec<trace::Held> = secrets.iter().map(Into::into).collect();
            session.out.json(&secrets)?;
            return Ok(Exit::Done);
        }
        if secrets.is_empty() {
            session.out.note("the trail has no secret that it held");
            return Ok(Exit::Done);
        }
        table(session, &secrets)?;
        session.out.note(&advice(session, &agent, self.since));
        Ok(Exit::Done)
    }
}

/// What an agent has held; says so where the trail was not read to its end.
pub(in crate::cmd) async fn trace(
    session: &Session<'_>,
    agent: String,
    since: Option<Timestamp>,
) -> Result<Vec<v1::TracedSecret>, Failure> {
    let request = v1::TraceAgentRequest {
        agent,
        environment: session.environment(),
        start_time: since.map(time::wire),
    };
    let mut client = session.traces().await?;
    let found = ask_slowly(client.trace_agent(request)).await?;
    let found = found.ok_or_else(|| incomplete("trace"))?;
    impact::examined(session.out, found.examined_since.as_ref(), found.examined_entries, None);
    Ok(found.secrets)
}

/// One row for each version, and a line for what no rotator replaces.
pub(in crate::cmd) fn table(
    session: &Session<'_>,
    secrets: &[v1::TracedSecret],
) -> Result<(), Failure> {
    let rows: Vec<Vec<String>> = secrets.iter().flat_map(rows).collect();
    let header = ["SECRET", "ENVIRONMENT", "VERSION", "STATE", "FIRST", "LAST", "INSTANCES"];
    session.out.table(&header, &rows)?;
    let by_hand = secrets.iter().filter(|secret| is_valid(secret) && !secret.reason.is_empty());
    for v1::TracedSecret { secret, reason, fix, .. } in by_hand {
        session.out.line(&plain(&format!("{secret}: {reason}; {fix}")))?;
    }
    Ok(())
}

fn rows(secret: &v1::TracedSecret) -> Vec<Vec<String>> {
    let row = |held: &v1::TracedVersion| {
        let [first, last] = [&held.first_time, &held.last_time].map(|at| time::moment(at.as_ref()));
        let state = trace::fate(held.state()).to_owned();
        let (name, environment) = (secret.secret.clone(), secret.environment.clone());
        let instances = held.instances.to_string();
        vec![name, environment, version(held.version), state, first, last, instances]
    };
    secret.versions.iter().map(row).collect()
}

/// Whether the agent held a version that may still be of use to whoever has it.
pub(in crate::cmd) fn is_valid(secret: &v1::TracedSecret) -> bool {
    secret.versions.iter().any(|held| held.state() != v1::TracedVersionState::Destroyed)
}

/// The command that replaces what an agent held.
pub(in crate::cmd) fn advice(
    session: &Session<'_>,
    agent: &str,
    since: Option<Timestamp>,
) -> String {
    let since = since.map(|since| format!(" --since {since}")).unwrap_or_default();
    let environment = session.environment_option();
    let rotate = format!("secretref rotate --held-by {agent}{since}{environment}");
    format!("{rotate} --reason WHY replaces what a rotator can; with --plan it shows how")
}
