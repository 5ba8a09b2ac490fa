//! What an apply did, or would do.

use crate::{
    cmd::confirm,
    connect::Session,
    failure::Failure,
    print::{Printer, counted, plain},
};
use secretref_proto::v1;
use serde::Serialize;

/// What `--json` prints.
#[derive(Serialize)]
pub(super) struct Applied<'a> {
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
    differences: Vec<Difference<'a>>,
    more_differences: i32,
}

/// `before` and `after` are JSON as text, as it may be cut.
#[derive(Serialize)]
struct Difference<'a> {
    path: &'a str,
    before: Option<&'a str>,
    after: Option<&'a str>,
}

#[derive(Serialize)]
struct Unresolved<'a> {
    #[serde(rename = "ref")]
    secret_ref: &'a str,
    agents: &'a [String],
    channels: &'a [String],
    reason: &'a str,
    fix: &'a str,
    required: bool,
}

/// The document of `--json`.
pub(super) fn document(answer: &v1::ApplyManifestResponse, dry_run: bool) -> Applied<'_> {
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
    let v1::ManifestChange { kind, name, action, differences, more_differences } = change;
    Change {
        kind,
        name,
        action,
        differences: differences.iter().map(difference_of).collect(),
        more_differences: *more_differences,
    }
}

fn difference_of(difference: &v1::ManifestDifference) -> Difference<'_> {
    let v1::ManifestDifference { path, before, after } = difference;
    Difference { path, before: before.as_deref(), after: after.as_deref() }
}

fn unresolved_of(found: &v1::UnresolvedRef) -> Unresolved<'_> {
    Unresolved {
        secret_ref: &found.secret_ref,
        agents: &found.agents,
        channels: &found.channels,
        reason: &found.reason,
        fix: &found.fix,
        required: found.required,
    }
}

/// Prints what was done, or key by key what would be.
pub(super) fn print(
    out: Printer,
    answer: &v1::ApplyManifestResponse,
    dry_run: bool,
) -> Result<(), Failure> {
    for change in changed(answer) {
        out.line(&title(change, dry_run))?;
        differences(out, change).iter().try_for_each(|line| out.line(line))?;
    }
    rest(answer, dry_run).iter().try_for_each(|line| out.line(line))
}

/// What was done, as people read it.
pub(crate) fn lines(answer: &v1::ApplyManifestResponse, dry_run: bool) -> Vec<String> {
    let titles = changed(answer).map(|change| title(change, dry_run));
    titles.chain(rest(answer, dry_run)).collect()
}

fn changed(answer: &v1::ApplyManifestResponse) -> impl Iterator<Item = &v1::ManifestChange> {
    answer.changes.iter().filter(|change| change.action != "unchanged")
}

fn title(change: &v1::ManifestChange, dry_run: bool) -> String {
    let would = if dry_run { "would be " } else { "" };
    plain(&format!("{} {}: {would}{}", change.kind, change.name, change.action))
}

/// One line for each key: `+` comes, `-` goes, `~` becomes something else.
fn differences(out: Printer, change: &v1::ManifestChange) -> Vec<String> {
    let mut lines: Vec<String> = change
        .differences
        .iter()
        .map(|v1::ManifestDifference { path, before, after }| match (before, after) {
            (None, Some(after)) => out.added(&plain(&format!("  + {path}: {after}"))),
            (Some(before), None) => out.removed(&plain(&format!("  - {path}: {before}"))),
            (before, after) => {
                let [before, after] = [before, after].map(|it| it.as_deref().unwrap_or("nothing"));
                out.changed(&plain(&format!("  ~ {path}: {before} → {after}")))
            }
        })
        .collect();
    if change.more_differences > 0 {
        let more = usize::try_from(change.more_differences).unwrap_or_default();
        lines.push(format!("  … and {}", counted(more, "more key")));
    }
    lines
}

/// The summary, and the refs that have no value.
fn rest(answer: &v1::ApplyManifestResponse, dry_run: bool) -> Vec<String> {
    let would = if dry_run { "would be " } else { "" };
    let end = match answer.revision {
        0 => String::new(),
        revision => format!(", revision {revision}"),
    };
    let changed = changed(answer).count();
    let unchanged = answer.changes.len() - changed;
    let environment = &answer.environment;
    let mut lines = vec![format!(
        "environment {environment}: {changed} {would}changed, {unchanged} unchanged{end}"
    )];
    for found in &answer.unresolved {
        let icon = if found.required { "❌" } else { "⚠️" };
        let users = users(found);
        let (name, reason, fix) = (&found.secret_ref, &found.reason, &found.fix);
        let reason = reason.trim_end_matches('.');
        lines.push(format!("{icon} unresolved: {name} ({users}): {reason}. Fix: {fix}"));
    }
    lines.iter().map(|line| plain(line)).collect()
}

/// Who goes without: agents by their names, and alert channels.
fn users(found: &v1::UnresolvedRef) -> String {
    let channels = found.channels.iter().map(|name| format!("alert channel {name}"));
    found.agents.iter().cloned().chain(channels).collect::<Vec<_>>().join(", ")
}

/// Shows what would be removed, on standard error, and asks; nothing to remove needs no question.
pub(super) fn agrees_to_removals(
    session: &Session<'_>,
    preview: &v1::ApplyManifestResponse,
) -> Result<bool, Failure> {
    let removed: Vec<_> =
        preview.changes.iter().filter(|change| change.action == "removed").collect();
    if removed.is_empty() {
        return Ok(true);
    }
    for change in &removed {
        session.out.note(&format!("{} {} would be removed", change.kind, change.name));
    }
    let things = counted(removed.len(), "thing");
    confirm::agreed(&format!("Remove {things} from environment {}?", preview.environment))
}

#[cfg(test)]
mod tests;
