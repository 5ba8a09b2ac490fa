//! The dotenv form: `NAME='value'` lines that a POSIX shell and the usual dotenv readers read as
//! the same bytes.
//!
//! Between single quotes a shell takes everything as it is. The readers do too, but for what
//! follows, each of which some of them take for something else; such a value is refused rather
//! than written in a way that one of them gets wrong:
//!
//! | in the value | because |
//! | --- | --- |
//! | `'` | it ends the quotes; the ways around it differ |
//! | `\` before `\`, before `'`, or at the end | some take it as an escape |
//! | `${` | some put a variable in its place, quotes or not |
//! | carriage return | some make it a line feed |
//! | NUL, or no UTF-8 | no environment has it, or no reader reads it |

use secretref_domain::{limit::VALUE_BYTES_MAX, name::EnvVar, value::SecretValue};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Why a value cannot be written in a way that everybody reads alike; `None` where it can.
#[must_use]
pub fn refuse(value: &SecretValue) -> Option<&'static str> {
    let Ok(text) = std::str::from_utf8(value.expose()) else {
        return Some("the value is not UTF-8, which dotenv files are");
    };
    let has = |what: &str| text.contains(what);
    if has("\0") {
        return Some("the value has a NUL byte, which no variable can have");
    }
    if has("'") {
        return Some("the value has a single quote, which dotenv readers do not read alike");
    }
    if has("\\\\") || text.ends_with('\\') {
        return Some("the value has a backslash that some dotenv readers take as an escape");
    }
    if has("${") {
        return Some("the value has `${`, which some dotenv readers replace");
    }
    has("\r").then_some("the value has a carriage return, which some dotenv readers replace")
}

/// How many bytes a line takes.
#[must_use]
pub fn line_bytes(name: &EnvVar, value: &SecretValue) -> usize {
    name.as_str().len() + value.len() + "=''\n".len()
}

/// The whole file, of values that are not refused; nothing where there is no line, or more than
/// [`BYTES_MAX`].
#[must_use]
pub fn content<'a>(
    lines: impl Iterator<Item = (&'a EnvVar, &'a SecretValue)> + Clone,
) -> Option<Arc<SecretValue>> {
    let bytes = lines.clone().map(|(name, value)| line_bytes(name, value)).sum();
    // Of its final size from the start, so that no part of it is left behind in memory.
    let mut text = Zeroizing::new(Vec::with_capacity(bytes));
    for (name, value) in lines {
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b"='");
        text.extend_from_slice(value.expose());
        text.extend_from_slice(b"'\n");
    }
    SecretValue::new(std::mem::take(&mut *text)).ok().map(Arc::new)
}

/// Longest dotenv file, in bytes.
pub const BYTES_MAX: usize = VALUE_BYTES_MAX;

#[cfg(test)]
mod tests;
