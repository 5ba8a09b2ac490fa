//! `secretref profile remove`.

use super::init;
use crate::{
    connect::Session,
    failure::{Exit, Failure},
    profile::Book,
};

/// Take a profile out; its files stay.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  secretref profile remove staging\n\
    The administrator stays one: secretref admin revoke NAME.")]
pub(crate) struct Remove {
    /// Name of the profile
    #[arg(value_name = "PROFILE")]
    name: String,
}

impl Remove {
    /// Writes config.toml without it, and names the key that is left.
    pub(crate) fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let mut book = Book::open(session.config(), "profiles", init)?;
        let profile = book.find(&self.name)?;
        book.remove(&self.name)?;
        book.save()?;
        session.out.note(&format!("its key is still there: {}", profile.key.display()));
        if session.out.json {
            session.out.json(&super::Shown::of(&self.name, false, profile))?;
        } else {
            session.out.line(&format!("{} removed", self.name))?;
        }
        Ok(Exit::Done)
    }
}
