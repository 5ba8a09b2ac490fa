//! Values in a template: printed and filtered without a copy that nobody overwrites.

use base64::{Engine, engine::general_purpose::STANDARD};
use minijinja::{
    Error, ErrorKind, Output, Value,
    value::{Object, ObjectRepr},
};
use std::{fmt, sync::Arc};
use zeroize::Zeroizing;

/// Text that holds a value, whole or changed by a filter. Overwritten when dropped.
pub(super) struct Text(Zeroizing<String>);

impl Text {
    /// Copies the bytes of a value, where they are UTF-8.
    pub(super) fn copy(bytes: &[u8]) -> Option<Value> {
        let text = std::str::from_utf8(bytes).ok()?;
        Some(Value::from_object(Self(Zeroizing::new(text.to_owned()))))
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Text")
    }
}

impl Object for Text {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Prints a text or a number. A name that nothing has, and a whole map, are errors.
pub(super) fn print(out: &mut Output<'_>, value: &Value) -> Result<(), Error> {
    with_text(value, |text| out.write_str(text).map_err(Error::from))?
}

pub(super) fn b64encode(value: &Value) -> Result<Value, Error> {
    filtered(value, |text| STANDARD.encode(text))
}

/// As a JSON string, with its quotes.
pub(super) fn json(value: &Value) -> Result<Value, Error> {
    filtered(value, |text| {
        // Room for all of it from the start: a buffer that grows leaves copies behind.
        let mut quoted = Vec::with_capacity(text.len() * JSON_BYTES_PER_BYTE_MAX + 2);
        let written = serde_json::to_writer(&mut quoted, text);
        debug_assert!(written.is_ok(), "a string always becomes JSON in memory");
        String::from_utf8(quoted).unwrap_or_default()
    })
}

/// As one word of a POSIX shell: `it's` → `'it'\''s'`.
pub(super) fn shell(value: &Value) -> Result<Value, Error> {
    filtered(value, |text| {
        let mut quoted = String::with_capacity(text.len() * SHELL_BYTES_PER_BYTE_MAX + 2);
        quoted.push('\'');
        for character in text.chars() {
            match character {
                '\'' => quoted.push_str("'\\''"),
                other => quoted.push(other),
            }
        }
        quoted.push('\'');
        quoted
    })
}

fn filtered(value: &Value, change: impl FnOnce(&str) -> String) -> Result<Value, Error> {
    with_text(value, |text| Value::from_object(Text(Zeroizing::new(change(text)))))
}

fn with_text<T>(value: &Value, act: impl FnOnce(&str) -> T) -> Result<T, Error> {
    if value.is_undefined() {
        return Err(ErrorKind::UndefinedError.into());
    }
    if let Some(text) = value.downcast_object_ref::<Text>() {
        return Ok(act(&text.0));
    }
    if let Some(text) = value.as_str() {
        return Ok(act(text));
    }
    if value.as_object().is_some() {
        return Err(ErrorKind::InvalidOperation.into());
    }
    Ok(act(&value.to_string()))
}

/// `\u0000` for one byte.
const JSON_BYTES_PER_BYTE_MAX: usize = 6;
/// `'\''` for one byte.
const SHELL_BYTES_PER_BYTE_MAX: usize = 4;
