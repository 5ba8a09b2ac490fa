//! `secretref demo`: the whole story in one terminal. Not a simulation: the same binaries and the
//! same wire. This module only sets the stage, tells the story and cleans up, whatever happens.

mod agent;
mod child;
mod process;
mod stage;
mod story;

use crate::{
    connect::Session,
    failure::{Exit, Failure},
};
use stage::Stage;
use tokio::signal::unix::{SignalKind, signal};

/// Show the whole story in one terminal, with real processes.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    secretref demo\n  \
    secretref demo --keep        leaves it running and says how to reach it\n\
    Needs secretref-broker and secretref-sidecar beside this program or in PATH.")]
pub(crate) struct Demo {
    /// Leave it running, and say how to reach it and how to end it
    #[arg(long)]
    keep: bool,
    #[command(subcommand)]
    role: Option<Role>,
}

/// What this program is besides, inside the demo.
#[derive(clap::Subcommand)]
enum Role {
    /// The agent: a small program that uses its credentials
    #[command(hide = true)]
    Agent(agent::Agent),
    /// A program that does not outlive the demo
    #[command(hide = true)]
    Child(child::Child),
}

impl Demo {
    /// Tells the story. Ends what it started on success, failure, Ctrl-C and SIGTERM.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        match self.role {
            Some(Role::Agent(agent)) => return agent.run(session),
            Some(Role::Child(child)) => return Err(child.run()),
            None => {}
        }
        let mut stage = Stage::set(session.config())?;
        let told = tokio::select! {
            told = story::tell(&mut stage, session.out, self.keep) => told.map(|()| Exit::Done),
            exit = interrupted() => exit,
        };
        if self.keep && matches!(told, Ok(Exit::Done)) {
            stage.keep();
            return told;
        }
        if told.is_err() {
            stage.last_words().iter().for_each(|line| session.out.note(line));
        }
        match stage.clear().await {
            Err(error) => session.out.warning(&format!("the demo left something behind: {error}")),
            Ok(()) if told.is_ok() => {
                session.out.line("\nAll its processes are ended and its folders removed.")?;
            }
            Ok(()) => {}
        }
        told
    }
}

/// Waits until somebody wants the demo to end.
async fn interrupted() -> Result<Exit, Failure> {
    let listen = |kind| {
        signal(kind).map_err(|error| {
            let what = format!("signals cannot be received: {error}");
            Failure::new(Exit::Refused, what, "run it as an ordinary process")
        })
    };
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => Ok(Exit::Interrupted),
        _ = terminate.recv() => Ok(Exit::Terminated),
    }
}
