//! `secretref agent quarantine`.

use super::held;
use crate::{
    args::since,
    cmd::{agent_name, incomplete, request_id},
    connect::{Session, ask_twice},
    failure::{Exit, Failure},
    print::{counted, json, trace},
};
use secretref_domain::clock::Timestamp;
use secretref_proto::v1;
use serde::Serialize;

/// Quarantine an agent: cut off and wiped until it is released; prints what it held.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    secretref agent quarantine payment-analyst --reason \"odd requests at night\"\n  \
    secretref agent release payment-analyst --reason \"a false alarm\"\n\
    Its streams are cut within a second, on this broker and on every other; its certificates and \
    unused tokens are refused from then on, also after a restart; and its sidecars wipe what they \
    hold. Nothing is forgotten: `agent release` lets the same instances in again. Where a host is \
    not to be trusted, `agent token NAME --readmit` lets in a new one alone.")]
pub(crate) struct Quarantine {
    /// Agent to quarantine
    agent: String,
    /// Why, for the audit trail: 512 bytes at most
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
    /// Since when what it held is told: RFC 3339, a date, or a duration before now; without it,
    /// ever
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Timestamp>,
}

#[derive(Serialize)]
struct Quarantined {
    agent: String,
    state: &'static str,
    cut_streams: i32,
    /// Absent where the trail could not be read: that it is quarantined stands all the same.
    held: Option<Vec<trace::Held>>,
}

impl Quarantine {
    /// Returns when no further byte can reach the agent, with what it has held.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let name = agent_name(&self.agent)?;
        let request = v1::QuarantineAgentRequest {
            name: name.clone(),
            environment: session.environment(),
            reason: self.reason.clone(),
            request_id: request_id(),
        };
        let client = session.agents().await?;
        let answer = ask_twice(|| {
            let (mut client, request) = (client.clone(), request.clone());
            async move { client.quarantine_agent(request).await }
        })
        .await?;
        let agent = answer.agent.ok_or_else(|| incomplete("agent"))?;
        let (state, cut_streams) = (json::agent_state(agent.state()), answer.cut_streams);
        if !session.out.json {
            let cut = counted(usize::try_from(cut_streams).unwrap_or(0), "stream");
            session.out.line(&format!("{} {state}, {cut} cut", agent.name))?;
        }
        let held = held::trace(session, name.clone(), self.since).await;
        if session.out.json {
            let told = held.as_ref().ok();
            let held = told.map(|secrets| secrets.iter().map(Into::into).collect());
            session.out.json(&Quarantined { agent: agent.name, state, cut_streams, held })?;
        }
        let secrets = held?;
        if !session.out.json && !secrets.is_empty() {
            session.out.line("it held:")?;
            held::table(session, &secrets)?;
        }
        if secrets.iter().any(held::is_valid) {
            session.out.note(&held::advice(session, &name, self.since));
        }
        let option = session.environment_option();
        session.out.note(&format!("secretref agent release {name}{option} lets it in again"));
        Ok(Exit::Done)
    }
}
