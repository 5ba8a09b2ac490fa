//! `secretref rotate history`.

use crate::{
    connect::{Session, ask_twice},
    failure::{Exit, Failure},
    print::{rotation, time},
};
use secretref_proto::v1;

/// List rotations, the newest first.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  secretref rotate history stripe-api-key --limit 10 --json")]
pub(crate) struct History {
    /// Name of the ref; without it all of them
    name: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(i32).range(1..=1000))]
    limit: i32,
}

impl History {
    /// Prints them.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let name = self.name.as_deref().map(crate::cmd::secret_name).transpose()?;
        let found = list(session, &name.unwrap_or_default(), false, self.limit).await?;
        if session.out.json {
            let shown: Vec<_> = found.iter().map(rotation::Shown::from).collect();
            session.out.json(&shown)?;
            return Ok(Exit::Done);
        }
        if found.is_empty() {
            session.out.note("nothing was rotated yet");
            return Ok(Exit::Done);
        }
        let row = |found: &v1::Rotation| {
            vec![
                time::moment(found.begin_time.as_ref()),
                found.secret_ref.clone(),
                rotation::versions(found),
                rotation::phase(found),
                found.requested_by.clone(),
                found.uid.clone(),
            ]
        };
        let rows: Vec<Vec<String>> = found.iter().map(row).collect();
        session.out.table(&["BEGAN", "REF", "VERSIONS", "PHASE", "BY", "ROTATION"], &rows)?;
        Ok(Exit::Done)
    }
}

/// The rotations of an environment, or of a ref of it.
pub(crate) async fn list(
    session: &Session<'_>,
    secret_ref: &str,
    under_way: bool,
    page_size: i32,
) -> Result<Vec<v1::Rotation>, Failure> {
    let (environment, secret_ref) = (session.environment(), secret_ref.to_owned());
    let request = v1::ListRotationsRequest { environment, secret_ref, under_way, page_size };
    let client = session.rotations().await?;
    let answer = ask_twice(|| {
        let (mut client, request) = (client.clone(), request.clone());
        async move { client.list_rotations(request).await }
    })
    .await?;
    Ok(answer.rotations)
}
