//! Bytes to a [`serde_json::Value`], whichever way they are written: JSON (RFC 8259), JSON5 or
//! YAML 1.2.
//!
//! ```text
//! name ends in .json ── json ─┐
//!              .json5 ─ json5 ┼─▶ one builder: nothing twice in one object, depth and number of
//!        .yaml, .yml ── yaml ─┘   values bounded, no number that is none
//! any other name: by content, JSON5 (which JSON is part of) where it begins with a bracket or
//! a comment of `/`, else YAML
//! ```
//! The parsers' own messages name places and kinds of characters, never the text, which may be a
//! secret.

mod build;
mod json;
mod json5;
mod yaml;

use super::problems::{At, Problems};
use build::Build;
use serde_json::Value;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Json5,
    Yaml,
}

/// What a parser says of text that is not in its form.
struct SyntaxError {
    /// What is wrong, with line and column, both from 1.
    problem: String,
    /// What to do.
    fix: &'static str,
}

/// Why a parser stopped.
enum Stopped {
    /// The text is not in the form.
    Syntax(SyntaxError),
    /// The builder refused something, which is among the problems already.
    Refused,
}

/// Reads one file; what is wrong goes to `problems`.
pub(super) fn read(at: &At, bytes: &[u8], problems: &mut Problems) -> Option<Value> {
    let text = text(at, bytes, problems)?;
    let form = Form::of(at.file_name(), text);
    match form.parse(at, text, problems) {
        Ok(Some(value)) => Some(value),
        Ok(None) => {
            empty(at, problems);
            None
        }
        Err(Stopped::Refused) => None,
        Err(Stopped::Syntax(error)) => {
            let (problem, fix) = match form.meant(at, text) {
                Some(other) => (
                    format!("{}, and the file is {}", error.problem, other.name()),
                    format!("name the file so that it ends in `{}`", other.ending()),
                ),
                None => (error.problem, error.fix.to_owned()),
            };
            problems.add(at, problem, fix);
            None
        }
    }
}

fn text<'a>(at: &At, bytes: &'a [u8], problems: &mut Problems) -> Option<&'a str> {
    const SAVE: &str = "save the file as UTF-8 without a byte order mark";
    let problem = if bytes.starts_with(&[0xef, 0xbb, 0xbf]) {
        "the file begins with a byte order mark".to_owned()
    } else if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        "the file is UTF-16".to_owned()
    } else {
        match str::from_utf8(bytes) {
            Ok(text) if text.trim().is_empty() => {
                empty(at, problems);
                return None;
            }
            Ok(text) => return Some(text),
            Err(error) => format!("the file is not UTF-8: see its byte {}", error.valid_up_to()),
        }
    };
    problems.add(at, problem, SAVE);
    None
}

fn empty(at: &At, problems: &mut Problems) {
    problems.add(at, "the file is empty", "write a manifest: an object in JSON, JSON5 or YAML");
}

impl Form {
    const ALL: [Self; 3] = [Self::Json, Self::Json5, Self::Yaml];

    /// The form that a file's name says, else that its first character says.
    fn of(file: &str, text: &str) -> Self {
        let file = file.to_ascii_lowercase();
        let ends = |ending: &str| file.ends_with(ending);
        let bracket = text.trim_start().starts_with(['{', '[', '/']);
        match () {
            () if ends(".json") => Self::Json,
            () if ends(".json5") => Self::Json5,
            () if ends(".yaml") || ends(".yml") => Self::Yaml,
            () if bracket => Self::Json5,
            () => Self::Yaml,
        }
    }

    fn parse(self, at: &At, text: &str, problems: &mut Problems) -> Result<Option<Value>, Stopped> {
        let mut build = Build::new(problems);
        match self {
            Self::Json => json::parse(at, text, &mut build).map(Some),
            Self::Json5 => json5::parse(at, text, &mut build).map(Some),
            Self::Yaml => yaml::parse(at, text, &mut build),
        }
    }

    /// The form in which a text is an object that is none in this one. Almost any text is a
    /// scalar in YAML, so that a scalar says nothing.
    fn meant(self, at: &At, text: &str) -> Option<Self> {
        let whole = |form: &Self| {
            // Broken JSON is often a flow mapping of YAML by accident.
            let plausible = *form != Self::Yaml || !text.trim_start().starts_with(['{', '[']);
            let read = || form.parse(at, text, &mut Problems::default()).ok().flatten();
            *form != self && plausible && read().is_some_and(|value| value.is_object())
        };
        Self::ALL.into_iter().find(whole)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Json5 => "JSON5",
            Self::Yaml => "YAML",
        }
    }

    fn ending(self) -> &'static str {
        match self {
            Self::Json => ".json",
            Self::Json5 => ".json5",
            Self::Yaml => ".yaml",
        }
    }
}
