//! `secretref undelete`.

use super::{incomplete, request_id, secret_name};
use crate::{
    connect::{Session, ask_twice},
    failure::{Exit, Failure},
    print::{json, version},
};
use secretref_proto::v1;

/// Take a deletion back.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  secretref undelete legacy-github-token")]
pub(crate) struct Undelete {
    /// Name of the secret
    name: String,
}

impl Undelete {
    /// Prints the secret as it is now.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let request = v1::UndeleteSecretRequest {
            name: secret_name(&self.name)?,
            environment: session.environment(),
            request_id: request_id(),
        };
        let client = session.secrets().await?;
        let answer = ask_twice(|| {
            let (mut client, request) = (client.clone(), request.clone());
            async move { client.undelete_secret(request).await }
        })
        .await?;
        let secret = answer.secret.ok_or_else(|| incomplete("secret"))?;
        if session.out.json {
            session.out.json(&json::Secret::from(secret))?;
        } else {
            let current = version(secret.current_version);
            session.out.line(&format!("{} {current} undeleted", secret.name))?;
        }
        Ok(Exit::Done)
    }
}
