//! `secretref delete`.

use super::{incomplete, request_id, secret_name};
use crate::{
    connect::{Session, ask_twice},
    failure::{Exit, Failure},
    print::json,
};
use secretref_proto::v1;

/// Take a secret from every agent at once.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  secretref delete legacy-github-token\n\
    Its versions stay until they are destroyed; `secretref undelete` takes it back.")]
pub(crate) struct Delete {
    /// Name of the secret
    name: String,
    /// Only if this is the current version
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    if_version: Option<i64>,
}

impl Delete {
    /// Prints the secret as it is now.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let request = v1::DeleteSecretRequest {
            name: secret_name(&self.name)?,
            environment: session.environment(),
            expected_version: self.if_version,
            request_id: request_id(),
        };
        let client = session.secrets().await?;
        let answer = ask_twice(|| {
            let (mut client, request) = (client.clone(), request.clone());
            async move { client.delete_secret(request).await }
        })
        .await?;
        let secret = answer.secret.ok_or_else(|| incomplete("secret"))?;
        if session.out.json {
            session.out.json(&json::Secret::from(secret))?;
        } else {
            session.out.line(&format!("{} deleted", secret.name))?;
        }
        Ok(Exit::Done)
    }
}
