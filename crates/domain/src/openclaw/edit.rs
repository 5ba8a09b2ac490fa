//! Changes to a text that leave every other byte as it is: comments, order, quotes, line ends.

use super::text::{Document, Kind, Member, Node, Span, TextError};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

/// A part of a text and what takes its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The part; an empty one inserts.
    pub span: Span,
    /// What takes its place. Never a secret.
    pub text: String,
}

/// Why something cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// What holds it is no object.
    #[error("{0} is there and is no object")]
    NoObject(String),
    /// The text would be none any more. It says where, in the new text.
    #[error("the changed file would not be JSON5: {0}")]
    Broken(#[from] TextError),
}

impl Edit {
    /// Puts something into the place of a value.
    #[must_use]
    pub fn value(node: &Node, value: &Value) -> Self {
        Self { span: node.span.clone(), text: inline(value) }
    }

    /// Gives a member another key.
    #[must_use]
    pub fn key(member: &Member, key: &str) -> Self {
        Self { span: member.key_span.clone(), text: Value::from(key).to_string() }
    }
}

/// Makes changes, none of which touches another, in one go.
///
/// # Errors
/// [`EditError::Broken`] where the outcome is no JSON5.
pub fn apply(document: &Document, mut edits: Vec<Edit>) -> Result<Document, EditError> {
    edits.sort_by_key(|edit| (edit.span.start, edit.span.end));
    let text = document.text();
    let more: usize = edits.iter().map(|edit| edit.text.len()).sum();
    // The room is there from the start: a buffer that grows leaves copies behind.
    let mut changed = Zeroizing::new(String::with_capacity(text.len() + more));
    let mut at = 0;
    for Edit { span, text: new } in &edits {
        changed.push_str(text.get(at..span.start).unwrap_or_default());
        changed.push_str(new);
        at = span.end.max(at);
    }
    changed.push_str(text.get(at..).unwrap_or_default());
    Ok(Document::parse(changed)?)
}

/// Writes a value at a path of keys: in place of what is there, or at the end of the innermost
/// object of the path that is. None where the same is there already.
///
/// # Errors
/// [`EditError::NoObject`] where something else than an object is on the way.
pub fn set(
    document: &Document,
    path: &[&str],
    value: &Value,
) -> Result<Option<Document>, EditError> {
    let mut node = document.root();
    for (at, key) in path.iter().enumerate() {
        if !matches!(node.kind, Kind::Object(_)) {
            return Err(EditError::NoObject(path[..at].join(".")));
        }
        let Some(member) = node.member(key) else {
            let whole = path[at + 1..].iter().rev().fold(value.clone(), |inner, key| {
                Value::Object(Map::from_iter([((*key).to_owned(), inner)]))
            });
            return Ok(Some(apply(document, insertion(document, node, key, &whole))?));
        };
        node = &member.value;
    }
    let there = json5::from_str::<Value>(&document.text()[node.span.clone()]);
    if there.is_ok_and(|there| there == *value) {
        return Ok(None);
    }
    let text = pretty(document, value, line_indent(document, node.span.start));
    Ok(Some(apply(document, vec![Edit { span: node.span.clone(), text }])?))
}

/// Takes a member out of its object, with its comma, and with its line where nothing else is on it.
///
/// # Errors
/// [`EditError::Broken`] where the outcome is no JSON5.
pub fn remove(document: &Document, member: &Member) -> Result<Document, EditError> {
    let text = document.text();
    let (mut start, mut end) = (member.key_span.start, member.value.span.end);
    let mut edits = Vec::new();
    match document.comma_after(end) {
        Some(comma) => {
            // What stands between the value and its comma can only be blank or a comment.
            edits.push(Edit { span: comma..comma + 1, text: String::new() });
            if text[end..comma].trim().is_empty() {
                edits.clear();
                end = comma + 1;
            }
        }
        None => {
            let before = previous_end(document.root(), member);
            let comma = before.and_then(|at| document.comma_after(at));
            edits.extend(comma.map(|at| Edit { span: at..at + 1, text: String::new() }));
        }
    }
    let before = text[..start].trim_end_matches([' ', '\t']);
    let after = text[end..].trim_start_matches([' ', '\t']);
    let line_end = [("\r\n", 2), ("\n", 1)].into_iter().find(|(it, _)| after.starts_with(it));
    if let (true, Some((_, length))) = (before.ends_with('\n'), line_end) {
        (start, end) = (before.len(), text.len() - after.len() + length);
    }
    edits.push(Edit { span: start..end, text: String::new() });
    apply(document, edits)
}

/// Where the member before this one ends.
fn previous_end(node: &Node, wanted: &Member) -> Option<usize> {
    match &node.kind {
        Kind::Object(members) => {
            let at = members.iter().position(|member| member.key_span == wanted.key_span);
            match at {
                Some(at) => Some(members[at.checked_sub(1)?].value.span.end),
                None => members.iter().find_map(|it| previous_end(&it.value, wanted)),
            }
        }
        Kind::Array(items) => items.iter().find_map(|item| previous_end(item, wanted)),
        _ => None,
    }
}

/// A member at the end of an object: on a line of its own, unless the object is on one.
fn insertion(document: &Document, object: &Node, key: &str, value: &Value) -> Vec<Edit> {
    let text = document.text();
    let mut edits = Vec::new();
    let inside = &text[..object.span.end - 1];
    let last = object.members().last();
    if let Some(last) = last
        && document.comma_after(last.value.span.end).is_none()
    {
        let at = last.value.span.end;
        edits.push(Edit { span: at..at, text: ",".to_owned() });
    }
    let own_line = text[object.span.clone()].contains('\n');
    let key = Value::from(key);
    let (at, new) = match last {
        Some(_) if !own_line => (inside.trim_end().len(), format!(" {key}: {}", inline(value))),
        _ => {
            let indent = match last {
                Some(last) => line_indent(document, last.key_span.start).to_owned(),
                None => format!("{}  ", line_indent(document, object.span.start)),
            };
            let line_end = line_end(document);
            let value = pretty(document, value, &indent);
            let tail = match inside.trim_end_matches([' ', '\t']).ends_with('\n') {
                true => String::new(),
                false => format!("{line_end}{}", line_indent(document, object.span.start)),
            };
            (inside.trim_end().len(), format!("{line_end}{indent}{key}: {value}{tail}"))
        }
    };
    edits.push(Edit { span: at..at, text: new });
    edits
}

/// A value on one line.
fn inline(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let member = |(key, value): (&String, &Value)| {
                format!("{}: {}", Value::from(key.as_str()), inline(value))
            };
            format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// A value on several lines, each after the first with this before it.
fn pretty(document: &Document, value: &Value, indent: &str) -> String {
    format!("{value:#}").replace('\n', &format!("{}{indent}", line_end(document)))
}

/// The blanks that the line of a place begins with.
fn line_indent(document: &Document, at: usize) -> &str {
    let text = document.text();
    let start = text[..at].rfind('\n').map_or(0, |at| at + 1);
    let line = &text[start..];
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}

/// How lines end in a text.
fn line_end(document: &Document) -> &'static str {
    if document.text().contains("\r\n") { "\r\n" } else { "\n" }
}

#[cfg(test)]
mod tests;
