//! A sidecar in this process, and what a test sees of it.

use crate::broker::{DEADLINE, World};
use secretref_proto::{
    convert::manifest_digest,
    v1::{self, ManifestKind},
};
use secretref_sidecar::{
    SystemClock,
    app::{self, AppError},
    config::{ProgramConfig, RunConfig, TokenSource},
    status::Status,
};
use std::{
    fs,
    io::Write,
    net::SocketAddr,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};
use tempfile::TempDir;
use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

/// Folders of one sidecar, which outlive its runs.
pub(crate) struct Home {
    pub(crate) state: TempDir,
    pub(crate) secrets: TempDir,
}

/// One run.
pub(crate) struct Guest {
    pub(crate) status: watch::Receiver<Status>,
    pub(crate) shutdown: CancellationToken,
    running: JoinHandle<Result<(), AppError>>,
}

impl Home {
    pub(crate) fn new() -> Self {
        let state = tempfile::tempdir().unwrap();
        fs::set_permissions(state.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let secrets = tempfile::tempdir_in("/dev/shm").unwrap();
        fs::set_permissions(secrets.path(), fs::Permissions::from_mode(0o700)).unwrap();
        Self { state, secrets }
    }

    pub(crate) fn token_file(&self, world: &World) -> PathBuf {
        let path = self.state.path().join("token");
        let options =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        writeln!(options.unwrap(), "{}", *world.authority.token().expose()).unwrap();
        path
    }

    pub(crate) fn config(&self, broker: SocketAddr) -> RunConfig {
        RunConfig {
            brokers: vec![broker.to_string()],
            token: None,
            state_dir: self.state.path().to_owned(),
            secrets_dir: self.secrets.path().to_owned(),
            no_files: false,
            socket: None,
            allow_exec: Vec::new(),
            allow_disk: false,
            group: None,
            openclaw: None,
            health_listen: None,
            agent: None,
            wait_timeout: None,
            remove_secrets_dir: false,
            remove_state_dir: false,
            secrets_provider: None,
            program: ProgramConfig::default(),
            log: secretref_sidecar::config::LogConfig::default(),
        }
    }

    /// Runs a sidecar with a token, which it needs the first time only.
    pub(crate) fn run(&self, world: &World, broker: SocketAddr) -> Guest {
        let token = Some(TokenSource::File(self.token_file(world)));
        Guest::run(RunConfig { token, ..self.config(broker) })
    }

    pub(crate) fn file(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.secrets.path().join(name)).ok()
    }

    /// Whether nothing of any set is there any more.
    pub(crate) fn is_bare(&self) -> bool {
        names(self.secrets.path()).iter().all(|name| name == "..lock")
    }
}

impl Guest {
    pub(crate) fn run(config: RunConfig) -> Self {
        let (told, status) = watch::channel(Status::default());
        let shutdown = CancellationToken::new();
        let running = app::run_watched(config, Arc::new(SystemClock), shutdown.clone(), told);
        Self { status, shutdown, running: tokio::spawn(running) }
    }

    pub(crate) async fn until(&mut self, seen: impl FnMut(&Status) -> bool) -> Status {
        timeout(DEADLINE, self.status.wait_for(seen)).await.unwrap().unwrap().clone()
    }

    /// Stops it in order.
    pub(crate) async fn stop(self) -> Result<(), AppError> {
        self.shutdown.cancel();
        self.ended().await
    }

    pub(crate) async fn ended(self) -> Result<(), AppError> {
        timeout(DEADLINE, self.running).await.unwrap().unwrap()
    }

    /// Stops it where it stands, as SIGKILL would.
    pub(crate) async fn kill(self) {
        self.running.abort();
        drop(timeout(DEADLINE, self.running).await.unwrap());
    }
}

/// An entry with its value.
pub(crate) fn entry(name: &str, version: i64, value: &str) -> v1::ManifestEntry {
    v1::ManifestEntry {
        name: name.into(),
        version,
        digest: vec![u8::try_from(version).unwrap(); 32],
        targets: vec![v1::Target {
            secret_ref: name.into(),
            file: name.to_ascii_uppercase(),
            required: true,
            ..v1::Target::default()
        }],
        value: Some(value.to_owned().into()),
        ..v1::ManifestEntry::default()
    }
}

/// The same without its value.
pub(crate) fn bare(mut entry: v1::ManifestEntry) -> v1::ManifestEntry {
    entry.value = None;
    entry
}

/// A whole manifest in one part.
pub(crate) fn manifest(
    nonce: i64,
    kind: ManifestKind,
    entries: Vec<v1::ManifestEntry>,
) -> v1::Manifest {
    v1::Manifest {
        nonce,
        kind: kind.into(),
        part: 0,
        last: true,
        manifest_digest: manifest_digest(&entries, None).to_vec(),
        entries,
        ..v1::Manifest::default()
    }
}

/// Results as `name state` lines.
pub(crate) fn told(results: &[v1::SecretResult]) -> Vec<String> {
    results
        .iter()
        .map(|result| {
            let state = result.state().as_str_name().trim_start_matches("RESULT_STATE_");
            format!("{} v{} {state}", result.name, result.version)
        })
        .collect()
}

pub(crate) fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
