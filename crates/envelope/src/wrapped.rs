//! A data key, sealed by a root key: as stored.

use crate::{
    aead::TAG_BYTES, derivation::COMMIT_BYTES, error::EnvelopeError, key_bytes::KEY_BYTES,
    root_key::KekId,
};
use uuid::Uuid;

/// A data key under a root key. Safe to print and to store.
///
/// ```text
/// 0                1          17       49           81                   129
/// | algorithm = 2  | kek id   | salt   | commitment | data key 32 + tag 16 |
/// ```
///
/// The algorithm is HKDF-SHA-256 into a key and its commitment, then AES-256-GCM with the nonce
/// zero. It is not [`Sealed::ALGORITHM`](crate::Sealed::ALGORITHM), so neither blob is ever taken
/// for the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// Id of the root key.
    pub kek_id: KekId,
    /// Random, new for every wrap.
    pub salt: [u8; 32],
    /// Commitment to the derived wrap key.
    pub commit: [u8; COMMIT_BYTES],
    /// The sealed data key and its tag.
    pub ciphertext: [u8; KEY_BYTES + TAG_BYTES],
}

impl WrappedKey {
    /// First byte of the blob.
    pub const ALGORITHM: u8 = 2;
    /// Length of the blob, in bytes.
    pub const BYTES: usize = 129;

    /// The blob.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut blob = Vec::with_capacity(Self::BYTES);
        blob.push(Self::ALGORITHM);
        blob.extend_from_slice(self.kek_id.0.as_bytes());
        blob.extend_from_slice(&self.salt);
        blob.extend_from_slice(&self.commit);
        blob.extend_from_slice(&self.ciphertext);
        blob
    }

    /// Reads a blob of exactly [`WrappedKey::BYTES`].
    ///
    /// # Errors
    /// [`EnvelopeError::Malformed`] where its length or algorithm is another.
    pub fn from_bytes(blob: &[u8]) -> Result<Self, EnvelopeError> {
        let malformed = |why| EnvelopeError::Malformed { what: "wrapped key", why };
        let (algorithm, rest) = blob.split_first().ok_or(malformed("it is empty"))?;
        if *algorithm != Self::ALGORITHM {
            return Err(malformed("its algorithm is unknown to this release"));
        }
        Self::from_fields(rest).ok_or(malformed("it has not 129 bytes"))
    }

    fn from_fields(rest: &[u8]) -> Option<Self> {
        let (kek_id, rest) = rest.split_first_chunk()?;
        let (salt, rest) = rest.split_first_chunk()?;
        let (commit, rest) = rest.split_first_chunk()?;
        let ciphertext = rest.try_into().ok()?;
        let kek_id = KekId(Uuid::from_bytes(*kek_id));
        Some(Self { kek_id, salt: *salt, commit: *commit, ciphertext })
    }
}
