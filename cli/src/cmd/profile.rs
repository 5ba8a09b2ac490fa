//! `secretref profile`: which broker is meant, and as whom. One verb, one file.

mod choose;
mod list;
mod remove;
mod show;

use crate::{
    connect::{Session, certificate::Ending},
    failure::{Exit, Failure},
    print::time,
    profile::Profile,
};
use prost_types::Timestamp;
use serde::Serialize;
use std::path::PathBuf;

/// Administer profiles: which broker is meant, and as whom.
#[derive(clap::Subcommand)]
#[command(after_help = "Example:\n  secretref profile use production\n\
    They are in ~/.config/secretref/config.toml; its comments stay.")]
pub(crate) enum Command {
    /// List profiles
    List(list::List),
    /// Show one profile, and whose certificate it has until when
    Show(show::Show),
    /// Make a profile the one that commands use where none is named
    Use(choose::Use),
    /// Take a profile out; its files stay
    Remove(remove::Remove),
}

impl Command {
    /// Does what the command line says.
    pub(crate) fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        match self {
            Self::List(command) => command.run(session),
            Self::Show(command) => command.run(session),
            Self::Use(command) => command.run(session),
            Self::Remove(command) => command.run(session),
        }
    }
}

/// A profile as programs read it.
#[derive(Serialize)]
struct Shown<'a> {
    profile: &'a str,
    current: bool,
    address: String,
    agents: Option<String>,
    ca: PathBuf,
    cert: PathBuf,
    key: PathBuf,
    certificate_expire_time: Option<String>,
}

impl<'a> Shown<'a> {
    fn of(name: &'a str, current: bool, profile: Profile) -> Self {
        let certificate_expire_time = time::optional(end(&profile).as_ref());
        let Profile { address, ca, cert, key, agents } = profile;
        Self { profile: name, current, address, agents, ca, cert, key, certificate_expire_time }
    }
}

/// When a profile's certificate ends; nothing where it cannot be read.
fn end(profile: &Profile) -> Option<Timestamp> {
    Ending::of(profile).map(|ending| Timestamp { seconds: ending.not_after, nanos: 0 })
}

/// How to get a first profile.
fn init() -> String {
    "secretref-broker init --data-dir DIR, or secretref admin create NAME --save-profile PROFILE"
        .to_owned()
}
