//! The root key: the one key that is never in the database.

use crate::{
    aead,
    context::Context,
    data_key::DataKey,
    derivation::{Derived, hkdf},
    error::EnvelopeError,
    key_bytes::{KEY_BYTES, KeyBytes, random},
    wrapped::WrappedKey,
};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use std::{fmt, str::FromStr};
use uuid::{Builder, Uuid};
use zeroize::Zeroizing;

/// Id of a root key: random, never used again, no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KekId(pub Uuid);

impl fmt::Display for KekId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for KekId {
    type Err = uuid::Error;
    fn from_str(given: &str) -> Result<Self, uuid::Error> {
        Uuid::parse_str(given).map(Self)
    }
}

/// A root key: 32 random bytes and an id. It cannot be printed, cloned or compared, and is
/// overwritten when dropped.
///
/// ```compile_fail
/// let key = secretref_envelope::RootKey::generate().unwrap();
/// println!("{key:?}");
/// ```
/// ```compile_fail
/// let key = secretref_envelope::RootKey::generate().unwrap();
/// let copy = key.clone();
/// ```
pub struct RootKey {
    id: KekId,
    bytes: KeyBytes,
}

const WRAP_LABEL: &[u8] = b"secretref/v1/wrap";
const CHECK_LABEL: &[u8] = b"secretref/v1/check";
const WHAT: &str = "wrapped key";

impl RootKey {
    /// A new random root key under a new random id.
    ///
    /// # Errors
    /// [`EnvelopeError::Entropy`].
    pub fn generate() -> Result<Self, EnvelopeError> {
        let id = KekId(Builder::from_random_bytes(random()?).into_uuid());
        Ok(Self { id, bytes: KeyBytes::random()? })
    }

    /// A root key from its bytes, such as a key service gives back.
    #[must_use]
    pub fn from_bytes(id: KekId, bytes: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        Self { id, bytes: KeyBytes::copy_of(&bytes) }
    }

    /// A root key from bytes that have their place already.
    pub(crate) fn from_key_bytes(id: KekId, bytes: KeyBytes) -> Self {
        Self { id, bytes }
    }

    /// The same key once more, for a keyring that takes the place of another.
    pub(crate) fn copy(&self) -> Self {
        Self { id: self.id, bytes: KeyBytes::copy_of(self.bytes.as_ref()) }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> KekId {
        self.id
    }

    /// The bytes, for a slot to keep.
    pub(crate) fn bytes(&self) -> &KeyBytes {
        &self.bytes
    }

    /// A value that only this key gives and that tells nothing of it. Stored beside what the key
    /// wraps, it tells a wrong key from a corrupt row:
    /// HKDF-SHA-256(key, salt = id, info = "secretref/v1/check").
    #[must_use]
    pub fn check_value(&self) -> [u8; 32] {
        let mut check = [0; 32];
        hkdf(&self.bytes, self.id.0.as_bytes(), &[CHECK_LABEL], &mut check);
        check
    }

    /// Whether a stored check value is this key's; compared in constant time.
    #[must_use]
    pub fn matches(&self, check: &[u8]) -> bool {
        verify_slices_are_equal(&self.check_value(), check).is_ok()
    }

    /// Seals a data key for its place.
    ///
    /// # Errors
    /// [`EnvelopeError::EmptyContext`], [`EnvelopeError::Entropy`] or [`EnvelopeError::Cipher`].
    pub fn wrap(&self, key: &DataKey, context: &Context) -> Result<WrappedKey, EnvelopeError> {
        self.wrap_with_salt(key, context, random()?)
    }

    fn wrap_with_salt(
        &self,
        key: &DataKey,
        context: &Context,
        salt: [u8; 32],
    ) -> Result<WrappedKey, EnvelopeError> {
        let aad = context.wrapping_aad(self.id)?;
        let derived = Derived::from_key(&self.bytes, &salt, &[WRAP_LABEL, &aad]);
        let mut ciphertext = [0; KEY_BYTES + aead::TAG_BYTES];
        let plaintext = key.bytes().as_ref();
        aead::seal(&derived.key, aead::NONCE_ZERO, &aad, plaintext, &mut ciphertext)?;
        Ok(WrappedKey { kek_id: self.id, salt, commit: derived.commit, ciphertext })
    }

    /// Opens a data key that was wrapped for this place.
    ///
    /// # Errors
    /// [`EnvelopeError::WrongKey`] where another root key wrapped it, [`EnvelopeError::Refused`]
    /// where it was changed or moved, [`EnvelopeError::EmptyContext`].
    pub fn unwrap_key(
        &self,
        wrapped: &WrappedKey,
        context: &Context,
    ) -> Result<DataKey, EnvelopeError> {
        if wrapped.kek_id != self.id {
            return Err(EnvelopeError::WrongKey { wanted: wrapped.kek_id });
        }
        let aad = context.wrapping_aad(self.id)?;
        let derived = Derived::from_key(&self.bytes, &wrapped.salt, &[WRAP_LABEL, &aad]);
        // Before decrypting: AES-GCM alone does not say under which key a text was sealed.
        if !derived.commits_to(&wrapped.commit) {
            return Err(EnvelopeError::Refused { what: WHAT });
        }
        let mut bytes = KeyBytes::zeroed();
        aead::open(&derived.key, aead::NONCE_ZERO, &aad, &wrapped.ciphertext, bytes.as_mut())
            .map_err(|error| error.of(WHAT))?;
        Ok(DataKey::from_key_bytes(bytes))
    }
}

#[cfg(test)]
mod tests;
