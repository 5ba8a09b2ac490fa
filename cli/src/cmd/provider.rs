//! `secretref provider`: one verb, one file.

mod check;
mod list;

use crate::{
    connect::Session,
    failure::{Exit, Failure},
};

/// Look at providers and check them.
#[derive(clap::Subcommand)]
#[command(after_help = "Examples:\n  secretref provider list\n  \
    secretref provider check vault\n\
    Providers are set by manifests, under `secrets.providers`.")]
pub(crate) enum Provider {
    /// List the providers, and how many refs each answers for
    List(list::List),
    /// Ask one provider now, or all of them
    Check(check::Check),
}

impl Provider {
    /// Does what the command line says.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        match self {
            Self::List(command) => command.run(session).await,
            Self::Check(command) => command.run(session).await,
        }
    }
}
