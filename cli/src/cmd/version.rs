//! `secretref version`.

use crate::{
    connect::Session,
    failure::{Exit, Failure},
};
use serde::Serialize;

/// Print the version.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  secretref version --json")]
pub(crate) struct Version {}

#[derive(Serialize)]
struct Printed {
    name: &'static str,
    version: &'static str,
    api: &'static str,
}

impl Version {
    /// Prints the program's version; no broker is asked.
    pub(crate) fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let version = env!("CARGO_PKG_VERSION");
        if session.out.json {
            session.out.json(&Printed { name: "secretref", version, api: "secretref.v1" })?;
        } else {
            session.out.line(&format!("secretref {version}"))?;
        }
        Ok(Exit::Done)
    }
}
