//! The only place that wires things together: state, sink, health, link.

mod deliveries;
mod keeper;
mod outlets;
mod place;
mod program;
mod trial;

use crate::{
    config::{EnrollConfig, RunConfig, TokenSource},
    health,
    lease::record::LeaseFileError,
    link::{
        Introduction, Link,
        enrol::{self, EnrolError},
        orders::orders,
    },
    sinks::{
        files::{FileSinkConfig, FileSinkError, remove_folder},
        hooks::{Hooks, Permits, Roster},
        process::{Host, NotStarted, Reaper},
        socket::{self, Bound, Shelf, SocketError},
    },
    state::{self, Identity, State, StateError},
    status::Status,
    witness::Witness,
};
use keeper::{Keeper, Kept};
use outlets::Outlets;
use place::Place;
use program::Supervised;
use secretref_domain::{
    clock::{Clock, Timestamp},
    id::InstanceId,
    name::AgentName,
};
use secretref_identity::join_token::JoinToken;
use std::{future::pending, io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::watch, task::spawn_blocking, time::sleep};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

/// Why the sidecar did not start, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The state folder cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The secrets folder cannot be used.
    #[error(transparent)]
    Sink(#[from] FileSinkError),
    /// The socket cannot be made.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The lease's record cannot be used.
    #[error(transparent)]
    Lease(#[from] LeaseFileError),
    /// It did not become somebody.
    #[error(transparent)]
    Enrol(#[from] EnrolError),
    /// It is nobody, and has no token.
    #[error(
        "this sidecar has no identity yet: {state_dir} holds none and no token was given. \
         Fix: secretref agent token AGENT > FILE, and add --token-file FILE",
        state_dir = state_dir.display()
    )]
    Nobody {
        /// The state folder.
        state_dir: PathBuf,
    },
    /// It is somebody else.
    #[error(
        "--agent {wanted}: the identity in {state_dir} is that of agent {found}. \
         Fix: give --agent {found}, or another --state-dir", state_dir = state_dir.display()
    )]
    OtherAgent {
        /// What was asked for.
        wanted: AgentName,
        /// What is there.
        found: AgentName,
        /// The state folder.
        state_dir: PathBuf,
    },
    /// Health cannot be answered there.
    #[error("--health-listen {address}: {source}. Fix: name a free address and port")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The first whole set was not in place in time.
    #[error(
        "the first whole set was not in place after {0:?} (--wait-timeout). \
         Fix: see the messages above, and check that the broker runs"
    )]
    WaitedTooLong(Duration),
    /// The files are still there.
    #[error("the agent's files could not be wiped; remove the secrets folder's content by hand")]
    NotWiped,
    /// The system does not give what it takes to run a program.
    #[error("programs cannot be started and watched here: {0}")]
    Processes(io::Error),
    /// The program could not be started.
    #[error("{0}. Fix: check its path and that it may be executed")]
    NotStarted(NotStarted),
    /// What the program cannot work without is not there. One line for each ref.
    #[error("{0}")]
    Unresolved(String),
    /// The program did not pass its gate.
    #[error("the program was stopped: {0}. Fix: check it, or the `gate` in the agent's manifest")]
    Gate(String),
    /// Nobody says what to run.
    #[error(
        "the agent's manifest names no `command`. \
         Fix: add it there, or end the line with -- PROGRAM ARGUMENTS"
    )]
    NoCommand,
    /// The runtime ended a task.
    #[error("a task ended by itself: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl AppError {
    /// The exit code that says whose fault it was.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Enrol(EnrolError::Unreachable(_)) | Self::WaitedTooLong(_) => UNREACHABLE,
            Self::Enrol(
                EnrolError::Refused(_) | EnrolError::OtherBroker(_) | EnrolError::Answer(_),
            )
            | Self::NotWiped
            | Self::Gate(_)
            | Self::Processes(_)
            | Self::Task(_) => REFUSED,
            Self::NotStarted(error) => error.code(),
            Self::Unresolved(_) => UNRESOLVED,
            _ => USAGE,
        }
    }
}

/// Joins, stores the identity, and ends. Where there is an identity, that is said and nothing is
/// done.
///
/// # Errors
/// [`AppError`].
pub async fn enroll(config: EnrollConfig, clock: Arc<dyn Clock>) -> Result<Identity, AppError> {
    let dir = config.state_dir.clone();
    let state = spawn_blocking(move || State::open(&dir)).await??;
    if let Some(identity) = state.identity()? {
        already(&identity);
        return Ok(identity);
    }
    let token = read_token(config.token).await?;
    let identity = enrol::enrol(&config.broker, &token, &state, &clock).await?;
    tracing::info!(agent = %identity.agent, instance = %identity.instance, "enrolled");
    Ok(identity)
}

/// Keeps the agent's files current until `shutdown`, then takes them away. Where a program may
/// run, it does, and when it ends the sidecar does with its exit code.
///
/// # Errors
/// [`AppError`] where it could not start, or could not take the files away. A broker that cannot
/// be reached is no error.
pub async fn run(
    config: RunConfig,
    host: Host,
    clock: Arc<dyn Clock>,
    shutdown: CancellationToken,
) -> Result<u8, AppError> {
    let (status, _) = watch::channel(Status::default());
    let remove = (config.remove_secrets_dir, config.remove_state_dir);
    let (secrets_dir, state_dir) = (config.secrets_dir.clone(), config.state_dir.clone());
    let outcome = serve(config, Some(host), clock, shutdown, status).await;
    // The files are gone already: what is left holds no value, and the identity's key.
    for removed in [
        remove.0.then(|| remove_folder(&secrets_dir)),
        remove.1.then(|| state::remove_folder(&state_dir)),
    ]
    .into_iter()
    .flatten()
    {
        if let Err(error) = removed {
            tracing::warn!(%error, "a folder of this run was not removed");
        }
    }
    outcome
}

/// As [`run`] without a program, and tells how it is doing.
///
/// # Errors
/// As [`run`].
pub async fn run_watched(
    config: RunConfig,
    clock: Arc<dyn Clock>,
    shutdown: CancellationToken,
    status: watch::Sender<Status>,
) -> Result<(), AppError> {
    serve(config, None, clock, shutdown, status).await.map(drop)
}

async fn serve(
    config: RunConfig,
    host: Option<Host>,
    clock: Arc<dyn Clock>,
    shutdown: CancellationToken,
    status: watch::Sender<Status>,
) -> Result<u8, AppError> {
    // Cancelled when anything of this sidecar ends, so that all of it does.
    let stop = shutdown.child_token();
    let _stop_all = stop.clone().drop_guard();
    let dir = config.state_dir.clone();
    let state = Arc::new(spawn_blocking(move || State::open(&dir)).await??);
    let known = state.identity()?;
    check_agent(&config, known.as_ref())?;
    let instance = known.as_ref().map(|identity| InstanceId(identity.instance));
    let (place, inherited) = open_place(&config, instance, clock.now()).await?;
    if let Some(address) = config.health_listen {
        let listen = |source| AppError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let serving = health::serve(listener, status.subscribe(), stop.clone());
        tokio::spawn(serving);
    }
    let outlets = outlets(&config);
    let serving = open_socket(&config, &outlets, &status, &clock, &stop)?;
    let host = host.filter(|_| config.may_run());
    let reaper = config.may_run().then(Reaper::start).transpose().map_err(AppError::Processes)?;
    let begin = |(host, reaper)| {
        let (clock, status) = (clock.clone(), status.clone());
        Supervised::begin(&config, host, reaper, clock, status, stop.clone())
    };
    let (supervised, program) = host.zip(reaper.clone()).map(begin).transpose()?.unzip();
    let mut waiting = WaitTimeout::new(config.wait_timeout, status.subscribe());
    let identity = tokio::select! {
        identity = identity(&config, known, &state, &clock) => identity?,
        () = stop.cancelled() => return code(supervised).await,
        error = waiting.over() => return Err(error),
    };
    check_agent(&config, Some(&identity))?;
    status.send_modify(|status| status.instance = Some(identity.instance));
    let instance = InstanceId(identity.instance);
    let place = place.of(identity.agent.clone());
    let hooks = hooks(&config, reaper, identity.agent.clone(), &state, &clock, &outlets);
    let _hooks = AbortOnDropHandle::new(tokio::spawn(hooks.run(stop.clone())));
    let (orders, desk) = orders();
    let kept = Kept { place, outlets, instance, inherited, program };
    let keeper = Keeper::new(desk, clock.clone(), status.clone(), kept);
    let introduction = Introduction::new(&config.broker, config.secrets_provider.clone());
    let link = Link::new(introduction, clock, state, identity, orders, status, stop.clone());
    // Whoever drops this future kills the sidecar: the files stay, and so does their record.
    let keeper = AbortOnDropHandle::new(tokio::spawn(keeper.run()));
    let link = link.run();
    let outcome = tokio::select! {
        () = link => Ok(()),
        error = waiting.over() => Err(error),
    };
    // The link is gone and with it the last who gives orders: the keeper wipes and ends.
    let wiped = keeper.await??;
    // And with the keeper the last who makes offers: the program is stopped, if it runs.
    let code = code(supervised).await;
    stop.cancel();
    if let Some(serving) = serving {
        serving.await?;
    }
    outcome?;
    if wiped { code } else { Err(AppError::NotWiped) }
}

/// The exit code of the program, where one was looked after.
async fn code(supervised: Option<Supervised>) -> Result<u8, AppError> {
    match supervised {
        Some(supervised) => supervised.code().await,
        None => Ok(0),
    }
}

/// Who learns of a set once it is in place.
fn outlets(config: &RunConfig) -> Outlets {
    Outlets {
        witness: Witness::default(),
        shelf: watch::Sender::new(Arc::new(Shelf::default())),
        roster: watch::Sender::new(Arc::new(Roster::default())),
        socket: config.socket.clone(),
        files: !config.no_files,
    }
}

/// Serves the socket, where one is asked for.
fn open_socket(
    config: &RunConfig,
    outlets: &Outlets,
    status: &watch::Sender<Status>,
    clock: &Arc<dyn Clock>,
    stop: &CancellationToken,
) -> Result<Option<AbortOnDropHandle<()>>, AppError> {
    let Some(path) = &config.socket else { return Ok(None) };
    let bound = Bound::bind(path, config.group)?;
    tracing::info!(socket = %path.display(), "serving");
    let desk = socket::Desk {
        shelf: outlets.shelf.subscribe(),
        status: status.subscribe(),
        witness: outlets.witness.clone(),
        clock: Arc::clone(clock),
        group: config.group,
    };
    let serving = socket::serve(bound, desk, stop.clone());
    Ok(Some(AbortOnDropHandle::new(tokio::spawn(serving))))
}

fn hooks(
    config: &RunConfig,
    reaper: Option<Reaper>,
    agent: AgentName,
    state: &Arc<State>,
    clock: &Arc<dyn Clock>,
    outlets: &Outlets,
) -> Hooks {
    let permits = Permits { allow_exec: config.allow_exec.clone(), reaper, group: config.group };
    let (witness, roster) = (outlets.witness.clone(), outlets.roster.subscribe());
    Hooks::new(agent, permits, Arc::clone(state), Arc::clone(clock), witness, roster)
}

/// Opens the secrets folder. What an earlier run left there stays only where its record says so.
async fn open_place(
    config: &RunConfig,
    instance: Option<InstanceId>,
    now: Timestamp,
) -> Result<(Place, Option<Timestamp>), AppError> {
    let sink = FileSinkConfig {
        dir: config.secrets_dir.clone(),
        allow_disk: config.allow_disk,
        group: config.group,
        mode: None,
    };
    let (state_dir, files) = (config.state_dir.clone(), !config.no_files);
    spawn_blocking(move || Place::open(sink, files, &state_dir, instance, now)).await?
}

/// Who this sidecar is; where it is nobody, it joins, and waits for the broker as long as it
/// takes.
async fn identity(
    config: &RunConfig,
    known: Option<Identity>,
    state: &State,
    clock: &Arc<dyn Clock>,
) -> Result<Identity, AppError> {
    if let Some(identity) = known {
        if config.token.is_some() {
            already(&identity);
        }
        return Ok(identity);
    }
    let Some(source) = config.token.clone() else {
        return Err(AppError::Nobody { state_dir: config.state_dir.clone() });
    };
    let token = read_token(source).await?;
    let mut backoff = crate::link::Backoff::new();
    loop {
        match enrol::enrol(&config.broker, &token, state, clock).await {
            Ok(identity) => {
                tracing::info!(agent = %identity.agent, instance = %identity.instance, "enrolled");
                return Ok(identity);
            }
            Err(EnrolError::Unreachable(why)) => {
                let now = std::time::Instant::now();
                let cause = crate::link::Cause::PortClosed;
                let wait = backoff.wait(cause, now, fastrand::f64());
                tracing::warn!(%why, ?wait, "not enrolled yet; trying again");
                sleep(wait).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

async fn read_token(source: TokenSource) -> Result<JoinToken, AppError> {
    Ok(spawn_blocking(move || enrol::read_token(&source)).await??)
}

fn already(identity: &Identity) {
    tracing::info!(
        agent = %identity.agent,
        instance = %identity.instance,
        "enrolled already; the join token is not used"
    );
}

fn check_agent(config: &RunConfig, identity: Option<&Identity>) -> Result<(), AppError> {
    match (&config.agent, identity) {
        (Some(wanted), Some(identity)) if *wanted != identity.agent => Err(AppError::OtherAgent {
            wanted: wanted.clone(),
            found: identity.agent.clone(),
            state_dir: config.state_dir.clone(),
        }),
        _ => Ok(()),
    }
}

/// The longest that a start may take, until the first whole set is in place.
struct WaitTimeout {
    limit: Option<Duration>,
    deadline: tokio::time::Instant,
    status: watch::Receiver<Status>,
}

impl WaitTimeout {
    fn new(limit: Option<Duration>, status: watch::Receiver<Status>) -> Self {
        let deadline = tokio::time::Instant::now() + limit.unwrap_or_default();
        Self { limit, deadline, status }
    }

    /// Ends where it took too long, and only then.
    async fn over(&mut self) -> AppError {
        let Some(limit) = self.limit else { return pending().await };
        let complete = self.status.wait_for(|status| status.complete);
        let complete = async { drop(complete.await) };
        if tokio::time::timeout_at(self.deadline, complete).await.is_ok() {
            return pending().await;
        }
        AppError::WaitedTooLong(limit)
    }
}

/// The server said no.
const REFUSED: u8 = 1;
/// Wrong usage or unusable input.
const USAGE: u8 = 2;
/// What the program needs is not there, `EX_CONFIG`.
const UNRESOLVED: u8 = 78;
/// The broker cannot be reached.
const UNREACHABLE: u8 = 69;
