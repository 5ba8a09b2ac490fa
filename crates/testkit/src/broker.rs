//! A real broker: its binary, in a folder of its own, on ports that were free.

mod others;

use crate::{
    admin::Admin,
    cli::Ran,
    engine::Engine,
    process::{Process, binary},
    wait::DEADLINE,
};
use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use secretref_broker::{
    app,
    config::{BROKER_FILE, BrokerFile, Config, Limits, ROOT_KEY_FILE},
};
use secretref_domain::clock::Clock;
use std::{
    fs,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Output},
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

/// Trust domain of every broker under test.
pub const TRUST_DOMAIN: &str = "stories.test";

/// A broker under test.
///
/// ```text
/// FOLDER/data/     --data-dir: broker.toml, root.key, admin/, secretref.db
/// FOLDER/config/   XDG_CONFIG_HOME
/// FOLDER/logs/     what it printed, at TRACE
/// ```
pub struct Broker {
    process: Option<Process>,
    inside: Option<Inside>,
    listening: Listening,
    database_url: Option<String>,
    options: Vec<String>,
    variables: Vec<(String, String)>,
    log_level: &'static str,
    folder: TempDir,
}

/// A broker that runs in this process; it stops when dropped.
struct Inside {
    task: JoinHandle<Result<()>>,
    _stop: DropGuard,
}

/// Where a broker listens.
#[derive(Debug, Clone, Copy)]
pub struct Listening {
    /// For sidecars.
    pub agents: SocketAddr,
    /// For administrators.
    pub admin: SocketAddr,
    /// For health checks.
    pub health: SocketAddr,
    /// For whoever scrapes metrics.
    pub metrics: SocketAddr,
}

impl Broker {
    /// Initialises a new broker and starts it.
    ///
    /// # Errors
    /// Where it does not come up; with what it said.
    pub async fn start(engine: Engine) -> Result<Self> {
        Self::start_with(engine, &[]).await
    }

    /// As [`Broker::start`], with further options of `serve`.
    ///
    /// # Errors
    /// As [`Broker::start`].
    pub async fn start_with(engine: Engine, options: &[&str]) -> Result<Self> {
        let mut broker = Self::initialised(engine).await?;
        broker.options = options.iter().map(ToString::to_string).collect();
        broker.serve()?;
        Ok(broker)
    }

    /// Initialises a new broker over a database and starts it.
    ///
    /// # Errors
    /// As [`Broker::start`].
    pub fn start_over(database_url: &str) -> Result<Self> {
        let mut broker = Self::initialised_over(Some(database_url.to_owned()), Vec::new())?;
        broker.serve()?;
        Ok(broker)
    }

    /// As [`Broker::start_with`], with `[limits]` of its own; its log is at `info`, since whoever
    /// looks at a limit has more to say to the broker than a log should hold.
    ///
    /// # Errors
    /// As [`Broker::start`].
    pub async fn start_within(engine: Engine, limits: Limits) -> Result<Self> {
        let mut broker = Self::initialised(engine).await?;
        broker.limit(limits)?;
        broker.log_level = "info";
        broker.serve()?;
        Ok(broker)
    }

    /// As [`Broker::start`], with another `broker.toml`, and variables in the environment of it and
    /// of its `init`.
    ///
    /// # Errors
    /// As [`Broker::start`].
    pub async fn start_configured(
        engine: Engine,
        variables: &[(&str, &str)],
        edit: impl FnOnce(&mut BrokerFile),
    ) -> Result<Self> {
        let variable = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let variables = variables.iter().map(variable).collect();
        let mut broker = Self::initialised_with(engine, variables).await?;
        broker.configure(edit)?;
        broker.serve()?;
        Ok(broker)
    }

    /// The folder that its providers read from.
    #[must_use]
    pub fn providers(&self) -> PathBuf {
        self.data().join("providers")
    }

    /// Initialises a new broker and runs it in this process, by another clock than the system's.
    ///
    /// # Errors
    /// As [`Broker::start`].
    pub async fn start_by(engine: Engine, clock: Arc<dyn Clock>) -> Result<Self> {
        let mut broker = Self::initialised(engine).await?;
        let config = Config::load(&broker.data())?;
        let (said, mut lines) = mpsc::unbounded_channel();
        // It ends when its receiver has: what it says after `ready` matters to nobody.
        let say = move |line: &str| drop(said.send(line.to_owned()));
        let stop = CancellationToken::new();
        let serve = app::serve(config, clock, stop.clone(), say);
        broker.inside = Some(Inside { task: tokio::spawn(serve), _stop: stop.drop_guard() });
        while let Some(line) = timeout(DEADLINE, lines.recv()).await? {
            match line.split(' ').nth(1) {
                Some("agents") => broker.listening.agents = parse(&line)?,
                Some("admin") => broker.listening.admin = parse(&line)?,
                Some("health") => broker.listening.health = parse(&line)?,
                Some("metrics") => broker.listening.metrics = parse(&line)?,
                None if line == "ready" => return Ok(broker),
                _ => bail!("the broker said: {line}"),
            }
        }
        let ended = broker.inside.take().context("it was started")?;
        ended.task.await??;
        bail!("the broker ended before it was ready")
    }

    /// Has it connect to its database by another URL, from its next start on.
    ///
    /// # Errors
    /// Where its file cannot be written.
    pub fn connect_by(&mut self, url: &str) -> Result<()> {
        self.database_url = Some(url.to_owned());
        self.configure(|file| url.clone_into(&mut file.database_url))
    }

    /// Its identity.
    ///
    /// # Errors
    /// Where its file cannot be read.
    pub fn id(&self) -> Result<Uuid> {
        Ok(self.file()?.broker_id)
    }

    fn file(&self) -> Result<BrokerFile> {
        Ok(toml::from_str(&fs::read_to_string(self.data().join(BROKER_FILE))?)?)
    }

    async fn initialised(engine: Engine) -> Result<Self> {
        Self::initialised_with(engine, Vec::new()).await
    }

    async fn initialised_with(engine: Engine, variables: Vec<(String, String)>) -> Result<Self> {
        Self::initialised_over(engine.database_url().await?, variables)
    }

    /// A broker with nothing in its folder.
    fn nowhere(database_url: Option<String>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("secretref-broker-").tempdir()?;
        fs::create_dir(folder.path().join("logs"))?;
        Ok(Self {
            process: None,
            inside: None,
            listening: Listening {
                agents: ANY_PORT,
                admin: ANY_PORT,
                health: ANY_PORT,
                metrics: ANY_PORT,
            },
            database_url,
            options: Vec::new(),
            variables: Vec::new(),
            log_level: "trace",
            folder,
        })
    }

    fn initialised_over(
        database_url: Option<String>,
        variables: Vec<(String, String)>,
    ) -> Result<Self> {
        let broker = Self { variables, ..Self::nowhere(database_url)? };
        let done = broker.init()?;
        let said = String::from_utf8_lossy(&done.stderr);
        ensure!(done.status.success(), "init failed with {}: {said}", done.status);
        // A story that stops a broker waits for nobody, unless it is about that.
        broker.limit(Limits { drain_seconds: 0, ..Limits::default() })?;
        Ok(broker)
    }

    /// Gives it other limits, from its next start on.
    fn limit(&self, limits: Limits) -> Result<()> {
        self.configure(|file| file.limits = limits)
    }

    fn configure(&self, edit: impl FnOnce(&mut BrokerFile)) -> Result<()> {
        let mut file = self.file()?;
        edit(&mut file);
        fs::write(self.data().join(BROKER_FILE), toml::to_string_pretty(&file)?)?;
        Ok(())
    }

    /// Runs `init` and returns what came of it.
    ///
    /// # Errors
    /// Where the binary is not built.
    pub fn init(&self) -> Result<Output> {
        let mut command = self.command("init")?;
        command.args(["--trust-domain", TRUST_DOMAIN]);
        command.args(["--agent-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        command.args(["--health-listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"]);
        if let Some(url) = &self.database_url {
            command.args(["--database-url", url]);
        }
        command.output().context("running secretref-broker init")
    }

    /// Has it listen for agents at an address of this machine, from its next start on.
    pub fn listen_at(&mut self, address: IpAddr) {
        self.listening.agents = SocketAddr::new(address, 0);
    }

    /// Starts it, on the ports that it had before where it ran before, and waits until it is ready.
    ///
    /// # Errors
    /// Where it does not come up; with what it said.
    pub fn serve(&mut self) -> Result<()> {
        let process = self.spawn()?;
        let listening = Listening {
            agents: address(&process, "listening agents ")?,
            admin: address(&process, "listening admin ")?,
            health: address(&process, "listening health ")?,
            metrics: address(&process, "listening metrics ")?,
        };
        process.wait_for_announcement("ready", DEADLINE)?;
        self.listening = listening;
        self.process = Some(process);
        Ok(())
    }

    /// Starts it without waiting for anything: for one that is to be sealed or to fail.
    ///
    /// # Errors
    /// Where the binary is not built.
    pub fn spawn(&self) -> Result<Process> {
        ensure!(self.process.is_none(), "the broker runs already");
        let mut command = self.command("serve")?;
        let Listening { agents, admin, health, metrics } = self.listening;
        command.args(["--agent-listen", &agents.to_string()]);
        command.args(["--admin-listen", &admin.to_string()]);
        command.args(["--health-listen", &health.to_string()]);
        command.args(["--metrics-listen", &metrics.to_string()]);
        command.args(["--log-level", self.log_level]).args(&self.options);
        // Each start has its own log, so that no line of an earlier one is taken for its own.
        let starts = fs::read_dir(self.logs())?.count();
        Process::start(&format!("broker-{starts}"), &mut command, &self.logs())
    }

    /// Kills it at once, as a crash would.
    ///
    /// # Errors
    /// Where it does not run.
    pub fn kill9(&mut self) -> Result<()> {
        self.process.take().context("the broker does not run")?.kill9()
    }

    /// Asks it to drain with SIGTERM, and waits for its end.
    ///
    /// # Errors
    /// Where it does not run or does not end.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.process.take().context("the broker does not run")?.terminate(DEADLINE)
    }

    /// Asks it to drain with SIGTERM, and does not wait.
    ///
    /// # Errors
    /// Where it does not run.
    pub fn begin_stop(&self) -> Result<()> {
        self.process.as_ref().context("the broker does not run")?.signal(Signal::TERM)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// Where it does not run or does not end in time.
    pub fn wait(&mut self, deadline: Duration) -> Result<ExitStatus> {
        self.process.take().context("the broker does not run")?.wait(deadline)
    }

    /// Runs a command of `secretref-broker` for its folder, whether it serves or not.
    ///
    /// # Errors
    /// Where the binary is not built, or a signal ended it.
    pub fn run(&self, words: &[&str]) -> Result<Ran> {
        let mut command = Command::new(binary("secretref-broker")?);
        command.args(words).arg("--data-dir").arg(self.data());
        Ran::of(&mut command)
    }

    /// A client with the first administrator's certificate.
    ///
    /// # Errors
    /// Where it cannot connect.
    pub async fn admin(&self) -> Result<Admin> {
        Admin::connect(&self.listening.admin.to_string(), &self.data().join("admin")).await
    }

    /// Where it listens, or did before it was stopped.
    #[must_use]
    pub fn listening(&self) -> Listening {
        self.listening
    }

    /// Its process, while it runs.
    #[must_use]
    pub fn process(&self) -> Option<&Process> {
        self.process.as_ref()
    }

    /// Its data folder.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Everything of it: data, configuration, logs.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// URL of its database, as sqlx takes it.
    #[must_use]
    pub fn database_url(&self) -> String {
        let embedded = || format!("sqlite://{}", self.data().join(EMBEDDED).display());
        self.database_url.clone().unwrap_or_else(embedded)
    }

    fn logs(&self) -> PathBuf {
        self.folder.path().join("logs")
    }

    fn command(&self, verb: &str) -> Result<Command> {
        let mut command = Command::new(binary("secretref-broker")?);
        command
            .arg(verb)
            .arg("--data-dir")
            .arg(self.data())
            .env("XDG_CONFIG_HOME", self.folder.path().join("config"))
            // Whoever went by a proxy of the environment would get nowhere.
            .envs(["http_proxy", "https_proxy", "all_proxy"].map(|name| (name, NOWHERE)))
            .envs(["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"].map(|name| (name, NOWHERE)))
            .env("RUST_BACKTRACE", "1")
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }
}

/// Whether a broker says at its health port that it is ready; one that does not answer is not.
pub async fn ready(health: SocketAddr) -> bool {
    let asked = async {
        let mut stream = TcpStream::connect(health).await?;
        stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n").await?;
        let mut answer = Vec::new();
        stream.take(4096).read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    asked.await.is_ok_and(|answer| answer.get(9..12) == Some(b"200"))
}

/// Copies a broker's folder, with its files' modes, and without an embedded store.
fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to)?;
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (name, path) = (entry.file_name(), entry.path());
        if entry.file_type()?.is_dir() {
            copy_folder(&path, &to.join(name))?;
        } else if !name.to_string_lossy().starts_with(EMBEDDED) {
            fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}

fn address(process: &Process, what: &str) -> Result<SocketAddr> {
    parse(&process.wait_for_announcement(what, DEADLINE)?)
}

/// The address at the end of `listening WHAT ADDRESS`.
fn parse(line: &str) -> Result<SocketAddr> {
    let address = line.rsplit(' ').next().unwrap_or_default();
    address.parse().with_context(|| format!("{line:?} names no address"))
}

const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
/// Where nobody listens.
const NOWHERE: &str = "http://127.0.0.1:1";
/// File of the embedded store in the data folder.
const EMBEDDED: &str = "secretref.db";
