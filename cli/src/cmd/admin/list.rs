//! `secretref admin list`.

use super::{Shown, roles};
use crate::{
    connect::{Session, ask, pages},
    failure::{Exit, Failure},
    print::time,
};
use secretref_proto::v1;

/// List administrators.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  secretref admin list --json")]
pub(crate) struct List {}

impl List {
    /// Prints all who are not revoked, ordered by name.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let admins = all(session).await?;
        if session.out.json {
            let admins: Vec<Shown> = admins.iter().map(|admin| Shown::of(admin, None)).collect();
            session.out.json(&admins)?;
            return Ok(Exit::Done);
        }
        let row = |admin: &v1::Admin| {
            vec![
                admin.name.clone(),
                roles(admin).join(", "),
                time::moment(admin.certificate_expire_time.as_ref()),
                time::day(admin.create_time.as_ref()),
            ]
        };
        let rows: Vec<Vec<String>> = admins.iter().map(row).collect();
        session.out.table(&["ADMIN", "ROLES", "CERTIFICATE UNTIL", "CREATED"], &rows)?;
        Ok(Exit::Done)
    }
}

async fn all(session: &Session<'_>) -> Result<Vec<v1::Admin>, Failure> {
    let client = session.admins().await?;
    pages(|page_token| {
        let mut client = client.clone();
        let request = v1::ListAdminsRequest { page_size: PAGE_SIZE, page_token };
        async move {
            let answer = ask(client.list_admins(request)).await?;
            Ok((answer.admins, answer.next_page_token))
        }
    })
    .await
}

const PAGE_SIZE: i32 = 100;
