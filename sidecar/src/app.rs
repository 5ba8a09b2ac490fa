//! The only place that wires things together: state, sink, health, link.

mod deliveries;
mod error;
mod keeper;
mod outlets;
mod place;
mod program;
mod schedule;
mod trial;

use crate::{
    config::{EnrollConfig, RunConfig, TokenSource},
    health,
    link::{
        Brokers, Introduction, Link,
        enrol::{self, EnrolError},
        orders::orders,
    },
    refusals::Refusals,
    sinks::{
        files::{FileSinkConfig, remove_folder},
        hooks::{Gateway, Hooks, Permits, Roster},
        process::{Host, Reaper},
        socket::{self, Bound, Shelf},
    },
    state::{self, Identity, State},
    status::Status,
    witness::Witness,
};
pub use error::AppError;
use keeper::{Keeper, Kept};
use outlets::Outlets;
use place::Place;
use program::{Care, Supervised};
use secretref_domain::{
    clock::{Clock, Timestamp},
    id::InstanceId,
    name::AgentName,
};
use secretref_identity::join_token::JoinToken;
use std::{future::pending, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::watch, task::spawn_blocking, time::sleep};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

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
    let brokers = Brokers::new(&config.brokers, fastrand::f64());
    let identity = enrol::enrol(&brokers, &token, &state, &clock).await?;
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
    let outcome = match config.program.schedule.clone() {
        Some(plan) => {
            let ends = (shutdown, status);
            Box::pin(schedule::run(config, plan, host, clock, ends)).await
        }
        None => serve(config, Some(host), clock, shutdown, status).await,
    };
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

/// What outlives a run.
#[derive(Clone)]
struct Ground {
    state: Arc<State>,
    introduction: Introduction,
    /// Where a program may run.
    reaper: Option<Reaper>,
    clock: Arc<dyn Clock>,
    status: watch::Sender<Status>,
}

impl Ground {
    async fn open(
        config: &RunConfig,
        clock: Arc<dyn Clock>,
        status: watch::Sender<Status>,
    ) -> Result<Self, AppError> {
        let dir = config.state_dir.clone();
        let state = Arc::new(spawn_blocking(move || State::open(&dir)).await??);
        let brokers = Brokers::new(&config.brokers, fastrand::f64());
        let introduction = Introduction::new(brokers, config.secrets_provider.clone());
        let reaper = config.may_run().then(Reaper::start);
        let reaper = reaper.transpose().map_err(AppError::Processes)?;
        Ok(Self { state, introduction, reaper, clock, status })
    }
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
    let ground = Ground::open(&config, clock, status).await?;
    check_agent(&config, ground.state.identity()?.as_ref())?;
    let opened = open_place(&config, &ground).await?;
    open_health(&config, &ground, &stop).await?;
    one(&config, host, ground, opened, Care::default(), stop).await
}

/// One run, from an opened folder to a wiped one.
async fn one(
    config: &RunConfig,
    host: Option<Host>,
    ground: Ground,
    (place, inherited): (Place, Option<Timestamp>),
    care: Care,
    stop: CancellationToken,
) -> Result<u8, AppError> {
    let Ground { state, introduction, reaper, clock, status } = ground;
    let outlets = outlets(config);
    let refusals = introduction.refusals();
    let serving = open_socket(config, &outlets, &status, (&clock, refusals), &stop)?;
    let host = host.filter(|_| config.may_run());
    let begin = |beside| {
        let (clock, status) = (clock.clone(), status.clone());
        Supervised::begin(config, beside, clock, status, care, stop.clone())
    };
    let (supervised, program) = host.zip(reaper.clone()).map(begin).transpose()?.unzip();
    let mut waiting = WaitTimeout::new(config.wait_timeout, status.subscribe());
    let known = state.identity()?;
    let identity = tokio::select! {
        identity = identity(config, &introduction, known, &state, &clock) => identity?,
        () = stop.cancelled() => return code(supervised).await,
        error = waiting.over() => return Err(error),
    };
    check_agent(config, Some(&identity))?;
    status.send_modify(|status| status.instance = Some(identity.instance));
    let instance = InstanceId(identity.instance);
    let place = place.of(identity.agent.clone());
    let hooks = hooks(config, reaper, identity.agent.clone(), &state, &clock, &outlets);
    let _hooks = AbortOnDropHandle::new(tokio::spawn(hooks.run(stop.clone())));
    let (orders, desk) = orders();
    let kept = Kept { place, outlets, instance, inherited, program };
    let keeper = Keeper::new(desk, clock.clone(), status.clone(), kept);
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

/// Answers health checks, where that is asked for.
async fn open_health(
    config: &RunConfig,
    ground: &Ground,
    stop: &CancellationToken,
) -> Result<(), AppError> {
    let Some(address) = config.health_listen else { return Ok(()) };
    let listen = |source| AppError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(listen)?;
    tokio::spawn(health::serve(listener, ground.status.subscribe(), stop.clone()));
    Ok(())
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
    (clock, refusals): (&Arc<dyn Clock>, Refusals),
    stop: &CancellationToken,
) -> Result<Option<AbortOnDropHandle<()>>, AppError> {
    let Some(path) = &config.socket else { return Ok(None) };
    let bound = Bound::bind(path, config.group)?;
    tracing::info!(socket = %path.display(), "serving");
    let desk = socket::Desk {
        shelf: outlets.shelf.subscribe(),
        status: status.subscribe(),
        witness: outlets.witness.clone(),
        refusals,
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
    let (allow_exec, openclaw) = (config.allow_exec.clone(), config.openclaw.clone());
    let openclaw = openclaw.map(|it| Gateway { address: it.address, token_file: it.token_file });
    let permits = Permits { allow_exec, reaper, group: config.group, openclaw };
    let (witness, roster) = (outlets.witness.clone(), outlets.roster.subscribe());
    Hooks::new(agent, permits, Arc::clone(state), Arc::clone(clock), witness, roster)
}

/// Opens the secrets folder. What an earlier run left there stays only where its record says so.
async fn open_place(
    config: &RunConfig,
    ground: &Ground,
) -> Result<(Place, Option<Timestamp>), AppError> {
    // Between the runs of a schedule nothing may stay, whoever left it.
    let kept = config.program.schedule.is_none();
    let known = ground.state.identity()?.filter(|_| kept);
    let instance = known.map(|identity| InstanceId(identity.instance));
    let now = ground.clock.now();
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
    introduction: &Introduction,
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
    let brokers = introduction.brokers();
    let mut backoff = crate::link::Backoff::new();
    loop {
        match enrol::enrol(&brokers, &token, state, clock).await {
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
