//! `secretref audit key`.

use crate::{
    connect::{Session, ask_twice},
    failure::{Exit, Failure},
};
use secretref_proto::v1::{self, audit_service_client::AuditServiceClient};
use serde::Serialize;
use tonic::transport::Channel;

/// Print the key that checkpoints of the audit trail are verified by.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  \
    secretref audit key > audit.pub\n\
    Get it once, by a way that you trust, and keep it apart from the broker.")]
pub(crate) struct Key {}

#[derive(Serialize)]
struct Shown<'a> {
    key: &'a str,
}

impl Key {
    /// Prints it.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let key = ask_for(session).await?;
        if session.out.json {
            session.out.json(&Shown { key: &key })?;
        } else {
            session.out.line(&key)?;
        }
        Ok(Exit::Done)
    }
}

/// The key, by the broker's word.
pub(super) async fn ask_for(session: &Session<'_>) -> Result<String, Failure> {
    ask_by(&session.audit().await?).await
}

/// The same by a client.
pub(super) async fn ask_by(client: &AuditServiceClient<Channel>) -> Result<String, Failure> {
    let answer = ask_twice(|| {
        let mut client = client.clone();
        async move { client.get_trail_key(v1::GetTrailKeyRequest {}).await }
    });
    Ok(answer.await?.key)
}
