//! JSON5: JSON with comments, keys without quotes, and commas before closing brackets.

use super::{Stopped, SyntaxError, build::Build, json::Seed};
use crate::manifest::problems::At;
use json5::{Error, ErrorCode};
use serde::de::{DeserializeSeed, Deserializer, Visitor};
use serde_json::Value;
use std::fmt;

/// Reads JSON5.
pub(super) fn parse(at: &At, text: &str, build: &mut Build<'_>) -> Result<Value, Stopped> {
    let mut reader = json5::Deserializer::from_str(text);
    let read = Seed::root(at, build).deserialize(&mut reader);
    let read = read.and_then(|value| end(&mut reader).map(|()| value));
    read.map_err(|error| match build.refused() {
        true => Stopped::Refused,
        false => Stopped::Syntax(explain(&error)),
    })
}

/// Whether nothing but white space and comments is left. The reader cannot be asked; but of an
/// optional value it says, before it looks at one, whether the text is at its end.
fn end(reader: &mut json5::Deserializer<'_>) -> Result<(), Error> {
    match reader.deserialize_option(Rest) {
        Err(error) if error.code() == Some(ErrorCode::EofParsingValue) => Ok(()),
        Err(error) if error.code() == Some(ErrorCode::EofParsingComment) => Err(error),
        Err(error) => Err(match error.position() {
            Some(position) => Error::new_at(position, ErrorCode::TrailingCharacters),
            None => Error::new(ErrorCode::TrailingCharacters),
        }),
        Ok(()) => Err(Error::new(ErrorCode::TrailingCharacters)),
    }
}

/// Looks at nothing of what follows.
struct Rest;

impl<'de> Visitor<'de> for Rest {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing")
    }
    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_some<D: Deserializer<'de>>(self, _: D) -> Result<(), D::Error> {
        Err(serde::de::Error::custom("something"))
    }
}

/// Says what a syntax error is: by its code, which is a word of the parser and none of the text.
fn explain(error: &Error) -> SyntaxError {
    let place = error.position().map(|at| (at.line + 1, at.column + 1));
    let place = place.map(|(line, column)| format!(" at line {line}, column {column}"));
    let place = place.unwrap_or_default();
    let said = error.code().map(|code| code.to_string()).unwrap_or_default();
    if said.starts_with("EOF") {
        let problem = "the file ends too early".to_owned();
        return SyntaxError { problem, fix: "close what is open" };
    }
    if error.code() == Some(ErrorCode::TrailingCharacters) {
        let problem = format!("something follows the manifest{place}");
        let fix = "keep one object a file; several files can be applied together";
        return SyntaxError { problem, fix };
    }
    let problem = format!("the file is not JSON5{place}: {said}");
    let fix = "write it as JSON5: JSON with comments, keys without quotes where they are names \
               of letters, `$`, `_` and digits, and commas before closing brackets";
    SyntaxError { problem, fix }
}
