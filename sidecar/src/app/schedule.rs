//! A program that runs by a schedule. Each run is a whole one, from the stream to the wiped folder;
//! between runs there are only the identity, which is kept valid, and the timetable.
//!
//! ```text
//! look: does everything resolve? ──▶ wait ──▶ run ──▶ wait ──▶ run …
//!        no: exit 78                  │  no stream, no values, no files
//!                                     └─ SIGTERM: the end
//! ```

mod board;
mod check;
mod timetable;

use super::{
    AppError, Ground, WaitTimeout, check_agent, identity, one, open_health, open_place,
    program::Care,
};
use crate::{
    config::{RunConfig, ScheduleConfig},
    link::Rest,
    sinks::process::{Host, Signals},
    status::{self, Status},
};
use board::Board;
use secretref_domain::{clock::Clock, schedule::Outcome};
use std::{future::pending, pin::pin, sync::Arc, time::Duration};
use timetable::Due;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// Runs the program by its schedule until the sidecar is told to end.
///
/// # Errors
/// [`AppError`] where the first run could not begin as things are, or something of a run was left
/// behind. That a run fails is no error: the next one is tried.
pub(super) async fn run(
    config: RunConfig,
    plan: ScheduleConfig,
    host: Host,
    clock: Arc<dyn Clock>,
    (shutdown, status): (CancellationToken, watch::Sender<Status>),
) -> Result<u8, AppError> {
    let stop = shutdown.child_token();
    let _stop_all = stop.clone().drop_guard();
    // Heard all the time: a run hears them too, and between runs there is nobody else.
    let signals = Signals::hear(stop.clone()).map_err(AppError::Processes)?;
    let mut ground = Ground::open(&config, Arc::clone(&clock), status).await?;
    check_agent(&config, ground.state.identity()?.as_ref())?;
    // What a run before this one left, it left because it was killed.
    drop(open_place(&config, &ground).await?);
    open_health(&config, &ground, &stop).await?;
    let (board, told) = Board::new(plan, clock);
    ground.introduction = ground.introduction.with_schedule(told);
    Scheduled { config, host, ground, board, signals, stop }.run().await
}

struct Scheduled {
    config: RunConfig,
    host: Host,
    ground: Ground,
    board: Board,
    signals: Signals,
    stop: CancellationToken,
}

/// What a wait came to.
enum Waited {
    /// The next run is due.
    Due,
    /// The sidecar is to end.
    Asked,
}

impl Scheduled {
    async fn run(mut self) -> Result<u8, AppError> {
        tokio::select! {
            began = begin(&self.config, &self.ground) => began?,
            _ = self.signals.end() => self.board.end(),
        }
        self.config.token = None;
        let mut code = 0;
        let mut begun = false;
        while !self.board.is_over() {
            if !begun {
                match self.wait().await? {
                    Waited::Due => drop(self.board.due()),
                    Waited::Asked => {
                        self.board.end();
                        code = 0;
                        break;
                    }
                }
            }
            code = self.run_once().await?;
            begun = self.board.begin_queued();
        }
        self.farewell().await;
        Ok(code)
    }

    /// Waits for the next run, with nothing held.
    async fn wait(&mut self) -> Result<Waited, AppError> {
        self.forget(status::Program::Scheduled);
        if let Some(next) = self.board.next() {
            tracing::info!(%next, "waiting for the next run");
        }
        let Some(mut rest) = rest(&self.ground)? else { return Err(nobody(&self.config)) };
        let mut keep = pin!(rest.keep());
        loop {
            let left = self.board.left();
            if left == Some(Duration::ZERO) {
                return Ok(Waited::Due);
            }
            tokio::select! {
                biased;
                _ = self.signals.end() => return Ok(Waited::Asked),
                // Clocks are set, and hosts sleep.
                () = sleep(left.map_or(LOOK, |left| left.min(LOOK))) => {}
                () = &mut keep => {}
            }
        }
    }

    /// One run, and whatever is due or asked for meanwhile. Gives the exit code that it comes to.
    async fn run_once(&mut self) -> Result<u8, AppError> {
        self.forget(status::Program::Stopped);
        let asked = CancellationToken::new();
        let board = self.board.clone();
        let ended = Box::new(move |ended: &_| board.ended(ended));
        let care = Care { asked: asked.clone(), ended };
        let (ground, mut status) = (self.ground.clone(), self.ground.status.subscribe());
        let stop = self.stop.child_token();
        let config = self.config.clone();
        let host = Some(self.host.clone());
        let whole = async {
            let place = open_place(&config, &ground).await?;
            one(&config, host, ground, place, care, stop).await
        };
        let mut whole = Box::pin(whole);
        let outcome = loop {
            let due = self.board.until_due();
            tokio::select! {
                biased;
                outcome = &mut whole => break outcome,
                _ = self.signals.end() => {
                    self.board.end();
                    // A program that runs heard it itself.
                    if !self.board.is_started() {
                        asked.cancel();
                    }
                }
                () = running(&mut status, &self.board) => self.board.started(),
                () = due => match self.board.due() {
                    Due::Replace | Due::GiveUp => asked.cancel(),
                    Due::Begin | Due::Skip | Due::Queue => {}
                },
            }
        };
        match &outcome {
            // Values may be where nobody looks after them: that is worse than a run that is missed.
            Err(AppError::NotWiped) => return outcome,
            Err(AppError::WaitedTooLong(_)) | Ok(_) => {
                let why = outcome.as_ref().err().map(ToString::to_string);
                let why = why.as_deref().unwrap_or("it was asked to end before it began");
                self.board.over(Outcome::Skipped, 0, why);
            }
            Err(error) => {
                self.board.over(Outcome::NotStarted, error.exit_code(), &error.to_string());
            }
        }
        Ok(outcome.unwrap_or_else(|error| error.exit_code()))
    }

    /// Nothing of the last run is so any more.
    fn forget(&self, program: status::Program) {
        self.ground.status.send_modify(|status| {
            let (instance, streams) = (status.instance, status.streams);
            *status = Status { instance, streams, program, ..Status::default() };
        });
    }

    /// Tells the broker that the schedule is over, if that is done in a moment.
    async fn farewell(&mut self) {
        let Ok(Some(mut rest)) = rest(&self.ground) else { return };
        if timeout(FAREWELL_MAX, rest.tell()).await.is_err() {
            tracing::info!("the broker was not told that the schedule is over");
        }
    }
}

/// Becomes somebody, and looks whether a run could begin as things are.
async fn begin(config: &RunConfig, ground: &Ground) -> Result<(), AppError> {
    let mut waiting = WaitTimeout::new(config.wait_timeout, ground.status.subscribe());
    let known = ground.state.identity()?;
    let looked = async {
        let identity =
            identity(config, &ground.introduction, known, &ground.state, &ground.clock).await?;
        check_agent(config, Some(&identity))?;
        ground.status.send_modify(|status| status.instance = Some(identity.instance));
        let Some(mut rest) = rest(ground)? else { return Err(nobody(config)) };
        let offer = rest.look_until_told().await;
        let offer = offer.map_err(|end| AppError::Refused(end.to_string()))?;
        check::check(&offer, &config.program)
    };
    tokio::select! {
        looked = looked => looked,
        error = waiting.over() => Err(error),
    }
}

fn rest(ground: &Ground) -> Result<Option<Rest>, AppError> {
    let Ground { state, introduction, clock, status, .. } = ground.clone();
    Ok(Rest::new(introduction, state, clock, status)?)
}

fn nobody(config: &RunConfig) -> AppError {
    AppError::Nobody { state_dir: config.state_dir.clone() }
}

/// Waits until the program of a run is started first.
async fn running(status: &mut watch::Receiver<Status>, board: &Board) {
    if board.is_started() || !board.is_running() {
        return pending().await;
    }
    let runs = |status: &Status| status.program == status::Program::Running;
    if status.wait_for(runs).await.is_err() {
        pending::<()>().await;
    }
}

/// How often it is looked what time it is.
const LOOK: Duration = Duration::from_secs(1);
/// How long the end of the sidecar waits for the broker.
const FAREWELL_MAX: Duration = Duration::from_secs(1);
