//! `secretref versions`.

use super::kept_name;
use crate::{
    connect::{Session, ask, pages},
    failure::{Exit, Failure},
    print::{json, time, version},
};
use secretref_proto::v1;

/// List the versions of a secret.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  secretref versions stripe-api-key --json")]
pub(crate) struct Versions {
    /// Name of the secret
    name: String,
}

impl Versions {
    /// Prints all versions, newest first.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let versions = all(session, &kept_name(&self.name)?).await?;
        if session.out.json {
            let versions: Vec<json::Version> = versions.iter().map(Into::into).collect();
            session.out.json(&versions)?;
            return Ok(Exit::Done);
        }
        let row = |found: &v1::SecretVersion| {
            let from = match found.activated_from {
                0 => String::new(),
                from => format!("value of v{from}"),
            };
            vec![
                version(found.version),
                json::version_state(found).to_owned(),
                time::moment(found.create_time.as_ref()),
                time::day(found.expire_time.as_ref()),
                found.size_bytes.to_string(),
                from,
            ]
        };
        let rows: Vec<Vec<String>> = versions.iter().map(row).collect();
        let header = ["VERSION", "STATE", "CREATED", "EXPIRES", "BYTES", ""];
        session.out.table(&header, &rows)?;
        Ok(Exit::Done)
    }
}

async fn all(session: &Session<'_>, name: &str) -> Result<Vec<v1::SecretVersion>, Failure> {
    let client = session.secrets().await?;
    pages(|page_token| {
        let mut client = client.clone();
        let request = v1::ListSecretVersionsRequest {
            name: name.to_owned(),
            environment: session.environment(),
            page_size: PAGE_SIZE,
            page_token,
        };
        async move {
            let answer = ask(client.list_secret_versions(request)).await?;
            Ok((answer.versions, answer.next_page_token))
        }
    })
    .await
}

const PAGE_SIZE: i32 = 1_000;
