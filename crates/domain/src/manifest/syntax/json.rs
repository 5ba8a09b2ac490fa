//! JSON, and the visitor that builds what JSON and JSON5 say. `serde_json` takes the last of two
//! members of one name in silence, and nests 128 deep; so the value is built here.

use super::{
    Stopped, SyntaxError,
    build::{Build, Refused},
};
use crate::manifest::problems::At;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

const FIX: &str = "write it as JSON: names and texts in double quotes, no comments, no comma \
                   before `}` or `]`";

/// Reads JSON.
pub(super) fn parse(at: &At, text: &str, build: &mut Build<'_>) -> Result<Value, Stopped> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = Seed::root(at, build).deserialize(&mut reader);
    let read = read.and_then(|value| reader.end().map(|()| value));
    read.map_err(|error| match build.refused() {
        true => Stopped::Refused,
        false => Stopped::Syntax(explain(text, &error)),
    })
}

/// Says what a syntax error is, and what people mistake for JSON.
fn explain(text: &str, error: &serde_json::Error) -> SyntaxError {
    let place = format!("line {}, column {}", error.line(), error.column());
    let line = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
    let byte = |at: usize| line.as_bytes().get(at.wrapping_sub(1)).copied();
    let dialect = match byte(error.column()) {
        Some(b'/') => " (a comment, which JSON5 has and JSON has not)",
        Some(b'\'') => " (a single quote, which JSON5 has and JSON has not)",
        Some(b'}' | b']') if error.is_syntax() => " (perhaps a comma before a closing bracket)",
        _ => "",
    };
    if error.is_eof() {
        let problem = format!("the file ends too early, at {place}");
        return SyntaxError { problem, fix: "close what is open" };
    }
    let said = error.to_string();
    let said = said.split(" at line ").next().unwrap_or_default();
    if said == "trailing characters" {
        let problem = format!("something follows the manifest at {place}");
        let fix = "keep one object a file; several files can be applied together";
        return SyntaxError { problem, fix };
    }
    SyntaxError { problem: format!("the file is not JSON at {place}: {said}{dialect}"), fix: FIX }
}

/// A value that is about to be read.
pub(super) struct Seed<'b, 'p> {
    build: &'b mut Build<'p>,
    at: At,
    depth: usize,
}

impl<'b, 'p> Seed<'b, 'p> {
    /// The value of a whole file.
    pub(super) fn root(at: &At, build: &'b mut Build<'p>) -> Self {
        Self { build, at: at.clone(), depth: 0 }
    }
}

/// The parser is stopped; why is among the problems.
fn stop<E: Error>(_: Refused) -> E {
    E::custom("refused")
}

impl<'de> DeserializeSeed<'de> for Seed<'_, '_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        self.build.count(&self.at).map_err(stop)?;
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_, '_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_bool<E>(self, given: bool) -> Result<Value, E> {
        Ok(given.into())
    }
    fn visit_i64<E>(self, given: i64) -> Result<Value, E> {
        Ok(given.into())
    }
    fn visit_u64<E>(self, given: u64) -> Result<Value, E> {
        Ok(given.into())
    }
    fn visit_f64<E: Error>(self, given: f64) -> Result<Value, E> {
        self.build.fraction(&self.at, given).map_err(stop)
    }
    fn visit_str<E>(self, given: &str) -> Result<Value, E> {
        Ok(given.into())
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        self.build.open(&self.at, self.depth).map_err(stop)?;
        let mut items = Vec::new();
        loop {
            let (at, depth) = (self.at.index(items.len()), self.depth + 1);
            match list.next_element_seed(Seed { build: self.build, at, depth })? {
                Some(item) => items.push(item),
                None => return Ok(items.into()),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        self.build.open(&self.at, self.depth).map_err(stop)?;
        let mut members = Map::new();
        while let Some(key) = object.next_key::<String>()? {
            let (at, depth) = (self.at.key(&key), self.depth + 1);
            self.build.check_new(&at, &members, &key);
            let value = object.next_value_seed(Seed { build: self.build, at, depth })?;
            members.insert(key, value);
        }
        Ok(members.into())
    }
}
