//! `secretref admin revoke`.

use super::{Shown, admin_name};
use crate::{
    cmd::{incomplete, request_id},
    connect::{Session, ask_twice},
    failure::{Exit, Failure},
    print::plain,
};
use secretref_proto::v1;

/// Revoke an administrator: his certificate is refused and his connections are cut.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  secretref admin revoke wendy --reason \"laptop lost\"\n\
    There is no way back: make another administrator. The last operator stays.")]
pub(crate) struct Revoke {
    /// Administrator to revoke
    admin: String,
    /// Why, for the audit trail: 512 bytes at most
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl Revoke {
    /// Returns when his certificate is refused.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let request = v1::RevokeAdminRequest {
            name: admin_name(&self.admin)?,
            reason: self.reason.unwrap_or_default(),
            request_id: request_id(),
        };
        let client = session.admins().await?;
        let answer = ask_twice(|| {
            let (mut client, request) = (client.clone(), request.clone());
            async move { client.revoke_admin(request).await }
        })
        .await?;
        let admin = answer.admin.ok_or_else(|| incomplete("administrator"))?;
        if session.out.json {
            session.out.json(&Shown::of(&admin, None))?;
        } else {
            session.out.line(&plain(&format!("{} revoked", admin.name)))?;
        }
        Ok(Exit::Done)
    }
}
