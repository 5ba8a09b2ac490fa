//! `secretref profile list`.

use super::{Shown, end, init};
use crate::{
    connect::Session,
    failure::{Exit, Failure},
    print::time,
    profile::Book,
};

/// List profiles.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  secretref profile list --json")]
pub(crate) struct List {}

impl List {
    /// Prints all profiles, ordered by name; the current one has a star.
    pub(crate) fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let book = Book::open(session.config(), "profiles", init)?;
        let profiles: Vec<_> =
            book.names().filter_map(|name| Some((name, book.get(name)?))).collect();
        if session.out.json {
            let shown = profiles.into_iter();
            let shown: Vec<Shown<'_>> =
                shown.map(|(name, it)| Shown::of(name, name == book.current(), it)).collect();
            session.out.json(&shown)?;
            return Ok(Exit::Done);
        }
        let row = |(name, profile): &(&str, _)| {
            let profile: &crate::profile::Profile = profile;
            let until = end(profile).map_or("not readable".to_owned(), |at| time::day(Some(&at)));
            let star = if *name == book.current() { "*" } else { "" };
            vec![(*name).to_owned(), star.to_owned(), profile.address.clone(), until]
        };
        let rows: Vec<Vec<String>> = profiles.iter().map(row).collect();
        session.out.table(&["PROFILE", "", "ADDRESS", "CERTIFICATE UNTIL"], &rows)?;
        Ok(Exit::Done)
    }
}
