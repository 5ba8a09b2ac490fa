//! `secretref completion`: clap's script, and after it the names, which only a broker knows.

use crate::{
    args::Args,
    connect::Session,
    failure::{Exit, Failure},
};
use clap::{CommandFactory, ValueEnum};
use clap_complete::generate;

/// Print a completion script for a shell; it completes names of secrets, agents, administrators,
/// alert channels and profiles too.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  \
    secretref completion bash > ~/.local/share/bash-completion/completions/secretref")]
pub(crate) struct Completion {
    /// The shell
    shell: Shell,
}

/// Shells whose script knows names.
#[derive(Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Completion {
    /// Prints the script.
    pub(crate) fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        session.out.bytes(script(self.shell).as_bytes())?;
        Ok(Exit::Done)
    }
}

fn script(shell: Shell) -> String {
    let generator = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    generate(generator, &mut Args::command(), "secretref", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    match shell {
        Shell::Bash => script + NAMES_BASH,
        Shell::Fish => script + NAMES_FISH,
        Shell::Zsh => zsh(&script),
    }
}

/// A zsh function may be loaded by its first call, so what it uses stands before it, and each
/// place of a name asks for names instead of files.
fn zsh(script: &str) -> String {
    let (before, after) = script.split_once(ZSH_MAIN).unwrap_or((script, ""));
    let place = |line: &str| {
        let name = match line {
            _ if line.contains(":name -- Name of the profile") => "_secretref_profiles",
            _ if line.contains(":name -- Name of the alert channel") => "_secretref_channels",
            _ if line.starts_with("':name -- Name of the ") => "_secretref_secrets",
            _ if line.starts_with("':agent -- ") => "_secretref_agents",
            _ if line.contains(":admin -- Administrator") => "_secretref_admins",
            _ if line.contains("--profile=[") => "_secretref_profiles",
            _ if line.contains("--secret=[") => "_secretref_secrets",
            _ if line.contains("--held-by=[") => "_secretref_agents",
            _ if line.contains("--agent=[") => "_secretref_agents",
            _ => "_default",
        };
        line.replace(":_default'", &format!(":{name}'"))
    };
    let after: Vec<String> = after.split('\n').map(place).collect();
    format!("{before}{NAMES_ZSH}{ZSH_MAIN}{}", after.join("\n"))
}

const ZSH_MAIN: &str = "_secretref() {\n";
const NAMES_BASH: &str = include_str!("completion/names.bash");
const NAMES_FISH: &str = include_str!("completion/names.fish");
const NAMES_ZSH: &str = include_str!("completion/names.zsh");

#[cfg(test)]
mod tests;
