//! AES-256-GCM over byte slices (NIST SP 800-38D, tag of 16 bytes).

use crate::{error::EnvelopeError, key_bytes::KeyBytes};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroize;

/// Length of a nonce, in bytes.
pub(crate) const NONCE_BYTES: usize = 12;
/// Length of a tag, in bytes.
pub(crate) const TAG_BYTES: usize = 16;
/// The nonce of a key that is derived with a random salt and so seals once.
pub(crate) const NONCE_ZERO: [u8; NONCE_BYTES] = [0; NONCE_BYTES];

/// Why nothing was opened.
pub(crate) enum OpenError {
    /// The tag is another: wrong key, wrong AAD, or changed bytes.
    Tag,
    /// The cipher could not be set up.
    Cipher,
}

impl OpenError {
    /// The same, as an error about `what`.
    pub(crate) fn of(self, what: &'static str) -> EnvelopeError {
        match self {
            Self::Tag => EnvelopeError::Refused { what },
            Self::Cipher => EnvelopeError::Cipher,
        }
    }
}

/// Seals `plaintext` into `sealed`, which is longer by the tag.
///
/// The plaintext goes from its place straight into ciphertext; no copy of it is made.
pub(crate) fn seal(
    key: &KeyBytes,
    nonce: [u8; NONCE_BYTES],
    aad: &[u8],
    plaintext: &[u8],
    sealed: &mut [u8],
) -> Result<(), EnvelopeError> {
    let (ciphertext, tag) =
        sealed.split_at_mut_checked(plaintext.len()).ok_or(EnvelopeError::Cipher)?;
    cipher(key)
        .ok_or(EnvelopeError::Cipher)?
        .seal_out_of_place_scatter(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(aad),
            plaintext,
            ciphertext,
            &[],
            tag,
        )
        .map_err(|_| EnvelopeError::Cipher)
}

/// Opens `sealed` (ciphertext, then tag) into `plaintext`, which is shorter by the tag. Where the
/// tag is another, `plaintext` is zeros: nothing that was not authenticated is ever seen.
pub(crate) fn open(
    key: &KeyBytes,
    nonce: [u8; NONCE_BYTES],
    aad: &[u8],
    sealed: &[u8],
    plaintext: &mut [u8],
) -> Result<(), OpenError> {
    let (ciphertext, tag) = sealed.split_at_checked(plaintext.len()).ok_or(OpenError::Tag)?;
    let opened = cipher(key).ok_or(OpenError::Cipher)?.open_separate_gather(
        Nonce::assume_unique_for_key(nonce),
        Aad::from(aad),
        ciphertext,
        tag,
        plaintext,
    );
    opened.map_err(|_| {
        plaintext.zeroize();
        OpenError::Tag
    })
}

fn cipher(key: &KeyBytes) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, key.as_ref()).ok().map(LessSafeKey::new)
}
