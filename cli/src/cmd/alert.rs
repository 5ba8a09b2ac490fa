//! `secretref alert`: one verb, one file.

mod list;
mod test;

use crate::{
    connect::Session,
    failure::{Exit, Failure},
    print::json::present,
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

/// What helps, in the environment that was asked about; nothing where nothing is known to.
fn fix(session: &Session<'_>, said: String) -> Option<String> {
    let command = said.starts_with("secretref ");
    let option = if command { session.environment_option() } else { String::new() };
    present(said).map(|said| said + &option)
}
