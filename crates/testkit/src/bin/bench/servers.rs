//! The servers that are measured, each a process of its own.

use crate::{
    fleet::{Line, Protocol},
    limit::CLIENT_FILES,
    wire::LimitClient,
};
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use secretref_identity::{
    credentials::{Credentials, TrustBundle},
    subject::TrustDomain,
};
use secretref_proto::v1::PutSecretResponse;
use secretref_testkit::{
    admin::Admin,
    broker::TRUST_DOMAIN,
    peer::{enrolled, identified},
    process::{Process, binary},
    tmpfs,
    wait::DEADLINE,
};
use std::{fs, path::PathBuf, process::Command, sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Interval, MissedTickBehavior, interval},
};
use tonic::{Code, Status};

/// Who holds the streams of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One agent, many instances.
    Instances,
    /// Many agents, one instance each, bound to one secret.
    Agents,
}

impl Shape {
    /// Name of the secret.
    pub(crate) fn secret(self) -> &'static str {
        match self {
            Self::Instances => "bench-key",
            Self::Agents => "bench-shared-key",
        }
    }

    fn agent(self, number: usize) -> String {
        match self {
            Self::Instances => "bench".to_owned(),
            Self::Agents => format!("bench-{number}"),
        }
    }
}

/// A server under measurement.
pub(crate) enum Server {
    /// The real broker.
    Broker(Box<Broker>),
    /// The bare fan-out.
    Limit(Box<Limit>),
}

impl Server {
    /// Starts it anew, so that memory is counted from nothing.
    pub(crate) async fn restart(&mut self) -> Result<()> {
        match self {
            Self::Broker(broker) => broker.serve().await,
            Self::Limit(limit) => limit.serve().await,
        }
    }

    pub(crate) fn pid(&self) -> Result<u32> {
        let process = match self {
            Self::Broker(broker) => broker.process.as_ref(),
            Self::Limit(limit) => limit.process.as_ref(),
        };
        Ok(process.context("the server does not run")?.pid())
    }

    /// Makes a value durable and has it sent to everybody. When the server began with it, by the
    /// clock in microseconds.
    pub(crate) async fn publish(&mut self, shape: Shape, value: Bytes) -> Result<i64> {
        match self {
            Self::Broker(broker) => {
                let answer = broker.admin()?.put(shape.secret(), &value).await?;
                create_micros(&answer).context("the answer names no time")
            }
            Self::Limit(limit) => Ok(limit.client().await?.publish(value).await?.micros),
        }
    }

    /// Where this many clients connect.
    pub(crate) async fn lines(&mut self, shape: Shape, count: usize) -> Result<Vec<Line>> {
        match self {
            Self::Broker(broker) => broker.lines(shape, count).await,
            Self::Limit(limit) => limit.lines(count),
        }
    }
}

fn create_micros(answer: &PutSecretResponse) -> Option<i64> {
    let time = answer.version.as_ref()?.create_time.as_ref()?;
    Some(time.seconds * 1_000_000 + i64::from(time.nanos) / 1000)
}

/// A real `secretref-broker`, with what it takes to enrol clients at it.
pub(crate) struct Broker {
    process: Option<Process>,
    agents: String,
    admin_address: String,
    admin: Option<Admin>,
    instances: Vec<Arc<Credentials>>,
    singles: Vec<Arc<Credentials>>,
    folder: TempDir,
}

impl Broker {
    /// Initialises one on this database; SQLite in its folder where none is named.
    pub(crate) async fn start(database_url: Option<&str>) -> Result<Self> {
        let mut broker = Self {
            process: None,
            agents: String::new(),
            admin_address: String::new(),
            admin: None,
            instances: Vec::new(),
            singles: Vec::new(),
            folder: tmpfs::roomy_folder("secretref-bench-broker-")?,
        };
        let mut init = broker.command("init")?;
        init.args(["--trust-domain", TRUST_DOMAIN]);
        for port in ["--agent-listen", "--admin-listen", "--health-listen", "--metrics-listen"] {
            init.args([port, "127.0.0.1:0"]);
        }
        if let Some(url) = database_url {
            init.args(["--database-url", url]);
        }
        let done = init.output().context("running secretref-broker init")?;
        let said = String::from_utf8_lossy(&done.stderr);
        ensure!(done.status.success(), "init failed with {}: {said}", done.status);
        broker.serve().await?;
        Ok(broker)
    }

    /// Stops it.
    pub(crate) fn stop(&mut self) -> Result<()> {
        self.admin = None;
        if let Some(mut process) = self.process.take() {
            process.terminate(DEADLINE)?;
        }
        Ok(())
    }

    /// Its data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Starts it anew.
    pub(crate) async fn serve(&mut self) -> Result<()> {
        self.stop()?;
        let mut command = self.command("serve")?;
        command.args(["--log-level", "warn"]);
        let logs = self.folder.path().join("logs");
        fs::create_dir_all(&logs)?;
        let starts = fs::read_dir(&logs)?.count();
        let process = Process::start(&format!("broker-{starts}"), &mut command, &logs)?;
        self.agents = address(&process, "listening agents ")?;
        self.admin_address = address(&process, "listening admin ")?;
        process.wait_for_line("ready", DEADLINE)?;
        self.process = Some(process);
        self.admin = Some(self.connect().await?);
        Ok(())
    }

    /// A further connection of the administrator.
    pub(crate) async fn connect(&self) -> Result<Admin> {
        Admin::connect(&self.admin_address, &self.folder.path().join("data/admin")).await
    }

    /// The administrator's connection.
    pub(crate) fn admin(&self) -> Result<&Admin> {
        self.admin.as_ref().context("the broker does not run")
    }

    /// Address of the agents' port.
    pub(crate) fn agents(&self) -> &str {
        &self.agents
    }

    /// Applies the manifest of a shape, with a first value.
    pub(crate) async fn prepare(&self, shape: Shape, count: usize) -> Result<()> {
        let admin = self.admin()?;
        admin.apply(&manifest(shape, count)).await?;
        admin.put(shape.secret(), b"first").await?;
        Ok(())
    }

    async fn lines(&mut self, shape: Shape, count: usize) -> Result<Vec<Line>> {
        self.enrol(shape, count).await?;
        let line = |credentials: &Arc<Credentials>| Line {
            address: self.agents.clone(),
            credentials: Arc::clone(credentials),
            protocol: Protocol::Broker,
        };
        Ok(self.enrolled(shape).iter().take(count).map(line).collect())
    }

    /// So many clients that may connect.
    pub(crate) async fn credentials(
        &mut self,
        shape: Shape,
        count: usize,
    ) -> Result<Vec<Arc<Credentials>>> {
        self.enrol(shape, count).await?;
        Ok(self.enrolled(shape).iter().take(count).cloned().collect())
    }

    fn enrolled(&self, shape: Shape) -> &Vec<Arc<Credentials>> {
        match shape {
            Shape::Instances => &self.instances,
            Shape::Agents => &self.singles,
        }
    }

    /// Enrols as many clients as there are not yet, each with a token of its own.
    async fn enrol(&mut self, shape: Shape, count: usize) -> Result<()> {
        let have = self.enrolled(shape).len();
        if have >= count {
            return Ok(());
        }
        self.prepare(shape, count).await?;
        let (mut joining, room) = (JoinSet::new(), Arc::new(Semaphore::new(ENROLMENTS_MAX)));
        for number in have..count {
            let (admin, address) = (self.admin()?.clone(), self.agents.clone());
            let room = Arc::clone(&room);
            joining.spawn(async move {
                let _place = room.acquire().await?;
                let token = admin.token(&shape.agent(number)).await?;
                let mut turns = turns();
                loop {
                    turns.tick().await;
                    match enrolled(&address, &token).await {
                        Err(error) if is_overloaded(&error) => {}
                        outcome => return outcome.map(Arc::new),
                    }
                }
            });
        }
        let mut joined = Vec::with_capacity(count);
        while let Some(credentials) = joining.join_next().await {
            joined.push(credentials?.context("enrolling a client")?);
        }
        match shape {
            Shape::Instances => self.instances.append(&mut joined),
            Shape::Agents => self.singles.append(&mut joined),
        }
        Ok(())
    }

    fn command(&self, verb: &str) -> Result<Command> {
        let mut command = Command::new(binary("secretref-broker")?);
        command.arg(verb).arg("--data-dir").arg(self.data());
        command.env("XDG_CONFIG_HOME", self.folder.path().join("config"));
        Ok(command)
    }
}

/// When whoever was turned away comes again: the first time at once.
pub(crate) fn turns() -> Interval {
    let mut turns = interval(AGAIN);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    turns
}

/// Whether it was more than the broker takes in a second.
pub(crate) fn is_overloaded(error: &anyhow::Error) -> bool {
    let status = error.downcast_ref::<Status>();
    status.is_some_and(|status| status.code() == Code::ResourceExhausted)
}

fn manifest(shape: Shape, count: usize) -> String {
    let secret = shape.secret();
    let agents = match shape {
        Shape::Instances => 1,
        Shape::Agents => count,
    };
    let agents: Vec<_> = (0..agents)
        .map(|number| {
            let name = shape.agent(number);
            format!(
                r#""{name}": {{"capabilities": ["bench"], "tool-bindings": {{"bench": {{
                "credentials": {{"key": {{"secretRef": "{secret}", "envVar": "BENCH_KEY"}}}}}}}}}}"#
            )
        })
        .collect();
    let agents = agents.join(",\n");
    format!(
        r#"{{"agents": {{{agents}}}, "openclaw": {{"gateway": {{"secrets": {{"refMap": {{
        "{secret}": {{"provider": "store"}}}}}}}}}}}}"#
    )
}

/// How long a client that was turned away waits.
const AGAIN: Duration = Duration::from_millis(20);
/// The limit's process.
pub(crate) struct Limit {
    process: Option<Process>,
    address: String,
    credentials: Option<Arc<Credentials>>,
    client: Option<LimitClient>,
    database_url: String,
    folder: TempDir,
}

impl Limit {
    /// Starts one on this database.
    pub(crate) async fn start(database_url: String) -> Result<Self> {
        let folder = tmpfs::roomy_folder("secretref-bench-limit-")?;
        let mut limit = Self {
            process: None,
            address: String::new(),
            credentials: None,
            client: None,
            database_url,
            folder,
        };
        limit.serve().await?;
        Ok(limit)
    }

    async fn serve(&mut self) -> Result<()> {
        self.client = None;
        if let Some(mut process) = self.process.take() {
            process.kill9()?;
        }
        let mut command = Command::new(std::env::current_exe()?);
        let folder: PathBuf = self.folder.path().to_owned();
        command.arg("limit").arg(&self.database_url).arg(&folder);
        let process = Process::start("limit", &mut command, &folder)?;
        self.address = address(&process, "listening limit ")?;
        self.process = Some(process);
        let file = |name: &str| fs::read_to_string(folder.join(name));
        let [chain, key, ca] = CLIENT_FILES;
        let trust = TrustBundle::from_pem(TrustDomain::parse(TRUST_DOMAIN)?, &file(ca)?)?;
        let credentials = Credentials::from_pem(&file(chain)?, &file(key)?, trust)?;
        self.credentials = Some(Arc::new(credentials));
        Ok(())
    }

    /// A further connection.
    pub(crate) async fn connect(&self) -> Result<LimitClient> {
        let credentials = self.credentials.as_ref().context("the limit does not run")?;
        Ok(LimitClient::new(identified(&self.address, credentials).await?))
    }

    async fn client(&mut self) -> Result<&mut LimitClient> {
        if self.client.is_none() {
            self.client = Some(self.connect().await?);
        }
        self.client.as_mut().context("just connected")
    }

    fn lines(&self, count: usize) -> Result<Vec<Line>> {
        let credentials = self.credentials.as_ref().context("the limit does not run")?;
        let line = |_| Line {
            address: self.address.clone(),
            credentials: Arc::clone(credentials),
            protocol: Protocol::Limit,
        };
        Ok((0..count).map(line).collect())
    }
}

fn address(process: &Process, what: &str) -> Result<String> {
    let line = process.wait_for_line(what, DEADLINE)?;
    let (_, address) = line.split_once(what).context("the line just found")?;
    Ok(address.trim().to_owned())
}

const ENROLMENTS_MAX: usize = 16;
