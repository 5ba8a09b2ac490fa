//! `secretref list`.

use crate::{
    connect::{Session, ask, pages},
    failure::{Exit, Failure},
    print::{json, time, version},
};
use secretref_proto::v1;

/// List secrets, without values.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  secretref list --environment production --deleted --json")]
pub(crate) struct List {
    /// List deleted secrets too
    #[arg(long)]
    deleted: bool,
}

impl List {
    /// Prints all secrets of the environment, ordered by name.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let secrets = all(session, self.deleted).await?;
        if session.out.json {
            let secrets: Vec<json::Secret> = secrets.into_iter().map(Into::into).collect();
            session.out.json(&secrets)?;
            return Ok(Exit::Done);
        }
        if secrets.is_empty() {
            session.out.note("no secret is there yet; secretref put NAME makes one");
            return Ok(Exit::Done);
        }
        let row = |secret: &v1::Secret| {
            vec![
                secret.name.clone(),
                version(secret.current_version),
                secret.service.clone(),
                time::day(secret.expire_time.as_ref()),
                time::moment(secret.update_time.as_ref()),
                remark(secret),
            ]
        };
        let rows: Vec<Vec<String>> = secrets.iter().map(row).collect();
        let header = ["NAME", "VERSION", "SERVICE", "EXPIRES", "UPDATED", ""];
        session.out.table(&header, &rows)?;
        Ok(Exit::Done)
    }
}

/// All secrets of the environment.
pub(super) async fn all(
    session: &Session<'_>,
    show_deleted: bool,
) -> Result<Vec<v1::Secret>, Failure> {
    let client = session.secrets().await?;
    let environment = session.environment();
    pages(|page_token| {
        let mut client = client.clone();
        let environment = environment.clone();
        let page_size = PAGE_SIZE;
        let request = v1::ListSecretsRequest { environment, page_size, page_token, show_deleted };
        async move {
            let answer = ask(client.list_secrets(request)).await?;
            Ok((answer.secrets, answer.next_page_token))
        }
    })
    .await
}

fn remark(secret: &v1::Secret) -> String {
    if secret.delete_time.is_some() {
        return "deleted".to_owned();
    }
    match &secret.deprecation_time {
        Some(at) => format!("deprecated from {}", time::day(Some(at))),
        None => String::new(),
    }
}

const PAGE_SIZE: i32 = 1_000;
