//! `secretref resolve`: `OpenClaw`'s exec protocol, version 1.

use crate::{
    connect::{
        Session,
        guest::{self, Answered},
        within,
    },
    failure::{Exit, Failure},
};
use secretref_domain::{
    exec_protocol::{Answer, Request, RequestError},
    limit::RESOLVE_REQUEST_BYTES_MAX,
};
use secretref_proto::v1::{self, resolve_service_client::ResolveServiceClient};
use std::{
    io::{self, Read, Write},
    path::PathBuf,
    time::{Duration, Instant},
};
use zeroize::Zeroizing;

/// Answer OpenClaw's exec protocol: refs on standard input, their values on standard output.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    secretref resolve --socket /run/secretref/agent.sock\n  \
    secretref resolve --state-dir /var/lib/secretref-sidecar --broker broker:7443\n\
    An exec provider of OpenClaw, which starts it without a shell, an environment or a folder: all \
    it needs are these flags. What a tool of the agent is bound to is answered, from the running \
    sidecar where there is one; anything else is refused by its id, and is on the audit trail. \
    Exit codes: 0 it is answered, whatever became of each id; 2 the request is none; 69 neither \
    sidecar nor broker answers within 4 s.")]
pub(crate) struct Resolve {
    /// Socket of the agent's sidecar
    #[arg(long, value_name = "PATH", required_unless_present = "state_dir")]
    socket: Option<PathBuf>,
    /// State folder of the agent's sidecar: its certificate is shown to the broker where no
    /// sidecar answers
    #[arg(long, value_name = "DIR", requires = "broker")]
    state_dir: Option<PathBuf>,
    /// The broker's port for agents
    #[arg(long, value_name = "HOST:PORT")]
    broker: Option<String>,
}

impl Resolve {
    /// Reads the request, and answers it.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let bytes = request()?;
        let request = Request::parse(&bytes).map_err(wrong)?;
        let until = Instant::now() + session.patience().unwrap_or(PATIENCE);
        let alone = self.state_dir.is_none();
        if let Some(path) = &self.socket {
            loop {
                let why = match guest::resolve(path, &bytes).await {
                    Answered::Done(answer) => return write(&answer),
                    Answered::Refused(failure) => return Err(failure),
                    Answered::Away(why) => why,
                };
                // With another way there is nothing to wait for.
                if !alone {
                    break;
                }
                if Instant::now() >= until {
                    let what = format!("no sidecar answers at {}: {why}", path.display());
                    let fix = "start it (secretref-sidecar run --socket PATH), or name --state-dir \
                               and --broker too";
                    return Err(Failure::new(Exit::Unreachable, what, fix));
                }
                tokio::time::sleep(AGAIN_EVERY).await;
            }
        }
        let (Some(folder), Some(broker)) = (&self.state_dir, &self.broker) else {
            return Err(Failure::usage("no broker is named", "name --broker HOST:PORT"));
        };
        let channel = guest::connect(broker, folder).await?;
        let mut client = ResolveServiceClient::new(channel);
        let ids: Vec<String> = request.ids.iter().cloned().collect();
        let refs = match ids.is_empty() {
            true => Vec::new(),
            false => within(client.resolve(v1::ResolveRequest { ids })).await?.refs,
        };
        write(&rendered(&request, &refs)?)
    }
}

/// What is on standard input, up to its end.
fn request() -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let most = u64::try_from(RESOLVE_REQUEST_BYTES_MAX).unwrap_or(u64::MAX) + 1;
    let read = io::stdin().lock().take(most).read_to_end(&mut bytes);
    read.map_err(|error| {
        let what = format!("the request cannot be read: {error}");
        Failure::usage(what, "send it on standard input")
    })?;
    Ok(bytes)
}

fn wrong(error: RequestError) -> Failure {
    let fix = "send {\"protocolVersion\":1,\"provider\":\"ALIAS\",\"ids\":[…]} on standard input";
    Failure::usage(error.to_string(), fix)
}

fn rendered(request: &Request, refs: &[v1::ResolvedRef]) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut answer = Answer::to(request);
    for id in &request.ids {
        match refs.iter().find(|found| found.id == *id) {
            Some(found) if found.error_code.is_empty() => {
                answer.value(id, &found.value);
            }
            Some(found) => answer.refuse(id, &found.error_code, &found.message),
            None => answer.refuse(id, "UNAVAILABLE", "the broker did not answer for it"),
        }
    }
    let mut text = Zeroizing::new(Vec::with_capacity(ROOM_BYTES));
    serde_json::to_writer(&mut *text, &answer).map_err(io::Error::other)?;
    text.push(b'\n');
    Ok(text)
}

fn write(answer: &[u8]) -> Result<Exit, Failure> {
    let mut out = io::stdout().lock();
    out.write_all(answer)?;
    out.flush()?;
    Ok(Exit::Done)
}

/// How long a sidecar may take to start: `OpenClaw` waits for 5 s.
const PATIENCE: Duration = Duration::from_secs(4);
const AGAIN_EVERY: Duration = Duration::from_millis(50);
/// Room for most answers from the start: a buffer that grows leaves copies behind.
const ROOM_BYTES: usize = 64 * 1024;
