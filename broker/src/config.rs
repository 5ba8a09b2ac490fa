//! The command line and `broker.toml`, read in one place.

mod audit_file;
mod backup;
mod join;
mod limits;
mod lock;
mod monitor;
mod providers;
mod root_key;
mod syslog;

pub use audit_file::{AuditFile, AuditFileError};
pub use backup::{BackupArguments, RestoreArguments};
pub use join::{JoinArguments, Places};
pub use limits::{LimitError, Limits};
pub use lock::{FolderLock, LockError};
pub use monitor::{Monitor, MonitorError};
pub use providers::{PROVIDERS_FOLDER, provider_poll_seconds};
pub use root_key::{NextArguments, RootKeyCommand, RotateArguments};
pub use syslog::{Syslog, SyslogAddress, SyslogError};

use anyhow::{Context, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};
use uuid::Uuid;
use zeroize::Zeroizing;

/// The secrets broker: keeps secrets sealed and pushes them to the agents that may have them.
#[derive(Parser)]
#[command(name = "secretref-broker", version, max_term_width = 100)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How to log.
    #[command(flatten)]
    pub log: LogArguments,
}

/// How to log.
#[derive(Args)]
pub struct LogArguments {
    /// Least level to log: error, warn, info, debug, trace, or directives such as `h2=warn,debug`.
    #[arg(long, global = true, default_value = "info", env = "SECRETREF_LOG")]
    pub log_level: String,
    /// Form of the log on standard error.
    #[arg(long, global = true, default_value = "text")]
    pub log_format: LogFormat,
}

/// Form of the log.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// JSON lines.
    Json,
}

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Make a new broker: root key, certificate authority, database, the first administrator.
    #[command(after_help = "Example:\n  secretref-broker init --data-dir /var/lib/secretref")]
    Init(InitArguments),
    /// Make another broker over the database of one that is there. Both serve the same fleet.
    #[command(after_help = "Example, with a copy of the first broker's root key:\n  \
        secretref-broker join --data-dir /var/lib/secretref --root-key root.key \\\n    \
        --database-url postgres://secretref_broker@db/secretref --advertise broker2.internal\n\
        The copy is of no use any more once it has joined: remove it.")]
    Join(JoinArguments),
    /// Serve until SIGTERM or SIGINT.
    #[command(after_help = "Example:\n  secretref-broker serve --data-dir /var/lib/secretref")]
    Serve(ServeArguments),
    /// Apply missing migrations and stop.
    #[command(after_help = "Example:\n  secretref-broker migrate --data-dir /var/lib/secretref \
                            --migration-url postgres://owner@db/secretref")]
    Migrate(MigrateArguments),
    /// Ask a serving broker how it is; exit 0 when it serves. For container health checks.
    #[command(after_help = "Example:\n  secretref-broker health --data-dir /var/lib/secretref")]
    Health(ServeArguments),
    /// Verify the audit trail in the database; nothing is changed, and no broker is needed.
    #[command(after_help = "Examples:\n  \
        secretref-broker verify --data-dir /var/lib/secretref\n  \
        secretref-broker verify --data-dir /var/lib/secretref --checkpoint kept.txt\n  \
        secretref-broker verify --data-dir /var/lib/secretref --state\n\
        Exit codes: 0 it is what was written (entries that no checkpoint signs yet are counted), \
        10 altered, 11 missing or reordered, 12 truncated, 13 bad signature or fork, 20 it could \
        not be verified to its end; with --state 14 where the tables are not what the log of \
        authority says.")]
    Verify(VerifyArguments),
    /// Write a backup of the database, whether brokers serve or not. It holds no root key.
    #[command(after_help = "Example:\n  \
        secretref-broker backup --data-dir /var/lib/secretref --out secretref-2026-11-28.backup")]
    Backup(BackupArguments),
    /// Verify a backup to its end, and make an empty database from it.
    #[command(after_help = "Examples:\n  \
        secretref-broker restore --data-dir /var/lib/secretref --backup FILE --dry-run\n  \
        secretref-broker restore --data-dir /var/lib/secretref --backup FILE\n  \
        secretref-broker restore --data-dir NEW --backup FILE --root-key root.key\n\
        Sidecars take what was restored for another history and get their sets anew; exit codes of \
        a backup that is not whole are those of verify.")]
    Restore(RestoreArguments),
    /// Have another root key take the place of the one that there is.
    #[command(subcommand)]
    RootKey(RootKeyCommand),
    /// Remove from a database what an archive has of its audit trail. For a role of the database
    /// that may remove entries and write none.
    #[command(after_help = "Example:\n  \
        secretref-broker prune-trail --archive trail-000000000001-000000120000.jsonl \\\n    \
        --key \"$(cat audit.pub)\" --database-url postgres://secretref_retention@db/secretref\n\
        It needs a signed entry of the trail that says that the archive has that part: \
        secretref audit archive has it written. Exit codes: those of verify, and 2 where nothing \
        was removed.")]
    PruneTrail(PruneTrailArguments),
}

/// Flags of `init`.
#[derive(Args)]
pub struct InitArguments {
    /// Folder of the broker; made where it is not there, refused where it is in use.
    #[arg(long)]
    pub data_dir: PathBuf,
    /// Database: sqlite://PATH or postgres://…; SQLite in the folder where none is named.
    #[arg(long)]
    pub database_url: Option<String>,
    /// Trust domain of all certificates.
    #[arg(long, default_value = "secretref.internal")]
    pub trust_domain: String,
    /// Where it listens, and what it is called.
    #[command(flatten)]
    pub places: Places,
    /// Do nothing where the folder holds a broker already: for what starts with its container.
    #[arg(long)]
    pub unless_made: bool,
    /// Name of the profile that is written for `secretref`.
    #[arg(long, default_value = "default")]
    pub profile: String,
    /// Keep the root key under a passphrase, read from this file (`-`: standard input).
    #[arg(long)]
    pub passphrase_file: Option<PathBuf>,
}

/// Flags of `serve` and `health`.
#[derive(Args)]
pub struct ServeArguments {
    /// Folder of the broker.
    #[arg(long)]
    pub data_dir: PathBuf,
    /// Database, for this run.
    #[arg(long)]
    pub database_url: Option<String>,
    /// Trust domain; must be the one of `init`.
    #[arg(long)]
    pub trust_domain: Option<String>,
    /// Where agents connect, for this run; port 0 picks one and prints it.
    #[arg(long)]
    pub agent_listen: Option<SocketAddr>,
    /// Where administrators connect, for this run.
    #[arg(long)]
    pub admin_listen: Option<SocketAddr>,
    /// Where health is asked for, for this run.
    #[arg(long)]
    pub health_listen: Option<SocketAddr>,
    /// Where metrics are scraped, for this run.
    #[arg(long)]
    pub metrics_listen: Option<SocketAddr>,
    /// How long an agent's certificate is valid, in seconds: 900 to 86,400.
    #[arg(long)]
    pub certificate_seconds: Option<u64>,
    /// How long a sidecar keeps what it has without a sign of the broker, in seconds: 1 to
    /// 7,776,000.
    #[arg(long)]
    pub lease_seconds: Option<u64>,
    /// File with the passphrase of the root key (`-`: standard input).
    #[arg(long)]
    pub passphrase_file: Option<PathBuf>,
}

/// Flags of `verify`.
#[derive(Args)]
pub struct VerifyArguments {
    /// Folder of the broker.
    #[arg(long)]
    pub data_dir: PathBuf,
    /// Database, for this run.
    #[arg(long)]
    pub database_url: Option<String>,
    /// The key of checkpoints, as `secretref audit key` prints it; without it the broker's own,
    /// which needs the root key.
    #[arg(long)]
    pub key: Option<String>,
    /// File of a checkpoint that was kept elsewhere and has to be part of the trail.
    #[arg(long)]
    pub checkpoint: Option<PathBuf>,
    /// Also fold the log of authority and hold it against the tables and the trail: every value is
    /// there and opens, no other is, and every change was recorded. Needs the root key.
    #[arg(long)]
    pub state: bool,
    /// File with the passphrase of the root key (`-`: standard input).
    #[arg(long)]
    pub passphrase_file: Option<PathBuf>,
}

/// Flags of `prune-trail`.
#[derive(Args)]
pub struct PruneTrailArguments {
    /// Database, as a role that may remove entries of the trail and write none.
    #[arg(long, env = "SECRETREF_DATABASE_URL", hide_env_values = true)]
    pub database_url: String,
    /// The key of checkpoints, as `secretref audit key` prints it.
    #[arg(long)]
    pub key: String,
    /// File that `secretref audit archive` wrote.
    #[arg(long)]
    pub archive: PathBuf,
}

/// Flags of `migrate`.
#[derive(Args)]
pub struct MigrateArguments {
    /// Folder of the broker.
    #[arg(long)]
    pub data_dir: PathBuf,
    /// Database as its owner sees it, where the broker's own role may not change tables.
    #[arg(long)]
    pub migration_url: Option<String>,
}

/// `broker.toml`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrokerFile {
    /// Identity of the broker.
    pub broker_id: Uuid,
    /// Database. May hold a password: the file is 0600.
    pub database_url: String,
    /// Trust domain.
    pub trust_domain: String,
    /// Where agents connect.
    pub agent_listen: SocketAddr,
    /// Where administrators connect.
    pub admin_listen: SocketAddr,
    /// Where health is asked for.
    pub health_listen: SocketAddr,
    /// Where metrics are scraped; nowhere where it is not named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics_listen: Option<SocketAddr>,
    /// Names and addresses that clients reach this broker by.
    pub advertise: Vec<String>,
    /// How long an agent's certificate is valid, in seconds.
    #[serde(default = "certificate_seconds")]
    pub certificate_seconds: u64,
    /// How long a sidecar keeps what it has without a sign of the broker, in seconds.
    #[serde(default = "lease_seconds")]
    pub lease_seconds: u64,
    /// Folders that files and programs of providers have to lie below, the first of which relative
    /// paths are relative to; without it the folder `providers` beside this file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_roots: Option<Vec<PathBuf>>,
    /// Variables of the broker's environment that providers may read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub provider_environment: Vec<String>,
    /// How often a provider is asked whether a value changed, in seconds: 1 to 3,600.
    #[serde(default = "provider_poll_seconds")]
    pub provider_poll_seconds: u64,
    /// How much of the broker anyone gets. Written only where it is not the default, so that a
    /// newer broker's defaults hold for whoever changed none.
    #[serde(default, skip_serializing_if = "Limits::are_default")]
    pub limits: Limits,
    /// From when on people are told of what is so. Written as the limits are.
    #[serde(default, skip_serializing_if = "Monitor::are_default")]
    pub monitor: Monitor,
    /// The audit trail as a file; none where it is not named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit_file: Option<AuditFile>,
    /// The audit trail as syslog messages; none where it is not named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub syslog: Option<Syslog>,
}

/// One hour.
#[must_use]
pub fn certificate_seconds() -> u64 {
    3600
}

/// One day: an outage of the broker over night stops no agent.
#[must_use]
pub fn lease_seconds() -> u64 {
    86_400
}

/// Everything that `serve` needs to know.
#[derive(Debug)]
pub struct Config {
    /// Folder of the broker.
    pub data_dir: PathBuf,
    /// `broker.toml` with this run's flags.
    pub file: BrokerFile,
    /// File with the passphrase of the root key.
    pub passphrase_file: Option<PathBuf>,
}

impl Config {
    /// Reads `broker.toml` of a folder.
    ///
    /// # Errors
    /// Where it is not there or not valid.
    pub fn load(data_dir: &Path) -> anyhow::Result<Self> {
        let path = data_dir.join(BROKER_FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!(
                "{} is not there. Fix: secretref-broker init --data-dir {}",
                path.display(),
                data_dir.display()
            ),
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        };
        let file: BrokerFile = toml::from_str(&text).with_context(|| path.display().to_string())?;
        file.check()?;
        Ok(Self { data_dir: data_dir.to_owned(), file, passphrase_file: None })
    }

    /// File of the root key.
    #[must_use]
    pub fn root_key(&self) -> PathBuf {
        self.data_dir.join(ROOT_KEY_FILE)
    }

    /// File of the root key that is to take its place.
    #[must_use]
    pub fn next_root_key(&self) -> PathBuf {
        self.data_dir.join(NEXT_ROOT_KEY_FILE)
    }

    /// How long an agent's certificate is valid.
    #[must_use]
    pub fn certificate_life(&self) -> Duration {
        Duration::from_secs(self.file.certificate_seconds)
    }

    /// How long a sidecar keeps what it has without a sign of the broker.
    #[must_use]
    pub fn lease(&self) -> Duration {
        Duration::from_secs(self.file.lease_seconds)
    }

    /// The passphrase of the root key, without the newline at its end.
    ///
    /// # Errors
    /// Where no file was named, or it cannot be read.
    pub fn passphrase(&self) -> std::io::Result<Zeroizing<Vec<u8>>> {
        match &self.passphrase_file {
            Some(path) => read_passphrase(path),
            None => Err(std::io::Error::other(
                "it is under a passphrase. Fix: serve with --passphrase-file FILE",
            )),
        }
    }
}

impl ServeArguments {
    /// `broker.toml` with these flags.
    ///
    /// # Errors
    /// Where the file or a flag is not valid.
    pub fn load(self) -> anyhow::Result<Config> {
        let mut config = Config::load(&self.data_dir)?;
        config.passphrase_file = self.passphrase_file;
        let file = &mut config.file;
        if let Some(domain) = self.trust_domain
            && domain != file.trust_domain
        {
            bail!(
                "--trust-domain {domain} is not the one of this broker, {}; it is in every \
                 certificate and cannot be changed. Fix: leave the flag out",
                file.trust_domain
            );
        }
        file.database_url = self.database_url.unwrap_or(file.database_url.clone());
        file.agent_listen = self.agent_listen.unwrap_or(file.agent_listen);
        file.admin_listen = self.admin_listen.unwrap_or(file.admin_listen);
        file.health_listen = self.health_listen.unwrap_or(file.health_listen);
        file.metrics_listen = self.metrics_listen.or(file.metrics_listen);
        file.certificate_seconds = self.certificate_seconds.unwrap_or(file.certificate_seconds);
        file.lease_seconds = self.lease_seconds.unwrap_or(file.lease_seconds);
        file.check()?;
        Ok(config)
    }
}

impl VerifyArguments {
    /// The configuration, with what the flags change.
    ///
    /// # Errors
    /// Where the file is not valid.
    pub fn load(self) -> anyhow::Result<Config> {
        let mut config = Config::load(&self.data_dir)?;
        config.passphrase_file = self.passphrase_file;
        config.file.database_url = self.database_url.unwrap_or(config.file.database_url);
        Ok(config)
    }
}

impl BrokerFile {
    fn check(&self) -> anyhow::Result<()> {
        if !(900..=86_400).contains(&self.certificate_seconds) {
            let given = self.certificate_seconds;
            bail!("certificate_seconds is {given}; it lies in 900 to 86400");
        }
        if !(1..=7_776_000).contains(&self.lease_seconds) {
            bail!("lease_seconds is {}; it lies in 1 to 7776000", self.lease_seconds);
        }
        self.check_providers()?;
        self.limits.check()?;
        self.monitor.check()?;
        self.audit_file.as_ref().map_or(Ok(()), AuditFile::check)?;
        self.syslog.as_ref().map_or(Ok(()), |syslog| syslog.parsed().map(drop))?;
        Ok(())
    }
}

/// Reads a passphrase from a file or, with `-`, from standard input; without the newline at its
/// end.
///
/// # Errors
/// Where it cannot be read.
pub fn read_passphrase(path: &Path) -> std::io::Result<Zeroizing<Vec<u8>>> {
    use std::io::Read;
    let mut bytes = Zeroizing::new(Vec::with_capacity(PASSPHRASE_BYTES_MAX + 2));
    let limit = u64::try_from(PASSPHRASE_BYTES_MAX).unwrap_or(u64::MAX) + 2;
    if path == Path::new("-") {
        std::io::stdin().lock().take(limit).read_to_end(&mut bytes)?;
    } else {
        fs::File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    }
    while bytes.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        bytes.pop();
    }
    Ok(bytes)
}

/// The collector that is told of spans, where there is one.
#[must_use]
pub fn collector() -> Option<String> {
    std::env::var("OTEL_EXPORTER_OTLP_ENDPOINT").ok().filter(|it| !it.is_empty())
}

/// Where the profile of `secretref` is kept: `$XDG_CONFIG_HOME/secretref/config.toml`, else
/// `~/.config/secretref/config.toml`; nothing where neither variable is set.
#[must_use]
pub fn profile_file() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")))?;
    Some(folder.join("secretref/config.toml"))
}

/// Name of the configuration in the broker's folder.
pub const BROKER_FILE: &str = "broker.toml";
/// Name of the root key in the broker's folder.
pub const ROOT_KEY_FILE: &str = "root.key";
const NEXT_ROOT_KEY_FILE: &str = "root.key.next";
const PASSPHRASE_BYTES_MAX: usize = secretref_envelope::PASSPHRASE_BYTES_MAX;
