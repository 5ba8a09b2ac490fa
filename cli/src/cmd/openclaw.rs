//! `secretref openclaw`.

mod audit;
mod files;
mod import;
mod survey;

use crate::{
    connect::Session,
    failure::{Exit, Failure},
};

/// Move an installation of `OpenClaw` over, and look at what is left in it.
#[derive(clap::Subcommand)]
#[command(after_help = "Example:\n  \
    secretref openclaw import ~/.openclaw/openclaw.json")]
pub(crate) enum Openclaw {
    /// Put the credentials of OpenClaw's files into the broker, and refs in their place
    Import(Box<import::Import>),
    /// Find what is still in the open in OpenClaw's files, and refs that come to nothing
    Audit(audit::Audit),
}

impl Openclaw {
    /// Does it.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        match self {
            Self::Import(command) => command.run(session).await,
            Self::Audit(command) => command.run(session).await,
        }
    }
}
