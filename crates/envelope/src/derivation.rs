//! Keys made from keys and from passphrases.

use crate::{
    error::EnvelopeError,
    key_bytes::{KEY_BYTES, KeyBytes},
};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    hkdf::{HKDF_SHA256, KeyType, Salt},
};
use zeroize::Zeroizing;

/// Length of a commitment, in bytes.
pub(crate) const COMMIT_BYTES: usize = 32;

/// A key for one sealing, and its commitment: a string that only this key comes with. It is stored
/// and compared before opening, because one ciphertext of AES-GCM can be made that opens under two
/// keys (the AWS Encryption SDK commits in the same way).
///
/// ```text
/// | key: 32 | commitment: 32 |      the 64 bytes that HKDF or Argon2id gives
/// ```
pub(crate) struct Derived {
    pub(crate) key: KeyBytes,
    pub(crate) commit: [u8; COMMIT_BYTES],
}

impl Derived {
    /// HKDF-SHA-256 (RFC 5869) over a key.
    pub(crate) fn from_key(key: &KeyBytes, salt: &[u8], info: &[&[u8]]) -> Self {
        let mut output = Zeroizing::new([0; KEY_BYTES + COMMIT_BYTES]);
        hkdf(key, salt, info, output.as_mut_slice());
        Self::split(&output)
    }

    /// Argon2id (RFC 9106), version 0x13, with 64 MiB, 3 passes and 1 lane.
    ///
    /// # Errors
    /// [`EnvelopeError::Cipher`] where the host has not that much memory.
    pub(crate) fn from_passphrase(passphrase: &[u8], salt: &[u8]) -> Result<Self, EnvelopeError> {
        let mut output = Zeroizing::new([0; KEY_BYTES + COMMIT_BYTES]);
        let params = Params::new(ARGON2_KIB, ARGON2_PASSES, ARGON2_LANES, Some(output.len()))
            .map_err(|_| EnvelopeError::Cipher)?;
        // Ours and not the crate's own, which gives the blocks back without overwriting them.
        let mut memory = Zeroizing::new(Vec::new());
        memory.try_reserve_exact(params.block_count()).map_err(|_| EnvelopeError::Cipher)?;
        memory.resize(params.block_count(), Block::new());
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(
                passphrase,
                salt,
                output.as_mut_slice(),
                memory.as_mut_slice(),
            )
            .map_err(|_| EnvelopeError::Cipher)?;
        Ok(Self::split(&output))
    }

    /// Whether the commitment is this one, in a time that does not tell where they differ.
    pub(crate) fn commits_to(&self, commit: &[u8]) -> bool {
        verify_slices_are_equal(&self.commit, commit).is_ok()
    }

    fn split(output: &[u8; KEY_BYTES + COMMIT_BYTES]) -> Self {
        let (key_part, commit_part) = output.split_at(KEY_BYTES);
        let mut derived = Self { key: KeyBytes::zeroed(), commit: [0; COMMIT_BYTES] };
        derived.key.as_mut().copy_from_slice(key_part);
        derived.commit.copy_from_slice(commit_part);
        derived
    }
}

/// Memory of Argon2id, in KiB.
const ARGON2_KIB: u32 = 64 * 1024;
/// Passes of Argon2id over its memory.
const ARGON2_PASSES: u32 = 3;
/// Lanes of Argon2id.
const ARGON2_LANES: u32 = 1;
/// The three, as a slot's text names them.
pub(crate) const ARGON2_PARAMETERS: &str = "m=65536,t=3,p=1";

/// HKDF-SHA-256 (RFC 5869), extract and expand, into at most 64 bytes.
pub(crate) fn hkdf(key: &KeyBytes, salt: &[u8], info: &[&[u8]], output: &mut [u8]) {
    Salt::new(HKDF_SHA256, salt)
        .extract(key.as_ref())
        .expand(info, OutputBytes(output.len()))
        .and_then(|okm| okm.fill(output))
        .expect("HKDF-SHA-256 gives up to 8,160 bytes, and at most 64 are asked of it");
}

struct OutputBytes(usize);

impl KeyType for OutputBytes {
    fn len(&self) -> usize {
        self.0
    }
}
