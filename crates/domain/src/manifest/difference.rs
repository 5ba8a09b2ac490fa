//! What two states of one thing differ in, key by key. Manifests hold refs and no values, so that
//! nothing of a secret can stand here.

use super::problems::At;
use serde_json::Value;
use std::collections::BTreeSet;

/// Longest value that a difference shows whole, in characters.
const SHOWN_CHARS_MAX: usize = 200;

/// One key that differs.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Difference {
    /// Its path in a manifest, such as `agents.payer.tool-bindings.stripe.required`.
    pub path: String,
    /// What stood there, as JSON, cut to 200 characters; absent where nothing did.
    pub before: Option<String>,
    /// What stands there, as JSON, cut to 200 characters; absent where nothing does.
    pub after: Option<String>,
}

/// What differs between two states of the thing at a place, in the order of the keys. Lists are
/// compared whole.
///
/// `place` is the keys that lead to the thing.
#[must_use]
pub fn differences(
    place: &[&str],
    before: Option<&Value>,
    after: Option<&Value>,
) -> Vec<Difference> {
    let at = place.iter().fold(At::file(""), |at, key| at.key(key));
    let mut found = Vec::new();
    compare(&at, before, after, &mut found);
    found
}

fn compare(at: &At, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Difference>) {
    if before == after {
        return;
    }
    let members = |value: Option<&'_ Value>| {
        let members = value.and_then(Value::as_object).filter(|members| !members.is_empty());
        members.cloned().unwrap_or_default()
    };
    let (one, other) = (members(before), members(after));
    let scalar = |value: Option<&Value>| value.is_some_and(|value| !value.is_object());
    // An empty object, or nothing that is an object: the place itself differs.
    if one.is_empty() && other.is_empty() || scalar(before) || scalar(after) {
        let path = at.path().to_owned();
        found.push(Difference { path, before: before.map(shown), after: after.map(shown) });
        return;
    }
    let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    for key in keys {
        compare(&at.key(key), one.get(key), other.get(key), found);
    }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= SHOWN_CHARS_MAX {
        return text;
    }
    format!("{}…", text.chars().take(SHOWN_CHARS_MAX).collect::<String>())
}

#[cfg(test)]
mod tests;
