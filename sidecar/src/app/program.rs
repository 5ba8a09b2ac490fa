//! The program beside the wire: it is started when its set is there, and where it ends for good,
//! so does the sidecar.

use super::AppError;
use crate::{
    config::{Choice, RunConfig},
    sinks::process::{Ended, Host, Program, Reaper, supervisor},
    status::{self, Status},
};
use secretref_domain::clock::Clock;
use std::sync::Arc;
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

/// What a program is looked after for.
pub(super) struct Care {
    /// Cancelled to ask the program to end, as SIGTERM would.
    pub(super) asked: CancellationToken,
    /// Told how it ended, before anything of the sidecar ends because of it.
    pub(super) ended: Box<dyn FnOnce(&Ended) + Send>,
}

impl Default for Care {
    /// Nothing but the program's own end.
    fn default() -> Self {
        Self { asked: CancellationToken::new(), ended: Box::new(|_| {}) }
    }
}

/// A program that is looked after.
pub(super) struct Supervised {
    ended: AbortOnDropHandle<Ended>,
}

impl Supervised {
    /// Begins to look after the program of a configuration. When it has ended, `stop` is
    /// cancelled.
    pub(super) fn begin(
        config: &RunConfig,
        (host, reaper): (Host, Reaper),
        clock: Arc<dyn Clock>,
        status: watch::Sender<Status>,
        care: Care,
        stop: CancellationToken,
    ) -> Result<(Self, (Program, Choice)), AppError> {
        if config.program.is_started() {
            status.send_modify(|status| status.program = status::Program::Stopped);
        }
        let (supervisor, program) = supervisor(config, host, reaper, clock, status, care.asked)
            .map_err(AppError::Processes)?;
        let tell = care.ended;
        let ended = tokio::spawn(async move {
            let ended = supervisor.run().await;
            tell(&ended);
            stop.cancel();
            ended
        });
        let choice = config.program.choice.clone();
        Ok((Self { ended: AbortOnDropHandle::new(ended) }, (program, choice)))
    }

    /// Waits until it has ended, and gives the exit code that it comes to.
    pub(super) async fn code(self) -> Result<u8, AppError> {
        match self.ended.await? {
            Ended::Told => Ok(0),
            Ended::Child(end) => Ok(end.code()),
            Ended::NotStarted(error) => Err(AppError::NotStarted(error)),
            Ended::Unresolved(lines) => Err(AppError::Unresolved(lines.join("\nerror: "))),
            Ended::Gate(why) => Err(AppError::Gate(why)),
            Ended::NoCommand => Err(AppError::NoCommand),
        }
    }
}
