//! `secretref run`: a program with an agent's credentials, under a sidecar of its own. This becomes
//! the sidecar; what is done here is what a sidecar cannot: minting its join token.

use crate::{
    cmd::{agent_name, programs},
    connect::{Session, ask},
    failure::{Exit, Failure},
    print::time,
};
use jiff::tz::TimeZone;
use secretref_domain::{
    agent::OnRotate,
    clock::Timestamp,
    name::{EnvVar, ProviderAlias, SecretName},
    schedule::{Schedule, is_zone_name},
};
use secretref_proto::v1;
use std::{
    ffi::OsString,
    io::Write,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{net::TcpStream, time::timeout};
use zeroize::Zeroizing;

/// Run a program with an agent's credentials in its environment
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    secretref run --agent payment-analyst -- ./analyst --verbose\n  \
    secretref run --agent payment-analyst --only-env STRIPE_API_KEY --on-rotate none -- sh\n  \
    secretref run --agent payment-analyst --schedule \"0 9 * * 1-5\" -- ./report\n\
    Ends as the program ends, with its exit code; 128 and the number of the signal that ended it; \
    126 or 127 where it could not be started; 78 where a required ref is denied or has no value: \
    then nothing was started. An environment cannot change in a living process: on a rotation \
    the program is started again, unless its manifest or --on-rotate says otherwise. With \
    --schedule it ends when it is told to, with 0 where it waits; a run that fails, or whose refs \
    do not resolve at its time, is told and the next one is tried. \
    Needs secretref-sidecar beside this program or in PATH.")]
pub(crate) struct Run {
    /// Agent that the program is
    #[arg(long, value_name = "NAME")]
    agent: String,
    /// Only the variables of these refs
    #[arg(long, value_name = "REF,…", value_delimiter = ',', value_parser = secret)]
    secrets_ref: Vec<String>,
    /// Variable of the first of these refs, and so on
    #[arg(long, value_name = "NAME", value_parser = variable, requires = "secrets_ref")]
    env: Vec<String>,
    /// Take values from this provider alone, among those that each ref names
    #[arg(long, value_name = "ALIAS", value_parser = provider)]
    secrets_provider: Option<String>,
    /// Only these variables
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = variable)]
    only_env: Vec<String>,
    /// What a rotation does: restart, none or signal:NAME; without it what the manifest says
    #[arg(long, value_name = "WHAT", value_parser = on_rotate)]
    on_rotate: Option<String>,
    /// Whether it is started again when it ends by itself: no, on-failure or always
    #[arg(long, value_name = "WHEN", default_value = "no",
          value_parser = ["no", "on-failure", "always"])]
    restart: String,
    /// Run it at these times, until told to end: a cron expression of five fields (minute, hour,
    /// day of month, month, day of week), six with the second first, or @daily and the like.
    /// Between runs nothing is held, on disk or in memory
    #[arg(long, value_name = "CRON", value_parser = schedule)]
    schedule: Option<String>,
    /// Whose clocks count, as IANA names the zone, such as Europe/Berlin; without it UTC
    #[arg(long, value_name = "ZONE", value_parser = zone, requires = "schedule")]
    schedule_timezone: Option<String>,
    /// Where it still runs when it is due again: skip leaves that run out, queue begins it when the
    /// one before has ended, replace stops the one before; without it skip
    #[arg(long, value_name = "WHAT", requires = "schedule",
          value_parser = ["skip", "queue", "replace"])]
    schedule_overlap: Option<String>,
    /// A program that the agent's manifest may name as a check of its gate; may be repeated
    #[arg(long, value_name = "PROGRAM")]
    allow_exec: Vec<PathBuf>,
    /// What the sidecar logs: error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "warn",
          value_parser = ["error", "warn", "info", "debug", "trace"])]
    log_level: String,
    /// Join token of the sidecar; without it one is minted, which needs an operator's profile
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Who the sidecar is, over several runs; without it somebody new each time
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// The broker's port for agents, HOST:PORT; without it SECRETREF_BROKER, or the profile's
    #[arg(long, value_name = "HOST:PORT")]
    broker: Option<String>,
    /// The program and its arguments; without it the `command` of the agent's manifest
    #[arg(last = true, value_name = "PROGRAM")]
    command: Vec<OsString>,
}

/// The folders of one run.
struct Folders {
    state: PathBuf,
    secrets: PathBuf,
    /// What is made for this run alone.
    own: TempDir,
    keeps_state: bool,
}

impl Run {
    /// Becomes a sidecar that runs the program; comes back only where it cannot.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let agent = agent_name(&self.agent)?;
        if self.schedule.is_some() && self.restart != "no" {
            let what = "--restart and --schedule say two things of when the program is started";
            return Err(Failure::usage(what, "leave --restart out: the schedule starts it again"));
        }
        let sidecar = programs::find(session.config(), "secretref-sidecar")?;
        let broker = self.broker(session)?;
        let folders = self.folders(session)?;
        if is_enrolled(&folders.state) || self.token_file.is_some() {
            reachable(&broker, session).await?;
        } else {
            let token = mint(session, &agent).await?;
            enrol(&sidecar, &broker, &folders.state, &token)?;
        }
        let mut command = Command::new(&sidecar);
        command.args(["run", "--broker", &broker, "--agent", &agent]);
        command.arg("--state-dir").arg(&folders.state);
        command.arg("--secrets-dir").arg(&folders.secrets).arg("--remove-secrets-dir");
        if !folders.keeps_state {
            command.arg("--remove-state-dir");
        }
        if let Some(file) = &self.token_file {
            command.arg("--token-file").arg(file);
        }
        self.choose(&mut command);
        self.say_when(session);
        // The sidecar removes it, once nobody needs it any more.
        let own = folders.own.keep();
        let error = command.exec();
        drop(std::fs::remove_dir_all(own));
        let what = format!("{} cannot be started: {error}", sidecar.display());
        Err(Failure::usage(what, "install the secretref-sidecar of this version beside secretref"))
    }

    fn choose(&self, command: &mut Command) {
        let listed = [("--secrets-ref", &self.secrets_ref), ("--only-env", &self.only_env)];
        for (option, names) in listed.into_iter().filter(|(_, names)| !names.is_empty()) {
            command.args([option, &names.join(",")]);
        }
        for name in &self.env {
            command.args(["--env", name]);
        }
        for program in &self.allow_exec {
            command.arg("--allow-exec").arg(program);
        }
        if let Some(alias) = &self.secrets_provider {
            command.args(["--secrets-provider", alias]);
        }
        if let Some(what) = &self.on_rotate {
            command.args(["--on-rotate", what]);
        }
        let when = [
            ("--schedule", &self.schedule),
            ("--schedule-timezone", &self.schedule_timezone),
            ("--schedule-overlap", &self.schedule_overlap),
        ];
        for (option, said) in when {
            command.args(said.iter().flat_map(|said| [option, said.as_str()]));
        }
        command.args(["--restart", &self.restart, "--log-level", &self.log_level]);
        // Whoever asks on the host itself permits what the manifest names.
        if self.command.is_empty() {
            command.arg("--agent-command");
        } else {
            command.arg("--").args(&self.command);
        }
    }

    /// A sidecar that waits says nothing: when it will run is said here.
    fn say_when(&self, session: &Session<'_>) {
        let schedule = self.schedule.as_deref().and_then(|text| Schedule::parse(text).ok());
        let zone = TimeZone::get(self.schedule_timezone.as_deref().unwrap_or("UTC")).ok();
        let now = time::now();
        let at = Timestamp::from_micros(time::micros(&now));
        let next = schedule.zip(zone).and_then(|(schedule, zone)| schedule.next_after(at, &zone));
        if let Some(next) = next.map(time::wire) {
            let (next, ahead) = (time::minute(&next), time::ahead(&next, &now));
            session.out.note(&format!("the first run is due {next} UTC ({ahead})"));
        }
    }

    /// The broker's port for agents.
    fn broker(&self, session: &Session<'_>) -> Result<String, Failure> {
        let given = self.broker.as_ref().or(session.config().broker.as_ref());
        match given {
            Some(address) => Ok(address.clone()),
            None => Ok(session.profile()?.agents_address()),
        }
    }

    fn folders(&self, session: &Session<'_>) -> Result<Folders, Failure> {
        let own = programs::folder_in_memory(session.config(), PREFIX).ok_or_else(|| {
            Failure::usage(
                "there is no folder in memory for the agent's files: neither XDG_RUNTIME_DIR nor \
                 /dev/shm is one",
                "export XDG_RUNTIME_DIR=FOLDER on a tmpfs",
            )
        })?;
        Ok(match &self.state_dir {
            Some(state) => Folders {
                state: state.clone(),
                secrets: own.path().to_owned(),
                own,
                keeps_state: true,
            },
            None => Folders {
                state: own.path().to_owned(),
                secrets: own.path().join("secrets"),
                own,
                keeps_state: false,
            },
        })
    }
}

async fn mint(session: &Session<'_>, agent: &str) -> Result<Zeroizing<String>, Failure> {
    let request = v1::CreateJoinTokenRequest {
        agent: agent.to_owned(),
        environment: session.environment(),
        ttl_seconds: TOKEN_TTL_SECONDS,
        readmit: false,
    };
    let mut client = session.agents().await?;
    Ok(Zeroizing::new(ask(client.create_join_token(request)).await?.token))
}

/// Enrols the sidecar with a token that it reads from a pipe, so that standard input stays the
/// program's.
fn enrol(sidecar: &Path, broker: &str, state: &Path, token: &str) -> Result<(), Failure> {
    let wrong = |error: std::io::Error| {
        let what = format!("{} cannot be started: {error}", sidecar.display());
        Failure::usage(what, "install the secretref-sidecar of this version beside secretref")
    };
    let mut command = Command::new(sidecar);
    command.args(["enroll", "--broker", broker, "--token-file", "-", "--log-level", "error"]);
    command.arg("--state-dir").arg(state);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().map_err(wrong)?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read says why.
        drop(stdin.write_all(token.as_bytes()));
    }
    match child.wait().map_err(wrong)?.code() {
        Some(0) => Ok(()),
        // It has said why.
        code => Err(Failure::told(match code {
            Some(2) => Exit::Usage,
            Some(69) => Exit::Unreachable,
            _ => Exit::Refused,
        })),
    }
}

/// A broker that is away would be waited for without an end.
async fn reachable(broker: &str, session: &Session<'_>) -> Result<(), Failure> {
    let within = session.patience().unwrap_or(CONNECT_MAX);
    let until = tokio::time::Instant::now() + within;
    loop {
        let why = match timeout(CONNECT_MAX, TcpStream::connect(broker)).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {CONNECT_MAX:?}"),
        };
        if session.patience().is_none() || tokio::time::Instant::now() > until {
            return Err(Failure::unreachable(format!("the broker at {broker}: {why}")));
        }
        tokio::time::sleep(AGAIN).await;
    }
}

fn is_enrolled(state: &Path) -> bool {
    ["current.json", "next.json"].iter().any(|name| state.join(name).is_file())
}

fn secret(given: &str) -> Result<String, String> {
    SecretName::parse(given).map(|name| name.to_string()).map_err(|error| error.to_string())
}

fn variable(given: &str) -> Result<String, String> {
    EnvVar::parse(given).map(|name| name.to_string()).map_err(|error| error.to_string())
}

fn schedule(given: &str) -> Result<String, String> {
    Schedule::parse(given).map(|it| it.as_str().to_owned()).map_err(|error| error.to_string())
}

/// Whether there is such a zone the sidecar knows, which brings its own.
fn zone(given: &str) -> Result<String, String> {
    let wrong = || "a time zone is named as IANA does: UTC, Europe/Berlin".to_owned();
    is_zone_name(given).then(|| given.to_owned()).ok_or_else(wrong)
}

fn provider(given: &str) -> Result<String, String> {
    ProviderAlias::parse(given).map(|name| name.to_string()).map_err(|error| error.to_string())
}

fn on_rotate(given: &str) -> Result<String, String> {
    match OnRotate::try_from(given.to_owned())? {
        OnRotate::Restart | OnRotate::Signal(_) | OnRotate::None => Ok(given.to_owned()),
        OnRotate::SignalFile { .. }
        | OnRotate::Http(_)
        | OnRotate::Exec(_)
        | OnRotate::OpenClaw
        | OnRotate::OpenClawProgram(_) => Err("a hook is called by its manifest alone".to_owned()),
    }
}

const PREFIX: &str = "secretref-run-";
/// It is used at once.
const TOKEN_TTL_SECONDS: i64 = 60;
const CONNECT_MAX: Duration = Duration::from_secs(2);
const AGAIN: Duration = Duration::from_millis(200);
