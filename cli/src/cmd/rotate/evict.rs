//! `secretref rotate evict`.

use crate::{
    connect::{Session, ask},
    failure::{Exit, Failure},
    print::rotation,
};
use secretref_proto::v1;

/// Say that an instance never comes back, so that the rotation of a ref does not wait for it.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  \
    secretref rotate evict stripe-api-key 0199c7d2-5f0e-7c3a-9b0e-5d1f0a2b3c4d\n\
    `secretref rotate status` names the instances. What it still holds ends with the old \
    credential; `secretref agent revoke` takes everything else from it.")]
pub(crate) struct Evict {
    /// Name of the ref
    name: String,
    /// Identity of the instance
    instance: String,
}

impl Evict {
    /// Says so.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let request = v1::EvictInstanceRequest {
            secret_ref: crate::cmd::secret_name(&self.name)?,
            environment: session.environment(),
            instance: self.instance.clone(),
        };
        let mut client = session.rotations().await?;
        let answer = ask(client.evict_instance(request)).await?;
        let found = answer.rotation.ok_or_else(|| crate::cmd::incomplete("rotation"))?;
        if session.out.json {
            session.out.json(&rotation::Shown::from(&found))?;
            return Ok(Exit::Done);
        }
        session.out.line(&format!("{}: {} is not waited for", self.name, self.instance))?;
        Ok(Exit::Done)
    }
}
