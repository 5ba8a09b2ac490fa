//! `secretref apply`.

use super::request_id;
use crate::{
    connect::{Session, ask_twice},
    failure::{Exit, Failure},
    print::plain,
};
use secretref_domain::limit::{MANIFEST_BYTES_MAX, MANIFEST_FILES_MAX};
use secretref_proto::v1;
use serde::Serialize;
use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};
use tonic::Code;

/// Apply manifests: agents, their tools and refs.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    secretref apply -f agents.json refs.json --dry-run\n  \
    secretref apply -f agents.json --environment production --strict\n\
    All of it is applied or nothing. Refs without a value are listed, each with its fix; they are \
    refused only with --strict (exit 2).")]
pub(crate) struct Apply {
    /// Manifest files, merged in this order; `-` is standard input
    #[arg(short = 'f', long = "file", value_name = "FILE", required = true, num_args = 1..)]
    files: Vec<PathBuf>,
    /// Say what would change and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Remove what the files no longer name
    #[arg(long)]
    prune: bool,
    /// Refuse refs that cannot be resolved
    #[arg(long)]
    strict: bool,
}

#[derive(Serialize)]
struct Applied<'a> {
    environment: &'a str,
    revision: i64,
    dry_run: bool,
    changes: Vec<Change<'a>>,
    unresolved: Vec<Unresolved<'a>>,
    warnings: &'a [String],
}

#[derive(Serialize)]
struct Change<'a> {
    kind: &'a str,
    name: &'a str,
    action: &'a str,
}

#[derive(Serialize)]
struct Unresolved<'a> {
    #[serde(rename = "ref")]
    secret_ref: &'a str,
    agents: &'a [String],
    reason: &'a str,
    fix: &'a str,
    required: bool,
}

impl Apply {
    /// Sends the files, then says what changed and which refs have no value yet.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let request = v1::ApplyManifestRequest {
            files: read_all(&self.files)?,
            environment: session.environment(),
            validate_only: self.dry_run,
            strict: self.strict,
            prune: self.prune,
            request_id: request_id(),
        };
        let client = session.agents().await?;
        let answer = ask_twice(|| {
            let (mut client, request) = (client.clone(), request.clone());
            async move {
                let answer = client.apply_manifest(request).await;
                // Unresolvable input, which `--strict` asked to have refused.
                answer.map_err(|status| match status.code() {
                    Code::FailedPrecondition if self.strict => invalid(&status),
                    _ => status,
                })
            }
        })
        .await?;
        answer.warnings.iter().for_each(|warning| session.out.warning(warning));
        if session.out.json {
            session.out.json(&document(&answer, self.dry_run))?;
        } else {
            lines(&answer, self.dry_run).iter().try_for_each(|line| session.out.line(line))?;
        }
        Ok(Exit::Done)
    }
}

/// The same answer under the code that the program's exit follows.
fn invalid(status: &tonic::Status) -> tonic::Status {
    let details = status.details().to_vec().into();
    tonic::Status::with_details(Code::InvalidArgument, status.message(), details)
}

/// What was done, as people read it.
pub(super) fn lines(answer: &v1::ApplyManifestResponse, dry_run: bool) -> Vec<String> {
    let would = if dry_run { "would be " } else { "" };
    let (unchanged, changed): (Vec<_>, Vec<_>) =
        answer.changes.iter().partition(|change| change.action == "unchanged");
    let mut lines: Vec<String> = changed
        .iter()
        .map(|change| format!("{} {}: {would}{}", change.kind, change.name, change.action))
        .collect();
    let end = match answer.revision {
        0 => String::new(),
        revision => format!(", revision {revision}"),
    };
    let (changed, unchanged) = (changed.len(), unchanged.len());
    let environment = &answer.environment;
    lines.push(format!(
        "environment {environment}: {changed} {would}changed, {unchanged} unchanged{end}"
    ));
    for found in &answer.unresolved {
        let icon = if found.required { "❌" } else { "⚠️" };
        let agents = found.agents.join(", ");
        let (name, reason, fix) = (&found.secret_ref, &found.reason, &found.fix);
        let reason = reason.trim_end_matches('.');
        lines.push(format!("{icon} unresolved: {name} ({agents}): {reason}. Fix: {fix}"));
    }
    lines.iter().map(|line| plain(line)).collect()
}

fn document(answer: &v1::ApplyManifestResponse, dry_run: bool) -> Applied<'_> {
    Applied {
        environment: &answer.environment,
        revision: answer.revision,
        dry_run,
        changes: answer.changes.iter().map(change_of).collect(),
        unresolved: answer.unresolved.iter().map(unresolved_of).collect(),
        warnings: &answer.warnings,
    }
}

fn change_of(change: &v1::ManifestChange) -> Change<'_> {
    Change { kind: &change.kind, name: &change.name, action: &change.action }
}

fn unresolved_of(found: &v1::UnresolvedRef) -> Unresolved<'_> {
    Unresolved {
        secret_ref: &found.secret_ref,
        agents: &found.agents,
        reason: &found.reason,
        fix: &found.fix,
        required: found.required,
    }
}

fn read_all(paths: &[PathBuf]) -> Result<Vec<v1::ManifestFile>, Failure> {
    if paths.len() > MANIFEST_FILES_MAX {
        let what =
            format!("{} files are given, at most {MANIFEST_FILES_MAX} are taken", paths.len());
        return Err(Failure::usage(what, "apply them in several commands"));
    }
    if paths.iter().filter(|path| path.as_path() == Path::new("-")).count() > 1 {
        return Err(Failure::usage("standard input can be read once", "give `-` once"));
    }
    let mut left = MANIFEST_BYTES_MAX;
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        let content = read(path, left)?;
        left -= content.len();
        files.push(v1::ManifestFile { name: name_of(path), content });
    }
    Ok(files)
}

fn name_of(path: &Path) -> String {
    if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() }
}

fn read(path: &Path, bytes_max: usize) -> Result<Vec<u8>, Failure> {
    let name = name_of(path);
    let unreadable = |error: io::Error| {
        Failure::usage(format!("the manifest {name} cannot be read: {error}"), "correct the path")
    };
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX) + 1;
    let mut content = Vec::new();
    let read = match path.to_str() {
        Some("-") => io::stdin().lock().take(limit).read_to_end(&mut content),
        _ => File::open(path).and_then(|file| file.take(limit).read_to_end(&mut content)),
    };
    if read.map_err(unreadable)? > bytes_max {
        let what = format!(
            "the manifest {name} brings the files above {MANIFEST_BYTES_MAX} bytes together"
        );
        return Err(Failure::usage(what, "apply them in several commands"));
    }
    Ok(content)
}

#[cfg(test)]
mod tests;
