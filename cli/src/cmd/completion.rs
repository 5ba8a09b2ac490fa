//! `secretref completion`.

use crate::{
    args::Args,
    connect::Session,
    failure::{Exit, Failure},
};
use clap::CommandFactory;
use clap_complete::Shell;

/// Print a completion script for a shell.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  \
    secretref completion bash > ~/.local/share/bash-completion/completions/secretref")]
pub(crate) struct Completion {
    /// The shell
    shell: Shell,
}

impl Completion {
    /// Prints the script.
    pub(crate) fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Args::command(), "secretref", &mut script);
        session.out.bytes(&script)?;
        Ok(Exit::Done)
    }
}
