//! `secretref environment`: one verb, one file.

mod list;
mod switch;

use crate::{
    connect::Session,
    failure::{Exit, Failure},
};

/// Look at environments and switch between them.
#[derive(clap::Subcommand)]
#[command(after_help = "Examples:\n  secretref environment list\n  \
    secretref environment use production --agent payment-analyst\n\
    An environment has refs, secrets and agents of its own, and none of another's. Manifests make \
    environments, under `environments`.")]
pub(crate) enum Environment {
    /// List the environments
    List(list::List),
    /// Use an environment from now on, and move agents to it
    Use(switch::Use),
}

impl Environment {
    /// Does what the command line says.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        match self {
            Self::List(command) => command.run(session).await,
            Self::Use(command) => command.run(session).await,
        }
    }
}
