//! `secretref activate`.

use super::{incomplete, request_id, secret_name};
use crate::{
    connect::{Session, ask_twice},
    failure::{Exit, Failure},
    print::json,
};
use secretref_proto::v1;

/// Bring the value of an older version back, as a new version.
#[derive(clap::Args)]
#[command(after_help = "Example (rollback):\n  \
    secretref activate stripe-api-key --version 7 --if-version 8")]
pub(crate) struct Activate {
    /// Name of the secret
    name: String,
    /// Version whose value comes back
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    version: i64,
    /// Only if this is the current version
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    if_version: Option<i64>,
}

impl Activate {
    /// Prints the new version.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let request = v1::ActivateSecretVersionRequest {
            name: secret_name(&self.name)?,
            environment: session.environment(),
            version: self.version,
            expected_version: self.if_version,
            request_id: request_id(),
        };
        let client = session.secrets().await?;
        let answer = ask_twice(|| {
            let (mut client, request) = (client.clone(), request.clone());
            async move { client.activate_secret_version(request).await }
        })
        .await?;
        let secret = answer.secret.ok_or_else(|| incomplete("secret"))?;
        let version = answer.version.ok_or_else(|| incomplete("version"))?;
        if session.out.json {
            session.out.json(&json::Written::new(secret, &version, Some(answer.revision)))?;
        } else {
            let (name, new, old) = (&secret.name, version.version, self.version);
            session.out.line(&format!("{name} v{new} (value of v{old})"))?;
        }
        Ok(Exit::Done)
    }
}
