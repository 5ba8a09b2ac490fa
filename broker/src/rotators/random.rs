//! A random value, for secrets that both sides read from here: a webhook's signing key, a password
//! between two services. Nobody has to be told of it, so there is nothing to set and to revoke.
//!
//! | setting | default | |
//! | --- | --- | --- |
//! | `length` | 32 | characters, 1 to 4,096 |
//! | `alphabet` | `alphanumeric` | or `hex`, `base64url`, or 2 to 256 characters of one's own |
//! | `prefix` | nothing | what the value begins with |

use super::{Minted, RotatorError};
use aws_lc_rs::rand::fill;
use secretref_domain::{name::RotatorAlias, rotation::RotatorSpec, value::SecretValue};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

/// How random values are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Random {
    alias: RotatorAlias,
    length: usize,
    alphabet: Vec<char>,
    prefix: String,
}

impl Random {
    pub(super) fn open(alias: &RotatorAlias, spec: &RotatorSpec) -> Result<Self, RotatorError> {
        Self::of(alias, &spec.settings)
    }

    /// The values that a rotator's settings ask for.
    pub(super) fn of(
        alias: &RotatorAlias,
        settings: &Map<String, Value>,
    ) -> Result<Self, RotatorError> {
        let text = |key: &str| settings.get(key).and_then(Value::as_str);
        let length = settings.get("length").and_then(Value::as_u64).unwrap_or(LENGTH_DEFAULT);
        let alphabet: Vec<char> = match text("alphabet").unwrap_or("alphanumeric") {
            "alphanumeric" => ALPHANUMERIC.chars().collect(),
            "hex" => "0123456789abcdef".chars().collect(),
            "base64url" => ALPHANUMERIC.chars().chain(['-', '_']).collect(),
            own => own.chars().collect(),
        };
        let mut distinct = alphabet.clone();
        distinct.sort_unstable();
        distinct.dedup();
        if distinct.len() != alphabet.len() || !(2..=ALPHABET_MAX).contains(&alphabet.len()) {
            let message = "has an alphabet that is none: it has fewer than 2 or more than 256 \
                           characters, or one of them twice";
            let fix = format!("set `secrets.rotators.{alias}.alphabet` and apply again");
            return Err(RotatorError::lasting(alias, message, fix));
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let prefix = text("prefix").unwrap_or_default().to_owned();
        Ok(Self { alias: alias.clone(), length, alphabet, prefix })
    }

    /// A new value.
    ///
    /// # Errors
    /// [`RotatorError`] where the system has no randomness, or the value would be too long.
    pub(super) fn mint(&self) -> Result<Minted, RotatorError> {
        let value = self.draw()?;
        let value = SecretValue::new(value.as_bytes().to_vec()).map_err(|error| {
            let fix = format!("shorten `secrets.rotators.{}.length`", self.alias);
            RotatorError::lasting(&self.alias, format!("made a value that is none: {error}"), fix)
        })?;
        Ok(Minted { value, expires_at: None, handle: None })
    }

    /// The characters of a new value.
    ///
    /// # Errors
    /// [`RotatorError`] where the system has no randomness.
    pub(super) fn draw(&self) -> Result<Zeroizing<String>, RotatorError> {
        let mut value = Zeroizing::new(self.prefix.clone());
        // Room at once: a text that grows leaves its beginning behind.
        value.reserve(self.length.saturating_mul(4));
        for _ in 0..self.length {
            value.push(self.alphabet[self.below(self.alphabet.len())?]);
        }
        Ok(value)
    }

    /// A number below a limit of at most 256, each as likely as any other: what would favour some
    /// is drawn again.
    fn below(&self, limit: usize) -> Result<usize, RotatorError> {
        let fair = 256 / limit * limit;
        loop {
            let mut byte = [0];
            fill(&mut byte).map_err(|_| {
                let (message, fix) = ("got no randomness of the system", "look at the host");
                RotatorError::passing(&self.alias, message, fix)
            })?;
            let drawn = usize::from(byte[0]);
            if drawn < fair {
                return Ok(drawn % limit);
            }
        }
    }
}

const ALPHANUMERIC: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const LENGTH_DEFAULT: u64 = 32;
const ALPHABET_MAX: usize = 256;

#[cfg(test)]
mod tests;
