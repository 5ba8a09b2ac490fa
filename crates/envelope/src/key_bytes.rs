//! The 32 bytes of a key, at one place in memory.

use crate::error::EnvelopeError;
use zeroize::Zeroize;

/// How long every key is, in bytes.
pub(crate) const KEY_BYTES: usize = 32;

/// The bytes of a key. They live on the heap, so that moving a key copies a pointer and leaves no
/// second copy behind on the stack; they are overwritten when dropped.
pub(crate) struct KeyBytes(Box<[u8; KEY_BYTES]>);

impl KeyBytes {
    /// A place for a key, to be filled with [`KeyBytes::as_mut`].
    pub(crate) fn zeroed() -> Self {
        Self(Box::new([0; KEY_BYTES]))
    }

    /// A copy of the bytes given, which the caller overwrites.
    pub(crate) fn copy_of(bytes: &[u8; KEY_BYTES]) -> Self {
        let mut key = Self::zeroed();
        key.as_mut().copy_from_slice(bytes);
        key
    }

    /// A new random key.
    pub(crate) fn random() -> Result<Self, EnvelopeError> {
        let mut key = Self::zeroed();
        aws_lc_rs::rand::fill(key.as_mut()).map_err(|_| EnvelopeError::Entropy)?;
        Ok(key)
    }

    pub(crate) fn as_mut(&mut self) -> &mut [u8; KEY_BYTES] {
        &mut self.0
    }

    pub(crate) fn as_ref(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl Drop for KeyBytes {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Random bytes that are no secret: a salt, a nonce, an id.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], EnvelopeError> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| EnvelopeError::Entropy)?;
    Ok(bytes)
}
