//! Puts the broker together, runs it, and takes it apart again. The only place that wires things.

mod doors;
pub mod prune;
pub(crate) mod root_keys;
pub mod verify;

use crate::{
    alerts::{Alerts, Monitor, Pace},
    authority::Authority,
    checkpoints::Checkpoints,
    config::{Config, FolderLock, collector},
    copies::{AuditFile, Copying, Syslog},
    custody::{AUTHORITY, CHECKPOINTS, Custody, Parts, missing},
    grpc::{Admin, Listener, Port, serve_admins, serve_agents},
    health::{self, Health},
    metrics::{self, Metrics},
    outbound::{Outbound, Patience},
    permits::Permits,
    refresh::Refresh,
    rotation::{NotWritten, Rotations, WriteBack},
    store::{Store, StoreError},
    telemetry::announce,
};
use anyhow::{Context, anyhow};
use doors::Keeper;
use root_keys::{RootKeys, open_keyring, unseal_both};
use secretref_domain::{
    checkpoint::origin,
    clock::{Clock, Timestamp},
    id::BrokerId,
};
use secretref_envelope::Keyring;
use secretref_identity::note::{NoteSigner, NoteVerifier};
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::JoinSet,
    time::{interval, timeout},
};
use tokio_util::sync::CancellationToken;

/// The system's clock.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// What kept it from serving.
pub async fn serve_until_signal(config: Config) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let signalled = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        signalled.cancel();
    });
    let telling = collector().map(|endpoint| {
        secretref_spans::tell("secretref-broker", env!("CARGO_PKG_VERSION"), &endpoint)
    });
    let telling = telling.transpose()?;
    let outcome = serve(config, Arc::new(SystemClock), stop, announce).await;
    if let Some(telling) = telling {
        telling.end().await;
    }
    outcome
}

/// Serves until `stop`, by a clock; `say` is told what it listens on.
///
/// # Errors
/// What kept it from serving.
pub async fn serve(
    config: Config,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
    say: impl Fn(&str),
) -> anyhow::Result<()> {
    let _serving = FolderLock::serving(&config.data_dir)?;
    let (health, healthy) = watch::channel(Health::Waiting("starting".to_owned()));
    let listener = bind(config.file.health_listen).await?;
    say(&format!("listening health {}", listener.local_addr()?));
    let mut tasks = JoinSet::new();
    let stopped = CancellationToken::new();
    let asked = health::serve(listener, healthy, stopped.clone());
    tasks.spawn(async move { asked.await.map_err(anyhow::Error::from) });
    let metrics = Metrics::start(collector().as_deref())?;
    if let Some(address) = config.file.metrics_listen {
        let listener = bind(address).await?;
        say(&format!("listening metrics {}", listener.local_addr()?));
        let scraped = metrics.serve(listener, stopped.clone());
        tasks.spawn(async move { scraped.await.map_err(anyhow::Error::from) });
    }
    let outcome = match open(&config, clock).await {
        Ok(custody) => run(&config, custody, &health, &stop, &say).await,
        Err(Opening::Sealed(error)) => {
            // Health goes on saying so: whoever looks after the broker finds the reason there.
            tracing::error!(reason = %error, "sealed: nothing is served");
            say(&format!("sealed: {error:#}"));
            health.send_replace(Health::Sealed(format!("{error:#}")));
            stop.cancelled().await;
            Ok(())
        }
        Err(Opening::Failed(error)) => Err(error),
    };
    stopped.cancel();
    drop(timeout(STOP_TIME_MAX, async { while tasks.join_next().await.is_some() {} }).await);
    metrics.end().await;
    outcome
}

/// Why custody was not opened.
pub(crate) enum Opening {
    /// The root key is missing or not this database's.
    Sealed(anyhow::Error),
    /// Anything else.
    Failed(anyhow::Error),
}

impl Opening {
    pub(crate) fn into_error(self) -> anyhow::Error {
        match self {
            Self::Sealed(error) | Self::Failed(error) => error,
        }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Opening {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// The custody of a broker's folder, without ports and without what a broker does by itself: for
/// whoever measures it.
///
/// # Errors
/// What kept it from being opened.
pub async fn custody(config: &Config, clock: Arc<dyn Clock>) -> anyhow::Result<Custody> {
    open(config, clock).await.map_err(Opening::into_error)
}

pub(crate) async fn open(config: &Config, clock: Arc<dyn Clock>) -> Result<Custody, Opening> {
    let store = Store::open(&config.file.database_url).await?;
    store.migrate().await?;
    if store.audit_privileges().await?.is_some_and(|may| may.rewrites) {
        tracing::warn!(
            "the broker's role of the database may change and remove entries of the audit trail; \
             docs/postgres-roles.sql makes one that may not"
        );
    }
    if store.head().await?.is_none() {
        return Err(anyhow!(
            "the database is empty, and this folder was made for another. Fix: name the right one \
             with --database-url, restore a backup, or make a new broker with init"
        )
        .into());
    }
    let (root, next) = unseal_both(config).map_err(|error| Opening::Sealed(error.into()))?;
    let keyring = open_keyring(&store, root, next).await?;
    let sealed = blob(&store, AUTHORITY).await?;
    let authority = Authority::import(&keyring.open_blob(AUTHORITY, &sealed)?)?;
    let custody = Custody::open(Parts {
        store,
        keyring,
        authority,
        broker: BrokerId(config.file.broker_id),
        clock,
        certificate_life: config.certificate_life(),
        lease: config.lease(),
    });
    Ok(custody.await?)
}

/// The keys of a database, by the root key of its folder.
async fn unsealed(config: &Config, store: &Store) -> anyhow::Result<Keyring> {
    let (root, next) = unseal_both(config)?;
    open_keyring(store, root, next).await.map_err(Opening::into_error)
}

/// The key that checkpoints of a database's trail are verified by, by the root key alone: nothing
/// else in the database is relied upon.
///
/// # Errors
/// Where the root key is not this database's, or there is no key of checkpoints yet.
async fn trail_key(config: &Config, store: &Store) -> anyhow::Result<NoteVerifier> {
    let keyring = unsealed(config, store).await?;
    let authority =
        Authority::import(&keyring.open_blob(AUTHORITY, &blob(store, AUTHORITY).await?)?)?;
    trail_key_of(store, &keyring, &authority).await
}

/// The key that checkpoints of a database's trail are verified by, once its keys are open.
pub(crate) async fn trail_key_of(
    store: &Store,
    keyring: &Keyring,
    authority: &Authority,
) -> anyhow::Result<NoteVerifier> {
    let key = keyring.open_blob(CHECKPOINTS, &blob(store, CHECKPOINTS).await?)?;
    Ok(NoteSigner::new(&origin(&authority.domain().to_string()), &key)?.verifier())
}

pub(crate) async fn blob(store: &Store, name: &str) -> Result<Vec<u8>, StoreError> {
    store.vault(name).await?.ok_or_else(|| missing(name))
}

/// How a program ends that could not do what it was asked for: 69 where the database cannot be
/// reached, 2 where what was asked for is wrong.
#[must_use]
pub fn exit_code(error: &anyhow::Error) -> u8 {
    if let Some(found) = error.downcast_ref::<verify::NotVerified>() {
        return found.exit_code;
    }
    match error.downcast_ref::<StoreError>() {
        Some(StoreError::Unavailable { .. }) => 69,
        Some(StoreError::Damaged(_) | StoreError::LaneTaken(_)) => 1,
        _ if error.is::<health::Unhealthy>() => 1,
        _ => 2,
    }
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("{address} cannot be listened on. Fix: stop who has it, or name another address")
    })
}

async fn run(
    config: &Config,
    custody: Custody,
    health: &watch::Sender<Health>,
    stop: &CancellationToken,
    say: &impl Fn(&str),
) -> anyhow::Result<()> {
    custody.renew_intermediates().await?;
    // Before the first sidecar comes, who may hold one already.
    custody.look_at_head().await?;
    let keeper = Keeper::new(&custody, &config.file)?;
    let (file, limits) = (&config.file, config.file.limits);
    let alerts =
        Alerts::start(custody.clone(), Outbound::new(Patience::default())?, Pace::default());
    let agents = Listener::bind(file.agent_listen, keeper.agents(), Port::Agents, limits)
        .await
        .with_context(|| format!("agents' port {}", file.agent_listen))?;
    let admins = Listener::bind(file.admin_listen, keeper.admins(), Port::Admins, limits)
        .await
        .with_context(|| format!("administrators' port {}", file.admin_listen))?;
    say(&format!("listening agents {}", agents.address()?));
    say(&format!("listening admin {}", admins.address()?));
    let permits =
        Permits { roots: config.provider_roots(), environment: config.provider_variables()? };
    let permits = Arc::new(permits);
    let refresh = Refresh::new(custody.clone(), Arc::clone(&permits), config.provider_poll());
    let rotations =
        Rotations::new(custody.clone(), Arc::clone(&permits), write_back(refresh.clone()));
    let mut tasks = JoinSet::new();
    let asking = refresh.clone().run(stop.clone());
    tasks.spawn(to_its_end(asking));
    let every = Duration::from_secs(file.monitor.test_seconds.into());
    let testing = rotations.clone().run_trials(every, stop.clone());
    tasks.spawn(to_its_end(testing));
    let rotating = rotations.clone().run(stop.clone());
    tasks.spawn(to_its_end(rotating));
    let signing = Checkpoints::new(custody.clone()).run(stop.clone());
    tasks.spawn(to_its_end(signing));
    if let Some(settings) = &file.audit_file {
        let outlet = AuditFile::new(custody.broker(), settings.within(&config.data_dir));
        tasks.spawn(to_its_end(Copying::new(custody.clone(), outlet).run(stop.clone())));
    }
    if let Some(settings) = file.syslog.clone() {
        let position = config.data_dir.join(SYSLOG_POSITION);
        let outlet = Syslog::new(custody.broker(), settings, position, Arc::clone(&permits));
        tasks.spawn(to_its_end(Copying::new(custody.clone(), outlet).run(stop.clone())));
    }
    let (bounds, quiet) = (file.monitor.bounds(), file.monitor.quiet_seconds.into());
    let monitor = Monitor::new(custody.clone(), alerts.handle(), bounds, quiet);
    let looking = monitor.clone().run(stop.clone());
    tasks.spawn(to_its_end(looking));
    let incoming = agents.run(stop.clone());
    tasks.spawn(serve_agents(custody.clone(), alerts.handle(), limits, incoming, stop.clone()));
    let incoming = admins.run(stop.clone());
    let alerting = alerts.handle();
    let admin = Admin { custody: custody.clone(), refresh, rotations, alerts: alerting, monitor };
    tasks.spawn(serve_admins(admin, limits, incoming, stop.clone()));
    health.send_replace(Health::Serving);
    say("ready");
    tokio::select! {
        () = stop.cancelled() => {}
        () = upkeep(&custody, &keeper, RootKeys::new(config, custody.is_shared()), health) => {}
        ended = tasks.join_next() => if let Some(ended) = ended { ended?? },
    }
    // Nobody is sent here any more; then whatever is here is asked to go. Where one port failed,
    // the other is not left to serve alone.
    health.send_replace(Health::Waiting("stopping".to_owned()));
    stop.cancel();
    // tonic waits for live streams for ever: they end themselves, and this ends the wait.
    let ended = async { while tasks.join_next().await.is_some() {} };
    if timeout(limits.drain() + STOP_TIME_MAX, ended).await.is_err() {
        tracing::warn!("streams or requests did not end in time: they are cut");
    }
    alerts.drain().await;
    Checkpoints::last(custody.clone()).await;
    custody.close().await;
    Ok(())
}

/// As a task that cannot fail.
async fn to_its_end<E>(task: impl Future<Output = ()>) -> Result<(), E> {
    task.await;
    Ok(())
}

/// How a rotated value goes back to the provider that owns it.
fn write_back(refresh: Refresh) -> WriteBack {
    Arc::new(move |place, value, expires_at| {
        let refresh = refresh.clone();
        Box::pin(async move {
            refresh.write(&place, &value, expires_at).await.map_err(|error| NotWritten {
                lasting: !error.fault.falls_through(),
                message: format!("provider {:?} {error}", place.source.provider.as_str()),
            })
        })
    })
}

/// What has to be done now and then.
async fn upkeep(
    custody: &Custody,
    keeper: &Keeper,
    mut root_keys: RootKeys,
    health: &watch::Sender<Health>,
) {
    let mut ticks = interval(UPKEEP_EVERY);
    for tick in 0_u64.. {
        ticks.tick().await;
        let now = match custody.check().await {
            Ok(()) => Health::Serving,
            Err(error) => Health::Unavailable(error.to_string()),
        };
        health.send_if_modified(|before| {
            let changed = *before != now;
            *before = now;
            changed
        });
        metrics::look(&custody.figures());
        if let Err(error) = root_keys.look(custody).await {
            tracing::warn!(error = format!("{error:#}"), "the root key was not looked at");
        }
        if let Err(error) = keeper.adopt(custody).await {
            tracing::warn!(error = format!("{error:#}"), "the authority was not looked at");
        }
        if let Err(error) = custody.keep_presence(tick % PRESENCE_TICKS == 0).await {
            tracing::warn!(%error, "who is connected was not told");
        }
        if tick % TIDY_TICKS == 0
            && let Err(error) = custody.tidy().await
        {
            tracing::warn!(%error, "housekeeping failed");
        }
        if tick % RENEW_TICKS == 0
            && let Err(error) = keeper.renew(custody).await
        {
            tracing::error!(error = format!("{error:#}"), "certificates were not renewed");
        }
    }
}

/// The file, beside `broker.toml`, that says how far the collector of syslog messages is.
const SYSLOG_POSITION: &str = "syslog.position";
/// How long streams and requests have to end after the time that they are given.
const STOP_TIME_MAX: Duration = Duration::from_secs(5);
const UPKEEP_EVERY: Duration = Duration::from_secs(2);
/// Housekeeping every 4 s.
const TIDY_TICKS: u64 = 2;
/// Who is connected is told every 10 s, changed or not: well within the time after which one is
/// taken to be away.
const PRESENCE_TICKS: u64 = 5;
/// Certificates are looked at every 10 minutes.
const RENEW_TICKS: u64 = 300;
