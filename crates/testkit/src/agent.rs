//! An agent's host: its folders, and the real sidecar beside it.

use crate::{
    admin::Admin,
    broker::Broker,
    process::{Process, binary},
    tmpfs,
    wait::{DEADLINE, eventually},
};
use anyhow::{Context, Result, ensure};
use std::{
    ffi::OsString,
    fs::{self, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Output},
};
use tempfile::TempDir;

/// An agent's host, on a tmpfs.
///
/// ```text
/// FOLDER/token       the join token, 0600
/// FOLDER/state/      --state-dir
/// FOLDER/secrets/    --secrets-dir
/// FOLDER/logs/       what the sidecar printed, at TRACE
/// ```
pub struct Agent {
    sidecar: Option<Process>,
    broker: String,
    /// What `run` gets besides.
    options: Vec<OsString>,
    folder: TempDir,
}

impl Agent {
    /// A host that knows where the broker is and has no token yet.
    ///
    /// # Errors
    /// Where there is no tmpfs.
    pub fn new(broker: &Broker) -> Result<Self> {
        Self::at(&[broker])
    }

    /// A host that knows where several brokers are and has no token yet.
    ///
    /// # Errors
    /// Where there is no tmpfs.
    pub fn at(brokers: &[&Broker]) -> Result<Self> {
        let folder = tmpfs::folder("secretref-agent-")?;
        fs::create_dir(folder.path().join("logs"))?;
        for private in ["state", "secrets"] {
            let mut builder = fs::DirBuilder::new();
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder.create(folder.path().join(private))?;
        }
        let addresses: Vec<_> =
            brokers.iter().map(|broker| broker.listening().agents.to_string()).collect();
        let (broker, options) = (addresses.join(","), Vec::new());
        Ok(Self { sidecar: None, broker, options, folder })
    }

    /// A host whose sidecar runs, enrolled as an agent with a fresh token.
    ///
    /// # Errors
    /// Where no token can be had or the sidecar not be started.
    pub async fn enrolled(broker: &Broker, admin: &Admin, agent: &str) -> Result<Self> {
        let mut host = Self::new(broker)?;
        host.give_token(&admin.token(agent).await?)?;
        host.run()?;
        Ok(host)
    }

    /// As [`Agent::enrolled`], with several brokers.
    ///
    /// # Errors
    /// As [`Agent::enrolled`].
    pub async fn enrolled_at(brokers: &[&Broker], admin: &Admin, agent: &str) -> Result<Self> {
        let mut host = Self::at(brokers)?;
        host.give_token(&admin.token(agent).await?)?;
        host.run()?;
        Ok(host)
    }

    /// Gives `run` more options; where they name `--no-files`, no folder is named.
    #[must_use]
    pub fn with<Word: Into<OsString>>(mut self, options: impl IntoIterator<Item = Word>) -> Self {
        self.options.extend(options.into_iter().map(Into::into));
        self
    }

    /// Writes the token's file, for its owner alone.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn give_token(&self, token: &str) -> Result<()> {
        let mut options = OpenOptions::new();
        options.create(true).write(true).truncate(true).mode(0o600);
        options.open(self.token_file())?.write_all(token.as_bytes())?;
        Ok(())
    }

    /// Starts `secretref-sidecar run`.
    ///
    /// # Errors
    /// Where it runs already or is not built.
    pub fn run(&mut self) -> Result<()> {
        self.run_with(&[], &[])
    }

    /// Starts `secretref-sidecar run` with more options, and a program where one is named.
    ///
    /// # Errors
    /// As [`Agent::run`].
    pub fn run_with(&mut self, options: &[&str], program: &[&str]) -> Result<()> {
        let command = self.run_command(options, program)?;
        self.start(command)
    }

    /// Starts a command that ends in `secretref-sidecar run`, as [`Agent::run_command`] makes it.
    ///
    /// # Errors
    /// As [`Agent::run`].
    pub fn start(&mut self, mut command: Command) -> Result<()> {
        ensure!(self.sidecar.is_none(), "the sidecar runs already");
        let starts = fs::read_dir(self.logs())?.count();
        let name = format!("sidecar-{starts}");
        let sidecar = Process::start(&name, &mut command, &self.logs())?;
        self.sidecar = Some(sidecar);
        Ok(())
    }

    /// `secretref-sidecar run` with these options and this program.
    ///
    /// # Errors
    /// Where it is not built.
    pub fn run_command(&self, options: &[&str], program: &[&str]) -> Result<Command> {
        let mut command = self.command("run")?;
        if self.options.iter().all(|option| option != "--no-files") {
            command.arg("--secrets-dir").arg(self.secrets());
        }
        command.args(["--log-level", "trace"]).args(&self.options).args(options);
        if !program.is_empty() {
            command.arg("--").args(program);
        }
        Ok(command)
    }

    /// Waits until the sidecar has ended by itself.
    ///
    /// # Errors
    /// Where it does not run or does not end.
    pub fn ended(&mut self) -> Result<ExitStatus> {
        self.sidecar.take().context("the sidecar does not run")?.wait(DEADLINE)
    }

    /// Waits until the sidecar or its program says a line that contains this.
    ///
    /// # Errors
    /// Where neither does in time.
    pub fn says(&self, wanted: &str) -> Result<String> {
        let sidecar = self.sidecar.as_ref().context("the sidecar does not run")?;
        sidecar.wait_for_line(wanted, DEADLINE)
    }

    /// Everything that the sidecar and its program have said, over all runs.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn said(&self) -> Result<String> {
        let mut said = String::new();
        let mut logs: Vec<_> = fs::read_dir(self.logs())?.collect::<std::io::Result<_>>()?;
        logs.sort_by_key(fs::DirEntry::file_name);
        for log in logs {
            said.push_str(&String::from_utf8_lossy(&fs::read(log.path())?));
        }
        Ok(said)
    }

    /// Runs `secretref-sidecar enroll` to its end.
    ///
    /// # Errors
    /// Where it is not built.
    pub fn enroll(&self) -> Result<Output> {
        self.command("enroll")?.output().context("running secretref-sidecar enroll")
    }

    /// Kills the sidecar at once.
    ///
    /// # Errors
    /// Where it does not run.
    pub fn kill9(&mut self) -> Result<()> {
        self.sidecar.take().context("the sidecar does not run")?.kill9()
    }

    /// Ends the sidecar with SIGTERM.
    ///
    /// # Errors
    /// Where it does not run or does not end.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.sidecar.take().context("the sidecar does not run")?.terminate(DEADLINE)
    }

    /// The sidecar's process, while it runs.
    #[must_use]
    pub fn sidecar(&self) -> Option<&Process> {
        self.sidecar.as_ref()
    }

    /// The content of a secret's file; nothing where there is none.
    ///
    /// # Errors
    /// Where it is there and cannot be read.
    pub fn read(&self, file: &str) -> Result<Option<Vec<u8>>> {
        match fs::read(self.secrets().join(file)) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("reading {file}")),
        }
    }

    /// Waits until a secret's file has a content.
    ///
    /// # Errors
    /// Where it has not in time.
    pub async fn file_becomes(&self, file: &str, wanted: &[u8]) -> Result<()> {
        eventually(&format!("the file {file} has the new value"), async || {
            Ok((self.read(file)?.as_deref() == Some(wanted)).then_some(()))
        })
        .await
    }

    /// Waits until a secret's file has another value than this, and gives it.
    ///
    /// # Errors
    /// Where it has not in time.
    pub async fn file_changes(&self, file: &str, from: &[u8]) -> Result<Vec<u8>> {
        eventually(&format!("the file {file} has another value"), async || {
            Ok(self.read(file)?.filter(|value| value != from))
        })
        .await
    }

    /// Waits until a secret's file is gone.
    ///
    /// # Errors
    /// Where it is not in time.
    pub async fn file_leaves(&self, file: &str) -> Result<()> {
        eventually(&format!("the file {file} is gone"), async || {
            Ok(self.read(file)?.is_none().then_some(()))
        })
        .await
    }

    /// Folder of the secrets.
    #[must_use]
    pub fn secrets(&self) -> PathBuf {
        self.folder.path().join("secrets")
    }

    /// Where its socket may be.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("agent.sock")
    }

    /// Folder of the sidecar's state.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Folder of the sidecar's logs.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.folder.path().join("logs")
    }

    /// Everything of it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn token_file(&self) -> PathBuf {
        self.folder.path().join("token")
    }

    fn command(&self, verb: &str) -> Result<Command> {
        let mut command = Command::new(binary("secretref-sidecar")?);
        command.arg(verb).args(["--broker", &self.broker]);
        command.arg("--state-dir").arg(self.state());
        command.arg("--token-file").arg(self.token_file());
        command.env("RUST_BACKTRACE", "1");
        Ok(command)
    }
}
