//! `secretref show`.

use super::{incomplete, kept_name};
use crate::{
    connect::{Session, ask},
    failure::{Exit, Failure},
    print::{json, plain, time, version},
};
use secretref_proto::v1;

/// Show one secret, without its value.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  secretref show stripe-api-key --json")]
pub(crate) struct Show {
    /// Name of the secret
    name: String,
}

impl Show {
    /// Prints the metadata of a secret.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let name = kept_name(&self.name)?;
        let request = v1::GetSecretRequest { name, environment: session.environment() };
        let mut client = session.secrets().await?;
        let answer = ask(client.get_secret(request)).await?;
        let secret = answer.secret.ok_or_else(|| incomplete("secret"))?;
        if session.out.json {
            session.out.json(&json::Secret::from(secret))?;
            return Ok(Exit::Done);
        }
        lines(&secret).iter().try_for_each(|line| session.out.line(line))?;
        Ok(Exit::Done)
    }
}

/// A secret as people read it.
pub(super) fn lines(secret: &v1::Secret) -> Vec<String> {
    let mut labels: Vec<String> =
        secret.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    labels.sort();
    let fields = [
        ("name", secret.name.clone()),
        ("environment", secret.environment.clone()),
        ("version", version(secret.current_version)),
        ("service", secret.service.clone()),
        ("labels", labels.join(" ")),
        ("created", time::moment(secret.create_time.as_ref())),
        ("updated", time::moment(secret.update_time.as_ref())),
        ("expires", time::moment(secret.expire_time.as_ref())),
        ("deprecated from", time::day(secret.deprecation_time.as_ref())),
        ("deleted", time::moment(secret.delete_time.as_ref())),
        ("uid", secret.uid.clone()),
    ];
    let shown = fields.iter().filter(|(_, value)| !value.is_empty());
    shown.map(|(key, value)| format!("{key:<16} {}", plain(value))).collect()
}
