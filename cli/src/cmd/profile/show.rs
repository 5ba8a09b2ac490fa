//! `secretref profile show`.

use super::{Shown, end, init};
use crate::{
    connect::{Session, certificate::spiffe_id},
    failure::{Exit, Failure},
    print::{plain, time},
    profile::Book,
};
use std::fs;

/// Show one profile, and whose certificate it has until when.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  secretref profile show production")]
pub(crate) struct Show {
    /// Name of the profile; without it the current one
    #[arg(value_name = "PROFILE")]
    name: Option<String>,
}

impl Show {
    /// Prints the profile. Nobody is asked.
    pub(crate) fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let book = Book::open(session.config(), "profiles", init)?;
        let name = self.name.as_deref().unwrap_or_else(|| book.current());
        let (profile, current) = (book.find(name)?, name == book.current());
        if session.out.json {
            session.out.json(&Shown::of(name, current, profile))?;
            return Ok(Exit::Done);
        }
        let identity = fs::read_to_string(&profile.cert).map_err(|error| error.to_string());
        let identity = identity.and_then(|chain| spiffe_id(&chain));
        let fields = [
            ("profile", name.to_owned()),
            ("current", if current { "yes" } else { "no" }.to_owned()),
            ("address", profile.address.clone()),
            ("ca", profile.ca.display().to_string()),
            ("cert", profile.cert.display().to_string()),
            ("key", profile.key.display().to_string()),
            ("identity", identity.unwrap_or_else(|why| format!("not readable: {why}"))),
            ("until", time::moment(end(&profile).as_ref())),
        ];
        for (key, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
            session.out.line(&format!("{key:<10} {}", plain(value)))?;
        }
        Ok(Exit::Done)
    }
}
