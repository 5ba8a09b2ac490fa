//! `OpenClaw`'s exec protocol, version 1, from the side of the program that is asked.
//!
//! ```text
//! stdin   {"protocolVersion":1,"provider":"ALIAS","ids":["a/b","c"]}
//! stdout  {"protocolVersion":1,"values":{"a/b":"…"},"errors":{"c":{"code":"…","message":"…"}}}
//! ```
//! Each id that is asked for is among the values or among the errors. Newer versions of `OpenClaw`
//! show a code only where it is `NOT_FOUND`, and never the message; older ones show the message.

use crate::limit::{RESOLVE_ID_BYTES_MAX, RESOLVE_IDS_MAX, RESOLVE_REQUEST_BYTES_MAX};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The ids, each once.
    pub ids: BTreeSet<String>,
}

/// A request that is not answered at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// It is longer than one may be.
    #[error("the request has more than {RESOLVE_REQUEST_BYTES_MAX} bytes")]
    TooLong,
    /// It is not JSON, or not of this form.
    #[error("the request is none of the exec protocol: {0}")]
    Form(String),
    /// It is of another version.
    #[error("the request is of protocol version {0}, and this program speaks version 1")]
    Version(String),
    /// It names too many.
    #[error("the request names {0} ids; {RESOLVE_IDS_MAX} at most")]
    TooMany(usize),
}

/// An answer, which never has more bytes than `OpenClaw` reads. It has no way to be printed but as
/// JSON for whoever asked.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer<'a> {
    protocol_version: u8,
    values: BTreeMap<&'a str, &'a str>,
    errors: BTreeMap<&'a str, Refusal>,
    /// Bytes that are left for values, once each id has room for its name and a message.
    #[serde(skip)]
    room: usize,
}

/// Why an id has no value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// For programs.
    pub code: String,
    /// For people; never a value.
    pub message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    protocol_version: serde_json::Value,
    ids: Vec<String>,
}

impl Request {
    /// Reads a request. What it has besides is not looked at.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, RequestError> {
        if bytes.len() > RESOLVE_REQUEST_BYTES_MAX {
            return Err(RequestError::TooLong);
        }
        let wire: Wire =
            serde_json::from_slice(bytes).map_err(|error| RequestError::Form(error.to_string()))?;
        if wire.protocol_version != 1 {
            return Err(RequestError::Version(wire.protocol_version.to_string()));
        }
        if wire.ids.len() > RESOLVE_IDS_MAX {
            return Err(RequestError::TooMany(wire.ids.len()));
        }
        Ok(Self { ids: wire.ids.into_iter().collect() })
    }
}

impl<'a> Answer<'a> {
    /// An answer to a request.
    #[must_use]
    pub fn to(request: &Request) -> Self {
        let named = request.ids.iter().map(|id| written(id) + MESSAGE_BYTES_MAX + FRAME_BYTES);
        let room = ANSWER_BYTES_MAX.saturating_sub(FRAME_BYTES + named.sum::<usize>());
        Self { protocol_version: 1, values: BTreeMap::new(), errors: BTreeMap::new(), room }
    }

    /// Gives an id its value; says whether it did. It does where that is text, as JSON has nothing
    /// else, and where there is room.
    pub fn value(&mut self, id: &'a str, value: &'a [u8]) -> bool {
        let Ok(text) = std::str::from_utf8(value) else {
            let message = "its value is not UTF-8, and the protocol has only text. Fix: store it \
                           in base64";
            self.refuse(id, "NOT_TEXT", message);
            return false;
        };
        let Some(left) = self.room.checked_sub(written(text)) else {
            let message = "the values have too many bytes together for one answer. Fix: give the \
                           provider fewer refs, or make two of it";
            self.refuse(id, "TOO_LARGE", message);
            return false;
        };
        self.room = left;
        self.values.insert(id, text);
        true
    }

    /// Says why an id has none.
    pub fn refuse(&mut self, id: &'a str, code: &str, message: &str) {
        let mut message = message.to_owned();
        while written(&message) > MESSAGE_BYTES_MAX {
            message.pop();
        }
        self.errors.insert(id, Refusal { code: code.chars().take(32).collect(), message });
    }
}

/// Bytes of a text in JSON, with its quotes.
fn written(text: &str) -> usize {
    let of = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.bytes().map(of).sum::<usize>() + 2
}

/// Whether an id is one that `OpenClaw` would ask for, of any version:
/// `[A-Za-z0-9][A-Za-z0-9._:/#-]{0,255}` without `.` and `..` segments.
#[must_use]
pub fn is_id(id: &str) -> bool {
    let bytes = id.as_bytes();
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"._:/#-".contains(byte);
    bytes.len() <= RESOLVE_ID_BYTES_MAX
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(fits)
        && id.split('/').all(|segment| segment != "." && segment != "..")
}

/// There is nothing of that name for whoever asks: the one code that every version shows.
pub const NOT_FOUND: &str = "NOT_FOUND";
/// Whoever asks may not have it.
pub const DENIED: &str = "DENIED";
/// It has no value now.
pub const UNAVAILABLE: &str = "UNAVAILABLE";
/// Bytes that `OpenClaw` reads of an answer.
pub const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Bytes of a message, in JSON.
const MESSAGE_BYTES_MAX: usize = 320;
/// What stands around an id with its error, and around all of them: more than it is.
const FRAME_BYTES: usize = 96;

#[cfg(test)]
mod tests;
