//! The passphrase slot.

use super::{
    SlotError,
    document::{Document, Draft},
};
use crate::{
    aead::{self, OpenError, TAG_BYTES},
    derivation::{ARGON2_PARAMETERS, COMMIT_BYTES, Derived},
    error::EnvelopeError,
    framing,
    key_bytes::{KEY_BYTES, KeyBytes, random},
    root_key::{KekId, RootKey},
};

/// Shortest passphrase of a new slot, in bytes.
pub const PASSPHRASE_BYTES_MIN: usize = 12;
/// Longest passphrase, in bytes.
pub const PASSPHRASE_BYTES_MAX: usize = 1024;

const SALT_BYTES: usize = 16;
const LABEL: &[u8] = b"secretref/v1/slot";

/// A root key under a passphrase, as read from a slot.
#[derive(Debug)]
pub struct SealedRootKey {
    kek_id: KekId,
    salt: [u8; SALT_BYTES],
    commit: [u8; COMMIT_BYTES],
    ciphertext: [u8; KEY_BYTES + TAG_BYTES],
}

impl SealedRootKey {
    pub(super) fn kek_id(&self) -> KekId {
        self.kek_id
    }

    pub(super) fn parse(mut document: Document<'_>) -> Result<Self, SlotError> {
        let mut sealed = Self {
            kek_id: document.kek_id()?,
            salt: [0; SALT_BYTES],
            commit: [0; COMMIT_BYTES],
            ciphertext: [0; KEY_BYTES + TAG_BYTES],
        };
        // Version 1 has these parameters and no other, so no text can ask for a weak derivation
        // or for all of the host's memory.
        let why = "`argon2id: m=65536,t=3,p=1` belongs here";
        if document.field("argon2id: ", why)? != ARGON2_PARAMETERS {
            return Err(document.malformed(why));
        }
        let why = "`salt: ` and 16 bytes in base64 belong here";
        document.base64("salt: ", why, &mut sealed.salt)?;
        let why = "`commit: ` and 32 bytes in base64 belong here";
        document.base64("commit: ", why, &mut sealed.commit)?;
        let why = "`sealed: ` and 48 bytes in base64 belong here";
        document.base64("sealed: ", why, &mut sealed.ciphertext)?;
        document.end()?;
        Ok(sealed)
    }

    pub(super) fn unlock(&self, passphrase: &[u8]) -> Result<RootKey, SlotError> {
        // A slot was never written with a longer one; nothing is derived from it.
        if passphrase.len() > PASSPHRASE_BYTES_MAX {
            return Err(SlotError::WrongPassphrase);
        }
        let derived = Derived::from_passphrase(passphrase, &self.salt).map_err(SlotError::Host)?;
        if !derived.commits_to(&self.commit) {
            return Err(SlotError::WrongPassphrase);
        }
        let mut bytes = KeyBytes::zeroed();
        let aad = aad(self.kek_id, &self.salt);
        aead::open(&derived.key, aead::NONCE_ZERO, &aad, &self.ciphertext, bytes.as_mut())
            .map_err(|error| match error {
                OpenError::Tag => SlotError::Malformed {
                    line: SEALED_LINE,
                    why: "the passphrase is right, and the sealed key or its id was changed",
                },
                OpenError::Cipher => SlotError::Host(EnvelopeError::Cipher),
            })?;
        Ok(RootKey::from_key_bytes(self.kek_id, bytes))
    }
}

/// Line of `sealed: `.
const SEALED_LINE: usize = 7;

/// The text of a passphrase slot, under a new random salt. It tells nothing without the
/// passphrase.
///
/// # Errors
/// [`SlotError::PassphraseLength`] outside of [`PASSPHRASE_BYTES_MIN`] to
/// [`PASSPHRASE_BYTES_MAX`]; [`SlotError::Host`].
pub fn write_passphrase_slot(root: &RootKey, passphrase: &[u8]) -> Result<String, SlotError> {
    write_with_salt(root, passphrase, random().map_err(SlotError::Host)?)
}

pub(super) fn write_with_salt(
    root: &RootKey,
    passphrase: &[u8],
    salt: [u8; SALT_BYTES],
) -> Result<String, SlotError> {
    if !(PASSPHRASE_BYTES_MIN..=PASSPHRASE_BYTES_MAX).contains(&passphrase.len()) {
        return Err(SlotError::PassphraseLength(passphrase.len()));
    }
    let derived = Derived::from_passphrase(passphrase, &salt).map_err(SlotError::Host)?;
    let mut ciphertext = [0; KEY_BYTES + TAG_BYTES];
    let aad = aad(root.id(), &salt);
    let plaintext = root.bytes().as_ref();
    aead::seal(&derived.key, aead::NONCE_ZERO, &aad, plaintext, &mut ciphertext)
        .map_err(SlotError::Host)?;
    let mut draft = Draft::new("passphrase", root.id());
    draft.line("argon2id: ", ARGON2_PARAMETERS);
    draft.base64("salt: ", &salt);
    draft.base64("commit: ", &derived.commit);
    draft.base64("sealed: ", &ciphertext);
    Ok(draft.finish().to_string())
}

fn aad(kek_id: KekId, salt: &[u8; SALT_BYTES]) -> Vec<u8> {
    let mut aad = Vec::new();
    for part in [LABEL, kek_id.0.as_bytes(), ARGON2_PARAMETERS.as_bytes(), salt] {
        framing::push(&mut aad, part);
    }
    aad
}
