//! Sealed things as stored. None of them tells a secret; all are safe to print.

use crate::{
    aead::{NONCE_BYTES, TAG_BYTES},
    data_key::PLAINTEXT_BYTES_MAX,
    error::EnvelopeError,
    hash::sha256,
    root_key::KekId,
};
use secretref_domain::id::Digest;

/// A plaintext under a data key.
///
/// ```text
/// 0                1         13
/// | algorithm = 1  | nonce   | ciphertext, 0 to 65,536 | tag 16 |
/// ```
///
/// The algorithm is AES-256-GCM with a random nonce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Random, new for every sealing.
    pub nonce: [u8; NONCE_BYTES],
    /// The ciphertext and its tag.
    pub ciphertext: Vec<u8>,
}

impl Sealed {
    /// First byte of the blob.
    pub const ALGORITHM: u8 = 1;

    /// The blob.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut blob = Vec::with_capacity(1 + NONCE_BYTES + self.ciphertext.len());
        blob.push(Self::ALGORITHM);
        blob.extend_from_slice(&self.nonce);
        blob.extend_from_slice(&self.ciphertext);
        blob
    }

    /// Reads a blob of 29 to 65,565 bytes.
    ///
    /// # Errors
    /// [`EnvelopeError::Malformed`] where its length or algorithm is another.
    pub fn from_bytes(blob: &[u8]) -> Result<Self, EnvelopeError> {
        let (algorithm, rest) = blob.split_first().ok_or(malformed("it is empty"))?;
        if *algorithm != Self::ALGORITHM {
            return Err(malformed("its algorithm is unknown to this release"));
        }
        let (nonce, ciphertext) =
            rest.split_first_chunk().ok_or(malformed("it is shorter than its nonce"))?;
        plaintext_bytes(ciphertext)?;
        Ok(Self { nonce: *nonce, ciphertext: ciphertext.to_vec() })
    }

    /// SHA-256 over the blob.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest(sha256(&[&[Self::ALGORITHM], &self.nonce, &self.ciphertext]))
    }

    /// How long the plaintext is, which the ciphertext's length tells.
    pub(crate) fn plaintext_bytes(&self) -> Result<usize, EnvelopeError> {
        plaintext_bytes(&self.ciphertext)
    }
}

fn plaintext_bytes(ciphertext: &[u8]) -> Result<usize, EnvelopeError> {
    match ciphertext.len().checked_sub(TAG_BYTES) {
        None => Err(malformed("it is shorter than its tag")),
        Some(0..=PLAINTEXT_BYTES_MAX) => Ok(ciphertext.len() - TAG_BYTES),
        Some(_) => Err(malformed("it is longer than the longest value")),
    }
}

fn malformed(why: &'static str) -> EnvelopeError {
    EnvelopeError::Malformed { what: "sealed value", why }
}

/// One version of a secret, as the database holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedVersion {
    /// The data key: the blob of a [`WrappedKey`](crate::WrappedKey). Changes with the root key.
    pub wrapped: Vec<u8>,
    /// The value: the blob of a [`Sealed`]. Never changes.
    pub sealed: Vec<u8>,
}

impl SealedVersion {
    /// SHA-256 over the value's blob. It stays the same under a new root key.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest(sha256(&[&self.sealed]))
    }
}

/// The keys of a keyring, as the database holds them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedKeyring {
    /// Id of the root key that wraps them.
    pub kek_id: KekId,
    /// That root key's check value: tells a wrong key from a corrupt row.
    pub check: [u8; 32],
    /// The row-MAC key: the blob of a [`WrappedKey`](crate::WrappedKey).
    pub mac_key: Vec<u8>,
    /// The audit key: the blob of a [`WrappedKey`](crate::WrappedKey).
    pub audit_key: Vec<u8>,
}
