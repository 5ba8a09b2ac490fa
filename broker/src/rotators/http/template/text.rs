//! Secrets in a template: printed, filtered and signed with, without a copy that nobody overwrites.

use crate::rotators::way_out::Wiped;
use aws_lc_rs::{rand::SystemRandom, rsa::KeyPair, signature::RSA_PKCS1_SHA256};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use minijinja::{
    Error, ErrorKind, Output, Value,
    value::{Kwargs, Object, ObjectRepr},
};
use rustls_pki_types::{PrivateKeyDer, pem::PemObject};
use secretref_domain::value::SecretValue;
use std::{fmt, sync::Arc};
use zeroize::Zeroizing;

/// Text that holds a secret, whole or changed by a filter. Overwritten when dropped.
pub(super) struct Text(Zeroizing<String>);

impl Text {
    /// Copies a value, where it is text.
    pub(super) fn copy(value: &SecretValue) -> Option<Value> {
        let text = std::str::from_utf8(value.expose()).ok()?;
        Some(Self::of(text.to_owned()))
    }

    fn of(text: String) -> Value {
        Value::from_object(Self(Zeroizing::new(text)))
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

/// With everything but letters, digits and `-._~` as `%XX`.
pub(super) fn urlencode(value: &Value) -> Result<Value, Error> {
    with_text(value, |text| {
        let mut encoded = String::with_capacity(text.len() * URL_BYTES_PER_BYTE_MAX);
        for byte in text.bytes() {
            match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                true => encoded.push(char::from(byte)),
                false => {
                    encoded.push('%');
                    for digit in [byte >> 4, byte & 15] {
                        encoded.push(char::from(b"0123456789ABCDEF"[usize::from(digit)]));
                    }
                }
            }
        }
        Text::of(encoded)
    })
}

pub(super) fn base64(value: &Value) -> Result<Value, Error> {
    with_text(value, |text| Text::of(STANDARD.encode(text)))
}

/// User and password as `Authorization` has them.
pub(super) fn basic(user: &Value, password: &Value) -> Result<Value, Error> {
    with_text(user, |user| {
        with_text(password, |password| {
            let mut pair = Zeroizing::new(String::with_capacity(user.len() + password.len() + 1));
            for part in [user, ":", password] {
                pair.push_str(part);
            }
            let encoded = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
            Text::of(format!("Basic {}", encoded.as_str()))
        })
    })?
}

/// As a JSON string, with its quotes.
pub(super) fn json(value: &Value) -> Result<Value, Error> {
    with_text(value, |text| {
        // Room for all of it from the start: a buffer that grows leaves copies behind.
        let mut quoted = Vec::with_capacity(text.len() * JSON_BYTES_PER_BYTE_MAX + 2);
        let written = serde_json::to_writer(&mut quoted, text);
        debug_assert!(written.is_ok(), "a string always becomes JSON in memory");
        Text::of(String::from_utf8(quoted).unwrap_or_default())
    })
}

/// The text at a pointer (RFC 6901) into a value that is JSON.
pub(super) fn pointer(value: &Value, at: &str) -> Result<Value, Error> {
    let found = with_text(value, |text| {
        let mut json = Wiped::read(text.as_bytes())?;
        match json.0.pointer_mut(at).map(serde_json::Value::take)? {
            serde_json::Value::String(found) => Some(Text::of(found)),
            _ => None,
        }
    })?;
    found.ok_or_else(|| complaint(NO_TEXT_THERE))
}

/// A JSON Web Token of these claims, signed with RSA and SHA-256.
pub(super) fn jwt_rs256(key: &Value, claims: Kwargs) -> Result<Value, Error> {
    let mut body = serde_json::Map::new();
    let names: Vec<String> = claims.args().map(str::to_owned).collect();
    for name in names {
        let claim: Value = claims.get(&name)?;
        let claim = match (claim.as_i64(), claim.as_str()) {
            (Some(number), _) => serde_json::Value::from(number),
            (None, Some(text)) => serde_json::Value::from(text),
            (None, None) => return Err(complaint(NO_CLAIM)),
        };
        body.insert(name, claim);
    }
    claims.assert_all_used()?;
    let body = serde_json::Value::Object(body).to_string();
    let signed = [HEADER, &body].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    let signature = with_text(key, |pem| {
        let key = match PrivateKeyDer::from_pem_slice(pem.as_bytes()).ok()? {
            PrivateKeyDer::Pkcs1(key) => KeyPair::from_der(key.secret_pkcs1_der()).ok()?,
            PrivateKeyDer::Pkcs8(key) => KeyPair::from_pkcs8(key.secret_pkcs8_der()).ok()?,
            _ => return None,
        };
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .ok()?;
        Some(URL_SAFE_NO_PAD.encode(signature))
    })?;
    let signature = signature.ok_or_else(|| complaint(NO_KEY))?;
    Ok(Text::of(format!("{signed}.{signature}")))
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

fn complaint(why: &'static str) -> Error {
    Error::new(ErrorKind::InvalidOperation, why)
}

const NO_KEY: &str = "the key is no PEM of an RSA key";
const NO_CLAIM: &str = "a claim is neither a text of the file nor a number";
const NO_TEXT_THERE: &str = "the value is no JSON with a text at this pointer";
/// Every error of ours, none of which says anything of a value.
pub(super) const COMPLAINTS: [&str; 3] = [NO_KEY, NO_CLAIM, NO_TEXT_THERE];

const HEADER: &str = "{\"alg\":\"RS256\",\"typ\":\"JWT\"}";
/// `%00` for one byte.
const URL_BYTES_PER_BYTE_MAX: usize = 3;
/// `\u0000` for one byte.
const JSON_BYTES_PER_BYTE_MAX: usize = 6;
