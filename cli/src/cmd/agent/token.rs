//! `secretref agent token`.

use crate::{
    args::duration,
    cmd::agent_name,
    connect::{Session, ask},
    failure::{Exit, Failure},
    print::time,
};
use secretref_domain::limit::TOKEN_TTL_SECONDS_MAX;
use secretref_proto::v1;
use serde::Serialize;
use std::time::Duration;
use zeroize::Zeroizing;

/// Mint a join token, single use; it alone goes to standard output.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  \
    (umask 077; secretref agent token payment-analyst --ttl 10m > token)\n  \
    secretref-sidecar run --broker HOST:7443 --token-file token --state-dir state")]
pub(crate) struct Token {
    /// Agent that the token enrols
    agent: String,
    /// How long it can be used, 24h at most; without it 10m
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    ttl: Option<Duration>,
    /// Let a revoked agent come in again
    #[arg(long)]
    readmit: bool,
}

#[derive(Serialize)]
struct Minted<'a> {
    agent: &'a str,
    token: &'a str,
    expire_time: Option<String>,
}

impl Token {
    /// Prints the token, and tells people until when it can be used.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let agent = agent_name(&self.agent)?;
        let request = v1::CreateJoinTokenRequest {
            agent: agent.clone(),
            environment: session.environment(),
            ttl_seconds: seconds(self.ttl)?,
            readmit: self.readmit,
        };
        let mut client = session.agents().await?;
        let answer = ask(client.create_join_token(request)).await?;
        let expire_time = time::optional(answer.expire_time.as_ref());
        let token = Zeroizing::new(answer.token);
        if session.out.json {
            session.out.json(&Minted { agent: &agent, token: &token, expire_time })?;
            return Ok(Exit::Done);
        }
        session.out.line(&token)?;
        let until = time::moment(answer.expire_time.as_ref());
        session.out.note(&format!("enrols one sidecar of {agent}, once, until {until} UTC"));
        Ok(Exit::Done)
    }
}

fn seconds(ttl: Option<Duration>) -> Result<i64, Failure> {
    let Some(ttl) = ttl else { return Ok(0) };
    match i64::try_from(ttl.as_secs()) {
        Ok(seconds @ 1..=TOKEN_TTL_SECONDS_MAX) => Ok(seconds),
        _ => Err(Failure::usage("a token lives for 1s to 24h", "--ttl 10m")),
    }
}
