//! `secretref alert`: one verb, one file.

mod list;
mod test;

use crate::{
    connect::Session,
    failure::{Exit, Failure},
};

/// Look at alert channels and try them.
#[derive(clap::Subcommand)]
#[command(after_help = "Examples:\n  secretref alert list\n  \
    secretref alert test '#finance-alerts'\n\
    Channels are set by manifests, under `alerts.channels`.")]
pub(crate) enum Alert {
    /// List the alert channels of an environment
    List(list::List),
    /// Send a test alert by a channel, and say what came of it
    Test(test::Test),
}

impl Alert {
    /// Does what the command line says.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        match self {
            Self::List(command) => command.run(session).await,
            Self::Test(command) => command.run(session).await,
        }
    }
}
