//! A throwaway Postgres from the distribution's own binaries. Never one that already runs.
//!
//! ```text
//! secretref-pg-XXXX/      0700, on a tmpfs where there is room, owned by the server's account
//!   data/                 the cluster; fsync is ON, as in production
//!   socket/               0700: whoever may enter it needs no password
//!   password, *.log
//! ```
//! On 127.0.0.1 it takes the superuser's random password (SCRAM). Postgres refuses to run as root,
//! so as root the server runs as `postgres`, else as `nobody`.
//!
//! A [`Guardian`] stops it where this process cannot.

mod account;
mod binaries;

use crate::{guardian::Guardian, process::Process};
use account::Account;
use anyhow::{Context, Result, bail, ensure};
use binaries::Binaries;
use rustix::process::{Pid, Signal, kill_process};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::{
    fs,
    net::TcpListener,
    os::unix::{fs::DirBuilderExt, process::CommandExt},
    process::Command,
    time::Duration,
};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use uuid::Uuid;

/// Variable that holds the superuser's URL of the cluster that `with-postgres` started.
pub const VARIABLE: &str = "SECRETREF_TEST_POSTGRES";

/// A cluster of its own. Stopped and removed when dropped.
pub struct Postgres {
    // In this order: the server is gone before its folder is removed.
    server: Option<Process>,
    guardian: Option<Guardian>,
    binaries: Binaries,
    account: Option<Account>,
    port: u16,
    password: String,
    home: TempDir,
}

impl Postgres {
    /// Makes a cluster and starts it. Blocks for about a second.
    ///
    /// # Errors
    /// Where the binaries are missing (with what to install), or the server does not come up.
    pub fn start() -> Result<Self> {
        let binaries = Binaries::find()?;
        let account = Account::to_run_as()?;
        let home = crate::tmpfs::roomy_folder("secretref-pg-")?;
        fs::DirBuilder::new().mode(0o700).create(home.path().join("socket"))?;
        let password = Uuid::new_v4().simple().to_string();
        fs::write(home.path().join("password"), &password)?;
        if let Some(account) = &account {
            for path in [home.path().to_owned(), home.path().join("socket")] {
                account.give(&path)?;
            }
            account.give(&home.path().join("password"))?;
        }
        let mut cluster =
            Self { server: None, guardian: None, binaries, account, port: 0, password, home };
        cluster.initialise()?;
        cluster.start_on_a_free_port()?;
        Ok(cluster)
    }

    /// A server that follows this one, some way behind (asynchronous streaming replication).
    ///
    /// # Errors
    /// As [`Postgres::start`].
    pub fn standby(&self) -> Result<Self> {
        let binaries = Binaries::find()?;
        let account = Account::to_run_as()?;
        let home = crate::tmpfs::roomy_folder("secretref-pg-")?;
        fs::DirBuilder::new().mode(0o700).create(home.path().join("socket"))?;
        if let Some(account) = &account {
            account.give(home.path())?;
            account.give(&home.path().join("socket"))?;
        }
        let password = self.password.clone();
        let mut standby =
            Self { server: None, guardian: None, binaries, account, port: 0, password, home };
        let from = format!(
            "host={} port={} user=postgres",
            self.home.path().join("socket").display(),
            self.port
        );
        let mut command = standby.command("pg_basebackup");
        command.arg("-D").arg(standby.home.path().join("data")).args(["-d", &from]);
        command.args(["-R", "-X", "stream", "--checkpoint=fast", "--no-sync"]);
        let done = command.output().context("running pg_basebackup")?;
        let said = String::from_utf8_lossy(&done.stderr);
        ensure!(done.status.success(), "pg_basebackup failed: {}", said.trim());
        standby.start_on_a_free_port()?;
        Ok(standby)
    }

    /// Makes a standby the server that is written to: its timeline is another from here on.
    ///
    /// # Errors
    /// Where it is none.
    pub fn promote(&self) -> Result<()> {
        let mut command = self.command("pg_ctl");
        command.arg("promote").arg("--wait").arg("-D").arg(self.home.path().join("data"));
        let done = command.output().context("running pg_ctl promote")?;
        let said = String::from_utf8_lossy(&done.stderr);
        ensure!(done.status.success(), "pg_ctl promote failed: {}", said.trim());
        Ok(())
    }

    /// The port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// URL of the superuser, over TCP on 127.0.0.1.
    #[must_use]
    pub fn superuser_url(&self) -> String {
        let Self { password, port, .. } = self;
        format!("postgres://postgres:{password}@127.0.0.1:{port}/postgres")
    }

    /// URL of the superuser, over the Unix socket, without a password.
    #[must_use]
    pub fn socket_url(&self) -> String {
        let socket = self.home.path().join("socket");
        let port = self.port;
        format!("postgres://postgres@localhost/postgres?host={}&port={port}", socket.display())
    }

    /// Makes an empty database and returns its URL.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub async fn create_database(&self) -> Result<String> {
        create_database(&self.superuser_url()).await
    }

    /// Kills the postmaster and all its children at once, as a crash of the machine would, and
    /// waits until all are gone: a child that lives holds the shared memory that a new server
    /// needs.
    ///
    /// # Errors
    /// Where it does not run.
    pub fn kill9(&mut self) -> Result<()> {
        let mut server = self.server.take().context("the server does not run")?;
        self.dismiss_guardian();
        // Stopped first, so that it cannot start further children meanwhile.
        server.signal(Signal::STOP)?;
        let children = children_of(server.pid())?;
        let handles: Vec<_> = children.iter().filter_map(|pid| handle_of(*pid)).collect();
        for pid in children {
            // A child that ended by itself is as good.
            let _ = kill_process(pid, Signal::KILL);
        }
        server.kill9()?;
        handles.iter().try_for_each(wait_until_gone)
    }

    /// Starts the server again after [`Postgres::kill9`] or [`Postgres::stop`], on its port.
    ///
    /// # Errors
    /// Where it runs already or does not come up.
    pub fn restart(&mut self) -> Result<()> {
        ensure!(self.server.is_none(), "the server runs already");
        self.start_server(self.port)
    }

    /// Stops the server at once, with SIGQUIT, and waits for it. It can be started again.
    ///
    /// # Errors
    /// Where it does not run or does not end.
    pub fn stop(&mut self) -> Result<()> {
        let mut server = self.server.take().context("the server does not run")?;
        self.dismiss_guardian();
        server.signal(Signal::QUIT)?;
        server.wait(STOP_MAX).map(drop)
    }

    fn initialise(&self) -> Result<()> {
        let home = self.home.path();
        let mut command = self.command("initdb");
        command
            .arg(format!("--pgdata={}", home.join("data").display()))
            .arg(format!("--pwfile={}", home.join("password").display()))
            .args(["--username=postgres", "--auth-local=trust", "--auth-host=scram-sha-256"])
            // --no-sync is about initdb's own last flush; the server keeps fsync on.
            .args(["--encoding=UTF8", "--locale=C", "--no-sync"]);
        let done = command.output().context("running initdb")?;
        if !done.status.success() {
            let said = String::from_utf8_lossy(&done.stderr);
            bail!("initdb failed with {}: {}", done.status, said.trim());
        }
        Ok(())
    }

    /// A free port can be taken by another before the server has it; then another is tried.
    fn start_on_a_free_port(&mut self) -> Result<()> {
        let mut last = None;
        for _ in 0..PORT_TRIES {
            let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
            match self.start_server(port) {
                Ok(()) => return Ok(()),
                Err(error) => last = Some(error),
            }
        }
        Err(last.context("no port was tried")?)
    }

    fn start_server(&mut self, port: u16) -> Result<()> {
        let home = self.home.path();
        let mut command = self.command("postgres");
        command.arg("-D").arg(home.join("data")).arg("-k").arg(home.join("socket"));
        command.arg("-p").arg(port.to_string());
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        let server = Process::start("postgres", &mut command, home)?;
        server.wait_for_line("database system is ready to accept", START_MAX)?;
        self.guardian = Some(Guardian::of(server.pid(), "QUIT", home)?);
        self.server = Some(server);
        self.port = port;
        Ok(())
    }

    /// A program of the server's, as its account, out of reach of the terminal's Ctrl-C.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.binaries.program(program));
        command.current_dir("/").env("LC_ALL", "C").env("TZ", "UTC").process_group(0);
        if let Some(account) = &self.account {
            command.uid(account.uid).gid(account.gid);
        }
        command
    }

    fn dismiss_guardian(&mut self) {
        if let Some(guardian) = self.guardian.take() {
            guardian.dismiss();
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.server.is_some() {
            // Where it cannot be stopped in order, dropping the process kills it.
            let _ = self.stop();
        }
    }
}

/// An empty database for one test, and its URL: under the cluster that `with-postgres` started,
/// else under one of this process's own.
///
/// # Errors
/// Where there is no Postgres to be had; says what to install.
pub async fn database() -> Result<String> {
    if let Ok(url) = std::env::var(VARIABLE) {
        return create_database(&url).await;
    }
    let own = OWN.get_or_try_init(async || {
        tokio::task::spawn_blocking(Postgres::start).await.context("starting Postgres")?
    });
    own.await?.create_database().await
}

/// Never dropped, as statics are: its guardian stops it when the process ends.
static OWN: OnceCell<Postgres> = OnceCell::const_new();

async fn create_database(superuser_url: &str) -> Result<String> {
    // Of the system's randomness: processes that start together have the same of their own.
    let name = format!("t{}", Uuid::new_v4().simple());
    let (server, _) = superuser_url
        .rsplit_once('/')
        .filter(|(_, database)| !database.contains('?'))
        .with_context(|| format!("{VARIABLE} must end in the name of a database"))?;
    let mut connection = PgConnection::connect(superuser_url)
        .await
        .context("connecting to the throwaway Postgres")?;
    // template0, because a connection to template1 would stand in the way.
    let sql = format!("CREATE DATABASE {name} TEMPLATE template0");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
    connection.close().await?;
    Ok(format!("{server}/{name}"))
}

fn children_of(parent: u32) -> Result<Vec<Pid>> {
    let parent = parent.to_string();
    let mut children = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Ok(pid) = entry?.file_name().to_string_lossy().parse::<i32>() else { continue };
        // One that ended meanwhile has no file.
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        // `pid (name) state ppid …`; the name may hold blanks and brackets.
        let parent_of = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1));
        if parent_of == Some(parent.as_str()) {
            children.extend(Pid::from_raw(pid));
        }
    }
    Ok(children)
}

type Handle = rustix::fd::OwnedFd;

fn handle_of(pid: Pid) -> Option<Handle> {
    rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok()
}

fn wait_until_gone(handle: &Handle) -> Result<()> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let limit = Timespec::try_from(STOP_MAX)?;
    let ended = poll(&mut [PollFd::new(handle, PollFlags::IN)], Some(&limit))?;
    ensure!(ended == 1, "a child of the killed server has not ended within {STOP_MAX:?}");
    Ok(())
}

/// fsync and the rest of what the broker asks of a server stay at their safe defaults.
const SETTINGS: [&str; 6] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_permissions=0700",
    "max_connections=400",
    "shared_buffers=64MB",
    "max_wal_size=256MB",
    "dynamic_shared_memory_type=mmap",
];
const START_MAX: Duration = Duration::from_secs(60);
const STOP_MAX: Duration = Duration::from_secs(60);
const PORT_TRIES: usize = 5;

#[cfg(test)]
mod tests;
