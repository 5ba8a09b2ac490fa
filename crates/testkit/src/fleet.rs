//! Many sidecars in one process: the real ones, each with its own identity, stream and files. For
//! stories and figures that take more of them than processes would fit.

use crate::{admin::Admin, broker::Broker, tmpfs, wait::DEADLINE};
use anyhow::{Context, Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use secretref_domain::version::Version;
use secretref_sidecar::{
    SystemClock,
    app::{AppError, run_watched},
    config::{LogConfig, ProgramConfig, RunConfig, TokenSource},
    status::Status,
};
use std::{
    fs,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::PathBuf,
    sync::Arc,
};
use tempfile::TempDir;
use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tokio_util::{sync::CancellationToken, task::LocalPoolHandle};

/// A sidecar in this process.
pub struct Member {
    status: watch::Receiver<Status>,
    end: CancellationToken,
    task: JoinHandle<Result<(), AppError>>,
    folder: TempDir,
}

/// Starts this many sidecars of one agent, each enrolled with a token of its own, and waits until
/// each has its first whole set.
///
/// # Errors
/// Where one of them does not come up.
pub async fn start(
    broker: &Broker,
    admin: &Admin,
    agent: &str,
    count: usize,
) -> Result<Vec<Member>> {
    start_each(broker, admin, std::iter::repeat_n(agent, count)).await
}

/// As [`start`], one sidecar for each of these agents.
///
/// # Errors
/// As [`start`].
pub async fn start_each(
    broker: &Broker,
    admin: &Admin,
    agents: impl IntoIterator<Item = impl AsRef<str>>,
) -> Result<Vec<Member>> {
    raise_descriptor_limit()?;
    let mut members = Vec::new();
    // A sidecar's future stays on one thread, as it does in its own process.
    let pool = LocalPoolHandle::new(THREADS);
    for agent in agents {
        let token = admin.token(agent.as_ref()).await?;
        members.push(Member::start(&broker.listening().agents.to_string(), &token, &pool)?);
    }
    for member in &mut members {
        member.until("its first whole set", Status::is_ready).await?;
    }
    Ok(members)
}

impl Member {
    /// A sidecar that joins at an address, or at any of several between commas.
    ///
    /// # Errors
    /// Where it does not come up.
    pub async fn join(broker: &str, token: &str) -> Result<Self> {
        let mut member = Self::start(broker, token, &LocalPoolHandle::new(1))?;
        member.until("its first whole set", Status::is_ready).await?;
        Ok(member)
    }

    /// Starts a sidecar that joins at an address, or at any of several between commas, on a thread
    /// of this pool.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn start(broker: &str, token: &str, pool: &LocalPoolHandle) -> Result<Self> {
        let folder = tmpfs::folder("secretref-member-")?;
        for private in ["state", "secrets"] {
            fs::DirBuilder::new().mode(0o700).create(folder.path().join(private))?;
        }
        let token_file = folder.path().join("token");
        fs::write(&token_file, token)?;
        fs::set_permissions(&token_file, fs::Permissions::from_mode(0o600))?;
        let config = RunConfig {
            brokers: broker.split(',').map(str::to_owned).collect(),
            token: Some(TokenSource::File(token_file)),
            state_dir: folder.path().join("state"),
            secrets_dir: folder.path().join("secrets"),
            no_files: false,
            socket: None,
            allow_exec: Vec::new(),
            openclaw: None,
            allow_disk: false,
            group: None,
            health_listen: None,
            agent: None,
            wait_timeout: None,
            remove_secrets_dir: false,
            remove_state_dir: false,
            secrets_provider: None,
            program: ProgramConfig::default(),
            log: LogConfig::default(),
        };
        let (sender, status) = watch::channel(Status::default());
        let end = CancellationToken::new();
        let shutdown = end.clone();
        let task =
            pool.spawn_pinned(move || run_watched(config, Arc::new(SystemClock), shutdown, sender));
        Ok(Self { status, end, task, folder })
    }

    /// Waits until its status is as wanted.
    ///
    /// # Errors
    /// Where it is not in time, or the sidecar ended.
    pub async fn until(&mut self, what: &str, wanted: impl Fn(&Status) -> bool) -> Result<()> {
        let reached = timeout(DEADLINE, self.status.wait_for(|status| wanted(status))).await;
        reached
            .with_context(|| format!("a sidecar did not reach in time: {what}"))?
            .with_context(|| format!("a sidecar ended before it reached: {what}"))?;
        Ok(())
    }

    /// Waits until it has put this version of a secret in place, or a later one.
    ///
    /// # Errors
    /// As [`Member::until`].
    pub async fn applied(&mut self, secret: &str, version: Version) -> Result<()> {
        let has = |status: &Status| status.applied.get(secret).is_some_and(|has| *has >= version);
        self.until(&format!("{secret} v{}", version.get()), has).await
    }

    /// How it is doing.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Its folder of secrets.
    #[must_use]
    pub fn secrets(&self) -> PathBuf {
        self.folder.path().join("secrets")
    }

    /// Ends it, and waits until its files are gone.
    ///
    /// # Errors
    /// What it ended with.
    pub async fn stop(self) -> Result<()> {
        self.end.cancel();
        timeout(DEADLINE, self.task).await.context("a sidecar did not end in time")???;
        Ok(())
    }
}

/// Raises the limit of open files: each member holds a handful of descriptors, and the usual soft
/// limit of 1,024 is too low for many.
///
/// # Errors
/// Where the system allows fewer than 4,096.
pub fn raise_descriptor_limit() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    let current = getrlimit(Resource::Nofile).current;
    ensure!(current.is_none_or(|limit| limit >= 4096), "the limit of open files is too low");
    Ok(())
}

/// Threads that all members share.
const THREADS: usize = 2;
