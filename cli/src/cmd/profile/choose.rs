//! `secretref profile use`.

use super::init;
use crate::{
    connect::Session,
    failure::{Exit, Failure},
    profile::Book,
};

/// Make a profile the one that commands use where none is named.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  secretref profile use production\n\
    --profile NAME and SECRETREF_ADDR go before it.")]
pub(crate) struct Use {
    /// Name of the profile
    #[arg(value_name = "PROFILE")]
    name: String,
}

impl Use {
    /// Writes it into config.toml, and prints its address.
    pub(crate) fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let mut book = Book::open(session.config(), "profiles", init)?;
        let profile = book.find(&self.name)?;
        book.make_current(&self.name)?;
        book.save()?;
        if session.out.json {
            session.out.json(&super::Shown::of(&self.name, true, profile))?;
        } else {
            session.out.line(&format!("{} ({})", self.name, profile.address))?;
        }
        Ok(Exit::Done)
    }
}
