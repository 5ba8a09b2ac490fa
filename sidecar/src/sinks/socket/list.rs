//! The whole set as JSON, in memory that is overwritten.

use super::{Item, MissingItem, Shelf};
use base64::{display::Base64Display, engine::general_purpose::STANDARD};
use secretref_domain::name::FileName;
use serde::{Serialize, Serializer};
use std::{
    collections::BTreeMap,
    io::{self, Write},
};
use zeroize::Zeroizing;

/// Writes it, with every value that is there.
pub(super) fn write(shelf: &Shelf) -> Zeroizing<Vec<u8>> {
    let set = Set {
        revision: shelf.revision,
        secrets: shelf.items.iter().map(|(name, item)| (name, Entry::of(name, item))).collect(),
        missing: &shelf.missing,
    };
    json(&set)
}

/// A document with values, as a line.
pub(super) fn json(document: &impl Serialize) -> Zeroizing<Vec<u8>> {
    // Counted first: a buffer that grows leaves copies behind.
    let mut count = Count(0);
    let counted = serde_json::to_writer(&mut count, document);
    let mut text = Zeroizing::new(Vec::with_capacity(count.0 + 1));
    let written = serde_json::to_writer(&mut *text, document);
    debug_assert!(counted.is_ok() && written.is_ok(), "this always becomes JSON in memory");
    text.push(b'\n');
    text
}

#[derive(Serialize)]
struct Set<'a> {
    revision: i64,
    secrets: BTreeMap<&'a FileName, Entry<'a>>,
    missing: &'a [MissingItem],
}

#[derive(Serialize)]
struct Entry<'a> {
    name: &'a str,
    #[serde(rename = "ref")]
    reference: &'a str,
    tool: &'a str,
    key: &'a str,
    env_var: Option<&'a str>,
    version: i64,
    valid_until: Option<String>,
    #[serde(flatten)]
    value: Value<'a>,
}

/// A value as text where it is UTF-8, else in base64; null where it was withdrawn.
#[derive(Serialize)]
#[serde(untagged)]
enum Value<'a> {
    Text { value: Option<&'a str> },
    Bytes { value_base64: Base64<'a> },
}

struct Base64<'a>(&'a [u8]);

impl Serialize for Base64<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&Base64Display::new(self.0, &STANDARD))
    }
}

impl<'a> Entry<'a> {
    fn of(name: &'a FileName, item: &'a Item) -> Self {
        let value = match item.value.as_deref().map(|value| value.expose()) {
            None => Value::Text { value: None },
            Some(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => Value::Text { value: Some(text) },
                Err(_) => Value::Bytes { value_base64: Base64(bytes) },
            },
        };
        Self {
            name: name.as_str(),
            reference: &item.reference,
            tool: &item.tool,
            key: &item.key,
            env_var: item.env_var.as_ref().map(|variable| variable.as_str()),
            version: item.version.get(),
            valid_until: item.valid_until.map(|until| until.to_string()),
            value,
        }
    }
}

/// Counts what is written to it.
struct Count(usize);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
