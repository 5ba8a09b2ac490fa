//! What a program is told, and answers.
//!
//! ```text
//! stdin   {"protocolVersion":1,"verb":"mint","rotation":"…","environment":"…","ref":"…",
//!          "old":{"value":"…","handle":"…"},"new":null,"secrets":{"admin":"…"}}
//! stdout  {"protocolVersion":1,"ok":true,"value":"…","expiresAt":"…","handle":"…"}
//!         {"protocolVersion":1,"ok":false,"lasting":true,"message":"…"}
//! ```
//! A value that is no text stands as `valueBase64` instead of `value`, both ways. `revoke` has
//! `"which":"old"` or `"new"`: the latter is a rotation that is taken back, and `new` is null where
//! nothing is known of it.

use crate::rotators::{Credential, Minted, OwnSecrets, RotatorError, Task};
use base64::{Engine, engine::general_purpose::STANDARD};
use secretref_domain::{
    clock::Timestamp, limit::HANDLE_BYTES_MAX, name::RotatorAlias, value::SecretValue,
};
use serde::{Deserialize, Serialize, Serializer};
use std::{collections::BTreeMap, sync::Arc};
use zeroize::Zeroizing;

/// What it is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Mint,
    Set,
    Test,
    RevokeOld,
    RevokeNew,
}

/// What it answered.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Answer {
    protocol_version: u64,
    ok: bool,
    value: Option<Secret>,
    value_base64: Option<Secret>,
    expires_at: Option<String>,
    handle: Option<String>,
    lasting: Option<bool>,
    message: Option<Secret>,
}

/// A text that is overwritten when dropped.
#[derive(Deserialize)]
#[serde(from = "String")]
struct Secret(Zeroizing<String>);

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    protocol_version: u64,
    verb: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    which: Option<&'static str>,
    rotation: String,
    environment: &'a str,
    #[serde(rename = "ref")]
    reference: &'a str,
    old: Shown<'a>,
    new: Option<Shown<'a>>,
    secrets: BTreeMap<&'a str, Text<'a>>,
}

/// A credential as the program gets it.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    value: Value<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    handle: Option<&'a str>,
}

#[derive(Serialize)]
enum Value<'a> {
    #[serde(rename = "value")]
    Text(&'a str),
    #[serde(rename = "valueBase64")]
    Bytes(Encoded),
}

/// A secret of its own: as it is, or in base64.
#[derive(Serialize)]
#[serde(untagged)]
enum Text<'a> {
    Plain(&'a str),
    Base64 { base64: Encoded },
}

/// Bytes in base64; overwritten when dropped.
struct Encoded(Zeroizing<String>);

impl Encoded {
    fn of(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(STANDARD.encode(bytes)))
    }
}

impl Serialize for Encoded {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl Verb {
    fn as_str(self) -> &'static str {
        match self {
            Self::Mint => "mint",
            Self::Set => "set",
            Self::Test => "test",
            Self::RevokeOld | Self::RevokeNew => "revoke",
        }
    }

    fn which(self) -> Option<&'static str> {
        match self {
            Self::RevokeOld => Some("old"),
            Self::RevokeNew => Some("new"),
            _ => None,
        }
    }
}

/// What the program is told.
pub(super) fn request(
    task: &Task,
    verb: Verb,
    new: Option<&Credential>,
    own: &OwnSecrets,
) -> Zeroizing<Vec<u8>> {
    let secrets = own.iter().map(|(name, value)| (name.as_str(), text(value)));
    let request = Request {
        protocol_version: 1,
        verb: verb.as_str(),
        which: verb.which(),
        rotation: task.rotation.to_string(),
        environment: task.environment.as_str(),
        reference: task.reference.as_str(),
        old: shown(&task.old),
        new: new.map(shown),
        secrets: secrets.collect(),
    };
    let values = own.values().chain([&task.old.value]).chain(new.map(|new| &new.value));
    // Room at once, however much is escaped: a buffer that grows leaves a copy behind.
    let room = values.map(|value| value.len() * ESCAPED_BYTES_MAX).sum::<usize>() + ROOM_BYTES;
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    // Into memory, of texts alone: there is nothing in it that fails.
    serde_json::to_writer(&mut *bytes, &request).unwrap_or_default();
    bytes
}

fn shown(credential: &Credential) -> Shown<'_> {
    let value = match text(&credential.value) {
        Text::Plain(text) => Value::Text(text),
        Text::Base64 { base64 } => Value::Bytes(base64),
    };
    Shown { value, handle: credential.handle.as_deref() }
}

fn text(value: &SecretValue) -> Text<'_> {
    match std::str::from_utf8(value.expose()) {
        Ok(text) => Text::Plain(text),
        Err(_) => Text::Base64 { base64: Encoded::of(value.expose()) },
    }
}

/// Reads an answer. Nothing of it ever gets into an error but a message that [`Unsaid`] has seen.
pub(super) fn answer(
    alias: &RotatorAlias,
    verb: Verb,
    output: &[u8],
) -> Result<Answer, RotatorError> {
    let output = output.trim_ascii();
    let read: Result<Answer, _> = serde_json::from_slice(output);
    let answer = read.ok().filter(|answer| answer.is_of_protocol(verb));
    answer.ok_or_else(|| {
        let message = format!(
            "did not answer {} by its protocol, version 1 ({} bytes)",
            verb.as_str(),
            output.len()
        );
        let fix = "let it print one object with the keys of docs/rotators/exec.md";
        RotatorError::lasting(alias, message, fix)
    })
}

impl Answer {
    /// Whether it is of the version that was asked for, and has nothing that would be passed over.
    fn is_of_protocol(&self, verb: Verb) -> bool {
        let credential = self.value.is_some()
            || self.value_base64.is_some()
            || self.expires_at.is_some()
            || self.handle.is_some();
        let failure = self.lasting.is_some() || self.message.is_some();
        let may_have = if self.ok { !failure } else { !credential };
        self.protocol_version == 1 && may_have && (!credential || verb == Verb::Mint)
    }

    /// Itself, where it did what it was to do.
    pub(super) fn done(
        self,
        alias: &RotatorAlias,
        verb: Verb,
        unsaid: impl FnOnce() -> Unsaid,
    ) -> Result<Self, RotatorError> {
        if self.ok {
            return Ok(self);
        }
        let said = self.message.as_ref().map_or("", |message| message.0.as_str());
        let why = unsaid().cleaned(said);
        let message = match why.is_empty() {
            true => format!("could not {}, and says not why", verb.as_str()),
            false => format!("could not {}: {why}", verb.as_str()),
        };
        let fix = "look at where the program rotates it";
        let lasting = self.lasting.unwrap_or(false);
        // Its program says so of the credential, and not of itself, where trying again is no use.
        let refused = lasting && verb == Verb::Test;
        Err(RotatorError { lasting, refused, ..RotatorError::passing(alias, message, fix) })
    }

    /// The credential that it minted.
    pub(super) fn minted(self, alias: &RotatorAlias) -> Result<Minted, RotatorError> {
        let wrong = |what: &str| {
            let fix = "correct what the program answers to mint";
            RotatorError::lasting(alias, format!("minted {what}"), fix)
        };
        let bytes = match (self.value, self.value_base64) {
            (Some(text), None) => Zeroizing::new(text.0.as_bytes().to_vec()),
            (None, Some(text)) => Zeroizing::new(
                STANDARD
                    .decode(text.0.as_bytes())
                    .map_err(|_| wrong("a `valueBase64` that is no base64"))?,
            ),
            (None, None) => return Err(wrong("no `value`")),
            (Some(_), Some(_)) => return Err(wrong("a `value` and a `valueBase64`")),
        };
        let value = SecretValue::new(bytes.to_vec())
            .map_err(|_| wrong("a value that is too long or none"))?;
        let expires_at = match self.expires_at.as_deref() {
            None => None,
            Some(given) => Some(Timestamp::parse(given).ok_or_else(|| {
                wrong("with an `expiresAt` that is no time, such as 2027-03-08T04:12:00Z")
            })?),
        };
        let handle = self.handle.filter(|it| !it.is_empty());
        let is_word = |it: &String| it.len() <= HANDLE_BYTES_MAX && !it.contains(char::is_control);
        if handle.as_ref().is_some_and(|it| !is_word(it)) {
            return Err(wrong("with a `handle` that is too long or has control characters"));
        }
        if handle.as_ref().is_some_and(|it| it.as_bytes() == value.expose()) {
            return Err(wrong("with the value as its `handle`, which is shown to people"));
        }
        Ok(Minted { value, expires_at, handle })
    }
}

/// What a message must not say.
pub(super) struct Unsaid(Vec<Arc<SecretValue>>);

impl Unsaid {
    pub(super) fn of(task: &Task, new: Option<&Credential>, own: &OwnSecrets) -> Self {
        let credentials = [&task.old].into_iter().chain(new).map(|it| &it.value);
        Self(credentials.chain(own.values()).map(Arc::clone).collect())
    }

    /// A message as it may be shown: short, in one line, and only as a whole.
    fn cleaned(&self, message: &str) -> String {
        if self.0.iter().any(|value| is_in(value, message)) {
            return "(its message had a secret in it, and is not shown)".to_owned();
        }
        message.chars().filter(|it| !it.is_control()).take(MESSAGE_CHARS_MAX).collect()
    }
}

/// Whether a value is in a text, as it is or in base64.
fn is_in(value: &SecretValue, text: &str) -> bool {
    let bytes = value.expose();
    let encoded = Encoded::of(bytes);
    let encoded = encoded.0.trim_end_matches('=').as_bytes();
    let holds =
        |part: &[u8]| !part.is_empty() && text.as_bytes().windows(part.len()).any(|it| it == part);
    holds(bytes.trim_ascii()) || holds(encoded)
}

/// A character of one byte takes six where it is escaped.
const ESCAPED_BYTES_MAX: usize = 6;
/// Of a request without its values: names, handles and keys.
const ROOM_BYTES: usize = 16 * 1024;
const MESSAGE_CHARS_MAX: usize = 300;

#[cfg(test)]
mod tests;
