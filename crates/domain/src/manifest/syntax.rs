//! Bytes to a [`serde_json::Value`]: JSON as RFC 8259 has it, and nothing twice in one object.
//!
//! `serde_json` takes the last of two members of one name in silence, and nests 128 deep; so the
//! value is built here, which also bounds how many values there are.

use super::problems::{At, Problems, shown};
use crate::limit::MANIFEST_DEPTH_MAX;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// Values of one file, of every kind and depth.
pub(super) const VALUES_MAX: usize = 100_000;

/// Reads one file; what is wrong goes to `problems`.
pub(super) fn read(at: &At, bytes: &[u8], problems: &mut Problems) -> Option<Value> {
    let text = text(at, bytes, problems)?;
    let mut build = Build { problems, values: 0, refused: false };
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = Seed { build: &mut build, at: at.clone(), depth: 0 }.deserialize(&mut reader);
    let refused = build.refused;
    match read.and_then(|value| reader.end().map(|()| value)) {
        Ok(value) => Some(value),
        // What the builder refused is in `problems` already, with its path.
        Err(_) if refused => None,
        Err(error) => {
            let (problem, fix) = explain(text, &error);
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
                problems.add(at, "the file is empty", "write a manifest: an object in JSON");
                return None;
            }
            Ok(text) => return Some(text),
            Err(error) => format!("the file is not UTF-8: see its byte {}", error.valid_up_to()),
        }
    };
    problems.add(at, problem, SAVE);
    None
}

/// Says what a syntax error is, and knows the dialects that people mistake for JSON. The parser's
/// own message names places and kinds of characters, never the text.
fn explain(text: &str, error: &serde_json::Error) -> (String, &'static str) {
    const JSON: &str = "write it as JSON: names and texts in double quotes, no comments, no comma \
                        before `}` or `]`";
    let place = format!("line {}, column {}", error.line(), error.column());
    let line = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
    let byte = |at: usize| line.as_bytes().get(at.wrapping_sub(1)).copied();
    let dialect = match byte(error.column()) {
        Some(b'/') => Some("a comment, which JSON5 has and JSON has not"),
        Some(b'\'') => Some("a single quote, which JSON5 has and JSON has not"),
        Some(b'}' | b']') if error.is_syntax() => Some("perhaps a comma before a closing bracket"),
        _ => None,
    };
    let first = text.trim_start();
    if !first.starts_with(['{', '[', '"']) && like_yaml(first) {
        let problem = "the file looks like YAML, which is not read yet".to_owned();
        return (problem, JSON);
    }
    if error.is_eof() {
        return (format!("the file ends too early, at {place}"), "close what is open");
    }
    let said = error.to_string();
    let said = said.split(" at line ").next().unwrap_or_default();
    if said == "trailing characters" {
        let fix = "keep one object a file; several files can be applied together";
        return (format!("something follows the manifest at {place}"), fix);
    }
    let dialect = dialect.map(|dialect| format!(" ({dialect})")).unwrap_or_default();
    (format!("the file is not JSON at {place}: {said}{dialect}"), JSON)
}

fn like_yaml(text: &str) -> bool {
    text.lines().filter(|line| !line.trim_start().starts_with('#')).any(|line| {
        let name = |c: char| c.is_alphanumeric() || "-_. \"'".contains(c);
        line == "---"
            || line.trim_start().starts_with("- ")
            || line.split_once(':').is_some_and(|(key, rest)| {
                key.chars().all(name) && (rest.is_empty() || rest.starts_with(' '))
            })
    })
}

struct Build<'p> {
    problems: &'p mut Problems,
    values: usize,
    /// Whether reading stopped for what is in `problems` already.
    refused: bool,
}

struct Seed<'b, 'p> {
    build: &'b mut Build<'p>,
    at: At,
    depth: usize,
}

impl Seed<'_, '_> {
    fn refuse<E: Error>(&mut self, problem: String, fix: &str) -> E {
        self.build.refused = true;
        self.build.problems.add(&self.at, problem, fix);
        E::custom("refused")
    }

    fn count<E: Error>(&mut self) -> Result<(), E> {
        self.build.values += 1;
        if self.build.values > VALUES_MAX {
            let problem = format!("the file has more than {VALUES_MAX} values");
            return Err(self.refuse(problem, "split it into several files"));
        }
        Ok(())
    }

    fn open<E: Error>(&mut self) -> Result<(), E> {
        if self.depth >= MANIFEST_DEPTH_MAX {
            let problem = format!("it is nested more than {MANIFEST_DEPTH_MAX} deep");
            return Err(self.refuse(problem, "no key of a manifest lies as deep: flatten it"));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_, '_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(mut self, from: D) -> Result<Value, D::Error> {
        self.count()?;
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
    fn visit_f64<E>(self, given: f64) -> Result<Value, E> {
        Ok(given.into())
    }
    fn visit_str<E>(self, given: &str) -> Result<Value, E> {
        Ok(given.into())
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Value, A::Error> {
        self.open()?;
        let mut items = Vec::new();
        loop {
            let (at, depth) = (self.at.index(items.len()), self.depth + 1);
            match list.next_element_seed(Seed { build: self.build, at, depth })? {
                Some(item) => items.push(item),
                None => return Ok(items.into()),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut object: A) -> Result<Value, A::Error> {
        self.open()?;
        let mut members = Map::new();
        while let Some(key) = object.next_key::<String>()? {
            let (at, depth) = (self.at.key(&key), self.depth + 1);
            if members.contains_key(&key) {
                self.build.problems.add(
                    &at,
                    format!("the key {} stands twice in one object", shown(&key)),
                    "keep one of the two",
                );
            }
            let value = object.next_value_seed(Seed { build: self.build, at, depth })?;
            members.insert(key, value);
        }
        Ok(members.into())
    }
}
