//! `secretref agent`: one verb, one file.

pub(super) mod held;
mod list;
mod quarantine;
mod release;
mod revoke;
mod show;
mod token;

use crate::{
    connect::Session,
    failure::{Exit, Failure},
};

/// Administer agents.
#[derive(clap::Subcommand)]
#[command(after_help = "Example:\n  \
    secretref agent token payment-analyst > token && chmod 600 token")]
pub(crate) enum Agent {
    /// List agents
    List(list::List),
    /// Show one agent, its bindings and instances
    Show(show::Show),
    /// Show every secret that an agent has held since a time, and whether it is still valid
    Held(held::Command),
    /// Mint a join token, single use; it alone goes to standard output
    Token(token::Token),
    /// Quarantine an agent: cut off and wiped until it is released; prints what it held
    Quarantine(quarantine::Quarantine),
    /// Release a quarantined agent: its instances may come in again
    Release(release::Release),
    /// Revoke an agent: its streams are cut, and what it holds is wiped
    Revoke(revoke::Revoke),
}

impl Agent {
    /// Does what the command line says.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        match self {
            Self::List(command) => command.run(session).await,
            Self::Show(command) => command.run(session).await,
            Self::Held(command) => command.run(session).await,
            Self::Token(command) => command.run(session).await,
            Self::Quarantine(command) => command.run(session).await,
            Self::Release(command) => command.run(session).await,
            Self::Revoke(command) => command.run(session).await,
        }
    }
}
