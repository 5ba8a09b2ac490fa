//! What may stand at a key, in the words of JSON Schema. Its lengths count characters and ours
//! count bytes, so that the schema's are never the tighter.

use serde_json::{Value, json};

/// A text of at most `bytes_max` bytes, with line breaks or empty.
pub(super) fn prose(bytes_max: usize) -> Value {
    json!({"type": "string", "maxLength": bytes_max})
}

/// A text of 1 to `bytes_max` bytes on one line.
pub(super) fn text(bytes_max: usize) -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": bytes_max})
}

/// `true` or `false`.
pub(super) fn flag() -> Value {
    json!({"type": "boolean"})
}

/// A whole number from 1 to `most`.
pub(super) fn number(most: u64) -> Value {
    json!({"type": "integer", "minimum": 1, "maximum": most})
}

/// A name of a grammar.
pub(super) fn name(grammar: &str) -> Value {
    pattern(&anchored(grammar))
}

/// A text of a regular expression.
pub(super) fn pattern(pattern: &str) -> Value {
    json!({"type": "string", "pattern": pattern})
}

/// One of these words.
pub(super) fn words<'w>(words: impl IntoIterator<Item = &'w str>) -> Value {
    json!({"enum": words.into_iter().collect::<Vec<_>>()})
}

/// A list of at most `most`.
pub(super) fn list(of: Value, most: usize) -> Value {
    json!({"type": "array", "items": of, "maxItems": most})
}

/// A list of names, none of them twice.
pub(super) fn names(grammar: &str, most: usize) -> Value {
    let mut list = list(name(grammar), most);
    list["uniqueItems"] = true.into();
    list
}

/// An object whose keys are names that people choose.
pub(super) fn map(grammar: &str, of: Value) -> Value {
    json!({
        "type": "object",
        "propertyNames": {"pattern": anchored(grammar)},
        "additionalProperties": of,
    })
}

/// What is defined under a name.
pub(super) fn defined(name: &str) -> Value {
    json!({"$ref": format!("#/$defs/{name}")})
}

/// With a line for people.
pub(super) fn described(words: &str, mut value: Value) -> Value {
    value["description"] = words.into();
    value
}

/// The regular expression of a grammar, which may have words after it.
fn anchored(grammar: &str) -> String {
    format!("^{}$", grammar.split(' ').next().unwrap_or_default())
}
