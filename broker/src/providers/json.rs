//! A value within JSON text: it alone is replaced, and the rest stays byte for byte as somebody
//! wrote it.

mod span;

use super::{Found, ProviderError, record};
use secretref_domain::{clock::Timestamp, fault::Fault};
use serde::de::IgnoredAny;
use serde_json::Value;
use span::{find, last, members};
use std::ops::Range;
use zeroize::Zeroizing;

/// What is to be there.
pub(super) struct New<'v> {
    /// The value.
    pub(super) value: &'v [u8],
    /// When it stops being valid; a record says it, a text has nowhere for it.
    pub(super) expires_at: Option<Timestamp>,
    /// The time now.
    pub(super) now: Timestamp,
}

/// The text with another value where `target` leads, a key of the whole or a pointer, or in the
/// whole where there is none; nothing where it is there already. `what` is the place, for people.
///
/// # Errors
/// Where nothing is there that could be replaced, or the new value is no text.
pub(super) fn replaced(
    json: &str,
    target: Option<&str>,
    new: &New<'_>,
    what: &str,
) -> Result<Option<Zeroizing<Vec<u8>>>, ProviderError> {
    let lost = || record::malformed(what, "not where it was found");
    if serde_json::from_str::<IgnoredAny>(json).is_err() {
        return Err(record::malformed(what, "in what is no JSON"));
    }
    let span = find(json, target).ok_or_else(|| {
        let fix = "add it there, or correct the ref's `target`";
        ProviderError::new(Fault::NotFound, format!("has no {what}"), fix)
    })?;
    let is_record = json[span.clone()].starts_with('{');
    if new.is_in(&read(json, span.clone(), what)?, is_record) {
        return Ok(None);
    }
    let text = record::text(new.value, what)?;
    let mut edits = Edits(Vec::new());
    if is_record {
        let members = members(json, span.clone()).ok_or_else(lost)?;
        let value = last(&members, "value").ok_or_else(lost)?;
        let after = value.end;
        // As the first member stands: on a line of its own, or not.
        let first = json[span.start + 1..].find('"').unwrap_or(0);
        let space = &json[span.start + 1..span.start + 1 + first];
        edits.put(value, text);
        let times = [("createdAt", Some(new.now)), ("expiresAt", new.expires_at)];
        for (key, time) in times {
            match (last(&members, key), time) {
                (Some(there), Some(time)) => edits.put(there, &time.to_string()),
                (Some(there), None) => edits.0.push((there, "null".to_owned().into())),
                (None, Some(time)) => {
                    let member = format!(",{space}\"{key}\": \"{time}\"");
                    edits.0.push((after..after, member.into()));
                }
                (None, None) => {}
            }
        }
    } else {
        edits.put(span, text);
    }
    let bytes = edits.made_to(json);
    // What would be read is read before it takes the place of what there is.
    let again = std::str::from_utf8(&bytes).map_err(|_| lost())?;
    let again = read(again, find(again, target).ok_or_else(lost)?, what)?;
    if !new.is_in(&again, is_record) {
        return Err(too_large(what));
    }
    Ok(Some(bytes))
}

/// That a place has no room for a value.
pub(super) fn too_large(what: &str) -> ProviderError {
    let fix = format!("make {what} smaller, or write it by hand");
    ProviderError::new(Fault::TooLarge, format!("cannot keep the new value in {what}"), fix)
}

fn read(json: &str, span: Range<usize>, what: &str) -> Result<Found, ProviderError> {
    let value = serde_json::from_str(&json[span]);
    let value = value.map_err(|_| record::malformed(what, "no JSON"))?;
    record::found(value, what, String::new())
}

impl New<'_> {
    /// Whether it is there. A text has no expiry, whatever is said of it.
    fn is_in(&self, found: &Found, is_record: bool) -> bool {
        let same_end = !is_record || found.expires_at == self.expires_at;
        found.value.expose() == self.value && same_end
    }
}

/// Spans of a text, and what comes in their places.
struct Edits(Vec<(Range<usize>, Zeroizing<String>)>);

impl Edits {
    fn put(&mut self, span: Range<usize>, text: &str) {
        self.0.push((span, Zeroizing::new(Value::from(text).to_string())));
    }

    fn made_to(mut self, json: &str) -> Zeroizing<Vec<u8>> {
        self.0.sort_by_key(|(span, _)| (span.start, span.end));
        let longer: usize = self.0.iter().map(|(_, new)| new.len()).sum();
        let mut bytes = Zeroizing::new(Vec::with_capacity(json.len() + longer));
        let (old, mut at) = (json.as_bytes(), 0);
        for (span, new) in &self.0 {
            bytes.extend_from_slice(&old[at..span.start]);
            bytes.extend_from_slice(new.as_bytes());
            at = span.end;
        }
        bytes.extend_from_slice(&old[at..]);
        bytes
    }
}
