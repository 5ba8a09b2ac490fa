//! `secretref destroy`.

use super::{incomplete, request_id, secret_name};
use crate::{
    connect::{Session, ask_twice},
    failure::{Exit, Failure},
    print::json,
};
use secretref_proto::v1;

/// Shred the key of one version: its value can never be read again.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  secretref destroy stripe-api-key --version 6\n\
    The current version is refused: put or activate another one first.")]
pub(crate) struct Destroy {
    /// Name of the secret
    name: String,
    /// Version to destroy
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    version: i64,
}

impl Destroy {
    /// Prints the version as it is now.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let name = secret_name(&self.name)?;
        let request = v1::DestroySecretVersionRequest {
            name: name.clone(),
            environment: session.environment(),
            version: self.version,
            request_id: request_id(),
        };
        let client = session.secrets().await?;
        let answer = ask_twice(|| {
            let (mut client, request) = (client.clone(), request.clone());
            async move { client.destroy_secret_version(request).await }
        })
        .await?;
        let version = answer.version.ok_or_else(|| incomplete("version"))?;
        if session.out.json {
            session.out.json(&json::Version::from(&version))?;
        } else {
            let state = json::version_state(&version);
            session.out.line(&format!("{name} v{} {state}", version.version))?;
        }
        Ok(Exit::Done)
    }
}
