//! What the sidecar is told on its command line: plain data, read here and nowhere else.

mod args;
mod help;

pub use help::HELP;

use jiff::tz::TimeZone;
use secretref_domain::{
    agent::OnRotate,
    name::{AgentName, EnvVar, ProviderAlias, SecretName},
    schedule::Schedule,
};
use std::{collections::BTreeSet, ffi::OsString, net::SocketAddr, path::PathBuf, time::Duration};
use tracing::level_filters::LevelFilter;

/// One invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Join, store the identity, and end.
    Enroll(EnrollConfig),
    /// Keep the agent's files current until told to stop.
    Run(Box<RunConfig>),
    /// Ask a running sidecar how it is.
    Health(HealthConfig),
    /// Become a program: what `run` starts it with.
    ExecChild(ExecChildConfig),
    /// Print the version.
    Version,
    /// Print the help.
    Help,
}

/// What `enroll` needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrollConfig {
    /// Where the brokers are: `host:port` each, one at least.
    pub brokers: Vec<String>,
    /// Where the join token is read from.
    pub token: TokenSource,
    /// The state folder.
    pub state_dir: PathBuf,
    /// How it logs.
    pub log: LogConfig,
}

/// What `run` needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunConfig {
    /// Where the brokers are: `host:port` each, one at least.
    pub brokers: Vec<String>,
    /// Where a join token is read from, where there is no identity yet.
    pub token: Option<TokenSource>,
    /// The state folder.
    pub state_dir: PathBuf,
    /// The folder of the agent's files.
    pub secrets_dir: PathBuf,
    /// Makes no files: the agent lives from the socket alone.
    pub no_files: bool,
    /// Where the socket is, where there is to be one.
    pub socket: Option<PathBuf>,
    /// Programs that a manifest may name: absolute paths.
    pub allow_exec: Vec<PathBuf>,
    /// OpenClaw's gateway, which a manifest may have asked to resolve its secrets anew.
    pub openclaw: Option<OpenClawConfig>,
    /// Takes a secrets folder that is not in memory.
    pub allow_disk: bool,
    /// Group that the agent and the sidecar share.
    pub group: Option<u32>,
    /// Where health is answered.
    pub health_listen: Option<SocketAddr>,
    /// Agent that the identity has to be of.
    pub agent: Option<AgentName>,
    /// How long to wait for the first whole set; `None` waits for ever.
    pub wait_timeout: Option<Duration>,
    /// Removes the folder of the agent's files at the end.
    pub remove_secrets_dir: bool,
    /// Removes the state folder at the end: the next run is somebody else.
    pub remove_state_dir: bool,
    /// The one provider that values are taken from; `None` takes all that each ref names.
    pub secrets_provider: Option<ProviderAlias>,
    /// The program that it runs, where it runs one.
    pub program: ProgramConfig,
    /// How it logs.
    pub log: LogConfig,
}

/// OpenClaw's gateway on the agent's own host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenClawConfig {
    /// Where it is.
    pub address: SocketAddr,
    /// File with the token that it takes: read at each call.
    pub token_file: PathBuf,
}

/// The program that `run` runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProgramConfig {
    /// Program and arguments; empty for none.
    pub command: Vec<OsString>,
    /// Runs the `command` of the agent's manifest, whatever it is.
    pub agent_command: bool,
    /// Which credentials it gets.
    pub choice: Choice,
    /// Whether it is started again when it ends by itself.
    pub restart: Restart,
    /// When it is run, where that is not now and once.
    pub schedule: Option<ScheduleConfig>,
}

/// When a program is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleConfig {
    /// When.
    pub schedule: Schedule,
    /// By which clocks.
    pub zone: TimeZone,
    /// The zone's name.
    pub zone_name: String,
    /// What becomes of a run that is due while the one before it still runs.
    pub overlap: Overlap,
}

/// What becomes of a run that is due while the one before it still runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Overlap {
    /// It is left out.
    #[default]
    Skip,
    /// It begins when that one has ended; one at most waits.
    Queue,
    /// That one is stopped, and then it begins.
    Replace,
}

/// Which of the agent's credentials a program gets, where its command line says so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// Only these variables; `None` takes all.
    pub only_env: Option<BTreeSet<EnvVar>>,
    /// Only these refs, each with the variable that it becomes where it is named; empty takes
    /// all.
    pub refs: Vec<(SecretName, Option<EnvVar>)>,
    /// What a change means, whatever the manifest says.
    pub on_rotate: Option<OnRotate>,
}

/// Whether a program is started again when it ends by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Restart {
    /// Its end is the sidecar's.
    #[default]
    No,
    /// Where it ends with another code than 0, or by a signal.
    OnFailure,
    /// However it ends.
    Always,
}

/// What the process needs that becomes a program: not for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecChildConfig {
    /// Process that it must not outlive.
    pub parent: i32,
    /// Name of the abstract socket on which it says how that went.
    pub report: String,
    /// File mode mask of the program.
    pub umask: u32,
    /// The program and its arguments.
    pub command: Vec<OsString>,
}

/// What `health` needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthConfig {
    /// Where the sidecar answers.
    pub address: SocketAddr,
    /// Whether to ask only if it lives, rather than if the agent's files are there.
    pub live: bool,
    /// How long to wait for a good answer; zero asks once.
    pub wait: Duration,
}

/// How it logs, on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogConfig {
    /// Least that is logged.
    pub level: LevelFilter,
    /// JSON lines rather than text.
    pub json: bool,
}

/// Where a join token is read from. It is never an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenSource {
    /// Standard input.
    Stdin,
    /// A file.
    File(PathBuf),
}

/// Why the command line was refused: the caller's fault, exit code 2.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}. Fix: {fix}")]
pub struct UsageError {
    /// What is wrong.
    pub what: String,
    /// What would be right.
    pub fix: String,
}

/// Reads the command line of this process.
///
/// # Errors
/// [`UsageError`] for the first thing that is wrong.
pub fn from_env() -> Result<Command, UsageError> {
    parse(std::env::args_os().skip(1))
}

/// Reads a command line, without the program's name.
///
/// # Errors
/// [`UsageError`] for the first thing that is wrong.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, UsageError> {
    args::parse(args.into_iter().collect())
}

/// The collector that is told of spans, where there is one.
#[must_use]
pub fn collector() -> Option<String> {
    std::env::var("OTEL_EXPORTER_OTLP_ENDPOINT").ok().filter(|it| !it.is_empty())
}

/// The environment of this process, of which a program gets what it may have.
#[must_use]
pub fn environment() -> Vec<(OsString, OsString)> {
    std::env::vars_os().collect()
}

impl ProgramConfig {
    /// Whether the sidecar is there to run a program.
    #[must_use]
    pub fn is_started(&self) -> bool {
        !self.command.is_empty() || self.agent_command
    }
}

impl RunConfig {
    /// Whether a program may run under this sidecar.
    #[must_use]
    pub fn may_run(&self) -> bool {
        self.program.is_started() || !self.allow_exec.is_empty()
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { level: LevelFilter::INFO, json: false }
    }
}

/// Where `run` keeps the agent's files when it is not told.
pub const SECRETS_DIR_DEFAULT: &str = "/run/secretref";
/// Where `health` asks when it is not told.
pub const HEALTH_ADDRESS_DEFAULT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7446);
/// Where OpenClaw's gateway is when nothing else is said: its own default.
pub const OPENCLAW_ADDRESS_DEFAULT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 18789);
/// Longest wait that can be asked for.
pub const WAIT_MAX: Duration = Duration::from_hours(24);

#[cfg(test)]
mod tests;
