//! From words to a [`Command`].

mod program;

use super::{
    Command, EnrollConfig, HEALTH_ADDRESS_DEFAULT, HealthConfig, LogConfig,
    OPENCLAW_ADDRESS_DEFAULT, OpenClawConfig, RunConfig, SECRETS_DIR_DEFAULT, TokenSource,
    UsageError, WAIT_MAX,
};
use lexopt::Arg::{Long, Short, Value};
use program::GivenProgram;
use secretref_domain::name::{AgentName, ProviderAlias};
use std::{ffi::OsString, fs::File, io::Read, path::PathBuf, time::Duration};
use tracing::level_filters::LevelFilter;

pub(super) fn parse(mut args: Vec<OsString>) -> Result<Command, UsageError> {
    // What follows is another program's, and none of its words is ours.
    let words = args.iter().position(|word| word == "--").map(|at| args.split_off(at));
    let words = words.map(|words| words.into_iter().skip(1).collect::<Vec<_>>());
    let mut parser = lexopt::Parser::from_args(args);
    match next(&mut parser)? {
        None => Err(usage("no command was given", HELP_FIX)),
        Some(Word::Option(name)) if name == "help" || name == "h" => Ok(Command::Help),
        Some(Word::Option(name)) if name == "version" || name == "V" => Ok(Command::Version),
        Some(Word::Option(name)) => {
            Err(usage(format!("option --{name} stands before the command"), HELP_FIX))
        }
        Some(Word::Value(command)) => match command.as_str() {
            "run" => service(&mut parser, &command, words),
            "exec-child" => program::exec_child(&mut parser, words),
            _ if words.is_some() => {
                let what = format!("`{command}` starts no program");
                Err(usage(what, "leave `--` and what follows out, or use `run`"))
            }
            "enroll" => service(&mut parser, &command, None),
            "health" => health(&mut parser),
            "version" => alone(&mut parser, Command::Version),
            "help" => Ok(Command::Help),
            other => Err(usage(format!("there is no command {other:?}"), HELP_FIX)),
        },
    }
}

/// Options of `run` and `enroll` as they were given.
#[derive(Default)]
struct Given {
    brokers: Vec<String>,
    token: Option<TokenSource>,
    state_dir: Option<PathBuf>,
    secrets_dir: Option<PathBuf>,
    no_files: bool,
    socket: Option<PathBuf>,
    allow_disk: bool,
    group: Option<u32>,
    openclaw: Option<std::net::SocketAddr>,
    openclaw_token: Option<PathBuf>,
    health_listen: Option<std::net::SocketAddr>,
    agent: Option<AgentName>,
    wait_timeout: Option<Duration>,
    remove_secrets_dir: bool,
    remove_state_dir: bool,
    secrets_provider: Option<ProviderAlias>,
    program: GivenProgram,
    log: LogConfig,
}

fn service(
    parser: &mut lexopt::Parser,
    command: &str,
    words: Option<Vec<OsString>>,
) -> Result<Command, UsageError> {
    let mut given = Given::default();
    let mut seen = Vec::new();
    while let Some(word) = next(parser)? {
        let name = match word {
            Word::Value(value) => return Err(stray(&value)),
            Word::Option(name) if name == "help" || name == "h" => return Ok(Command::Help),
            Word::Option(name) => name,
        };
        if seen.contains(&name) && !REPEATED.contains(&name.as_str()) {
            return Err(usage(format!("--{name} is given twice"), "name it once"));
        }
        if command == "enroll" && RUN_ONLY.contains(&name.as_str()) {
            let what = format!("`enroll` has no option --{name}");
            return Err(usage(what, format!("give --{name} to `run`")));
        }
        given.option(parser, &name, command)?;
        seen.push(name);
    }
    let need = |name: &str, example: &str| need(command, name, example);
    let brokers = given.brokers;
    check_brokers(&brokers, command)?;
    let state_dir = given.state_dir.ok_or_else(|| need("state-dir", "/var/lib/secretref"))?;
    if command == "enroll" {
        let token = given.token.ok_or_else(|| need("token-file", "FILE, or - for stdin"))?;
        return Ok(Command::Enroll(EnrollConfig { brokers, token, state_dir, log: given.log }));
    }
    if words.as_ref().is_some_and(Vec::is_empty) {
        return Err(usage("there is no program after `--`", "name one, or leave `--` out"));
    }
    let (program, allow_exec) = given.program.finish(words)?;
    if given.no_files && given.socket.is_none() && !program.is_started() {
        let what = "--no-files leaves the agent no way to its secrets";
        return Err(usage(what, "add --socket PATH or a program, or take --no-files off"));
    }
    if given.no_files && (given.secrets_dir.is_some() || given.allow_disk) {
        let what = "--no-files makes no files, so --secrets-dir and --allow-disk mean nothing";
        return Err(usage(what, "keep one of the two"));
    }
    let openclaw = openclaw(given.openclaw, given.openclaw_token)?;
    Ok(Command::Run(Box::new(RunConfig {
        brokers,
        no_files: given.no_files,
        socket: given.socket,
        token: given.token,
        state_dir,
        secrets_dir: given.secrets_dir.unwrap_or_else(|| SECRETS_DIR_DEFAULT.into()),
        allow_disk: given.allow_disk,
        group: given.group,
        health_listen: given.health_listen,
        agent: given.agent,
        wait_timeout: given.wait_timeout,
        allow_exec,
        openclaw,
        remove_secrets_dir: given.remove_secrets_dir,
        remove_state_dir: given.remove_state_dir,
        secrets_provider: given.secrets_provider,
        program,
        log: given.log,
    })))
}

impl Given {
    fn option(
        &mut self,
        parser: &mut lexopt::Parser,
        name: &str,
        command: &str,
    ) -> Result<(), UsageError> {
        match name {
            "broker" => {
                for given in text(parser, name)?.split(',') {
                    self.brokers.push(broker(given)?);
                }
            }
            "token-file" => {
                let path = path(parser, name)?;
                let stdin = path.as_os_str() == "-";
                let source = if stdin { TokenSource::Stdin } else { TokenSource::File(path) };
                self.token = Some(source);
            }
            "token" => return Err(token_argument()),
            "state-dir" => self.state_dir = Some(path(parser, name)?),
            "secrets-dir" => self.secrets_dir = Some(path(parser, name)?),
            "no-files" => self.no_files = true,
            "socket" => self.socket = Some(path(parser, name)?),
            "allow-disk" => self.allow_disk = true,
            "group" => self.group = Some(group(&text(parser, name)?)?),
            "openclaw-gateway" => self.openclaw = Some(gateway(parser, name)?),
            "openclaw-token-file" => self.openclaw_token = Some(path(parser, name)?),
            "health-listen" => self.health_listen = Some(address(parser, name)?),
            "agent" => {
                let agent = AgentName::parse(&text(parser, name)?);
                let wrong = |error| usage(format!("--agent: {error}"), "name the agent");
                self.agent = Some(agent.map_err(wrong)?);
            }
            "wait-timeout" => self.wait_timeout = Some(duration(parser, name)?),
            "remove-secrets-dir" => self.remove_secrets_dir = true,
            "remove-state-dir" => self.remove_state_dir = true,
            "secrets-provider" => self.secrets_provider = Some(provider(&text(parser, name)?)?),
            "log-level" => self.log.level = level(&text(parser, name)?)?,
            "log-format" => self.log.json = json(&text(parser, name)?)?,
            other if self.program.option(parser, other)? => {}
            other => {
                return Err(usage(format!("`{command}` has no option --{other}"), HELP_FIX));
            }
        }
        Ok(())
    }
}

fn health(parser: &mut lexopt::Parser) -> Result<Command, UsageError> {
    let mut config =
        HealthConfig { address: HEALTH_ADDRESS_DEFAULT, live: false, wait: Duration::ZERO };
    while let Some(word) = next(parser)? {
        match word {
            Word::Value(value) => return Err(stray(&value)),
            Word::Option(name) => match name.as_str() {
                "help" | "h" => return Ok(Command::Help),
                "address" => config.address = address(parser, &name)?,
                "live" => config.live = true,
                "wait" => config.wait = duration(parser, &name)?,
                other => {
                    return Err(usage(format!("`health` has no option --{other}"), HELP_FIX));
                }
            },
        }
    }
    Ok(Command::Health(config))
}

fn alone(parser: &mut lexopt::Parser, command: Command) -> Result<Command, UsageError> {
    match next(parser)? {
        None => Ok(command),
        Some(Word::Value(value)) => Err(stray(&value)),
        Some(Word::Option(name)) => {
            Err(usage(format!("`version` has no option --{name}"), HELP_FIX))
        }
    }
}

enum Word {
    Option(String),
    Value(String),
}

fn next(parser: &mut lexopt::Parser) -> Result<Option<Word>, UsageError> {
    match parser.next() {
        Ok(None) => Ok(None),
        Ok(Some(Long(name))) => Ok(Some(Word::Option(name.to_owned()))),
        Ok(Some(Short(name))) => Ok(Some(Word::Option(name.to_string()))),
        Ok(Some(Value(value))) => Ok(Some(Word::Value(value.to_string_lossy().into_owned()))),
        Err(lexopt::Error::UnexpectedValue { option, .. }) => {
            // The value is left out: it may be a token.
            Err(usage(format!("{option} takes no value"), HELP_FIX))
        }
        Err(_) => Err(usage("an argument cannot be read", HELP_FIX)),
    }
}

fn text(parser: &mut lexopt::Parser, name: &str) -> Result<String, UsageError> {
    let value = parser.value().map_err(|_| missing(name))?;
    value.into_string().map_err(|_| {
        usage(format!("the value of --{name} is not UTF-8"), "give it in plain characters")
    })
}

fn path(parser: &mut lexopt::Parser, name: &str) -> Result<PathBuf, UsageError> {
    let value = parser.value().map_err(|_| missing(name))?;
    if value.is_empty() { Err(missing(name)) } else { Ok(value.into()) }
}

fn need(command: &str, name: &str, example: &str) -> UsageError {
    usage(format!("`{command}` needs --{name}"), format!("add --{name} {example}"))
}

fn check_brokers(brokers: &[String], command: &str) -> Result<(), UsageError> {
    if brokers.is_empty() {
        return Err(need(command, "broker", "broker.example:7443"));
    }
    if brokers.len() > BROKERS_MAX {
        let what = format!("--broker names {} brokers", brokers.len());
        return Err(usage(what, format!("name {BROKERS_MAX} at most")));
    }
    let twice = brokers.iter().enumerate().find(|(at, it)| brokers[..*at].contains(it));
    match twice {
        Some((_, twice)) => Err(usage(format!("--broker names {twice} twice"), "name each once")),
        None => Ok(()),
    }
}

fn broker(given: &str) -> Result<String, UsageError> {
    let wrong = || {
        usage(
            format!("--broker {given:?} is not HOST:PORT"),
            "give --broker broker.example:7443, without a scheme",
        )
    };
    let (host, port) = given.rsplit_once(':').ok_or_else(wrong)?;
    let fits = !host.is_empty() && host.len() <= 255 && !host.contains(['/', '@', ' ']);
    match port.parse::<u16>() {
        Ok(1..) if fits => Ok(given.to_owned()),
        _ => Err(wrong()),
    }
}

fn address(parser: &mut lexopt::Parser, name: &str) -> Result<std::net::SocketAddr, UsageError> {
    let given = text(parser, name)?;
    given.parse().map_err(|_| {
        let what = format!("--{name} {given:?} is not an address with a port");
        usage(what, format!("give --{name} 127.0.0.1:7446"))
    })
}

/// Only on the own host: the token goes there as it is.
fn gateway(parser: &mut lexopt::Parser, name: &str) -> Result<std::net::SocketAddr, UsageError> {
    let given = text(parser, name)?;
    let host = given.strip_prefix("ws://").map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    let address: Option<std::net::SocketAddr> = host.and_then(|host| host.parse().ok());
    address.filter(|address| address.ip().is_loopback() && address.port() != 0).ok_or_else(|| {
        let what = format!("--{name} {given:?} is not ws://ADDRESS:PORT of this host");
        usage(what, format!("give --{name} ws://{OPENCLAW_ADDRESS_DEFAULT}"))
    })
}

fn openclaw(
    address: Option<std::net::SocketAddr>,
    token_file: Option<PathBuf>,
) -> Result<Option<OpenClawConfig>, UsageError> {
    match (address, token_file) {
        (address, Some(token_file)) => {
            let address = address.unwrap_or(OPENCLAW_ADDRESS_DEFAULT);
            Ok(Some(OpenClawConfig { address, token_file }))
        }
        (None, None) => Ok(None),
        (Some(_), None) => Err(usage(
            "--openclaw-gateway alone is of no use: the gateway wants a token",
            "add --openclaw-token-file FILE",
        )),
    }
}

fn duration(parser: &mut lexopt::Parser, name: &str) -> Result<Duration, UsageError> {
    let given = text(parser, name)?;
    let digits = given.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = given.split_at(digits);
    let unit_ms = match unit {
        "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let parsed = number.parse::<u64>().ok().zip(unit_ms).and_then(|(n, ms)| n.checked_mul(ms));
    parsed.map(Duration::from_millis).filter(|wait| *wait <= WAIT_MAX).ok_or_else(|| {
        let what = format!("--{name} {given:?} is not a duration of at most 24h");
        usage(what, "give a number with ms, s, m or h, such as 30s")
    })
}

/// A group by its number, or by its name in group(5).
fn group(given: &str) -> Result<u32, UsageError> {
    if let Ok(number) = given.parse::<u32>()
        && number != u32::MAX
    {
        return Ok(number);
    }
    let mut text = String::new();
    let read = File::open("/etc/group")
        .and_then(|file| file.take(GROUPS_BYTES_MAX).read_to_string(&mut text));
    let found = read.ok().and_then(|_| {
        text.lines().find_map(|line| {
            let mut fields = line.split(':');
            let named = fields.next() == Some(given);
            fields.nth(1).and_then(|gid| gid.parse().ok()).filter(|_| named)
        })
    });
    found.ok_or_else(|| {
        usage(
            format!("--group {given:?} is no group of /etc/group"),
            "make it (groupadd), or give its number",
        )
    })
}

fn provider(given: &str) -> Result<ProviderAlias, UsageError> {
    ProviderAlias::parse(given).map_err(|error| {
        let fix = "name one of `secrets.providers` in the manifest, or a type such as store";
        usage(format!("--secrets-provider: {error}"), fix)
    })
}

fn level(given: &str) -> Result<LevelFilter, UsageError> {
    match given {
        "error" => Ok(LevelFilter::ERROR),
        "warn" => Ok(LevelFilter::WARN),
        "info" => Ok(LevelFilter::INFO),
        "debug" => Ok(LevelFilter::DEBUG),
        "trace" => Ok(LevelFilter::TRACE),
        _ => Err(usage(
            format!("--log-level {given:?} is none"),
            "give error, warn, info, debug or trace",
        )),
    }
}

fn json(given: &str) -> Result<bool, UsageError> {
    match given {
        "json" => Ok(true),
        "text" => Ok(false),
        _ => Err(usage(format!("--log-format {given:?} is none"), "give text or json")),
    }
}

fn missing(name: &str) -> UsageError {
    usage(format!("--{name} needs a value"), HELP_FIX)
}

/// Nothing of it is repeated unless it is short and plain: it may be a token.
fn stray(given: &str) -> UsageError {
    let plain = given.len() <= 24 && !given.starts_with(secretref_identity::join_token::PREFIX);
    let what = if plain {
        format!("there is no place for {given:?}")
    } else {
        "there is an argument too many".to_owned()
    };
    usage(what, HELP_FIX)
}

/// An argument can be read by every process of the machine.
fn token_argument() -> UsageError {
    usage(
        "a join token is never an argument: every process of this machine could read it",
        "put it into a file (0600) and give --token-file FILE, or pipe it in and give \
         --token-file -",
    )
}

fn usage(what: impl Into<String>, fix: impl Into<String>) -> UsageError {
    UsageError { what: what.into(), fix: fix.into() }
}

/// Brokers that a sidecar knows at most.
const BROKERS_MAX: usize = 16;
const HELP_FIX: &str = "secretref-sidecar --help";
const RUN_ONLY: [&str; 23] = [
    "secrets-dir",
    "no-files",
    "socket",
    "allow-disk",
    "group",
    "health-listen",
    "agent",
    "wait-timeout",
    "remove-secrets-dir",
    "remove-state-dir",
    "allow-exec",
    "openclaw-gateway",
    "openclaw-token-file",
    "agent-command",
    "only-env",
    "secrets-ref",
    "secrets-provider",
    "env",
    "on-rotate",
    "restart",
    "schedule",
    "schedule-timezone",
    "schedule-overlap",
];
/// Options that may be given several times.
const REPEATED: [&str; 3] = ["allow-exec", "broker", "env"];
const GROUPS_BYTES_MAX: u64 = 4 * 1024 * 1024;
