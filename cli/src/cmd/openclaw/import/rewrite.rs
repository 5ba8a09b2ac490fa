//! The files with refs in place of values.

use super::{
    super::files::Opened,
    scheme::{Scheme, Step},
};
use crate::failure::Failure;
use secretref_domain::openclaw::{
    edit::{self, Edit, EditError},
    targets::File,
    text::{Document, Kind, Node},
};
use serde_json::{Value, json};

/// Each file that changes, with what it will say.
pub(super) fn all<'f>(
    files: &'f [Opened],
    scheme: &Scheme<'_>,
    alias: &str,
    definition: &Value,
) -> Result<Vec<(&'f Opened, Document)>, Failure> {
    let mut changed = Vec::new();
    for file in files {
        let wrong = |error: EditError| {
            let what = format!("{}: {error}", file.shown());
            Failure::usage(what, "correct it there, and run this again")
        };
        let mut document = with_refs(file, scheme, alias).map_err(wrong)?;
        if file.kind == File::Config && !scheme.names().is_empty() {
            let base = document.as_ref().unwrap_or(&file.document);
            if is_anothers(base, alias) {
                let what = format!("{}: provider {alias} is another program's", file.shown());
                return Err(Failure::usage(what, "choose another --provider"));
            }
            let path = ["secrets", "providers", alias];
            if let Some(with) = edit::set(base, &path, definition).map_err(wrong)? {
                document = Some(with);
            }
        }
        changed.extend(document.map(|document| (file, document)));
    }
    Ok(changed)
}

/// The file with every ref in its place; none where it has them all.
fn with_refs(
    file: &Opened,
    scheme: &Scheme<'_>,
    alias: &str,
) -> Result<Option<Document>, EditError> {
    let (mut edits, mut residues) = (Vec::new(), Vec::new());
    for (place, step) in scheme.steps.iter().filter(|(it, _)| it.file.path == file.path) {
        let found = &place.found;
        let name = match step {
            Step::Leave(_) => continue,
            Step::Keep { residue, .. } => {
                residues.extend(found.member.filter(|_| *residue).map(|it| it.key_span.clone()));
                continue;
            }
            Step::Move { name, .. } => name,
        };
        let reference = json!({"source": "exec", "provider": alias, "id": name});
        match (&place.target.sibling, found.member, found.beside) {
            (Some(_), member, Some(beside)) => {
                edits.push(Edit::value(&beside.value, &reference));
                residues.extend(member.map(|it| it.key_span.clone()));
            }
            (Some(key), Some(member), None) => {
                edits.push(Edit::key(member, key));
                edits.push(Edit::value(&member.value, &reference));
            }
            (None, Some(member), _) => edits.push(Edit::value(&member.value, &reference)),
            (_, None, None) | (None, None, _) => {}
        }
    }
    if edits.is_empty() && residues.is_empty() {
        return Ok(None);
    }
    let mut document = edit::apply(&file.document, edits)?;
    for (place, _) in scheme.steps.iter().filter(|(it, _)| it.file.path == file.path) {
        let goes = place.found.member.is_some_and(|it| residues.contains(&it.key_span));
        if goes {
            let found = place.target.find(&document);
            let again = found.into_iter().find(|it| it.path == place.found.path);
            if let Some(member) = again.and_then(|it| it.member) {
                document = edit::remove(&document, member)?;
            }
        }
    }
    Ok(Some(document))
}

/// Whether a provider of this name is there that is not `secretref resolve`.
fn is_anothers(document: &Document, alias: &str) -> bool {
    let path = ["secrets", "providers", alias];
    let node = path.iter().try_fold(document.root(), |it, key| Some(&it.member(key)?.value));
    let Some(node) = node else { return false };
    let text = |node: &Node| document.string(node).map(|text| text.to_string());
    let source = node.member("source").and_then(|it| text(&it.value));
    let first = match node.member("args").map(|it| &it.value.kind) {
        Some(Kind::Array(args)) => args.first().and_then(text),
        _ => None,
    };
    source.as_deref() != Some("exec") || first.as_deref() != Some("resolve")
}
