//! When a credential ends, as it says itself: it is read, so that nobody has to type it.
//!
//! | value | its end |
//! | --- | --- |
//! | a JSON Web Token (RFC 7519), signed | `exp` of its payload |
//! | a session of AWS STS, as JSON | the `Expiration` beside its `AccessKeyId` |
//! | certificates in PEM | read by who may read certificates |
//!
//! Nothing is verified: a value that lies about its own end harms itself alone. What is not
//! exactly of one of these forms has no end of its own.

use crate::{clock::Timestamp, limit::VALUE_BYTES_MAX};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, de::IgnoredAny};
use std::fmt;
use zeroize::Zeroizing;

/// The end that a value says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnExpiry {
    /// What it is.
    pub form: Form,
    /// When it stops being valid.
    pub at: Timestamp,
}

/// What says its own end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A JSON Web Token.
    Jwt,
    /// Temporary credentials of AWS STS.
    StsSession,
    /// A certificate, or a chain of them: the first to end counts.
    Certificate,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Jwt => "JSON Web Token",
            Self::StsSession => "session of AWS STS",
            Self::Certificate => "certificate",
        })
    }
}

impl OwnExpiry {
    /// Reads the end of a token or a session; none where the bytes are neither, or have no end.
    #[must_use]
    pub fn of(value: &[u8]) -> Option<Self> {
        let value = (value.len() <= VALUE_BYTES_MAX).then_some(value)?;
        // `put` keeps the line end of what writes a token.
        let text = str::from_utf8(value).ok()?.trim_ascii();
        let (form, at) = match text.starts_with('{') {
            true => (Form::StsSession, session_end(text)?),
            false => (Form::Jwt, token_end(text)?),
        };
        Some(Self { form, at })
    }

    /// An end in seconds since the epoch; none where that is before it, or so far away that it
    /// means no end (RFC 5280, section 4.1.2.5).
    #[must_use]
    pub fn in_seconds(form: Form, seconds: i64) -> Option<Self> {
        let sound = (1..NO_END_SECONDS).contains(&seconds);
        sound.then(|| Self { form, at: Timestamp::from_micros(seconds * 1_000_000) })
    }
}

#[derive(Deserialize)]
struct Header {
    /// Every token names its algorithm (RFC 7515, section 4.1.1).
    #[serde(rename = "alg")]
    _alg: String,
}

#[derive(Deserialize)]
struct Claims {
    exp: serde_json::Number,
}

/// What `aws sts` prints, or a part of it: as programs hand credentials to the SDKs.
#[derive(Deserialize)]
struct Session {
    #[serde(rename = "Credentials")]
    credentials: Option<Keys>,
    #[serde(rename = "AccessKeyId")]
    access_key_id: Option<IgnoredAny>,
    #[serde(rename = "Expiration")]
    expiration: Option<String>,
}

#[derive(Deserialize)]
struct Keys {
    #[serde(rename = "AccessKeyId")]
    _access_key_id: IgnoredAny,
    #[serde(rename = "Expiration")]
    expiration: String,
}

fn token_end(text: &str) -> Option<Timestamp> {
    let mut parts = text.split('.');
    let (header, claims, signature) = (parts.next()?, parts.next()?, parts.next()?);
    let signed = parts.next().is_none() && !signature.is_empty();
    let is_base64url = |it: u8| it.is_ascii_alphanumeric() || it == b'-' || it == b'_';
    if !signed || !signature.bytes().all(is_base64url) {
        return None;
    }
    let _: Header = object(header)?;
    let Claims { exp } = object(claims)?;
    let seconds = match exp.as_i64() {
        Some(seconds) => seconds,
        // A fraction is allowed (RFC 7519, section 2); a saturating cast keeps it in bounds.
        None => exp.as_f64()?.floor() as i64,
    };
    Some(OwnExpiry::in_seconds(Form::Jwt, seconds)?.at)
}

/// A part of a token. What else is in it is passed over, however deep, and nothing is kept.
fn object<T: for<'de> Deserialize<'de>>(part: &str) -> Option<T> {
    let json = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.decode(part).ok()?);
    // An array would be read as the fields in their order.
    json.trim_ascii_start().starts_with(b"{").then(|| serde_json::from_slice(&json).ok())?
}

fn session_end(text: &str) -> Option<Timestamp> {
    let session: Session = serde_json::from_str(text).ok()?;
    let expiration = match session.credentials {
        Some(keys) => keys.expiration,
        None => session.access_key_id.and(session.expiration)?,
    };
    // A date alone is not what AWS says.
    let at = Timestamp::parse(&expiration).filter(|_| expiration.contains('T'))?;
    OwnExpiry::in_seconds(Form::StsSession, at.as_micros().div_euclid(1_000_000)).map(|_| at)
}

/// The year 9999, in seconds since the epoch.
const NO_END_SECONDS: i64 = 253_370_764_800;

#[cfg(test)]
mod tests;
