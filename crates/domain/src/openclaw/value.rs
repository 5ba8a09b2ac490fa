//! What stands where OpenClaw takes a credential: a value, or a ref in one of its forms
//! (`src/secrets/ref-contract.ts`).

use super::text::{Document, Kind, Node};
use crate::value::{SecretValue, ValueError};
use std::fmt;
use zeroize::Zeroizing;

/// What stands there.
#[derive(Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing: an empty string or `null`.
    Nothing,
    /// A value, in the open.
    Plaintext,
    /// A ref.
    Ref(Ref),
    /// OpenClaw's own mark for a value that was left out where a configuration was shown.
    Redacted,
    /// Nothing that can be a credential.
    Odd,
}

/// A ref.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ref {
    /// Where it is asked for.
    pub source: Source,
    /// Alias of the provider; none where the source's default is meant.
    pub provider: Option<String>,
    /// What is asked for.
    pub id: String,
}

/// Where a ref is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A variable of the environment.
    Env,
    /// A file.
    File,
    /// A program.
    Exec,
    /// OpenClaw's own store.
    Store,
}

impl Source {
    /// Its name in OpenClaw's files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Env => "env",
            Self::File => "file",
            Self::Exec => "exec",
            Self::Store => "store",
        }
    }
}

impl fmt::Display for Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, provider, id } = self;
        let provider = provider.as_deref().unwrap_or("default");
        write!(f, "{}:{provider}:{id}", source.as_str())
    }
}

/// What stands there.
#[must_use]
pub fn standing(document: &Document, node: &Node) -> Standing {
    match &node.kind {
        Kind::Text => match document.string(node) {
            None => Standing::Odd,
            Some(text) if text.trim().is_empty() => Standing::Nothing,
            Some(text) if text.as_str() == REDACTED => Standing::Redacted,
            Some(text) => match variable(text.trim()) {
                Some(name) => {
                    let id = name.to_owned();
                    Standing::Ref(Ref { source: Source::Env, provider: None, id })
                }
                None => Standing::Plaintext,
            },
        },
        Kind::Object(members) if members.iter().any(|member| member.key == "source") => {
            reference(document, node).map_or(Standing::Odd, Standing::Ref)
        }
        Kind::Object(members) if !members.is_empty() => Standing::Plaintext,
        Kind::Other if &document.text()[node.span.clone()] == "null" => Standing::Nothing,
        _ => Standing::Odd,
    }
}

/// A value that stands in the open: the bytes of a string; an object, such as a service account, as
/// JSON.
///
/// # Errors
/// [`ValueError`] where it is too long to be a secret.
pub fn plaintext(document: &Document, node: &Node) -> Result<SecretValue, ValueError> {
    let mut text = match node.kind {
        Kind::Text => document.string(node).unwrap_or_default(),
        _ => {
            // Longer than what it is made from only where escapes are: no copy is left behind.
            let mut json = Zeroizing::new(String::with_capacity(6 * node.span.len()));
            write(document, node, &mut json);
            json
        }
    };
    SecretValue::new(std::mem::take(&mut *text).into_bytes())
}

/// Whether a text is the name of an environment variable to OpenClaw.
#[must_use]
pub fn is_variable(text: &str) -> bool {
    let rest = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    text.len() <= 128
        && text.starts_with(|first: char| first.is_ascii_uppercase())
        && text.bytes().all(rest)
}

/// The variable that `${NAME}` or `$NAME` names.
fn variable(text: &str) -> Option<&str> {
    let rest = text.strip_prefix('$')?;
    let name = rest.strip_prefix('{').and_then(|it| it.strip_suffix('}')).unwrap_or(rest);
    is_variable(name).then_some(name)
}

fn reference(document: &Document, node: &Node) -> Option<Ref> {
    let text = |key| document.string(&node.member(key)?.value).map(|it| it.to_string());
    let source = match text("source")?.as_str() {
        "env" => Source::Env,
        "file" => Source::File,
        "exec" => Source::Exec,
        "store" => Source::Store,
        _ => return None,
    };
    Some(Ref { source, provider: text("provider"), id: text("id")? })
}

fn write(document: &Document, node: &Node, json: &mut String) {
    let quoted = |text: &str| Zeroizing::new(serde_json::Value::from(text).to_string());
    match &node.kind {
        Kind::Object(members) => {
            json.push('{');
            for (at, member) in members.iter().enumerate() {
                json.push_str(if at == 0 { "" } else { "," });
                json.push_str(&quoted(&member.key));
                json.push(':');
                write(document, &member.value, json);
            }
            json.push('}');
        }
        Kind::Array(items) => {
            json.push('[');
            for (at, item) in items.iter().enumerate() {
                json.push_str(if at == 0 { "" } else { "," });
                write(document, item, json);
            }
            json.push(']');
        }
        Kind::Text => json.push_str(&quoted(&document.string(node).unwrap_or_default())),
        Kind::Other => {
            let read = json5::from_str::<serde_json::Value>(&document.text()[node.span.clone()]);
            json.push_str(&read.unwrap_or_default().to_string());
        }
    }
}

const REDACTED: &str = "__OPENCLAW_REDACTED__";

#[cfg(test)]
mod tests;
