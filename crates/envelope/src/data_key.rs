//! The data key: a new one for every sealed thing.

use crate::{
    aead::{self, NONCE_BYTES, TAG_BYTES},
    context::Context,
    error::EnvelopeError,
    key_bytes::{KeyBytes, random},
    sealed::Sealed,
};
use secretref_domain::limit::VALUE_BYTES_MAX;
use zeroize::Zeroizing;

/// Longest plaintext that is sealed, in bytes: the longest value of a secret.
pub const PLAINTEXT_BYTES_MAX: usize = VALUE_BYTES_MAX;

/// A data key: 32 random bytes that seal one plaintext. It cannot be printed, cloned or compared,
/// and is overwritten when dropped.
///
/// ```compile_fail
/// let key = secretref_envelope::DataKey::generate().unwrap();
/// println!("{key:?}");
/// ```
/// ```compile_fail
/// let key = secretref_envelope::DataKey::generate().unwrap();
/// let copy = key.clone();
/// ```
pub struct DataKey(KeyBytes);

const WHAT: &str = "sealed value";

impl DataKey {
    /// A new random data key.
    ///
    /// # Errors
    /// [`EnvelopeError::Entropy`].
    pub fn generate() -> Result<Self, EnvelopeError> {
        KeyBytes::random().map(Self)
    }

    pub(crate) fn from_key_bytes(bytes: KeyBytes) -> Self {
        Self(bytes)
    }

    /// The same key once more, for a keyring that takes the place of another.
    pub(crate) fn copy(&self) -> Self {
        Self(KeyBytes::copy_of(self.0.as_ref()))
    }

    pub(crate) fn bytes(&self) -> &KeyBytes {
        &self.0
    }

    /// Seals up to [`PLAINTEXT_BYTES_MAX`] bytes for their place, under a random nonce.
    ///
    /// # Errors
    /// [`EnvelopeError::TooLong`], [`EnvelopeError::EmptyContext`], [`EnvelopeError::Entropy`] or
    /// [`EnvelopeError::Cipher`].
    pub fn seal(&self, plaintext: &[u8], context: &Context) -> Result<Sealed, EnvelopeError> {
        self.seal_with_nonce(plaintext, context, random()?)
    }

    fn seal_with_nonce(
        &self,
        plaintext: &[u8],
        context: &Context,
        nonce: [u8; NONCE_BYTES],
    ) -> Result<Sealed, EnvelopeError> {
        if plaintext.len() > PLAINTEXT_BYTES_MAX {
            let bytes = plaintext.len();
            return Err(EnvelopeError::TooLong { bytes, max: PLAINTEXT_BYTES_MAX });
        }
        let aad = context.sealing_aad()?;
        let mut ciphertext = vec![0; plaintext.len() + TAG_BYTES];
        aead::seal(&self.0, nonce, &aad, plaintext, &mut ciphertext)?;
        Ok(Sealed { nonce, ciphertext })
    }

    /// Opens what was sealed for this place, into a buffer of exactly the plaintext's length, so
    /// that nothing grows and leaves a copy behind.
    ///
    /// # Errors
    /// [`EnvelopeError::Refused`] where it was changed or moved, or another key sealed it;
    /// [`EnvelopeError::Malformed`] where it is too short or too long;
    /// [`EnvelopeError::EmptyContext`].
    pub fn open(
        &self,
        sealed: &Sealed,
        context: &Context,
    ) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
        let aad = context.sealing_aad()?;
        let mut plaintext = Zeroizing::new(vec![0; sealed.plaintext_bytes()?]);
        aead::open(&self.0, sealed.nonce, &aad, &sealed.ciphertext, &mut plaintext)
            .map_err(|error| error.of(WHAT))?;
        Ok(plaintext)
    }
}

#[cfg(test)]
mod tests;
