//! `secretref rotate abort`.

use crate::{
    connect::{Session, ask},
    failure::{Exit, Failure},
    print::rotation,
};
use secretref_proto::v1;

/// Give a rotation up: everybody goes back to the old credential, and the new one is revoked.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  secretref rotate abort stripe-api-key --reason \"wrong account\""
)]
pub(crate) struct Abort {
    /// Name of the ref
    name: String,
    /// Why
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
}

impl Abort {
    /// Gives it up.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let request = v1::AbortRotationRequest {
            secret_ref: crate::cmd::secret_name(&self.name)?,
            environment: session.environment(),
            reason: self.reason,
        };
        let mut client = session.rotations().await?;
        let answer = ask(client.abort_rotation(request)).await?;
        let found = answer.rotation.ok_or_else(|| crate::cmd::incomplete("rotation"))?;
        if session.out.json {
            session.out.json(&rotation::Shown::from(&found))?;
            return Ok(Exit::Done);
        }
        let (name, old) = (&found.secret_ref, found.old_version);
        session
            .out
            .line(&format!("{name}: given up; everybody goes back to the value of v{old}"))?;
        Ok(Exit::Done)
    }
}
