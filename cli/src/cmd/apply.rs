//! `secretref apply`.

mod files;
mod show;

pub(super) use show::lines;

use super::{confirm, request_id};
use crate::{
    connect::{Session, ask_twice, ask_twice_status, traced},
    failure::{Exit, Failure},
    print::plain,
};
use secretref_domain::manifest::schema;
use secretref_proto::v1;
use std::path::PathBuf;
use tonic::Status;
use tonic_types::StatusExt;

/// Apply manifests: agents, their tools and refs.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    secretref apply -f agents.yaml refs.json5 --dry-run\n  \
    secretref apply -f agents.json --environment production --strict\n  \
    secretref apply -f all.yaml --prune\n  \
    secretref apply --schema > manifest.schema.json\n\
    All of it is applied or nothing. Refs without a value are listed, each with its fix; they are \
    refused only with --strict (exit 2). Files are JSON, JSON5 or YAML by the ending of their \
    name; standard input, by its content.")]
pub(crate) struct Apply {
    /// Manifest files, merged in this order; `-` is standard input
    #[arg(
        short = 'f', long = "file", value_name = "FILE", num_args = 1..,
        required_unless_present = "schema"
    )]
    files: Vec<PathBuf>,
    /// Say what would change, key by key, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Remove agents, groups, refs and alert channels that the files do not name; on a terminal it
    /// shows them and asks first. Secrets stay
    #[arg(long)]
    prune: bool,
    /// Refuse refs that cannot be resolved, and name each
    #[arg(long)]
    strict: bool,
    /// Do not ask before something is removed
    #[arg(long)]
    yes: bool,
    /// Print the JSON Schema of manifests, for editors, and do nothing else
    #[arg(long, exclusive = true)]
    schema: bool,
}

impl Apply {
    /// Sends the files, then says what changed and which refs have no value yet.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        if self.schema {
            session.out.line(&format!("{:#}", schema::schema()))?;
            return Ok(Exit::Done);
        }
        let request = v1::ApplyManifestRequest {
            files: files::read_all(&self.files)?,
            environment: session.environment(),
            validate_only: self.dry_run,
            strict: self.strict,
            prune: self.prune,
            request_id: request_id(),
        };
        if self.prune && !self.dry_run && !self.yes && confirm::can_ask() {
            let preview = preview(session, &request).await?;
            if !show::agrees_to_removals(session, &preview)? {
                session.out.note("nothing was changed");
                return Ok(Exit::Refused);
            }
        }
        let client = session.agents().await?;
        let answer = ask_twice_status(|| {
            let (mut client, request) = (client.clone(), request.clone());
            async move { client.apply_manifest(traced(request)).await }
        })
        .await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(status) if self.strict && names_unresolved(&status) => {
                return Err(unresolvable(&preview(session, &request).await?, status));
            }
            Err(status) => return Err(status.into()),
        };
        answer.warnings.iter().for_each(|warning| session.out.warning(warning));
        if session.out.json {
            session.out.json(&show::document(&answer, self.dry_run))?;
        } else {
            show::print(session.out, &answer, self.dry_run)?;
        }
        Ok(Exit::Done)
    }
}

/// What the same apply would do, with every ref that has no value.
async fn preview(
    session: &Session<'_>,
    request: &v1::ApplyManifestRequest,
) -> Result<v1::ApplyManifestResponse, Failure> {
    let request = v1::ApplyManifestRequest {
        validate_only: true,
        strict: false,
        request_id: String::new(),
        ..request.clone()
    };
    let client = session.agents().await?;
    ask_twice(|| {
        let (mut client, request) = (client.clone(), request.clone());
        async move { client.apply_manifest(request).await }
    })
    .await
}

fn names_unresolved(status: &Status) -> bool {
    let details = status.get_error_details();
    details.error_info().is_some_and(|info| info.reason == "UNRESOLVED_REFS")
}

/// A line for each ref that cannot be resolved: a status has room for some only.
fn unresolvable(preview: &v1::ApplyManifestResponse, status: Status) -> Failure {
    if preview.unresolved.is_empty() {
        // Somebody gave them values between the two requests.
        return Failure::usage(status.message(), "apply again");
    }
    Failure::usages(preview.unresolved.iter().map(|found| {
        let users = [("agent", &found.agents), ("alert channel", &found.channels)];
        let users = users.into_iter().filter(|(_, names)| !names.is_empty()).map(|(of, names)| {
            let end = if names.len() == 1 { "" } else { "s" };
            format!("{of}{end} {}", plain(&names.join(", ")))
        });
        let users = users.collect::<Vec<_>>().join("; ");
        let (name, reason) = (&found.secret_ref, found.reason.trim_end_matches('.'));
        (format!("ref {name:?} ({users}) is not resolvable: {reason}"), found.fix.clone())
    }))
}
